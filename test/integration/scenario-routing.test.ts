import { expect } from 'chai'
import { ReturnedError } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { ScenarioSession } from './scenario-session.js'

describe('exchanges, with RabbitMQ,', () => {
  let session: ScenarioSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await ScenarioSession.open({ confirm: true })
  })

  afterEach(() => session.close())

  async function bodiesIn(queue: string): Promise<string[]> {
    const bodies: string[] = []
    for (;;) {
      const delivery = await session.channel.get(queue, { noAck: true })
      if (delivery === undefined) return bodies
      bodies.push(`${delivery.body} by ${delivery.routingKey}`)
    }
  }

  it('give what no binding matches to their alternate, and a mandatory message is content with that', async () => {
    const { channel } = session
    const alternateExchange = await session.exchange('fanout')
    const exchange = await session.exchange('direct', { alternateExchange })
    const [routed, unrouted] = [await session.ownQueue(), await session.ownQueue()]
    await channel.queueBind(routed, exchange, 'known')
    const lost = channel.publish(exchange, 'unknown', 'lost', { mandatory: true })
    expect((await rejectionOf(lost, ReturnedError)).returned.exchange).to.equal(exchange)
    await channel.queueBind(unrouted, alternateExchange)
    await channel.publish(exchange, 'known', 'a', { mandatory: true })
    await channel.publish(exchange, 'unknown', 'b', { mandatory: true })
    expect(await bodiesIn(routed)).to.deep.equal(['a by known'])
    const other = await channel.get(unrouted, { noAck: true })
    expect(other).to.include({ exchange, routingKey: 'unknown' })
  })

  it('bound to each other hand messages on, as long as they are', async () => {
    const { channel } = session
    const source = await session.exchange('topic')
    const middle = await session.exchange('headers', { internal: true })
    const last = await session.exchange('fanout', { autoDelete: true })
    const queue = await session.ownQueue()
    await channel.exchangeBind(middle, source, 'log.#')
    await channel.exchangeBind(last, middle, '', { 'x-match': 'any', level: 'error', audit: true })
    await channel.queueBind(queue, last)
    const publish = (body: string, routingKey: string, level: string): Promise<void> =>
      channel.publish(source, routingKey, body, { mandatory: true, headers: { level } })
    await publish('a', 'log.disk', 'error')
    await rejectionOf(publish('b', 'log.disk', 'info'), ReturnedError)
    await rejectionOf(publish('c', 'mail', 'error'), ReturnedError)
    await channel.exchangeBind(last, source, 'mail')
    await publish('d', 'mail', 'error')
    await channel.exchangeUnbind(middle, source, 'log.#')
    await rejectionOf(publish('e', 'log.disk', 'error'), ReturnedError)
    expect(await bodiesIn(queue)).to.deep.equal(['a by log.disk', 'd by mail'])
    await channel.queueUnbind(queue, last)
    expect(await session.connection.checkExchange(last)).to.equal(false)
  })

  it('bound to a queue in two ways give it a message once', async () => {
    const { channel } = session
    const exchange = await session.exchange('topic')
    const between = await session.exchange('fanout')
    const queue = await session.ownQueue()
    await channel.queueBind(queue, exchange, 'a.*')
    await channel.queueBind(queue, exchange, '*.b')
    await channel.exchangeBind(between, exchange, '#')
    await channel.queueBind(queue, between)
    await channel.publish(exchange, 'a.b', 'x', { mandatory: true })
    expect(await bodiesIn(queue)).to.deep.equal(['x by a.b'])
  })
})
