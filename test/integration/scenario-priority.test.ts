import { expect } from 'chai'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { ScenarioSession } from './scenario-session.js'

const ARRIVAL_MS = 5_000

describe('priorities, with RabbitMQ,', () => {
  let session: ScenarioSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await ScenarioSession.open({ confirm: true })
  })

  afterEach(() => session.close())

  it('of messages order a queue, and those of one priority keep their order', async () => {
    const queue = await session.ownQueue({ maxPriority: 5 })
    const priorities = [0, 5, 1, undefined, 9, 5, 3, 1, 0]
    for (const [index, priority] of priorities.entries())
      await session.channel.publish('', queue, String(index), { priority })
    const received: [string, number | undefined][] = []
    for await (const delivery of await session.channel.consume(queue, { prefetch: 1 })) {
      received.push([String(delivery.body), delivery.properties.priority])
      delivery.ack()
      if (received.length === priorities.length) break
    }
    // What is above the queue's maximum counts as the maximum, and comes as it was.
    expect(received).to.deep.equal([
      ['1', 5],
      ['4', 9],
      ['5', 5],
      ['6', 3],
      ['2', 1],
      ['7', 1],
      ['0', 0],
      ['3', undefined],
      ['8', 0],
    ])
  })

  it('of consumers give messages to the highest as long as its prefetch lets it', async () => {
    const queue = await session.ownQueue()
    const received: Record<string, string[]> = { low: [], middle: [], high: [] }
    const channel = await session.connection.openChannel()
    let settle = (): void => {}
    const settled = new Promise<void>(resolve => {
      settle = resolve
    })
    for (const [name, priority] of Object.entries({ low: -1, middle: undefined, high: 10 })) {
      await channel.consume(queue, { priority, prefetch: 2 }, async delivery => {
        received[name]?.push(String(delivery.body))
        await settled
      })
    }
    for (let each = 0; each < 6; each++) await session.channel.publish('', queue, String(each))
    const count = (): number => Object.values(received).flat().length
    await until(ARRIVAL_MS, 'six deliveries', () => count() === 6)
    expect(received).to.deep.equal({ high: ['0', '1'], middle: ['2', '3'], low: ['4', '5'] })
    settle()
    // When the acknowledgements of a channel are there, so is what came behind them.
    await channel.queueDeclare('')
    for (let each = 6; each < 10; each++) {
      await session.channel.publish('', queue, String(each))
      await until(ARRIVAL_MS, 'another delivery', () => count() === each + 1)
    }
    expect(received['high']).to.deep.equal(['0', '1', '6', '7', '8', '9'])
  })
})
