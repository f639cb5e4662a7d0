import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import {
  AmqpError,
  ArgumentError,
  type Channel,
  ChannelClosedError,
  NackedError,
  ReturnedError,
  type ReturnedMessage,
  UnconfirmedError,
} from '../../src/index.js'
import { FaultProxy } from '../support/fault-proxy.js'
import { BROKER_START_MS, LiveSession, withSharedQueue } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'

describe('publish, with RabbitMQ', () => {
  let session: LiveSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  afterEach(() => session.close())

  /** The bodies in a queue, in order. */
  async function bodiesOf(channel: Channel, queue: string): Promise<string[]> {
    const bodies: string[] = []
    for (;;) {
      const delivery = await channel.get(queue, { noAck: true })
      if (delivery === undefined) return bodies
      bodies.push(String(delivery.body))
    }
  }

  describe('on a plain channel', () => {
    beforeEach(async () => {
      session = await LiveSession.open()
    })

    it('puts messages into the queue, in order', async () => {
      const queue = await session.queue()
      for (let each = 0; each < 20; each++) await session.channel.publish('', queue, String(each))
      const bodies = await bodiesOf(session.channel, queue)
      expect(bodies).to.deep.equal(Array.from({ length: 20 }, (_, each) => String(each)))
    })

    it('has sent everything when the channel or the connection is closed right after', async () => {
      await withSharedQueue(session, {}, async queue => {
        for (const ending of ['channel', 'connection'] as const) {
          const publisher = await LiveSession.open()
          for (let each = 0; each < 100; each++) void publisher.channel.publish('', queue, Buffer.alloc(1000))
          await publisher[ending].close()
          await publisher.close()
        }
        const witness = await session.witness()
        await until(5_000, 'all messages', async () => (await witness.checkQueue(queue)).messageCount === 200)
      })
    })

    it('tells of a mandatory message that came back by an event', async () => {
      const told = new Promise<ReturnedMessage>(resolve => session.channel.once('returned', resolve))
      await session.channel.publish('amq.direct', 'nowhere', 'lost', { mandatory: true, headers: { n: 1 } })
      const message = await within(5_000, 'the return', told)
      expect(message).to.include({ replyCode: 312, replyText: 'NO_ROUTE', routingKey: 'nowhere' })
      expect(message.body.toString()).to.equal('lost')
      expect({ ...message.properties.headers }).to.deep.equal({ n: 1 })
    })

    it('to an exchange that does not exist costs the channel, which says so', async () => {
      await session.channel.publish('no such exchange', 'k', 'x')
      const reason = await within(5_000, 'the end of the channel', session.channel.closed)
      expect(reason).to.include({ by: 'server', code: 404, method: 'basic.publish' })
      const error = await rejectionOf(session.channel.publish('', 'q', 'x'), ChannelClosedError)
      expect(error).to.include({ replyCode: 404, method: 'basic.publish' })
      await session.connection.openChannel()
    })

    it('lets a loop that awaits run beside timers', async () => {
      const queue = await session.queue({ arguments: { 'x-max-length': 10 } })
      let ticks = 0
      const interval = setInterval(() => void ticks++, 1)
      let published = 0
      while (ticks < 20 && published < 1_000_000) {
        await session.channel.publish('', queue, 'x')
        published++
      }
      clearInterval(interval)
      expect(ticks).to.equal(20)
    })

    it('goes on after arguments that cannot be sent', async () => {
      const queue = await session.queue()
      const bad = [
        session.channel.publish('', queue, 'x', { headers: { a: { b: [1, Number.NaN] } } }),
        session.channel.publish('x'.repeat(256), queue, 'x'),
        session.channel.publish('', queue, undefined as never),
      ]
      await session.channel.publish('', queue, 'good')
      const paths = await Promise.all(bad.map(async each => (await rejectionOf(each, ArgumentError)).path))
      expect(paths).to.deep.equal(['options.headers.a.b[1]', 'exchange', 'body'])
      expect(await bodiesOf(session.channel, queue)).to.deep.equal(['good'])
    })
  })

  describe('on a confirm channel', () => {
    beforeEach(async () => {
      session = await LiveSession.open({ confirm: true })
    })

    it('resolves when the message is in the queue', async () => {
      const queue = await session.queue()
      await session.channel.publish('', queue, 'hello')
      expect(await bodiesOf(session.channel, queue)).to.deep.equal(['hello'])
    })

    it('keeps the order of many, within the window', async () => {
      session = await reopened({ confirm: true, maxUnconfirmed: 10 })
      const queue = await session.queue()
      const count = 2_000
      const numbers = Array.from({ length: count }, (_, each) => String(each))
      await Promise.all(numbers.map(each => session.channel.publish('', queue, each)))
      const bodies: string[] = []
      for await (const delivery of await session.channel.consume(queue, { noAck: true })) {
        bodies.push(String(delivery.body))
        if (bodies.length === count) break
      }
      expect(bodies).to.deep.equal(numbers)
    })

    it('rejects a mandatory message that no queue takes, with the message', async () => {
      const publish = session.channel.publish('amq.direct', 'nowhere', 'lost', {
        mandatory: true,
        messageId: '1',
      })
      const error = await rejectionOf(publish, ReturnedError)
      expect(error).to.include({ replyCode: 312, replyText: 'NO_ROUTE' })
      expect(error.returned).to.include({ exchange: 'amq.direct', routingKey: 'nowhere' })
      expect(error.returned.body.toString()).to.equal('lost')
      expect(error.returned.properties).to.deep.equal({ messageId: '1', deliveryMode: 2 })
    })

    it('rejects exactly those that came back, of many with the same exchange, key and body', async () => {
      await withSharedQueue(session, { durable: true }, async queue => {
        await session.channel.queueBind(queue, 'amq.headers', '', { 'x-match': 'all', taken: true })
        session.channel.on('returned', message => expect.fail(`nobody published ${message.body}`))
        const publishes = Array.from({ length: 1_500 }, (_, each) => {
          // What is taken is confirmed when it is on the disk; what comes back overtakes it.
          const options = { mandatory: true, messageId: String(each), headers: { taken: each % 3 !== 0 } }
          return session.channel.publish('amq.headers', '', 'the same body', options)
        })
        const outcomes = await within(8_000, 'all outcomes', Promise.allSettled(publishes))
        const wrong = outcomes.flatMap((outcome, each) => {
          if (each % 3 !== 0) return outcome.status === 'fulfilled' ? [] : [each]
          const error: unknown = outcome.status === 'rejected' ? outcome.reason : undefined
          const returned = error instanceof ReturnedError ? error.returned.properties.messageId : undefined
          return returned === String(each) ? [] : [each]
        })
        expect(wrong).to.deep.equal([])
      })
    })

    it('rejects what the broker refuses', async () => {
      const queue = await session.queue({ arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } })
      const outcomes = await Promise.allSettled(
        ['1', '2', '3', '4', '5'].map(each => session.channel.publish('', queue, each)),
      )
      const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
      expect(refused.length).to.be.within(1, 4)
      for (const { reason } of refused) expect(reason).to.be.instanceOf(NackedError)
      const accepted = outcomes.flatMap(({ status }, each) =>
        status === 'fulfilled' ? [String(each + 1)] : [],
      )
      expect(await bodiesOf(session.channel, queue)).to.deep.equal(accepted)
    })

    it('rejects with the reason when the exchange does not exist', async () => {
      const good = session.channel.publish('amq.fanout', 'k', 'x')
      const bad = session.channel.publish('no such exchange', 'k', 'x')
      const behind = session.channel.publish('amq.fanout', 'k', 'x')
      const error = await rejectionOf(bad, UnconfirmedError)
      expect(error).to.include({ replyCode: 404, method: 'basic.publish', outcome: 'unknown' })
      expect(error.replyText).to.match(/NOT_FOUND.*no such exchange/)
      await rejectionOf(behind, UnconfirmedError)
      await good.catch(each => expect(each).to.be.instanceOf(UnconfirmedError))
    })

    it('waits for the confirms when the connection is closed', async () => {
      const queue = await session.queue()
      const publishes = Array.from({ length: 100 }, (_, each) =>
        session.channel.publish('', queue, String(each)),
      )
      expect(await session.connection.close()).to.deep.equal({ by: 'client' })
      await Promise.all(publishes)
    })
  })

  async function reopened(options: Parameters<typeof LiveSession.open>[0]): Promise<LiveSession> {
    await session.close()
    return LiveSession.open(options)
  }

  it("says 'not-sent' only of what the broker never got when the link is cut", async function () {
    this.timeout(20_000)
    session = await LiveSession.open()
    const { port } = new URL(session.url)
    const proxy = await FaultProxy.start({ target: { port: Number(port) } })
    try {
      await withSharedQueue(session, {}, async queue => {
        const url = proxy.url(session.url)
        const cut = await LiveSession.open({ url, confirm: true, maxUnconfirmed: 5 })
        proxy.freeze('toClient')
        const publishes = Array.from({ length: 12 }, (_, each) =>
          cut.channel.publish('', queue, String(each)),
        )
        const witness = await session.witness()
        await until(5_000, 'five messages', async () => (await witness.checkQueue(queue)).messageCount === 5)
        proxy.reset('toClient')
        expect((await cut.connection.closed).by).to.equal('transport')
        const outcomes = await Promise.all(
          publishes.map(async each => (await rejectionOf(each, UnconfirmedError)).outcome),
        )
        expect(outcomes).to.deep.equal([...Array(5).fill('unknown'), ...Array(7).fill('not-sent')])
        await proxy.close()
        await delay(100)
        expect((await witness.checkQueue(queue)).messageCount).to.equal(5)
        await cut.close()
      })
    } finally {
      await proxy.close()
    }
  })

  it('rejects every waiting publish when the link is cut in the middle of it', async function () {
    this.timeout(20_000)
    session = await LiveSession.open()
    const { port } = new URL(session.url)
    const proxy = await FaultProxy.start({ target: { port: Number(port) } })
    try {
      const cut = await LiveSession.open({ url: proxy.url(session.url) })
      const queue = await cut.queue({ arguments: { 'x-max-length': 1 } })
      proxy.throttle(10_000_000, 'toServer')
      const publishes = Array.from({ length: 300 }, () =>
        cut.channel.publish('', queue, Buffer.alloc(64_000)),
      )
      await delay(50)
      proxy.reset()
      const outcomes = await within(5_000, 'all outcomes', Promise.allSettled(publishes))
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).to.be.instanceOf(AmqpError)
      }
      expect(outcomes.some(({ status }) => status === 'rejected')).to.equal(true)
      expect((await cut.connection.closed).by).to.equal('transport')
      await cut.close()
    } finally {
      await proxy.close()
    }
  })
})
