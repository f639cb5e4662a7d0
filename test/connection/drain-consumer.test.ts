import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import {
  ArgumentError,
  type Channel,
  CloseTimeoutError,
  type Consumer,
  type Delivery,
} from '../../src/index.js'
import { HeldWork } from '../support/held-work.js'
import { DrainStage, watch } from '../support/peer/drain-stage.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const CLOSE_TIMEOUT_MS = 5_000

describe('Consumer.cancel(), while handlers run', () => {
  let stage: DrainStage
  let channel: Channel
  let work: HeldWork

  beforeEach(async () => {
    stage = await DrainStage.open()
    channel = await stage.connection.openChannel()
    work = new HeldWork()
  })

  afterEach(async () => {
    work.endAll()
    await within(1_000, 'the end', stage.connection.close())
    expect(stage.clock.timers).to.deep.equal([])
  })

  /** A consumer with that many handlers at a time, held by the test. */
  async function consume(concurrency: number, ...bodies: string[]): Promise<Consumer> {
    const consumer = await channel.consume('q', { concurrency }, work.handle)
    await stage.deliver(channel, consumer, ...bodies)
    return consumer
  }

  it('hands back what was not started, waits for the handlers, and resolves when they have settled', async () => {
    const consumer = await consume(2, 'a', 'b', 'c', 'd')
    const closed = watch(consumer.closed)
    const cancelled = watch(consumer.cancel())
    expect(await stage.told()).to.deep.equal(['cancel', 'nack 3 requeue', 'nack 4 requeue'])
    expect(closed()).to.deep.equal({ by: 'client' })
    work.end('b')
    expect(await stage.told()).to.deep.equal(['ack 2'])
    expect(cancelled()).to.equal('pending')
    work.end('a')
    expect(await stage.told()).to.deep.equal(['ack 1'])
    expect(cancelled()).to.equal(closed())
    expect(work.begun).to.deep.equal(['a', 'b'])
  })

  it('waits for a handler that fails as well', async () => {
    channel.on('handlerError', () => {})
    const consumer = await consume(1, 'a')
    const cancelled = watch(consumer.cancel())
    await stage.told()
    work.fail('a')
    expect(await stage.told()).to.deep.equal(['reject 1 requeue'])
    expect(cancelled()).to.deep.equal({ by: 'client' })
  })

  it('stops waiting when its signal fires; the consumer is cancelled all the same, and its handlers go on', async () => {
    const consumer = await consume(1, 'a')
    const controller = new AbortController()
    const cancelled = rejectionOf(consumer.cancel({ signal: controller.signal }), Error)
    await stage.told()
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await within(1_000, 'the rejection', cancelled)).to.equal(reason)
    expect(await consumer.closed).to.deep.equal({ by: 'client' })
    expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([])
    work.end('a')
    expect(await stage.told()).to.deep.equal(['ack 1'])
  })

  it('sends nothing when its signal has fired before', async () => {
    const consumer = await consume(1, 'a')
    const signal = AbortSignal.abort(new Error('never'))
    expect(await rejectionOf(consumer.cancel({ signal }), Error)).to.equal(signal.reason)
    expect(await stage.told()).to.deep.equal([])
    work.end('a')
    expect(await stage.told()).to.deep.equal(['ack 1'])
  })

  it('leaves nothing on a signal that never fires', async () => {
    const consumer = await consume(1, 'a')
    const { signal } = new AbortController()
    const cancelled = consumer.cancel({ signal })
    await stage.told()
    work.end('a')
    expect(await within(1_000, 'the cancel', cancelled)).to.deep.equal({ by: 'client' })
    await stage.told()
    expect(getEventListeners(signal, 'abort')).to.deep.equal([])
  })

  it('gives up after closeTimeout and says how many handlers run; they go on and may settle', async () => {
    const consumer = await consume(3, 'a', 'b', 'c')
    const cancelled = watch(consumer.cancel())
    work.end('a')
    await stage.clock.advance(CLOSE_TIMEOUT_MS - 1)
    expect(cancelled()).to.equal('pending')
    await stage.clock.advance(1)
    const reason = cancelled()
    if (reason === 'pending') throw new Error('it has not given up')
    const text = 'not complete within 5000 ms: 2 handlers still running'
    expect(reason).to.include({ by: 'client', text })
    expect(reason.error).to.be.instanceOf(CloseTimeoutError)
    expect(reason.error?.message).to.equal(`cancel of consumer ${consumer.consumerTag}: ${text}`)
    expect(await consumer.closed).to.deep.equal({ by: 'client' })
    await stage.told()
    work.end('b', 'c')
    expect(await stage.told()).to.deep.equal(['ack 2', 'ack 3'])
  })

  it('keeps to the timeout that was asked for, each call to its own', async () => {
    const consumer = await consume(1, 'a')
    const short = watch(consumer.cancel({ timeout: 100 }))
    const long = watch(channel.cancel(consumer, { timeout: 20_000 }))
    await stage.clock.advance(100)
    expect(short()).to.include({ text: 'not complete within 100 ms: 1 handler still running' })
    await stage.clock.advance(19_899)
    expect(long()).to.equal('pending')
    work.end('a')
    await stage.clock.settle()
    expect(long()).to.deep.equal({ by: 'client' })
  })

  it('says so when the broker does not answer, with or without handlers', async () => {
    const consumer = await consume(1, 'a', 'b')
    stage.silence('basic.cancel')
    const cancelled = watch(consumer.cancel({ timeout: 100 }))
    work.end('a')
    await stage.clock.advance(100)
    expect(cancelled()).to.include({
      by: 'client',
      text: 'not complete within 100 ms: no answer, 0 handlers still running',
    })
    expect(await stage.told()).to.deep.equal(['cancel', 'ack 1'])
    stage.answerCancel(channel, consumer)
    expect(await stage.told()).to.deep.equal(['nack 2 requeue'])
    expect(await consumer.closed).to.deep.equal({ by: 'client' })
    expect(await consumer.cancel()).to.deep.equal({ by: 'client' })
  })

  it('lets go of a loop that is left when the broker does not answer', async () => {
    const consumer = await channel.consume('q')
    await stage.deliver(channel, consumer, 'a')
    stage.silence('basic.cancel')
    const looping = watch(
      (async () => {
        for await (const _ of consumer) return 'left'
        return 'ended'
      })(),
    )
    await stage.clock.advance(CLOSE_TIMEOUT_MS - 1)
    expect(looping()).to.equal('pending')
    await stage.clock.advance(1)
    expect(looping()).to.equal('left')
    stage.answerCancel(channel, consumer)
  })

  it('resolves with the reason of the channel when that ends, and waits no longer', async () => {
    const consumer = await consume(1, 'a')
    const cancelled = watch(consumer.cancel())
    await stage.told()
    stage.closeByServer(channel)
    await stage.clock.settle()
    expect(cancelled()).to.deep.equal({ by: 'client' })
    const second = await stage.connection.openChannel()
    const other = await second.consume('q', work.handle)
    await stage.deliver(second, other, 'b')
    stage.silence('basic.cancel')
    const unanswered = watch(other.cancel())
    stage.closeByServer(second)
    await stage.clock.settle()
    expect(unanswered()).to.include({ by: 'server', code: 404 })
    expect(unanswered()).to.equal(await second.closed)
  })

  it('waits for the handlers also when the server has cancelled already, and begins nothing more', async () => {
    const consumer = await consume(1, 'a', 'b')
    stage.cancelByServer(channel, consumer)
    const reason = await within(1_000, 'closed', consumer.closed)
    const cancelled = watch(consumer.cancel())
    expect(await stage.told()).to.deep.equal(['nack 2 requeue'])
    expect(cancelled()).to.equal('pending')
    work.end('a')
    expect(await stage.told()).to.deep.equal(['ack 1'])
    expect(cancelled()).to.equal(reason)
  })

  it('works on all that it has without acknowledgements, which nobody would deliver again', async () => {
    const consumer = await channel.consume('q', { noAck: true, concurrency: 1 }, work.handle)
    await stage.deliver(channel, consumer, 'a', 'b')
    const cancelled = watch(consumer.cancel())
    await stage.clock.settle()
    work.end('a')
    await stage.clock.settle()
    expect(work.begun).to.deep.equal(['a', 'b'])
    expect(cancelled()).to.equal('pending')
    work.end('b')
    await stage.clock.settle()
    expect(cancelled()).to.deep.equal({ by: 'client' })
  })

  it('with noWait ends when it is written; what is on its way still goes back, and handlers are waited for', async () => {
    const consumer = await consume(1, 'a', 'b')
    const closed = watch(consumer.closed)
    stage.silence('basic.cancel')
    const cancelled = watch(consumer.cancel({ noWait: true }))
    expect(await stage.told()).to.deep.equal(['cancel', 'nack 2 requeue'])
    expect(closed()).to.deep.equal({ by: 'client' })
    await stage.deliver(channel, consumer, 'c')
    expect(await stage.told()).to.deep.equal(['nack 3 requeue'])
    stage.answerCancel(channel, consumer)
    expect(cancelled()).to.equal('pending')
    work.end('a')
    expect(await stage.told()).to.deep.equal(['ack 1'])
    expect(cancelled()).to.deep.equal({ by: 'client' })
  })

  it('rejects options that nobody knows, and cancels nothing', async () => {
    const consumer = await consume(1)
    for (const [options, path] of [
      [{ timeout: 0 }, 'options.timeout'],
      [{ timeout: '1' }, 'options.timeout'],
      [{ noWait: 1 }, 'options.noWait'],
      [{ drain: true }, 'options.drain'],
      [null, 'options'],
    ] as const) {
      const error = await rejectionOf(consumer.cancel(options as never), ArgumentError)
      expect(error.path).to.equal(path)
    }
    expect(await stage.told()).to.deep.equal([])
    await consumer.cancel()
  })

  describe('called by one of them', () => {
    type Call = (cancel: () => Promise<unknown>) => Promise<unknown>
    const ways: Readonly<Record<string, Call>> = {
      'at once': cancel => cancel(),
      'after an await': async cancel => {
        await null
        await cancel()
      },
      'deep inside': async cancel => {
        const deep = async (calls: number): Promise<unknown> => {
          await null
          return calls === 0 ? await cancel() : await deep(calls - 1)
        }
        await Promise.all([deep(20), null])
      },
    }

    for (const [way, call] of Object.entries(ways)) {
      it(`${way}, waits for the others and not for it, and acknowledges as usual`, async () => {
        let resolved = false
        const consumer: Consumer = await channel.consume('q', async (delivery: Delivery) => {
          if (String(delivery.body) !== 'stop') return work.handle(delivery)
          await call(() => consumer.cancel())
          resolved = true
        })
        await stage.deliver(channel, consumer, 'a', 'b', 'stop')
        expect(await stage.told()).to.deep.equal(['cancel'])
        work.end('a')
        expect(await stage.told()).to.deep.equal(['ack 1'])
        expect(resolved).to.equal(false)
        work.end('b')
        expect(await stage.told()).to.deep.equal(['ack 2', 'ack 3'])
        expect(resolved).to.equal(true)
      })
    }

    it('and by another one: neither waits for the other, and who calls from outside waits for both', async () => {
      let calls = 0
      const resolved: string[] = []
      const consumer: Consumer = await channel.consume('q', async (delivery: Delivery) => {
        await null
        calls++
        await consumer.cancel()
        resolved.push(String(delivery.body))
        await work.handle(delivery)
      })
      await stage.deliver(channel, consumer, 'a', 'b')
      expect(calls).to.equal(2)
      const outside = watch(consumer.cancel())
      await stage.clock.settle()
      expect(resolved, 'both waited: one of them has gone on').to.deep.equal(['a'])
      work.end('a')
      expect(await stage.told()).to.deep.equal(['cancel', 'ack 1'])
      expect(resolved).to.deep.equal(['a', 'b'])
      expect(outside()).to.equal('pending')
      work.end('b')
      expect(await stage.told()).to.deep.equal(['ack 2'])
      expect(outside()).to.deep.equal({ by: 'client' })
    })

    it('that does not await it and ends: the others are still waited for', async () => {
      let cancelled: () => unknown = () => 'not called'
      const consumer: Consumer = await channel.consume('q', (delivery: Delivery) => {
        if (String(delivery.body) !== 'stop') return work.handle(delivery)
        cancelled = watch(consumer.cancel())
        return undefined
      })
      await stage.deliver(channel, consumer, 'a', 'stop')
      expect(await stage.told()).to.deep.equal(['cancel', 'ack 2'])
      expect(cancelled()).to.equal('pending')
      work.end('a')
      await stage.clock.settle()
      expect(cancelled()).to.deep.equal({ by: 'client' })
    })

    it('from a callback of its own is not seen, and then the bound holds', async () => {
      const consumer: Consumer = await channel.consume(
        'q',
        () =>
          new Promise<void>(resolve => {
            stage.clock.startTimer(() => void consumer.cancel({ timeout: 300 }).then(() => resolve()), 10)
          }),
      )
      await stage.deliver(channel, consumer, 'a')
      await stage.clock.advance(309)
      expect(await stage.told()).to.deep.equal(['cancel'])
      await stage.clock.advance(1)
      expect(await stage.told()).to.deep.equal(['ack 1'])
    })
  })
})
