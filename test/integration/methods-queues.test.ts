import { expect } from 'chai'
import { ArgumentError, type Channel, ChannelClosedError, connect, ReturnedError } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { MethodsSession } from './methods-session.js'

describe('queues, with RabbitMQ', () => {
  let session: MethodsSession
  let channel: Channel

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await MethodsSession.open({ confirm: true })
    channel = session.channel
  })

  afterEach(() => session.close())

  async function fill(queue: string, count: number): Promise<void> {
    const bodies = Array.from({ length: count }, (_, each) => String(each))
    await Promise.all(bodies.map(body => channel.publish('', queue, body)))
  }

  describe('queueDeclare', () => {
    it('tells the name, and what is in the queue', async () => {
      const queue = session.name()
      const empty = { queue, messageCount: 0, consumerCount: 0 }
      expect(await channel.queueDeclare(queue)).to.deep.equal(empty)
      await fill(queue, 3)
      expect(await channel.queueDeclare(queue)).to.deep.equal({ ...empty, messageCount: 3 })
      await channel.consume(queue, { prefetch: 2, autoSettle: false }, () => {})
      const held = { ...empty, messageCount: 1, consumerCount: 1 }
      await until(5_000, 'two messages, delivered', async () => {
        return (await channel.queueDeclare(queue, { passive: true })).messageCount === 1
      })
      expect(await channel.queueDeclare(queue)).to.deep.equal(held)
      const witness = await session.live.witness()
      expect(await witness.checkQueue(queue)).to.deep.equal(held)
    })

    it('has the server make a name, for a queue of this connection only', async () => {
      const one = await channel.queueDeclare()
      const two = await channel.queueDeclare('')
      expect(one.queue).to.match(/^amq\.gen-/)
      expect(two.queue)
        .to.match(/^amq\.gen-/)
        .and.not.equal(one.queue)
      const elsewhere = await connect(session.live.url)
      const error = await rejectionOf(elsewhere.checkQueue(one.queue), ChannelClosedError)
      expect(error.replyCode).to.equal(405)
      await session.connection.close()
      await until(5_000, 'its end with the connection', async () => {
        return (await elsewhere.checkQueue(one.queue)) === undefined
      })
      await elsewhere.close()
    })

    it('makes a named one durable and for everybody, as the other client sees it', async () => {
      const queue = session.name()
      await channel.queueDeclare(queue)
      const witness = await session.live.witness()
      await witness.assertQueue(queue, { durable: true, exclusive: false, autoDelete: false })
    })

    it('makes one that goes with its last consumer', async () => {
      const queue = session.name()
      await channel.queueDeclare(queue, { autoDelete: true })
      const [one, two] = [await channel.consume(queue, () => {}), await channel.consume(queue, () => {})]
      await one.cancel()
      expect(await session.connection.checkQueue(queue)).to.include({ consumerCount: 1 })
      await two.cancel()
      expect(await session.connection.checkQueue(queue)).to.equal(undefined)
    })

    it('asks what is in one when it is passive, whatever else is said', async () => {
      const queue = await session.sharedQueue()
      await fill(queue, 2)
      const asked = await channel.queueDeclare(queue, { passive: true, durable: false, maxLength: 1 })
      expect(asked).to.deep.equal({ queue, messageCount: 2, consumerCount: 0 })
    })

    it('with noWait is not answered, and has done it when the next call is', async () => {
      const queue = session.name()
      const { framesReceived } = session.connection.stats
      expect(await channel.queueDeclare(queue, { noWait: true, maxLength: 5 })).to.equal(undefined)
      await channel.prefetch(1)
      expect(session.connection.stats.framesReceived - framesReceived, 'answers').to.equal(1)
      const witness = await session.live.witness()
      await witness.assertQueue(queue, { maxLength: 5 })
    })

    it('makes queues that do what their options say', async () => {
      const grave = await session.live.queue()
      const buried = { deadLetterExchange: '', deadLetterRoutingKey: grave }
      const { queue } = await channel.queueDeclare('', {
        maxLength: 1,
        messageTtl: 30,
        maxPriority: 5,
        ...buried,
      })
      await fill(queue, 2)
      await until(
        5_000,
        'the dead letters',
        async () => (await channel.queueDeclare(grave, { passive: true })).messageCount === 2,
      )
      const reasons = [await channel.get(grave), await channel.get(grave)].map(
        dead => dead?.properties.headers?.['x-first-death-reason'],
      )
      expect(reasons).to.deep.equal(['maxlen', 'expired'])
      const { queue: brief } = await channel.queueDeclare('', { expires: 50 })
      // To ask for it would be to use it.
      const isGone = (): Promise<boolean> =>
        channel.publish('', brief, 'x', { mandatory: true }).then(
          () => false,
          error => error instanceof ReturnedError,
        )
      await until(5_000, 'its end', isGone)
    })

    it('is refused before anything is sent when it could not be meant', async () => {
      const { framesSent } = session.connection.stats
      const calls: [path: string, Promise<unknown>][] = [
        ['queue', channel.queueDeclare('', { noWait: true })],
        ['queue', channel.queueDeclare('', { passive: true })],
        ['queue', channel.queueDeclare('x'.repeat(256))],
        ['options.maxLength', channel.queueDeclare('q', { maxLength: -1 })],
        ['options.maxLength', channel.queueDeclare('q', { maxLength: 1, arguments: { 'x-max-length': 1 } })],
        ['options.initialGroupSize', channel.queueDeclare('q', { initialGroupSize: 1 })],
        ['options.maxAge', channel.queueDeclare('q', { type: 'stream', maxAge: '7 days' as never })],
      ]
      for (const [path, call] of calls) expect((await rejectionOf(call, ArgumentError)).path).to.equal(path)
      expect(session.connection.stats.framesSent).to.equal(framesSent)
    })
  })

  describe('queuePurge', () => {
    it('removes what waits, not what is out, and tells how many', async () => {
      const queue = await session.live.queue()
      await fill(queue, 5)
      const out = await channel.get(queue)
      expect(await channel.queuePurge(queue)).to.equal(4)
      expect(await channel.queuePurge(queue)).to.equal(0)
      expect(out?.nack({ requeue: true })).to.equal(true)
      expect(await channel.queuePurge(queue)).to.equal(1)
    })

    it('with noWait tells nothing, and has done it when the next call is answered', async () => {
      const queue = await session.live.queue()
      await fill(queue, 5)
      expect(await channel.queuePurge(queue, { noWait: true })).to.equal(undefined)
      expect((await channel.queueDeclare(queue, { passive: true })).messageCount).to.equal(0)
    })
  })

  describe('queueDelete', () => {
    it('takes it away with its messages and tells how many, and minds none that does not exist', async () => {
      const queue = await session.sharedQueue()
      await fill(queue, 3)
      expect(await channel.queueDelete(queue)).to.equal(3)
      expect(await session.connection.checkQueue(queue)).to.equal(undefined)
      expect(await channel.queueDelete(queue)).to.equal(0)
    })

    it('takes away one that is unused and empty when it is to be', async () => {
      const queue = await session.sharedQueue()
      expect(await channel.queueDelete(queue, { ifUnused: true, ifEmpty: true })).to.equal(0)
      expect(await session.connection.checkQueue(queue)).to.equal(undefined)
    })

    it('ends its consumers, each with the word of the server', async () => {
      const queue = await session.sharedQueue()
      const consumer = await channel.consume(queue, () => {})
      await (await session.live.witness()).deleteQueue(queue)
      expect(await consumer.closed).to.include({ by: 'server', method: 'basic.cancel' })
      expect(channel.state).to.equal('open')
    })

    it('with noWait tells nothing, and has done it when the next call is answered', async () => {
      const queue = await session.sharedQueue()
      expect(await channel.queueDelete(queue, { noWait: true })).to.equal(undefined)
      await channel.prefetch(1)
      expect(await session.connection.checkQueue(queue)).to.equal(undefined)
    })
  })

  describe('checkQueue and checkExchange', () => {
    it('tell what there is and what there is not, and leave no channel behind', async () => {
      const [queue, exchange] = [await session.sharedQueue(), session.name()]
      await channel.exchangeDeclare(exchange, 'direct')
      await fill(queue, 2)
      const small = await MethodsSession.open({ channelMax: 1 })
      await small.channel.close()
      const { connection } = small
      for (let round = 0; round < 20; round++) {
        expect(await connection.checkQueue(queue)).to.deep.equal({ queue, messageCount: 2, consumerCount: 0 })
        expect(await connection.checkQueue('no such queue')).to.equal(undefined)
        expect(await connection.checkExchange(exchange)).to.equal(true)
        expect(await connection.checkExchange('amq.topic')).to.equal(true)
        expect(await connection.checkExchange('no such exchange')).to.equal(false)
      }
      expect((await connection.openChannel()).number).to.equal(1)
      await small.close()
    })

    it('ask many things at a time', async () => {
      const { connection } = session
      const queues = await Promise.all([1, 2, 3].map(() => session.sharedQueue()))
      const answers = await Promise.all(
        queues.flatMap(queue => [connection.checkQueue(queue), connection.checkQueue(`${queue} not`)]),
      )
      expect(answers.map(answer => answer?.queue)).to.deep.equal(queues.flatMap(queue => [queue, undefined]))
    })

    it('refuse to ask for nothing', async () => {
      const { connection } = session
      const { framesSent } = connection.stats
      expect((await rejectionOf(connection.checkQueue(''), ArgumentError)).path).to.equal('queue')
      expect((await rejectionOf(connection.checkExchange(''), ArgumentError)).path).to.equal('exchange')
      const late = { signal: AbortSignal.abort(new Error('not now')) }
      expect((await rejectionOf(connection.checkQueue('q', late), Error)).message).to.equal('not now')
      expect(connection.stats.framesSent).to.equal(framesSent)
    })
  })
})
