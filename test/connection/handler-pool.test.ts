import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import type { DeliveryHandler } from '../../src/connection/channel-options.js'
import { Delivery } from '../../src/connection/delivery.js'
import { callingHandler } from '../../src/connection/handler-caller.js'
import type { FailureOutcome } from '../../src/connection/handler-failures.js'
import { type HandlerPolicy, HandlerPool } from '../../src/connection/handler-pool.js'
import type { Settlement } from '../../src/protocol/index.js'
import { expectWarning } from '../support/invariants/index.js'
import { FakeLife } from '../support/peer/fake-life.js'

describe('HandlerPool', () => {
  let life: FakeLife
  let errors: unknown[]
  let outcomes: FailureOutcome[]
  let closing: boolean
  let idle: number

  beforeEach(() => {
    life = new FakeLife()
    errors = []
    outcomes = []
    closing = false
    idle = 0
  })

  function poolOf(handler: DeliveryHandler, policy: Partial<HandlerPolicy> = {}): HandlerPool {
    const isClosing = (): boolean => closing
    const full = { concurrency: 10, autoSettle: true, onError: 'requeue-once', isClosing, ...policy } as const
    return new HandlerPool(
      handler,
      full,
      (error, _delivery, outcome) => {
        errors.push(error)
        outcomes.push(outcome)
      },
      () => idle++,
    )
  }

  function delivery(redelivered = false): Delivery {
    return new Delivery(life.incoming({ redelivered }), () => {})
  }

  /** What became of one delivery that was run. */
  async function settlementsOf(pool: HandlerPool, redelivered = false): Promise<readonly Settlement[]> {
    const before = idle
    pool.run(delivery(redelivered))
    while (idle === before) await Promise.resolve()
    return life.settlements
  }

  const fail: DeliveryHandler = () => {
    throw new Error('handler failed')
  }

  it('acknowledges when the handler has returned, or its promise has resolved', async () => {
    expect(await settlementsOf(poolOf(() => 'done'))).to.deep.equal([{ kind: 'ack', multiple: false }])
    let resolve = (): void => {}
    const pool = poolOf(
      () =>
        new Promise<void>(done => {
          resolve = done
        }),
    )
    const settled = settlementsOf(pool)
    expect(life.settlements).to.have.length(1)
    resolve()
    expect(await settled).to.have.length(2)
  })

  it('awaits whatever has a then, also a function, and nothing else', async () => {
    const withThen = (target: object, then: PropertyDescriptor): object =>
      Object.defineProperty(target, 'then', then)
    const last = async (outcome: object): Promise<Settlement | undefined> =>
      (await settlementsOf(poolOf(() => outcome))).at(-1)
    const ack = { kind: 'ack', multiple: false }
    const requeue = { kind: 'reject', requeue: true }
    const refuse = (_done: unknown, failed: (error: Error) => void): void =>
      failed(new Error('handler failed'))
    expect(await last(withThen(() => {}, { value: (done: () => void) => done() }))).to.deep.equal(ack)
    expect(await last(withThen(() => {}, { value: refuse }))).to.deep.equal(requeue)
    const broken = (): void => {
      throw new Error('no then')
    }
    expect(await last(withThen({}, { get: broken }))).to.deep.equal(requeue)
    expect(await last(withThen({}, { value: 'now' }))).to.deep.equal(ack)
    expect(errors.map(String)).to.deep.equal(['Error: handler failed', 'Error: no then'])
  })

  it('leaves alone what the handler has settled', async () => {
    const pool = poolOf(received => received.reject())
    expect(await settlementsOf(pool)).to.deep.equal([{ kind: 'reject', requeue: false }])
  })

  it('settles nothing without autoSettle', async () => {
    expect(await settlementsOf(poolOf(() => 'done', { autoSettle: false }))).to.deep.equal([])
  })

  it('leaves room for as many as the concurrency', async () => {
    const resolves: (() => void)[] = []
    const pool = poolOf(() => new Promise<void>(resolve => resolves.push(resolve)), { concurrency: 2 })
    expect(pool.hasRoom).to.equal(true)
    pool.run(delivery())
    expect(pool.hasRoom).to.equal(true)
    const second = settlementsOf(pool)
    expect(pool.hasRoom).to.equal(false)
    resolves.pop()?.()
    await second
    expect(pool.hasRoom).to.equal(true)
    const first = settlementsOf(poolOf(() => {}))
    resolves.pop()?.()
    await first
  })

  it('counts the handlers that run, the excused ones left out, and tells of each that ends', async () => {
    const resolves: (() => void)[] = []
    const callers: (string | undefined)[] = []
    const ended: string[] = []
    const pool = new HandlerPool(
      () => {
        callers.push(callingHandler())
        return new Promise<void>(resolve => resolves.push(resolve))
      },
      { concurrency: 3, autoSettle: true, onError: 'requeue', isClosing: () => false },
      () => {},
      runner => ended.push(runner),
    )
    for (let each = 0; each < 3; each++) pool.run(delivery())
    const [first = '', second = ''] = callers
    expect(new Set(callers).size, 'each is found by a name of its own').to.equal(3)
    expect(pool.running(new Set())).to.equal(3)
    expect(pool.running(new Set([first, second, 'thump handler 0']))).to.equal(1)
    resolves[1]?.()
    while (ended.length === 0) await Promise.resolve()
    expect(ended).to.deep.equal([second])
    expect(pool.running(new Set())).to.equal(2)
    expect(pool.running(new Set([second])), 'it has ended').to.equal(2)
    pool.run(delivery())
    expect(callers.at(-1), 'names are used again').to.equal(second)
    expect(pool.running(new Set([second]))).to.equal(2)
    for (const resolve of resolves) resolve()
    while (ended.length < 4) await Promise.resolve()
    expect(pool.running(new Set())).to.equal(0)
  })

  const failures: [what: string, handler: DeliveryHandler][] = [
    ['throws', fail],
    ['rejects', async () => fail(delivery())],
  ]
  it('says what became of the delivery of a handler that failed', async () => {
    for (const onError of ['requeue-once', 'requeue', 'reject', 'leave'] as const) {
      await settlementsOf(poolOf(fail, { onError }), true)
    }
    await settlementsOf(poolOf(fail), false)
    await settlementsOf(poolOf(fail, { autoSettle: false }), false)
    expect(outcomes).to.deep.equal(['rejected', 'requeued', 'rejected', 'left', 'requeued', 'left'])
  })

  it('leaves the delivery of a handler that fails while its channel closes: it goes back by itself', async () => {
    closing = true
    const before = life.settlements.length
    await settlementsOf(poolOf(fail), true)
    expect(life.settlements).to.have.length(before)
    expect(outcomes).to.deep.equal(['left'])
  })

  for (const [what, handler] of failures) {
    it(`requeues once by default when the handler ${what}, and rejects the second time`, async () => {
      expect(await settlementsOf(poolOf(handler), false)).to.deep.equal([{ kind: 'reject', requeue: true }])
      expect((await settlementsOf(poolOf(handler), true)).at(-1)).to.deep.equal({
        kind: 'reject',
        requeue: false,
      })
      expect(errors.map(String)).to.deep.equal(['Error: handler failed', 'Error: handler failed'])
    })
  }

  const actions = [
    ['reject', [{ kind: 'reject', requeue: false }]],
    ['requeue', [{ kind: 'reject', requeue: true }]],
    ['leave', []],
  ] as const
  for (const [action, settlements] of actions) {
    it(`does as onError says: ${action}`, async () => {
      expect(await settlementsOf(poolOf(fail, { onError: action }), true)).to.deep.equal(settlements)
    })

    it(`does as a function given as onError says: ${action}`, async () => {
      const seen: unknown[] = []
      const onError: HandlerPolicy['onError'] = (error, failed) => {
        seen.push(String(error), failed instanceof Delivery)
        return action
      }
      expect(await settlementsOf(poolOf(fail, { onError }))).to.deep.equal(settlements)
      expect(seen).to.deep.equal(['Error: handler failed', true])
    })
  }

  it('keeps what the handler itself has done before it failed', async () => {
    const pool = poolOf(received => {
      received.ack()
      throw new Error('after the ack')
    })
    expect(await settlementsOf(pool)).to.deep.equal([{ kind: 'ack', multiple: false }])
    expect(errors).to.have.length(1)
  })

  it('requeues once, with a warning, when onError itself throws', async () => {
    expectWarning(/a consumer's onError threw: Error: onError is broken/)
    const onError = (): never => {
      throw new Error('onError is broken')
    }
    expect(await settlementsOf(poolOf(fail, { onError }))).to.deep.equal([{ kind: 'reject', requeue: true }])
  })

  it('requeues once, with a warning, when onError answers something that is no action', async () => {
    expectWarning(/a consumer's onError .*must be one of requeue-once, reject, requeue, leave/)
    const onError = (async () => 'reject') as unknown as HandlerPolicy['onError']
    expect(await settlementsOf(poolOf(fail, { onError }))).to.deep.equal([{ kind: 'reject', requeue: true }])
  })

  it('requeues once, with a warning and nothing thrown from nowhere, when an async onError rejects', async () => {
    expectWarning(/a consumer's onError .*must be one of requeue-once, reject, requeue, leave/)
    const onError = (async () => {
      throw new Error('onError is broken')
    }) as unknown as HandlerPolicy['onError']
    const rejections: unknown[] = []
    const note = (reason: unknown): unknown => rejections.push(reason)
    process.on('unhandledRejection', note)
    try {
      expect(await settlementsOf(poolOf(fail, { onError }))).to.deep.equal([
        { kind: 'reject', requeue: true },
      ])
      await nextTurn()
    } finally {
      process.off('unhandledRejection', note)
    }
    expect(rejections).to.deep.equal([])
    expect(errors.map(String)).to.deep.equal(['Error: handler failed'])
  })

  it('leaves what failed alone without autoSettle, whatever onError says, and tells of it', async () => {
    let asked = 0
    const policies: HandlerPolicy['onError'][] = [
      'requeue-once',
      'requeue',
      'reject',
      () => {
        asked++
        return 'reject'
      },
    ]
    for (const onError of policies) {
      expect(await settlementsOf(poolOf(fail, { autoSettle: false, onError }))).to.deep.equal([])
    }
    expect(asked, 'onError is asked what to do, and nothing is to be done').to.equal(0)
    expect(errors).to.have.length(policies.length)
  })

  it('tells of a handler that fails with anything at all', async () => {
    for (const thrown of [undefined, null, 0, 'text', Object.create(null)]) {
      await settlementsOf(
        poolOf(() => {
          throw thrown
        }),
      )
      expect(errors.at(-1)).to.equal(thrown)
    }
  })
})
