import { setTimeout as delay } from 'node:timers/promises'
import type { ConfirmChannel } from 'amqplib'
import { expect } from 'chai'
import {
  type Channel,
  type CloseReason,
  CloseTimeoutError,
  type Connection,
  type ConsumeOptions,
  type Consumer,
  ConsumerClosedError,
  connect,
  type Delivery,
  type FailureAction,
} from '../../src/index.js'
import { HeldWork } from '../support/held-work.js'
import { BROKER_START_MS, LiveSession } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker, sharedNode } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'

const CLOSE_TIMEOUT_MS = 1_000
/** What a documented bound is given on a busy machine. */
const SLACK_MS = 1_000

/** What is ended, by each of the ways there are. */
interface Ending {
  readonly connection: Connection
  readonly channel: Channel
  readonly consumer: Consumer
}

const WAYS: Readonly<Record<string, (ending: Ending) => Promise<CloseReason>>> = {
  'connection.close({ drain: true })': ({ connection }) => connection.close({ drain: true, timeout: 20_000 }),
  'channel.close()': ({ channel }) => channel.close({ timeout: 20_000 }),
  'consumer.cancel()': ({ consumer }) => consumer.cancel({ timeout: 20_000 }),
  'consumer.cancel({ noWait: true })': ({ consumer }) => consumer.cancel({ noWait: true, timeout: 20_000 }),
}

describe('A graceful end, with RabbitMQ', function () {
  this.timeout(40_000)
  /** Declares, publishes and counts; what is ended is on other connections. */
  let session: LiveSession
  let witness: ConfirmChannel
  let queues: string[]

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await LiveSession.open({ confirm: true })
    witness = await session.witness()
    queues = []
  })

  afterEach(async () => {
    for (const queue of queues) await witness.deleteQueue(queue)
    await session.close()
  })

  /** A durable queue that all connections see, with so many messages, named by their numbers. */
  async function queueOf(count: number, args: Record<string, string> = {}): Promise<string> {
    const { queue } = await session.channel.queueDeclare(`thump-drain-${process.pid}-${Math.random()}`, {
      arguments: args,
    })
    queues.push(queue)
    await publish(queue, 0, count)
    return queue
  }

  async function publish(queue: string, first: number, count: number): Promise<void> {
    const numbers = Array.from({ length: count }, (_, index) => String(first + index))
    await Promise.all(numbers.map(number => session.channel.publish('', queue, number)))
  }

  async function becomesReady(queue: string, count: number): Promise<void> {
    let ready = -1
    await until(5_000, `${count} messages that are ready`, async () => {
      ready = (await witness.checkQueue(queue)).messageCount
      return ready === count
    }).catch(error => {
      throw new Error(`${(error as Error).message}; there are ${ready}`)
    })
  }

  /** Takes all that is in the queue, with the independent client. */
  async function takeAll(queue: string): Promise<string[]> {
    const bodies: string[] = []
    for (;;) {
      const message = await witness.get(queue, { noAck: true })
      if (message === false) return bodies
      bodies.push(String(message.content))
    }
  }

  async function consume(
    queue: string,
    options: ConsumeOptions,
    handler: (delivery: Delivery) => unknown,
    onHandlerError: (error: unknown) => void = () => {},
  ): Promise<Ending> {
    const connection = await connect(session.url)
    const channel = await connection.openChannel()
    channel.on('handlerError', onHandlerError)
    return { connection, channel, consumer: await channel.consume(queue, options, handler) }
  }

  for (const [way, end] of Object.entries(WAYS)) {
    it(`by ${way}: of 200 slow handlers none loses its acknowledgement, and nothing is worked on twice`, async () => {
      const count = 600
      const queue = await queueOf(count)
      const begun: string[] = []
      const done: string[] = []
      const redelivered: string[] = []
      const ending = await consume(queue, { prefetch: 300, concurrency: 200 }, async (delivery: Delivery) => {
        begun.push(String(delivery.body))
        if (delivery.redelivered) redelivered.push(String(delivery.body))
        await delay(20 + Math.random() * 200)
        done.push(String(delivery.body))
      })
      await until(10_000, 'some work', () => done.length > 50)
      expect(await within(10_000, way, end(ending))).to.deep.equal({ by: 'client' })
      expect(done.length, 'all that were begun are done').to.equal(begun.length)
      const atTheEnd = done.length
      await within(5_000, 'the end of the connection', ending.connection.close())
      await becomesReady(queue, count - atTheEnd)
      expect(begun).to.have.length(atTheEnd)
      expect(redelivered).to.deep.equal([])
      const rest = await takeAll(queue)
      const all = [...done, ...rest].map(Number).sort((one, other) => one - other)
      expect(all).to.deep.equal(Array.from({ length: count }, (_, number) => number))
    })
  }

  it('loses nothing of what is on its way when a consumer is cancelled, whenever that is', async () => {
    const rounds = 12
    const perRound = 150
    const queue = await queueOf(0)
    const done: string[] = []
    const connection = await connect(session.url)
    const channel = await connection.openChannel()
    for (let round = 0; round < rounds; round++) {
      const noWait = round % 2 === 1
      const consumer = await channel.consume(queue, { prefetch: 40, concurrency: 5 }, async delivery => {
        await delay(1)
        done.push(String(delivery.body))
      })
      const published = publish(queue, round * perRound, perRound)
      await until(5_000, 'some work', () => done.length > round * 10)
      expect(await within(5_000, 'the cancel', consumer.cancel({ noWait }))).to.deep.equal({ by: 'client' })
      await published
    }
    expect(await within(5_000, 'close()', connection.close({ drain: true }))).to.deep.equal({ by: 'client' })
    await becomesReady(queue, rounds * perRound - done.length)
    const all = [...done, ...(await takeAll(queue))].map(Number).sort((one, other) => one - other)
    expect(all).to.deep.equal(Array.from({ length: rounds * perRound }, (_, number) => number))
  })

  it('lets a handler call close and await it; what it settled before stays settled', async () => {
    const queue = await queueOf(30)
    const done: string[] = []
    let reason: CloseReason | undefined
    const ending = await consume(queue, { prefetch: 30, concurrency: 10 }, async delivery => {
      await delay(20)
      done.push(String(delivery.body))
      if (done.length !== 10) return
      delivery.ack()
      reason = await ending.connection.close({ drain: true })
    })
    expect(await within(5_000, 'closed', ending.connection.closed)).to.deep.equal({ by: 'client' })
    await until(1_000, 'close() inside the handler', () => reason !== undefined)
    await becomesReady(queue, 30 - done.length)
    expect(new Set([...done, ...(await takeAll(queue))]).size).to.equal(30)
  })

  it('lets a handler close its channel; only its own delivery goes back', async () => {
    const queue = await queueOf(20)
    const done: string[] = []
    let stopped: string | undefined
    const ending = await consume(queue, { prefetch: 20, concurrency: 8 }, async delivery => {
      await delay(20)
      if (done.length < 8 || stopped !== undefined) return done.push(String(delivery.body))
      stopped = String(delivery.body)
      return ending.channel.close()
    })
    expect(await within(5_000, 'closed', ending.channel.closed)).to.deep.equal({ by: 'client' })
    await becomesReady(queue, 20 - done.length)
    expect(await takeAll(queue)).to.include(stopped)
    await ending.connection.close()
  })

  it('is cut short by a second close, and says what was given up', async () => {
    const queue = await queueOf(5)
    const work = new HeldWork()
    const { connection } = await consume(queue, {}, work.handle)
    await until(5_000, 'the handlers', () => work.begun.length === 5)
    const draining = connection.close({ drain: true, timeout: 60_000 })
    expect(connection.state).to.equal('closing')
    const reason = await within(5_000, 'the second close()', connection.close())
    expect(reason).to.include({ by: 'client', text: '5 handlers still running' })
    expect(await draining).to.equal(reason)
    work.endAll()
    await becomesReady(queue, 5)
  })

  it('gives up on handlers in time; what they had goes back', async () => {
    const queue = await queueOf(5)
    const work = new HeldWork()
    const { connection } = await consume(queue, {}, work.handle)
    await until(5_000, 'the handlers', () => work.begun.length === 5)
    work.end('0', '1')
    const closing = connection.close({ drain: true, timeout: CLOSE_TIMEOUT_MS })
    const reason = await within(CLOSE_TIMEOUT_MS + SLACK_MS, 'close({ drain })', closing)
    expect(reason.text).to.equal('3 handlers still running')
    expect(reason.error).to.be.instanceOf(CloseTimeoutError)
    work.endAll()
    await becomesReady(queue, 3)
  })

  for (const fault of ['a frozen broker', 'a broker that blocks'] as const) {
    it(`settles within its bound with ${fault}`, async function () {
      const node = await sharedNode(this)
      const queue = await queueOf(2)
      const work = new HeldWork()
      const { connection, channel } = await consume(queue, {}, work.handle)
      await until(5_000, 'the handlers', () => work.begun.length === 2)
      const freezes = fault === 'a frozen broker'
      await (freezes ? node.freeze() : node.block())
      try {
        if (!freezes) {
          // RabbitMQ blocks a connection when it publishes, and reads nothing from it any more.
          void channel.publish('', queue, 'blocks us').catch(() => {})
          await until(5_000, 'the block', () => connection.blocked !== undefined)
        }
        const closing = connection.close({ drain: true, timeout: CLOSE_TIMEOUT_MS })
        const reason = await within(CLOSE_TIMEOUT_MS + SLACK_MS, 'close({ drain })', closing)
        expect(reason.by).to.equal('client')
        expect(reason.text).to.match(/^2 handlers still running; close not completed within/)
      } finally {
        await (freezes ? node.thaw() : node.unblock())
      }
      work.endAll()
    })
  }

  describe('of a consumer whose queue is deleted', () => {
    it('is told to the consumer; what it had received is still worked on, and its channel goes on', async () => {
      const queue = await queueOf(6)
      const work = new HeldWork()
      const { connection, channel, consumer } = await consume(queue, { concurrency: 2 }, work.handle)
      await until(5_000, 'the handlers', () => work.begun.length === 2)
      await becomesReady(queue, 0)
      await witness.deleteQueue(queue)
      const reason = await within(5_000, 'the end of the consumer', consumer.closed)
      expect(reason).to.include({ by: 'server', method: 'basic.cancel' })
      for (let count = 2; count <= 6; count++) {
        work.endAll()
        await until(5_000, `${count} handlers`, () => work.begun.length >= count)
      }
      expect(work.begun).to.deep.equal(['0', '1', '2', '3', '4', '5'])
      expect(channel.state).to.equal('open')
      const cancelled = consumer.cancel()
      work.endAll()
      expect(await within(5_000, 'the cancel', cancelled)).to.equal(reason)
      await channel.queueDeclare()
      expect(await within(5_000, 'close()', connection.close({ drain: true }))).to.deep.equal({
        by: 'client',
      })
    })

    it('throws out of its loop, after what it had received', async () => {
      const queue = await queueOf(3)
      const consumer = await session.channel.consume(queue)
      await becomesReady(queue, 0)
      await witness.deleteQueue(queue)
      await within(5_000, 'the end of the consumer', consumer.closed)
      const bodies: string[] = []
      const looping = (async () => {
        for await (const delivery of consumer) {
          bodies.push(String(delivery.body))
          expect(delivery.ack()).to.equal(true)
        }
      })()
      expect((await rejectionOf(looping, ConsumerClosedError)).reason).to.equal(await consumer.closed)
      expect(bodies).to.deep.equal(['0', '1', '2'])
      await session.channel.queueDeclare()
    })
  })

  describe('of a consumer whose handler throws', () => {
    /** What became of the message when the handler has failed and the consumer was cancelled: where it is, and how often. */
    const outcomes: readonly [action: FailureAction, calls: number, ready: number, dead: number][] = [
      ['requeue-once', 2, 0, 1],
      ['reject', 1, 0, 1],
      ['requeue', 3, 1, 0],
      ['leave', 1, 0, 0],
    ]
    for (const [action, calls, ready, dead] of outcomes) {
      for (const asFunction of [false, true]) {
        it(`does as onError says, ${asFunction ? 'a function that answers ' : ''}'${action}', to the end`, async () => {
          const graveyard = await queueOf(0)
          const queue = await queueOf(1, {
            'x-dead-letter-exchange': '',
            'x-dead-letter-routing-key': graveyard,
          })
          const errors: unknown[] = []
          let called = 0
          const release: (() => void)[] = []
          const onError = asFunction ? () => action : action
          const handle = async (): Promise<void> => {
            called++
            // The last call is still running when the consumer is cancelled.
            if (called === calls) await new Promise<void>(resolve => release.push(resolve))
            throw new Error('cannot work on that')
          }
          const { connection, consumer } = await consume(queue, { onError }, handle, error =>
            errors.push(error),
          )
          await until(5_000, 'the last call', () => release.length === 1)
          const cancelled = consumer.cancel()
          await within(5_000, 'the end of the consumer', consumer.closed)
          release[0]?.()
          expect(await within(5_000, 'the cancel', cancelled)).to.deep.equal({ by: 'client' })
          expect(errors.map(String)).to.deep.equal(Array(calls).fill('Error: cannot work on that'))
          await becomesReady(queue, ready)
          await becomesReady(graveyard, dead)
          await connection.close({ drain: true })
          await becomesReady(queue, action === 'leave' ? 1 : ready)
          expect(called).to.equal(calls)
        })
      }
    }

    it('settles messages of a queue that is gone without harm', async () => {
      const actions: FailureAction[] = ['requeue-once', 'reject', 'requeue', 'leave']
      const connection = await connect(session.url)
      for (const onError of actions) {
        const channel = await connection.openChannel()
        const queue = await queueOf(2)
        const work = new HeldWork()
        channel.on('handlerError', () => {})
        const consumer = await channel.consume(queue, { onError }, work.handle)
        await until(5_000, 'the handlers', () => work.begun.length === 2)
        await witness.deleteQueue(queue)
        await within(5_000, 'the end of the consumer', consumer.closed)
        work.fail('0')
        work.fail('1')
        expect((await within(5_000, 'the cancel', consumer.cancel())).by).to.equal('server')
        await channel.queueDeclare()
        expect(channel.state).to.equal('open')
      }
      await connection.close()
    })
  })

  it('of nothing at all: a slow loop never holds more than its prefetch', async () => {
    const prefetch = 10
    const queue = await queueOf(0)
    const body = Buffer.alloc(20_000, 'x')
    await Promise.all(Array.from({ length: 300 }, () => session.channel.publish('', queue, body)))
    const connection = await connect(session.url)
    const channel = await connection.openChannel()
    /** A delivery is three frames: method, header, body. Two more answer qos and consume. */
    const before = connection.stats.framesReceived + 2
    let yielded = 0
    let most = 0
    for await (const delivery of await channel.consume(queue, { prefetch })) {
      yielded++
      if (yielded % 20 === 0) await delay(30)
      const received = Math.floor((connection.stats.framesReceived - before) / 3)
      most = Math.max(most, received - (yielded - 1))
      delivery.ack()
      if (yielded === 300) break
    }
    expect(most, 'received and not yet settled').to.be.within(2, prefetch)
    await connection.close()
  })
})
