import { expect } from 'chai'
import {
  ChannelClosedError,
  type CloseReason,
  ConnectionClosedError,
  type QueueType,
  ReturnedError,
  UnconfirmedError,
} from '../../src/index.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { needsControl, RabbitMqNode } from '../support/rabbitmq/index.js'
import { ScenarioSession } from './scenario-session.js'

const EXCHANGE = 'thump-outcome'
const COUNT = 8_000
const WINDOW = 1_000
/** Confirmed when the end comes. */
const CONFIRMED_BEFORE = 500
const SETTLED_WITHIN_MS = 5_000

type Outcome = 'confirmed' | 'unknown' | 'not-sent' | 'returned'

/** Message ids by what their publish said. */
type Outcomes = Readonly<Record<Outcome, Set<string>>>

describe('many outstanding publishes, with RabbitMQ,', function () {
  this.timeout(60_000)
  let node: RabbitMqNode

  before(async function () {
    needsControl(this)
    this.timeout(90_000)
    node = await RabbitMqNode.start()
  })

  after(async () => {
    await node?.stop()
  })

  /** Publishes all at once and has something done to them when the first are confirmed. Resolves when all are settled. */
  async function publishUntil(
    session: ScenarioSession,
    queue: string,
    end: () => unknown,
  ): Promise<Outcomes> {
    const [confirmed, unknown, notSent, returned] = Array.from({ length: 4 }, () => new Set<string>())
    const outcomes = { confirmed, unknown, 'not-sent': notSent, returned } as Outcomes
    const publishes = Array.from({ length: COUNT }, async (_, each) => {
      const options = { messageId: String(each), mandatory: true }
      const outcome = await outcomeOf(session.channel.publish(EXCHANGE, queue, 'x', options))
      outcomes[outcome].add(options.messageId)
    })
    await until(SETTLED_WITHIN_MS, 'the first confirms', () => outcomes.confirmed.size >= CONFIRMED_BEFORE)
    const ended = end()
    await within(SETTLED_WITHIN_MS, 'the fates of all publishes', Promise.all(publishes))
    await ended
    return outcomes
  }

  /** What the queue holds agrees with what the publishes said. */
  async function expectTruth(queue: string, outcomes: Outcomes): Promise<void> {
    const session = await ScenarioSession.open({ broker: node.url })
    const messages = await session.drain(queue, outcomes.confirmed.size)
    await session.channel.queueDelete(queue)
    await session.close()
    const found = messages.map(({ properties }) => String(properties.messageId))
    const arrived = new Set(found)
    expect(arrived.size, 'messages that arrived once').to.equal(found.length)
    expect(
      [...outcomes.confirmed].filter(each => !arrived.has(each)),
      'lost',
    ).to.deep.equal([])
    const mayBe = (each: string): boolean => outcomes.confirmed.has(each) || outcomes.unknown.has(each)
    expect(
      found.filter(each => !mayBe(each)),
      'said not to be sent',
    ).to.deep.equal([])
    expect(found.map(Number)).to.deep.equal(found.map(Number).sort((a, b) => a - b))
    expect(outcomes['not-sent'].size).to.be.above(0)
    expect(outcomes.unknown.size).to.be.at.most(WINDOW)
  }

  async function open(type: QueueType): Promise<{ session: ScenarioSession; queue: string }> {
    const options = { broker: node.url, confirm: true, maxUnconfirmed: WINDOW }
    const session = await ScenarioSession.open(options)
    const { queue } = await session.channel.queueDeclare(`thump-outcome-${type}`, { type })
    await session.channel.exchangeDeclare(EXCHANGE, 'direct')
    await session.channel.queueBind(queue, EXCHANGE, queue)
    return { session, queue }
  }

  it('of a channel that dies are told what may have arrived', async () => {
    const { session, queue } = await open('classic')
    const operator = await (await session.join()).openChannel()
    const outcomes = await publishUntil(session, queue, () => operator.exchangeDelete(EXCHANGE))
    expect(await session.channel.closed).to.include({ by: 'server', code: 404, method: 'basic.publish' })
    expect(session.connection.state).to.equal('open')
    await session.close()
    await expectTruth(queue, outcomes)
  })

  // A broker that stops sends its close and a reset at once, and the reset may take the close with it. A quorum queue that a
  // kill finds young is recovered empty (RabbitMQ 4.0.5).
  const ends: [string, QueueType, () => Promise<unknown>, readonly CloseReason['by'][]][] = [
    ['that an operator closes', 'classic', () => node.closeConnections('maintenance'), ['server']],
    ['whose broker is restarted', 'quorum', () => node.restart(), ['server', 'transport']],
    ['whose broker is killed', 'classic', () => node.kill(), ['transport']],
  ]
  for (const [what, type, end, initiators] of ends) {
    it(`of a connection ${what} are told what may have arrived (${type} queue)`, async () => {
      const { session, queue } = await open(type)
      const outcomes = await publishUntil(session, queue, end)
      expect((await session.connection.closed).by).to.be.oneOf(initiators)
      if (!node.running) await node.restart()
      await session.close()
      await expectTruth(queue, outcomes)
    })
  }
})

/** What a publish says became of it. What was issued after the end was not sent. */
async function outcomeOf(publish: Promise<void>): Promise<Outcome> {
  try {
    await publish
    return 'confirmed'
  } catch (error) {
    if (error instanceof UnconfirmedError) {
      const { cause } = error
      const isEnd = cause instanceof ChannelClosedError || cause instanceof ConnectionClosedError
      if (!isEnd && !(cause instanceof Error)) throw error
      return error.outcome
    }
    if (error instanceof ChannelClosedError) return 'not-sent'
    // Its bindings go before an exchange does.
    if (error instanceof ReturnedError) return 'returned'
    throw error
  }
}
