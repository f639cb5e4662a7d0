import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { BROKER_START_MS } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { ScenarioSession } from './scenario-session.js'

const ROUNDS = 20

describe('a cancel that nobody waits for, with RabbitMQ,', () => {
  let session: ScenarioSession
  /** Of its own: RabbitMQ slows a connection down that publishes so much, and with it the calls on it. */
  let publishing: ScenarioSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await ScenarioSession.open()
    publishing = await ScenarioSession.open()
  })

  afterEach(async () => {
    await publishing.close()
    await session.close()
  })

  for (const noAck of [true, false]) {
    it(`harms nothing while deliveries are on their way${noAck ? ' that nobody acknowledges' : ''}`, async function () {
      this.timeout(30_000)
      const queue = `thump-cancel-${randomUUID()}`
      await session.channel.queueDeclare(queue)
      let flooding = true
      const flood = (async () => {
        while (flooding) {
          for (let count = 0; count < 200; count++) await publishing.channel.publish('', queue, 'x')
          await new Promise(resolve => setTimeout(resolve, 1))
        }
      })()
      try {
        for (let round = 0; round < ROUNDS; round++) {
          const channel = await session.connection.openChannel()
          let received = 0
          const consumer = await channel.consume(queue, { noAck, prefetch: 1_000 }, () => received++)
          await until(5_000, 'deliveries', () => received > 50)
          const cancelled = consumer.cancel({ noWait: true })
          // RabbitMQ answers this before deliveries that the queue has sent already.
          await within(5_000, 'the answer', channel.queueDeclare(queue, { passive: true }))
          expect((await within(5_000, 'the end', cancelled)).by).to.equal('client')
          await channel.close()
        }
        expect(session.connection.state).to.equal('open')
      } finally {
        flooding = false
        await flood
        await session.channel.queueDelete(queue)
      }
    })
  }
})
