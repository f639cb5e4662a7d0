import { expect } from 'chai'
import type { Delivery, QueueType } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { ScenarioSession } from './scenario-session.js'

const ARRIVAL_MS = 5_000

describe('the consumers of a queue with a single active one, with RabbitMQ,', () => {
  let session: ScenarioSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await ScenarioSession.open({ confirm: true })
  })

  afterEach(() => session.close())

  const types: readonly QueueType[] = ['classic', 'quorum']
  for (const type of types) {
    it(`take over from each other in their order, with what was not settled (${type})`, async () => {
      const queue = await session.queue({ type, singleActiveConsumer: true })
      const received: [string, string, boolean][] = []
      const held: Delivery[] = []
      const standby = await session.join()
      const start = async (
        name: string,
      ): Promise<{ cancel(): Promise<unknown>; close(): Promise<unknown> }> => {
        const connection = name === 'second' ? standby : session.connection
        const channel = await connection.openChannel()
        const consumer = await channel.consume(queue, { prefetch: 3, autoSettle: false }, delivery => {
          received.push([name, String(delivery.body), delivery.redelivered])
          held.push(delivery)
        })
        return { cancel: () => consumer.cancel(), close: () => channel.close() }
      }
      const first = await start('first')
      await start('second')
      await start('third')
      const receive = (count: number): Promise<void> =>
        until(ARRIVAL_MS, `${count} deliveries`, () => received.length === count)

      for (const body of ['a', 'b']) await session.channel.publish('', queue, body)
      await receive(2)
      held[0]?.ack()
      await first.cancel()
      // Of a consumer that was cancelled the channel keeps what it has not settled.
      await session.channel.publish('', queue, 'c')
      await receive(3)
      await first.close()
      await receive(4)
      await standby.close()
      await receive(6)
      for (const delivery of held.slice(4)) expect(delivery.ack()).to.equal(true)
      expect(received.slice(0, 4)).to.deep.equal([
        ['first', 'a', false],
        ['first', 'b', false],
        ['second', 'c', false],
        ['second', 'b', true],
      ])
      const last = received.slice(4)
      expect(last.map(([name, , redelivered]) => `${name} ${redelivered}`)).to.deep.equal([
        'third true',
        'third true',
      ])
      expect(new Set(last.map(([, body]) => body))).to.deep.equal(new Set(['b', 'c']))
      await session.expectMessages(queue, 0)
    })
  }
})
