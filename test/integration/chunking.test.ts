import { expect } from 'chai'
import { ChannelClosedError, type Delivery, ReturnedError } from '../../src/index.js'
import { FaultProxy } from '../support/fault-proxy.js'
import { BROKER_START_MS, LiveSession } from '../support/live-session.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'

describe('a session whose octets come one by one', () => {
  let proxy: FaultProxy
  let session: LiveSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    const { url } = await sharedBroker()
    proxy = await FaultProxy.start({ target: { port: Number(new URL(url).port || 5672) } })
  })

  after(() => proxy.close())

  afterEach(() => session.close())

  const headers = { n: 1, list: ['a', { deep: true }], big: 2n ** 60n }

  function seen(delivery: Delivery | undefined): unknown {
    if (delivery === undefined) return undefined
    const { properties, body } = delivery
    const big = String(properties.headers?.['big'])
    return {
      ...JSON.parse(JSON.stringify({ ...properties, headers: { ...properties.headers, big } })),
      body: body.toString('hex'),
    }
  }

  /** All that a session can do, as what it came to. */
  async function live(): Promise<unknown[]> {
    const came: unknown[] = []
    const { channel, connection } = session
    await channel.exchangeDeclare('cut', 'topic', { durable: false, autoDelete: true })
    const queue = await session.queue({ arguments: { 'x-max-priority': 5 } })
    await channel.queueBind(queue, 'cut', 'some.*')
    const bodies = ['', 'x', 'hello', Buffer.alloc(5_000, 7)]
    for (const [index, body] of bodies.entries()) {
      await channel.publish('cut', 'some.key', body, { messageId: String(index), headers, timestamp: 5 })
    }
    const lost = channel.publish('cut', 'nobody', 'lost', { mandatory: true, headers })
    const { returned } = await rejectionOf(lost, ReturnedError)
    came.push(returned.replyText, returned.body.toString(), returned.routingKey)
    came.push(seen(await channel.get(queue, { noAck: true })))
    for await (const delivery of await channel.consume(queue, { prefetch: 2 })) {
      came.push(seen(delivery), delivery.redelivered, delivery.routingKey)
      delivery.ack()
      if (came.length === 3 + 1 + 9) break
    }
    came.push(seen(await channel.get(queue)), await channel.queueDelete(queue))
    const doomed = await connection.openChannel()
    came.push((await rejectionOf(doomed.get('no such queue'), ChannelClosedError)).replyText)
    const { by } = await connection.close()
    return [...came, by]
  }

  it('comes to the same as one whose octets come as they like', async function () {
    this.timeout(60_000)
    session = await LiveSession.open({ confirm: true })
    const expected = await live()
    expect(expected).to.have.length(17)
    for (const direction of ['toClient', 'toServer', 'both'] as const) {
      proxy.clear()
      proxy.chunk(1, direction)
      const before = proxy.octets.toClient.forwarded
      session = await LiveSession.open({ confirm: true, url: proxy.url(session.url) })
      expect(await live(), direction).to.deep.equal(expected)
      expect(proxy.octets.toClient.forwarded - before).to.be.above(5_000)
    }
  })

  for (const octets of [2, 7, 8, 100, 4_096]) {
    it(`loses nothing in pieces of ${octets} octets`, async function () {
      this.timeout(20_000)
      proxy.clear()
      proxy.chunk(octets)
      const { url } = await sharedBroker()
      session = await LiveSession.open({ confirm: true, url: proxy.url(url) })
      const queue = await session.queue()
      const bodies = Array.from({ length: 20 }, (_, index) => Buffer.alloc(index * 37, index))
      await Promise.all(bodies.map(body => session.channel.publish('', queue, body, { headers })))
      const received: string[] = []
      for await (const delivery of await session.channel.consume(queue)) {
        received.push(delivery.body.toString('hex'))
        delivery.ack()
        if (received.length === bodies.length) break
      }
      expect(received).to.deep.equal(bodies.map(body => body.toString('hex')))
    })
  }
})
