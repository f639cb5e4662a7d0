import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import {
  ChannelClosedError,
  type Consumer,
  ConsumerClosedError,
  type Delivery,
  ReturnedError,
} from '../../src/index.js'
import { BROKER_START_MS, LiveSession, withSharedQueue } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'

describe('consume, with RabbitMQ', () => {
  let session: LiveSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await LiveSession.open({ confirm: true })
  })

  afterEach(() => session.close())

  /** Runs with a shared queue that holds so many messages; `ready` says how many of them are nobody's. */
  async function withMessages(
    count: number,
    action: (queue: string, ready: () => Promise<number>) => Promise<void>,
  ): Promise<void> {
    await withSharedQueue(session, {}, async queue => {
      const numbers = Array.from({ length: count }, (_, each) => String(each))
      await Promise.all(numbers.map(each => session.channel.publish('', queue, each)))
      const witness = await session.witness()
      await action(queue, async () => (await witness.checkQueue(queue)).messageCount)
    })
  }

  async function becomes(expected: number, ready: () => Promise<number>): Promise<void> {
    await until(5_000, `${expected} messages that are ready`, async () => (await ready()) === expected)
  }

  describe('by an iterator', () => {
    it('yields messages in order, and those acknowledged are gone', async () => {
      await withMessages(50, async (queue, ready) => {
        const bodies: string[] = []
        for await (const delivery of await session.channel.consume(queue)) {
          bodies.push(String(delivery.body))
          expect(delivery.ack()).to.equal(true)
          if (bodies.length === 50) break
        }
        expect(bodies).to.deep.equal(Array.from({ length: 50 }, (_, each) => String(each)))
        await session.channel.close()
        await becomes(0, ready)
      })
    })

    it('holds no more than the prefetch', async () => {
      await withMessages(10, async (queue, ready) => {
        const consumer = await session.channel.consume(queue, { prefetch: 3 })
        await becomes(7, ready)
        const iterator = consumer[Symbol.asyncIterator]()
        const { value } = await iterator.next()
        value?.ack()
        await becomes(6, ready)
        await delay(50)
        expect(await ready()).to.equal(6)
      })
    })

    it('gives back what was not yielded when the loop is left; what was yielded may still be settled', async () => {
      await withMessages(10, async (queue, ready) => {
        const kept: Delivery[] = []
        for await (const delivery of await session.channel.consume(queue, { prefetch: 8 })) {
          kept.push(delivery)
          if (kept.length === 3) break
        }
        await becomes(7, ready)
        expect(kept.map(delivery => delivery.state)).to.deep.equal(['unsettled', 'unsettled', 'unsettled'])
        expect(kept[2]?.ack({ multiple: true })).to.equal(true)
        expect(kept.map(delivery => delivery.state)).to.deep.equal(['settled', 'settled', 'settled'])
        await session.channel.close()
        await becomes(7, ready)
      })
    })

    it('yields what came before the queue was deleted, and then throws', async () => {
      const queue = await session.queue()
      await session.channel.publish('', queue, 'a')
      const consumer = await session.channel.consume(queue)
      const iterator = consumer[Symbol.asyncIterator]()
      expect(String((await iterator.next()).value?.body)).to.equal('a')
      const deleter = await session.connection.openChannel()
      await session.channel.publish('', queue, 'b')
      await deleter.queueDelete(queue)
      const reason = await within(5_000, 'the end of the consumer', consumer.closed)
      expect(reason).to.include({ by: 'server', method: 'basic.cancel' })
      const { value } = await iterator.next()
      expect(String(value?.body)).to.equal('b')
      expect(value?.ack()).to.equal(true)
      const error = await rejectionOf(iterator.next(), ConsumerClosedError)
      expect(error.reason).to.equal(reason)
      expect(session.channel.state).to.equal('open')
      await session.channel.queueDeclare()
    })

    it('marks what was delivered before', async () => {
      const queue = await session.queue()
      await session.channel.publish('', queue, 'a')
      const flags: boolean[] = []
      for await (const delivery of await session.channel.consume(queue)) {
        flags.push(delivery.redelivered)
        if (delivery.redelivered) break
        expect(delivery.nack({ requeue: true })).to.equal(true)
      }
      expect(flags).to.deep.equal([false, true])
    })

    it('drops what is refused without requeue, and what is rejected', async () => {
      await withMessages(4, async (queue, ready) => {
        let seen = 0
        for await (const delivery of await session.channel.consume(queue)) {
          const settled = seen++ % 2 === 0 ? delivery.nack() : delivery.reject()
          expect(settled).to.equal(true)
          expect(delivery.ack()).to.equal(false)
          if (seen === 4) break
        }
        await session.channel.close()
        await becomes(0, ready)
      })
    })

    it('makes deliveries stale when the channel is closed, and the broker gives them to others', async () => {
      await withMessages(1, async (queue, ready) => {
        const receiver = await session.connection.openChannel()
        const iterator = (await receiver.consume(queue))[Symbol.asyncIterator]()
        const { value } = await iterator.next()
        await becomes(0, ready)
        await receiver.close()
        expect(value?.state).to.equal('stale')
        expect(value?.ack()).to.equal(false)
        await becomes(1, ready)
        expect(session.connection.state).to.equal('open')
      })
    })
  })

  describe('by a handler', () => {
    it('acknowledges what it has worked on, so many at a time', async () => {
      await withMessages(30, async (queue, ready) => {
        let running = 0
        let most = 0
        let done = 0
        await session.channel.consume(queue, { prefetch: 10, concurrency: 4 }, async () => {
          most = Math.max(most, ++running)
          await delay(5)
          running--
          done++
        })
        await until(5_000, 'all messages', () => done === 30)
        expect(most).to.equal(4)
        await session.channel.close()
        await becomes(0, ready)
      })
    })

    it('tries twice what fails, and then dead-letters it', async () => {
      await withSharedQueue(session, {}, async graveyard => {
        const deadLetters = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': graveyard }
        const queue = await session.queue({ arguments: deadLetters })
        const tries: boolean[] = []
        const errors: unknown[] = []
        session.channel.on('handlerError', error => errors.push(error))
        await session.channel.consume(queue, delivery => {
          tries.push(delivery.redelivered)
          if (String(delivery.body) === 'bad') throw new Error('cannot work on that')
        })
        await session.channel.publish('', queue, 'bad')
        await session.channel.publish('', queue, 'good')
        let dead: Delivery | undefined
        await until(5_000, 'the dead letter', async () => {
          dead = await session.channel.get(graveyard, { noAck: true })
          return dead !== undefined
        })
        expect(String(dead?.body)).to.equal('bad')
        expect(dead?.properties.headers?.['x-death']).to.be.an('array').with.length(1)
        expect(tries).to.have.length(3)
        expect(errors.map(String)).to.deep.equal(Array(2).fill('Error: cannot work on that'))
      })
    })

    it('rejects at once when it is told to', async () => {
      await withMessages(1, async (queue, ready) => {
        let calls = 0
        session.channel.on('handlerError', () => {})
        await session.channel.consume(queue, { onError: 'reject' }, async () => {
          calls++
          throw new Error('no')
        })
        await until(5_000, 'the call', () => calls === 1)
        await session.channel.close()
        await becomes(0, ready)
        expect(calls).to.equal(1)
      })
    })

    it('gives back what it has not begun when it is cancelled', async () => {
      await withMessages(10, async (queue, ready) => {
        let release = (): void => {}
        const held = new Promise<void>(resolve => {
          release = resolve
        })
        const begun: string[] = []
        const consumer = await session.channel.consume(
          queue,
          { prefetch: 6, concurrency: 2 },
          async delivery => {
            begun.push(String(delivery.body))
            await held
          },
        )
        await becomes(4, ready)
        const cancelled = consumer.cancel()
        await becomes(8, ready)
        release()
        expect(await cancelled).to.deep.equal({ by: 'client' })
        await session.channel.queueDeclare()
        await session.channel.close()
        await becomes(8, ready)
        expect(begun).to.deep.equal(['0', '1'])
      })
    })

    it('goes on with its channel when the queue is deleted, and says so', async () => {
      const queue = await session.queue()
      const consumer = await session.channel.consume(queue, () => {})
      await (await session.connection.openChannel()).queueDelete(queue)
      expect(await within(5_000, 'the end of the consumer', consumer.closed)).to.include({ by: 'server' })
      await session.channel.queueDeclare()
    })
  })

  describe('without acknowledgements', () => {
    it('loses nothing of a flood when the iterator is slow, and holds only so much of it', async function () {
      this.timeout(30_000)
      await withSharedQueue(session, {}, async queue => {
        const count = 3_000
        const body = Buffer.alloc(8_000, 'x')
        await Promise.all(
          Array.from({ length: count }, (_, each) =>
            session.channel.publish('', queue, body, { messageId: String(each), deliveryMode: 1 }),
          ),
        )
        const reader = await LiveSession.open({ maxReceiveBuffered: 500_000 })
        const consumer = await reader.channel.consume(queue, { noAck: true })
        await until(5_000, 'the limit', () => reader.connection.stats.octetsReceived > 300_000)
        await delay(100)
        const { octetsReceived } = reader.connection.stats
        expect(octetsReceived).to.be.below(1_000_000)
        let received = 0
        for await (const delivery of consumer) {
          if (delivery.properties.messageId !== String(received)) throw new Error(`${received} is missing`)
          expect(delivery.state).to.equal('noAck')
          if (++received === count) break
        }
        await reader.close()
      })
    })

    it('leaves settling to nobody', async () => {
      await withMessages(1, async (queue, ready) => {
        const iterator = (await session.channel.consume(queue, { noAck: true }))[Symbol.asyncIterator]()
        const { value } = await iterator.next()
        expect([value?.ack(), value?.nack(), value?.reject()]).to.deep.equal([false, false, false])
        await becomes(0, ready)
        await session.channel.queueDeclare()
      })
    })
  })

  it('gets messages one by one, and the word that there are none', async () => {
    await withMessages(2, async (queue, ready) => {
      const first = await session.channel.get(queue)
      expect(first).to.include({ messageCount: 1, exchange: '', routingKey: queue, redelivered: false })
      expect(first?.nack({ requeue: true })).to.equal(true)
      await becomes(2, ready)
      const again = await session.channel.get(queue)
      expect(String(again?.body)).to.equal('0')
      expect(again?.redelivered).to.equal(true)
      expect(again?.ack()).to.equal(true)
      expect((await session.channel.get(queue, { noAck: true }))?.state).to.equal('noAck')
      expect(await session.channel.get(queue)).to.equal(undefined)
    })
  })

  it('refuses a second consumer of an exclusive one, and says why', async () => {
    const queue = await session.queue()
    const first = await session.channel.consume(queue, { exclusive: true })
    const other = await session.connection.openChannel()
    const error = await rejectionOf(other.consume(queue), ChannelClosedError)
    expect(error).to.include({ replyCode: 403, method: 'basic.consume' })
    await first.cancel()
  })

  it('answers requests over direct reply-to', async () => {
    const replies = await session.channel.consume('amq.rabbitmq.reply-to', { noAck: true })
    const requests = await session.queue()
    const server = await session.connection.openChannel()
    await server.consume(requests, request =>
      server.publish('', request.properties.replyTo ?? '', `re: ${request.body}`),
    )
    await session.channel.publish('', requests, 'question', { replyTo: 'amq.rabbitmq.reply-to' })
    for await (const reply of replies) {
      expect(String(reply.body)).to.equal('re: question')
      break
    }
  })

  it('has many consumers on one channel, each with what is its own', async () => {
    const queues = await Promise.all(Array.from({ length: 20 }, () => session.queue()))
    const bodies = queues.map((): string[] => [])
    const consumers: Consumer[] = []
    for (const [index, queue] of queues.entries()) {
      consumers.push(
        await session.channel.consume(queue, delivery => bodies[index]?.push(String(delivery.body))),
      )
    }
    const publishes = queues.flatMap((queue, index) =>
      ['a', 'b', 'c'].map(each => session.channel.publish('', queue, `${each}${index}`, { mandatory: true })),
    )
    await Promise.all(publishes)
    await until(5_000, 'all messages', () => bodies.every(each => each.length === 3))
    expect(bodies).to.deep.equal(queues.map((_, index) => [`a${index}`, `b${index}`, `c${index}`]))
    await Promise.all(consumers.map(consumer => consumer.cancel()))
    await rejectionOf(session.channel.publish('', 'no such queue', 'x', { mandatory: true }), ReturnedError)
  })
})
