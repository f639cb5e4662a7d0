import { once } from 'node:events'
import amqplib from 'amqplib'
import { expect } from 'chai'
import { ArgumentError, type Channel, type Delivery } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { thrownBy } from '../support/rejection.js'
import { MethodsSession } from './methods-session.js'

type Settle = (delivery: Delivery) => boolean

describe('settling and recover, with RabbitMQ', () => {
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

  async function filled(count: number): Promise<string> {
    const queue = await session.sharedQueue()
    const bodies = Array.from({ length: count }, (_, each) => String(each))
    await Promise.all(bodies.map(body => channel.publish('', queue, body)))
    return queue
  }

  async function fetch(from: Channel, queue: string): Promise<Delivery> {
    const delivery = await from.get(queue)
    if (delivery === undefined) throw new Error(`nothing in ${queue}`)
    return delivery
  }

  /** What is in a queue once the channel is gone that had the rest, in order. */
  async function leftIn(queue: string, closing: Channel): Promise<[body: string, redelivered: boolean][]> {
    await closing.close()
    const reader = await session.connection.openChannel()
    const left: [string, boolean][] = []
    for (;;) {
      const delivery = await reader.get(queue, { noAck: true })
      if (delivery === undefined) return left
      left.push([String(delivery.body), delivery.redelivered])
    }
  }

  const settlements: [what: string, settle: Settle, left: [string, boolean][]][] = [
    ['ack takes it away', delivery => channel.ack(delivery), []],
    ['nack drops it', delivery => channel.nack(delivery), []],
    ['nack with requeue puts it back', delivery => channel.nack(delivery, { requeue: true }), [['0', true]]],
    ['reject drops it', delivery => channel.reject(delivery), []],
    [
      'reject with requeue puts it back',
      delivery => channel.reject(delivery, { requeue: true }),
      [['0', true]],
    ],
    ['ack of the delivery itself takes it away', delivery => delivery.ack(), []],
    [
      'nack of the delivery itself with requeue puts it back',
      delivery => delivery.nack({ requeue: true }),
      [['0', true]],
    ],
    ['reject of the delivery itself drops it', delivery => delivery.reject(), []],
  ]
  for (const [what, settle, left] of settlements) {
    it(`${what}, once`, async () => {
      const queue = await filled(1)
      const owner = await session.connection.openChannel()
      const delivery = await fetch(owner, queue)
      expect(delivery.state).to.equal('unsettled')
      const { framesSent } = session.connection.stats
      expect(settle(delivery)).to.equal(true)
      expect(delivery.state).to.equal('settled')
      for (const again of [delivery.ack(), delivery.nack(), delivery.reject(), settle(delivery)]) {
        expect(again).to.equal(false)
      }
      expect(session.connection.stats.framesSent - framesSent, 'frames').to.equal(1)
      expect(await leftIn(queue, owner)).to.deep.equal(left)
    })
  }

  it('dead-letters what is refused, with the reason', async () => {
    const grave = await session.live.queue()
    const { queue } = await channel.queueDeclare('', { deadLetterExchange: '', deadLetterRoutingKey: grave })
    for (const body of ['nacked', 'rejected']) await channel.publish('', queue, body)
    expect((await fetch(channel, queue)).nack()).to.equal(true)
    expect((await fetch(channel, queue)).reject()).to.equal(true)
    await until(
      5_000,
      'the dead letters',
      async () => (await session.channel.queueDeclare(grave, { passive: true })).messageCount === 2,
    )
    const dead = [await fetch(channel, grave), await fetch(channel, grave)]
    expect(dead.map(({ body }) => String(body))).to.deep.equal(['nacked', 'rejected'])
    for (const { properties } of dead) {
      expect(properties.headers).to.include({
        'x-first-death-reason': 'rejected',
        'x-first-death-queue': queue,
      })
    }
  })

  const raw: [what: string, settle: (from: amqplib.Channel, message: amqplib.GetMessage) => void][] = [
    ['ack', (from, message) => from.ack(message)],
    ['nack', (from, message) => from.nack(message)],
    ['reject', (from, message) => from.reject(message)],
  ]
  for (const [what, settle] of raw) {
    it(`a second ${what} is kept back because the broker would end the channel (406)`, async () => {
      const queue = await filled(1)
      const client = await amqplib.connect(session.live.url)
      const careless = await client.createChannel()
      const refused = once(careless, 'error') as Promise<[Error & { code?: number }]>
      const message = await careless.get(queue)
      if (message === false) throw new Error('no message')
      settle(careless, message)
      settle(careless, message)
      const [error] = await within(5_000, 'the refusal', refused)
      expect(error).to.include({ code: 406 })
      expect(error.message).to.match(/PRECONDITION_FAILED - unknown delivery tag 1/)
      await client.close()

      const careful = await session.connection.openChannel()
      await channel.publish('', queue, 'again')
      const delivery = await fetch(careful, queue)
      expect([delivery.ack(), delivery.ack(), delivery.nack(), delivery.reject()]).to.deep.equal([
        true,
        false,
        false,
        false,
      ])
      await careful.queueDeclare()
      expect(careful.state).to.equal('open')
    })
  }

  it('is of a delivery, not of a tag', () => {
    const { framesSent } = session.connection.stats
    for (const settle of [channel.ack, channel.nack, channel.reject]) {
      const error = thrownBy(() => settle.call(channel, 1 as never), ArgumentError)
      expect(error.path).to.equal('delivery')
    }
    expect(session.connection.stats.framesSent).to.equal(framesSent)
  })

  it('goes to the channel that the delivery came on, whichever is asked', async () => {
    const queue = await filled(2)
    const [one, two] = [await session.connection.openChannel(), await session.connection.openChannel()]
    const deliveries = [await fetch(one, queue), await fetch(two, queue)]
    expect(deliveries.map(({ deliveryTag }) => deliveryTag)).to.deep.equal([1, 1])
    expect([two.ack(deliveries[0] as Delivery), one.nack(deliveries[1] as Delivery)]).to.deep.equal([
      true,
      true,
    ])
    await one.close()
    expect(await leftIn(queue, two)).to.deep.equal([])
  })

  describe('multiple', () => {
    interface Held {
      readonly owner: Channel
      /** Six deliveries of one channel, in the order of their tags: two of each queue, of consumers and of get. */
      readonly deliveries: Delivery[]
      /** Three queues; each has one message that nobody holds. */
      readonly queues: string[]
    }

    async function hold(): Promise<Held> {
      const owner = await session.connection.openChannel()
      const queues = [await filled(3), await filled(3), await filled(3)]
      const deliveries: Delivery[] = []
      for (const queue of queues.slice(0, 2)) {
        const options = { prefetch: 2, autoSettle: false }
        const consumer = await owner.consume(queue, options, delivery => deliveries.push(delivery))
        await until(
          5_000,
          'two deliveries',
          () => deliveries.length % 2 === 0 && deliveries.at(-1)?.consumerTag === consumer.consumerTag,
        )
        await consumer.cancel()
      }
      for (let each = 0; each < 2; each++) deliveries.push(await fetch(owner, queues[2] ?? ''))
      expect(deliveries.map(({ deliveryTag }) => deliveryTag)).to.deep.equal([1, 2, 3, 4, 5, 6])
      return { owner, deliveries, queues }
    }

    /** What is to be had in each queue. */
    async function ready(queues: readonly string[]): Promise<(number | undefined)[]> {
      return Promise.all(queues.map(queue => session.messagesIn(queue)))
    }

    const forms: [what: string, settle: Settle, ready: number[]][] = [
      ['ack', delivery => channel.ack(delivery, { multiple: true }), [1, 1, 1]],
      ['nack', delivery => channel.nack(delivery, { multiple: true }), [1, 1, 1]],
      ['nack with requeue', delivery => delivery.nack({ multiple: true, requeue: true }), [2, 3, 2]],
    ]
    for (const [what, settle, left] of forms) {
      it(`${what} covers all before it on its channel, of consumers and of get, but what is settled already`, async () => {
        const { owner, deliveries, queues } = await hold()
        const [, second, , , fifth, sixth] = deliveries
        expect(second?.nack()).to.equal(true)
        const { framesSent } = session.connection.stats
        expect(settle(fifth as Delivery)).to.equal(true)
        const states = deliveries.map(({ state }) => state)
        expect(states).to.deep.equal([...Array(5).fill('settled'), 'unsettled'])
        expect(deliveries.slice(0, 5).map(delivery => delivery.ack())).to.deep.equal(Array(5).fill(false))
        expect(session.connection.stats.framesSent - framesSent, 'frames').to.equal(1)
        await owner.queueDeclare()
        await until(5_000, 'what is left', async () => String(await ready(queues)) === String(left))
        await owner.close()
        expect(sixth?.state).to.equal('stale')
        const [one, two, three = 0] = left
        await until(
          5_000,
          'the sixth, back',
          async () => String(await ready(queues)) === String([one, two, three + 1]),
        )
      })
    }
  })

  describe('recover', () => {
    it('has everything that is unsettled delivered again, under new tags; the old are settled', async () => {
      const queue = await filled(3)
      const deliveries: Delivery[] = []
      const owner = await session.connection.openChannel()
      await owner.consume(queue, { autoSettle: false }, delivery => deliveries.push(delivery))
      await until(5_000, 'the deliveries', () => deliveries.length === 3)
      expect(deliveries[1]?.ack()).to.equal(true)
      expect(await owner.recover()).to.equal(undefined)
      expect(deliveries.slice(0, 3).map(({ state }) => state)).to.deep.equal(Array(3).fill('settled'))
      await until(5_000, 'the redeliveries', () => deliveries.length === 5)
      const again = deliveries.slice(3)
      expect(again.map(({ body }) => String(body)).sort()).to.deep.equal(['0', '2'])
      for (const { redelivered, deliveryTag } of again) {
        expect(redelivered).to.equal(true)
        expect(deliveryTag).to.be.above(3)
      }
      const { framesSent } = session.connection.stats
      expect(deliveries[0]?.ack({ multiple: true })).to.equal(false)
      expect(deliveries[2]?.nack({ requeue: true })).to.equal(false)
      expect(session.connection.stats.framesSent).to.equal(framesSent)
      expect(again.map(delivery => delivery.ack())).to.deep.equal([true, true])
      expect(await leftIn(queue, owner)).to.deep.equal([])
    })

    it('puts back what was fetched, and another connection may have it', async () => {
      const queue = await filled(2)
      const owner = await session.connection.openChannel()
      const held = [await fetch(owner, queue), await fetch(owner, queue)]
      await owner.recover()
      const witness = await session.live.witness()
      const messages = [await witness.get(queue), await witness.get(queue)]
      expect(messages.map(message => message !== false && message.fields.redelivered)).to.deep.equal([
        true,
        true,
      ])
      expect(held.map(delivery => delivery.ack())).to.deep.equal([false, false])
      await owner.queueDeclare()
      for (const message of messages) if (message !== false) witness.ack(message)
    })

    it('does nothing to other channels, and nothing when nothing is out', async () => {
      const queue = await filled(1)
      const [one, two] = [await session.connection.openChannel(), await session.connection.openChannel()]
      const delivery = await fetch(one, queue)
      await two.recover()
      await two.recover()
      expect(delivery.state).to.equal('unsettled')
      expect(delivery.ack()).to.equal(true)
      expect(await leftIn(queue, one)).to.deep.equal([])
    })

    it('amid a flood loses nothing, and settles nothing twice', async () => {
      const queue = await filled(200)
      const owner = await session.connection.openChannel()
      const done = new Set<string>()
      const consumer = await owner.consume(queue, { prefetch: 20, autoSettle: false }, async delivery => {
        await null
        if (delivery.ack()) done.add(String(delivery.body))
      })
      for (let each = 0; each < 10; each++) await owner.recover()
      await until(5_000, 'all messages', () => done.size === 200)
      expect(await consumer.cancel()).to.deep.equal({ by: 'client' })
      expect(await leftIn(queue, owner)).to.deep.equal([])
    })
  })
})
