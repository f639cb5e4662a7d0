import { expect } from 'chai'
import type { Delivery, FieldTable } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { ScenarioSession } from './scenario-session.js'

const ARRIVAL_MS = 5_000
const TTL_MS = 100

describe('a message that dies, with RabbitMQ,', () => {
  let session: ScenarioSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await ScenarioSession.open({ confirm: true })
  })

  afterEach(() => session.close())

  /** The entries of `x-death`, the latest death first. */
  function deathsOf({ properties }: Delivery): FieldTable[] {
    return (properties.headers?.['x-death'] ?? []) as FieldTable[]
  }

  /** Takes the message from the graveyard; rejects when it was there before its time. */
  async function takeAfter(ttlMs: number, publishedAt: number, graveyard: string): Promise<Delivery> {
    const dead = await session.take(graveyard)
    expect(performance.now() - publishedAt, 'milliseconds until its death').to.be.at.least(ttlMs - 1)
    return dead
  }

  it('counts its deaths while it goes round between a work queue and one that waits', async () => {
    const { channel } = session
    const [work, wait, done] = [session.queueName(), session.queueName(), await session.queue()]
    await channel.queueDeclare(work, { deadLetterExchange: '', deadLetterRoutingKey: wait })
    await channel.queueDeclare(wait, {
      messageTtl: TTL_MS,
      deadLetterExchange: '',
      deadLetterRoutingKey: work,
    })
    const counts: unknown[] = []
    const begunAt = Date.now()
    let last: Delivery | undefined
    await channel.consume(work, { autoSettle: false }, async delivery => {
      const deaths = deathsOf(delivery)
      counts.push(deaths.map(({ reason, count, queue }) => [reason, count, queue === work ? 'work' : 'wait']))
      if (deaths.length > 0 && Number(deaths[0]?.['count']) === 3) {
        last = delivery
        await channel.publish('', done, delivery.body)
        delivery.ack()
      } else delivery.reject()
    })
    await channel.publish('', work, 'job', { messageId: 'the job', headers: { tenant: 7 } })
    await session.take(done)
    const rounds = (count: number): unknown => [
      ['expired', count, 'wait'],
      ['rejected', count, 'work'],
    ]
    expect(counts).to.deep.equal([[], rounds(1), rounds(2), rounds(3)])
    expect(last?.properties).to.include({ messageId: 'the job', deliveryMode: 2 })
    expect(last?.properties.headers).to.include({
      tenant: 7,
      'x-first-death-queue': work,
      'x-first-death-reason': 'rejected',
    })
    const death = deathsOf(last as Delivery)[0] as FieldTable
    expect(death).to.have.property('exchange', '')
    expect(death['routing-keys']).to.deep.equal([wait])
    expect((death['time'] as Date).getTime()).to.be.within(begunAt - 1_000, Date.now() + 1_000)
  })

  it('of its own expiration goes where its queue says, without the expiration', async () => {
    const graveyard = await session.ownQueue()
    const queue = await session.ownQueue({ deadLetterExchange: '', deadLetterRoutingKey: graveyard })
    const publishedAt = performance.now()
    await session.channel.publish('', queue, 'x', { expiration: String(TTL_MS) })
    const dead = await takeAfter(TTL_MS, publishedAt, graveyard)
    const [death] = deathsOf(dead)
    expect(death).to.include({ count: 1, queue, reason: 'expired', 'original-expiration': String(TTL_MS) })
    expect(dead.properties.expiration).to.equal(undefined)
  })

  it("of its queue's limit of time does so too; of the two the earlier counts", async () => {
    const graveyard = await session.ownQueue()
    const options = { messageTtl: TTL_MS, deadLetterExchange: 'amq.direct', deadLetterRoutingKey: graveyard }
    const queue = await session.ownQueue(options)
    await session.channel.queueBind(graveyard, 'amq.direct', graveyard)
    const publishedAt = performance.now()
    await session.channel.publish('', queue, 'a')
    await session.channel.publish('', queue, 'b', { expiration: '60000' })
    await session.channel.publish('', queue, 'c', { expiration: '1' })
    for (const body of ['a', 'b', 'c']) {
      const dead = await takeAfter(TTL_MS, publishedAt, graveyard)
      expect(String(dead.body)).to.equal(body)
      expect(deathsOf(dead)[0]).to.include({ reason: 'expired', exchange: '', queue })
    }
  })

  it('keeps its own routing key when its queue names none', async () => {
    const graveyard = await session.ownQueue()
    const exchange = await session.exchange('topic')
    const deaths = await session.exchange('topic')
    const queue = await session.ownQueue({ deadLetterExchange: deaths, messageTtl: 0 })
    await session.channel.queueBind(queue, exchange, '#')
    await session.channel.queueBind(graveyard, deaths, 'order.*')
    await session.channel.publish(exchange, 'order.new', 'x')
    expect(await session.take(graveyard)).to.include({ exchange: deaths, routingKey: 'order.new' })
  })

  it('dies with nobody hearing of it where no dead letters are kept', async () => {
    const queue = await session.ownQueue({ messageTtl: TTL_MS })
    await session.channel.publish('', queue, 'x')
    const isEmpty = async (): Promise<boolean> =>
      (await session.connection.checkQueue(queue))?.messageCount === 0
    expect(await isEmpty()).to.equal(false)
    await until(ARRIVAL_MS, 'the death of the message', isEmpty)
  })
})
