import { once } from 'node:events'
import amqplib from 'amqplib'
import { expect } from 'chai'
import { ArgumentError, type Channel, type Delivery } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { MethodsSession } from './methods-session.js'

describe('consuming and getting, with RabbitMQ', () => {
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

  async function consumersOf(queue: string): Promise<number | undefined> {
    return (await channel.queueDeclare(queue, { passive: true })).consumerCount
  }

  /** Starts a consumer that keeps what it gets. */
  async function keeping(on: Channel, queue: string, prefetch?: number): Promise<Delivery[]> {
    const kept: Delivery[] = []
    await on.consume(queue, { prefetch, autoSettle: false }, delivery => kept.push(delivery))
    return kept
  }

  /** How many messages of each queue nobody has. */
  async function readyIn(queues: readonly string[]): Promise<number[]> {
    const asked = await Promise.all(queues.map(queue => channel.queueDeclare(queue, { passive: true })))
    return asked.map(({ messageCount }) => messageCount)
  }

  describe('consume', () => {
    it('has the tag it is given, or makes one', async () => {
      const queue = await session.live.queue()
      await fill(queue, 2)
      const named = await channel.consume(queue, { consumerTag: 'mine', prefetch: 1 })
      expect(named.consumerTag).to.equal('mine')
      const made = await channel.consume(queue, { prefetch: 1 })
      expect(made.consumerTag).to.match(/^thump-\d+$/)
      for (const consumer of [named, made]) {
        for await (const delivery of consumer) {
          expect(delivery.consumerTag).to.equal(consumer.consumerTag)
          delivery.ack()
          break
        }
      }
    })

    it('refuses a tag that is in use on the channel, and sends nothing', async () => {
      const queue = await session.live.queue()
      const consumer = await channel.consume(queue, { consumerTag: 'mine' }, () => {})
      const { framesSent } = session.connection.stats
      const error = await rejectionOf(channel.consume(queue, { consumerTag: 'mine' }), ArgumentError)
      expect(error.path).to.equal('options.consumerTag')
      expect(session.connection.stats.framesSent).to.equal(framesSent)
      // It is free elsewhere, and when the consumer has ended.
      const other = await session.connection.openChannel()
      await other.consume(queue, { consumerTag: 'mine' }, () => {})
      await consumer.cancel()
      await channel.consume(queue, { consumerTag: 'mine' }, () => {})
      expect(await consumersOf(queue)).to.equal(2)
    })

    it('refuses it because the broker would end the connection (530)', async () => {
      const queue = await session.sharedQueue()
      const raw = await amqplib.connect(session.live.url)
      const refused = once(raw, 'error') as Promise<[Error & { code?: number }]>
      const rawChannel = await raw.createChannel()
      await rawChannel.consume(queue, () => {}, { consumerTag: 'mine' })
      await rejectionOf(
        rawChannel.consume(queue, () => {}, { consumerTag: 'mine' }),
        Error,
      )
      const [error] = await within(5_000, 'the end of the connection', refused)
      expect(error).to.include({ code: 530 })
      expect(error.message).to.include("attempt to reuse consumer tag 'mine'")
    })

    it('has a queue to itself when it is exclusive, until it ends', async () => {
      const queue = await session.live.queue()
      const first = await channel.consume(queue, { exclusive: true }, () => {})
      const other = await session.connection.openChannel()
      const error = await rejectionOf(other.consume(queue), Error)
      expect(error).to.include({ code: 'AMQP_CHANNEL_CLOSED', replyCode: 403 })
      await first.cancel()
      const again = await session.connection.openChannel()
      await again.consume(queue, () => {})
    })

    it('with noWait is not answered, and gets what comes all the same', async () => {
      const queue = await session.live.queue()
      await fill(queue, 3)
      await channel.prefetch(10)
      const bodies: string[] = []
      const { framesReceived } = session.connection.stats
      const options = { noWait: true, noAck: true }
      const consumer = await channel.consume(queue, options, ({ body }) => bodies.push(String(body)))
      await until(5_000, 'the messages', () => bodies.length === 3)
      expect(session.connection.stats.framesReceived - framesReceived, 'three messages').to.equal(9)
      await fill(queue, 1)
      await until(5_000, 'one more', () => bodies.length === 4)
      expect(await consumersOf(queue)).to.equal(1)
      await consumer.cancel()
      expect(await consumersOf(queue)).to.equal(0)
    })

    it('shares a queue among all, in turn', async () => {
      const queue = await session.live.queue()
      const other = await session.connection.openChannel()
      const kept = [await keeping(channel, queue), await keeping(other, queue), await keeping(channel, queue)]
      await fill(queue, 9)
      await until(5_000, 'the messages', () => kept.flat().length === 9)
      expect(kept.map(each => each.length)).to.deep.equal([3, 3, 3])
    })

    it('is told when its queue goes, and the channel goes on', async () => {
      const queue = await session.live.queue()
      const consumer = await channel.consume(queue, () => {})
      await channel.queueDelete(queue)
      expect(await within(5_000, 'its end', consumer.closed)).to.deep.equal({
        by: 'server',
        text: 'the server cancelled the consumer',
        method: 'basic.cancel',
      })
      const { framesSent } = session.connection.stats
      // Nothing is left to cancel.
      expect(await consumer.cancel()).to.include({ by: 'server' })
      expect(session.connection.stats.framesSent).to.equal(framesSent)
      await channel.queueDeclare()
    })
  })

  describe('cancel', () => {
    for (const noWait of [false, true]) {
      it(`ends the consumer and no other${noWait ? ' with noWait' : ''}, and what it has stays to be settled`, async () => {
        const queue = await session.live.queue()
        await fill(queue, 2)
        const kept: Delivery[] = []
        const options = { prefetch: 1, autoSettle: false }
        const one = await channel.consume(queue, options, delivery => kept.push(delivery))
        await until(5_000, 'a delivery', () => kept.length === 1)
        const others = await keeping(channel, queue, 1)
        await until(5_000, 'another delivery', () => others.length === 1)
        const { framesReceived } = session.connection.stats
        expect(await channel.cancel(one, { noWait })).to.deep.equal({ by: 'client' })
        await channel.prefetch(1)
        const answers = session.connection.stats.framesReceived - framesReceived
        expect(answers, 'one to this call, and one to the cancel, waited for or not').to.equal(2)
        expect(await one.closed).to.deep.equal({ by: 'client' })
        expect(await consumersOf(queue)).to.equal(1)
        expect(kept[0]?.ack()).to.equal(true)
        await fill(queue, 1)
        expect(others[0]?.ack()).to.equal(true)
        await until(5_000, 'the next delivery', () => others.length === 2)
        expect(kept).to.have.length(1)
      })
    }

    it('twice, or of a consumer that has ended, sends nothing more', async () => {
      const queue = await session.live.queue()
      const consumer = await channel.consume(queue, () => {})
      const ends = [consumer.cancel(), channel.cancel(consumer), consumer.cancel({ noWait: true })]
      expect(await Promise.all(ends)).to.deep.equal(Array(3).fill({ by: 'client' }))
      const { framesSent } = session.connection.stats
      expect(await channel.cancel(consumer)).to.deep.equal({ by: 'client' })
      expect(session.connection.stats.framesSent).to.equal(framesSent)
    })

    it('takes a consumer, since a tag that the broker does not know it answers like any other', async () => {
      const { framesSent } = session.connection.stats
      const error = await rejectionOf(channel.cancel('no such tag' as never), ArgumentError)
      expect(error.path).to.equal('consumer')
      expect(session.connection.stats.framesSent).to.equal(framesSent)
      const witness = await session.live.witness()
      expect(await witness.cancel('no such tag')).to.deep.equal({ consumerTag: 'no such tag' })
    })

    it('loses no message of a flood, neither those begun nor those given back', async () => {
      const queue = await session.live.queue()
      await fill(queue, 300)
      const seen: string[] = []
      for (let round = 0; round < 10; round++) {
        const consumer = await channel.consume(
          queue,
          { prefetch: 20, noWait: round % 2 === 0 },
          async ({ body }) => {
            await null
            seen.push(String(body))
          },
        )
        await consumer.cancel({ noWait: round % 3 === 0 })
      }
      for await (const delivery of await channel.consume(queue)) {
        seen.push(String(delivery.body))
        delivery.ack()
        if (seen.length === 300) break
      }
      const numbers = seen.map(Number).sort((a, b) => a - b)
      expect(numbers).to.deep.equal(Array.from({ length: 300 }, (_, each) => each))
    })
  })

  describe('prefetch', () => {
    it('is that of the consumers that start after it; those that run keep theirs', async () => {
      const queues = await Promise.all([1, 2, 3, 4].map(() => session.live.queue()))
      const [q1 = '', q2 = '', q3 = '', q4 = ''] = queues
      for (const queue of queues) await fill(queue, 8)
      await channel.prefetch(2)
      const first = await keeping(channel, q1)
      await channel.prefetch(5)
      const second = await keeping(channel, q2)
      const own = await keeping(channel, q3, 1)
      const third = await keeping(channel, q4)
      await until(5_000, 'the deliveries', () => [first, second, own, third].flat().length === 13)
      expect([first, second, own, third].map(each => each.length)).to.deep.equal([2, 5, 1, 5])
      expect(await readyIn(queues)).to.deep.equal([6, 3, 7, 3])
      expect(first[1]?.ack()).to.equal(true)
      await until(5_000, 'one more', () => first.length === 3)
      expect(await readyIn(queues)).to.deep.equal([5, 3, 7, 3])
    })

    it('of 0 is none, and without one it is 100', async () => {
      const queues = [await session.live.queue(), await session.live.queue()]
      for (const queue of queues) await fill(queue, 150)
      const other = await session.connection.openChannel()
      const limited = await keeping(other, queues[0] ?? '')
      await until(5_000, '100 deliveries', () => limited.length === 100)
      expect(await readyIn(queues)).to.deep.equal([50, 150])
      await other.prefetch(0)
      const unlimited = await keeping(other, queues[1] ?? '')
      await until(5_000, 'all 150', () => unlimited.length === 150)
    })

    it('is refused before it is sent beyond what AMQP can say', async () => {
      const { framesSent } = session.connection.stats
      for (const count of [-1, 65_536, 1.5, Number.NaN]) {
        expect((await rejectionOf(channel.prefetch(count), ArgumentError)).path).to.equal('count')
      }
      expect(session.connection.stats.framesSent).to.equal(framesSent)
    })
  })

  describe('get', () => {
    it('takes the oldest, says how many are left, and undefined when there is none', async () => {
      const queue = await session.live.queue()
      await fill(queue, 3)
      const first = await channel.get(queue)
      expect(first).to.include({ messageCount: 2, consumerTag: '', routingKey: queue, redelivered: false })
      expect(String(first?.body)).to.equal('0')
      expect((await channel.get(queue, { noAck: true }))?.messageCount).to.equal(1)
      expect((await channel.get(queue))?.messageCount).to.equal(0)
      expect(await channel.get(queue)).to.equal(undefined)
      expect(first?.messageCount).to.equal(2)
    })

    it('many at a time, beside a consumer, are answered each with its own', async () => {
      const [queue, busy] = [await session.live.queue(), await session.live.queue()]
      await fill(queue, 50)
      await fill(busy, 100)
      let seen = 0
      await channel.consume(busy, { prefetch: 7 }, () => void seen++)
      const got = await Promise.all(Array.from({ length: 60 }, () => channel.get(queue)))
      expect(got.slice(0, 50).map(delivery => Number(delivery?.body))).to.deep.equal(
        Array.from({ length: 50 }, (_, each) => each),
      )
      expect(got.slice(50)).to.deep.equal(Array(10).fill(undefined))
      expect(got[49]?.ack({ multiple: true })).to.equal(true)
      await until(5_000, 'what the consumer has', () => seen === 100)
    })
  })
})
