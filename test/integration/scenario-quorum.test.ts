import { expect } from 'chai'
import type { Delivery, FieldTable, FieldValue } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { ScenarioSession } from './scenario-session.js'

const LIMIT = 2

describe('a quorum queue with a delivery limit, with RabbitMQ,', () => {
  let session: ScenarioSession
  let graveyard: string
  let queue: string

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await ScenarioSession.open({ confirm: true })
    graveyard = await session.queue()
    queue = await session.queue({
      type: 'quorum',
      deliveryLimit: LIMIT,
      deadLetterExchange: '',
      deadLetterRoutingKey: graveyard,
    })
  })

  afterEach(() => session.close())

  /** How often it was delivered before and came back. The first time RabbitMQ may leave it out. */
  const countOf = ({ properties }: Delivery): FieldValue => properties.headers?.['x-delivery-count'] ?? 0

  it('counts what comes back, and dead-letters it when it came back once too often', async () => {
    const counts: [FieldValue, boolean][] = []
    await session.channel.consume(queue, { autoSettle: false }, delivery => {
      counts.push([countOf(delivery), delivery.redelivered])
      // Not nack: from RabbitMQ 4.3 on one that requeues does not count.
      delivery.reject({ requeue: true })
    })
    await session.channel.publish('', queue, 'x', { messageId: 'the one' })
    const dead = await session.take(graveyard)
    expect(counts).to.deep.equal([
      [0, false],
      [1, true],
      [2, true],
    ])
    expect(dead.properties.messageId).to.equal('the one')
    const [death] = (dead.properties.headers?.['x-death'] ?? []) as FieldTable[]
    expect(death).to.include({ reason: 'delivery_limit', queue, count: 1 })
  })
})
