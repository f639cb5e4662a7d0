import { expect } from 'chai'
import fc from 'fast-check'
import { Drain, type DrainedConsumer, type DrainPurpose, reasonGivingUp } from '../../src/connection/drain.js'
import { nameRunner } from '../../src/connection/handler-caller.js'
import { CloseTimeoutError, TransportError } from '../../src/index.js'
import { VirtualClock } from '../support/virtual-clock.js'

/** A consumer with handlers that the test ends. */
class FakeConsumer implements DrainedConsumer {
  readonly runners = new Set<string>()
  readonly drains = new Set<Drain>()
  ended = true

  constructor(...runners: string[]) {
    for (const runner of runners) this.runners.add(runner)
  }

  running(excused: ReadonlySet<string>): number {
    return [...this.runners].filter(runner => !excused.has(runner)).length
  }

  isDone(excused: ReadonlySet<string>): boolean {
    return this.ended && this.running(excused) === 0
  }

  join(drain: Drain): void {
    this.drains.add(drain)
  }

  leave(drain: Drain): void {
    this.drains.delete(drain)
  }

  endHandler(runner: string): void {
    this.runners.delete(runner)
    for (const drain of this.drains) drain.look(this, runner)
  }

  end(): void {
    this.ended = true
    for (const drain of this.drains) drain.look(this)
  }
}

/** A handler that has begun, and can call. */
class FakeHandler {
  readonly name: string
  readonly #run: (call: () => void) => Promise<void>

  constructor(consumer?: FakeConsumer) {
    this.#run = async call => call()
    this.name = nameRunner(this.#run)
    consumer?.runners.add(this.name)
  }

  call(call: () => void): void {
    void this.#run(call)
  }
}

describe('Drain', () => {
  let clock: VirtualClock
  let outcomes: number[]

  beforeEach(() => {
    clock = new VirtualClock()
    outcomes = []
  })

  function drain(limitMs: number, ...consumers: FakeConsumer[]): Drain {
    return drainTo('close', limitMs, ...consumers)
  }

  function drainTo(purpose: DrainPurpose, limitMs: number, ...consumers: FakeConsumer[]): Drain {
    const begun = new Drain(clock, purpose, abandoned => outcomes.push(abandoned))
    begun.begin(consumers, limitMs)
    return begun
  }

  it('is over at once when there is nothing to wait for, and leaves no timer', () => {
    const idle = new FakeConsumer()
    drain(100)
    drain(100, idle)
    expect(outcomes).to.deep.equal([0, 0])
    expect(clock.timers).to.deep.equal([])
    expect(idle.drains.size).to.equal(0)
  })

  it('is over when the last handler has ended and the last consumer too', () => {
    const one = new FakeConsumer('a', 'b')
    const other = new FakeConsumer('c')
    other.ended = false
    drain(100, one, other)
    one.endHandler('a')
    other.endHandler('c')
    one.endHandler('b')
    expect(outcomes).to.deep.equal([])
    other.end()
    expect(outcomes).to.deep.equal([0])
    expect(clock.timers).to.deep.equal([])
    expect(one.drains.size + other.drains.size).to.equal(0)
  })

  it('gives up at its limit, and says how many handlers ran', async () => {
    const one = new FakeConsumer('a', 'b')
    const other = new FakeConsumer('c')
    drain(100, one, other)
    one.endHandler('a')
    await clock.advance(99)
    expect(outcomes).to.deep.equal([])
    await clock.advance(1)
    expect(outcomes).to.deep.equal([2])
    expect(clock.timers).to.deep.equal([])
    one.endHandler('b')
    other.endHandler('c')
    expect(outcomes).to.deep.equal([2])
  })

  it('lets what came while the event loop was blocked count before it gives up', async () => {
    const consumer = new FakeConsumer('a')
    drain(100, consumer)
    clock.stall(5_000)
    // Node runs the timer first, and reads the socket then.
    const ended = clock.settle()
    consumer.endHandler('a')
    await ended
    expect(outcomes).to.deep.equal([0])
  })

  it('can be ended before', () => {
    const begun = drain(100, new FakeConsumer('a', 'b'))
    begun.end()
    begun.end()
    expect(outcomes).to.deep.equal([2])
    expect(clock.timers).to.deep.equal([])
  })

  it('does not wait for the handler that begins it, nor for those that ask again', () => {
    const consumer = new FakeConsumer('other')
    const handlers = [
      new FakeHandler(consumer),
      new FakeHandler(consumer),
      new FakeHandler(consumer),
    ] as const
    let begun: Drain | undefined
    handlers[0].call(() => {
      begun = drain(100, consumer)
    })
    handlers[1].call(() => begun?.excuseCaller())
    handlers[2].call(() => begun?.excuseCaller())
    expect(outcomes).to.deep.equal([])
    consumer.endHandler('other')
    expect(outcomes).to.deep.equal([0])
    expect(consumer.runners.size).to.equal(3)
  })

  it('waits for what the runner of an excused handler runs next', () => {
    const consumer = new FakeConsumer('other')
    const handler = new FakeHandler(consumer)
    handler.call(() => drain(100, consumer))
    consumer.endHandler(handler.name)
    consumer.runners.add(handler.name)
    consumer.endHandler('other')
    expect(outcomes).to.deep.equal([])
    consumer.endHandler(handler.name)
    expect(outcomes).to.deep.equal([0])
  })

  it('of handlers that cancel does not wait for handlers that wait; one from outside waits for all', () => {
    const [one, other] = [new FakeConsumer(), new FakeConsumer()]
    const [onOne, onOther, closing] = [new FakeHandler(one), new FakeHandler(other), new FakeHandler(one)]
    drainTo('cancel', 100, one)
    onOne.call(() => drainTo('cancel', 200, other))
    onOther.call(() => drainTo('cancel', 300, one))
    expect(outcomes, 'the first need not wait for the second').to.deep.equal([0])
    closing.call(() => drainTo('close', 400, one, other))
    expect(clock.timers).to.deep.equal([100, 300, 400])
    one.endHandler(onOne.name)
    expect(clock.timers, 'the second need not wait for the one that closes').to.deep.equal([100, 400])
    other.endHandler(onOther.name)
    expect(clock.timers, 'the close has waited for both').to.deep.equal([100])
    one.endHandler(closing.name)
    expect(outcomes).to.deep.equal([0, 0, 0, 0])
  })

  it('waits for a handler again whose own wait is over', () => {
    const [one, other] = [new FakeConsumer(), new FakeConsumer('work')]
    const [waited, waiting] = [new FakeHandler(one), new FakeHandler()]
    waited.call(() => drainTo('cancel', 100, other))
    other.endHandler('work')
    expect(outcomes).to.deep.equal([0])
    one.runners.add('work')
    waiting.call(() => drainTo('cancel', 100, one))
    one.endHandler('work')
    expect(outcomes).to.deep.equal([0])
    one.endHandler(waited.name)
    expect(outcomes).to.deep.equal([0, 0])
  })

  it('is over exactly when all that run have ended or have asked for it, in any order', () => {
    const step = fc.record({ handler: fc.nat(7), asks: fc.boolean() })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(step, { maxLength: 30 }), (count, steps) => {
        const outcome: number[] = []
        const begun = new Drain(clock, 'close', abandoned => outcome.push(abandoned))
        const consumers = [new FakeConsumer(), new FakeConsumer()] as const
        const handlers = Array.from({ length: count }, (_, index) => new FakeHandler(consumers[index % 2]))
        begun.begin(consumers, 100)
        const waitedFor = new Set(handlers)
        for (const { handler: index, asks } of steps) {
          const handler = handlers[index]
          const consumer = consumers[index % 2]
          if (handler === undefined || consumer?.runners.has(handler.name) !== true) continue
          if (asks) handler.call(() => begun.excuseCaller())
          else consumer.endHandler(handler.name)
          waitedFor.delete(handler)
          expect(outcome).to.deep.equal(waitedFor.size === 0 ? [0] : [])
        }
        begun.end()
        expect(outcome).to.have.length(1)
        expect(clock.timers).to.deep.equal([])
      }),
    )
  })
})

describe('reasonGivingUp', () => {
  it('puts what was given up in front of what there is to say, in the text and in an error', () => {
    const reason = reasonGivingUp({ by: 'client' }, '2 handlers still running', 'channel 3', { localPort: 5 })
    expect(reason).to.include({ by: 'client', text: '2 handlers still running' })
    expect(reason.error).to.be.instanceOf(CloseTimeoutError)
    expect(reason.error).to.include({ message: 'channel 3: 2 handlers still running', localPort: 5 })
  })

  it('keeps the error there was as the cause', () => {
    const error = new TransportError('gone')
    const before = { by: 'client', text: 'not answered', error } as const
    const reason = reasonGivingUp(before, '2 handlers still running', 'connection', {})
    expect(reason.text).to.equal('2 handlers still running; not answered')
    expect(reason.error?.cause).to.equal(error)
  })
})
