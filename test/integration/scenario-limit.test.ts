import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { NackedError, PublishesFailedError, type QueueDeclareOptions } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { ScenarioSession } from './scenario-session.js'

const GONE_WITHIN_MS = 5_000

describe('a queue with a limit, with RabbitMQ,', () => {
  let session: ScenarioSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await ScenarioSession.open({ confirm: true })
  })

  afterEach(() => session.close())

  /** Publishes one after the other. Each is `confirmed`, or the class of its error. */
  async function publishBodies(queue: string, bodies: readonly string[]): Promise<string[]> {
    const fates: string[] = []
    for (const body of bodies) {
      const publish = session.channel.publish('', queue, body)
      fates.push(
        await publish.then(
          () => 'confirmed',
          error => error.constructor.name,
        ),
      )
    }
    return fates
  }

  const bodiesIn = async (queue: string): Promise<string[]> =>
    (await session.drain(queue)).map(({ content }) => String(content))

  const LETTERS = ['a', 'b', 'c', 'd', 'e']

  const droppingHead: [string, QueueDeclareOptions][] = [
    ['of messages', { maxLength: 3 }],
    ['of messages, said aloud,', { maxLength: 3, overflow: 'drop-head' }],
    ['of octets', { maxLengthBytes: 3 }],
    ['of messages (quorum)', { type: 'quorum', maxLength: 3 }],
  ]
  for (const [what, options] of droppingHead) {
    it(`${what} drops the oldest, and confirms all`, async () => {
      const graveyard = await session.queue()
      const queue = await session.queue({
        ...options,
        deadLetterExchange: '',
        deadLetterRoutingKey: graveyard,
      })
      expect(await publishBodies(queue, LETTERS)).to.deep.equal(LETTERS.map(() => 'confirmed'))
      await session.expectMessages(queue, 3)
      expect(await bodiesIn(queue)).to.deep.equal(['c', 'd', 'e'])
      const dead = await session.take(graveyard)
      expect(String(dead.body)).to.equal('a')
      expect(dead.properties.headers).to.include({ 'x-first-death-reason': 'maxlen' })
    })
  }

  it('refuses what comes too much when it is told to, until there is room', async () => {
    const queue = await session.queue({ maxLength: 3, overflow: 'reject-publish' })
    const refused = ['confirmed', 'confirmed', 'confirmed', NackedError.name, NackedError.name]
    expect(await publishBodies(queue, LETTERS)).to.deep.equal(refused)
    const { failed } = await rejectionOf(session.channel.waitForConfirms(), PublishesFailedError)
    expect(failed).to.equal(2)
    expect(String((await session.take(queue)).body)).to.equal('a')
    await until(GONE_WITHIN_MS, 'room', async () => (await publishBodies(queue, ['f']))[0] === 'confirmed')
    expect(await bodiesIn(queue)).to.deep.equal(['b', 'c', 'f'])
  })

  it('refuses it and keeps a dead letter of it when it is told that', async () => {
    const graveyard = await session.queue()
    const queue = await session.queue({
      maxLength: 1,
      overflow: 'reject-publish-dlx',
      deadLetterExchange: '',
      deadLetterRoutingKey: graveyard,
    })
    expect(await publishBodies(queue, ['a', 'b'])).to.deep.equal(['confirmed', NackedError.name])
    const dead = await session.take(graveyard)
    expect(String(dead.body)).to.equal('b')
    expect(await bodiesIn(queue)).to.deep.equal(['a'])
  })

  it('refuses many at once, each of which hears of it', async () => {
    const [count, room] = [2_000, 500]
    const queue = await session.queue({ maxLength: room, overflow: 'reject-publish' })
    const numbers = Array.from({ length: count }, (_, each) => String(each))
    const fates = await Promise.allSettled(numbers.map(each => session.channel.publish('', queue, each)))
    const confirmed = numbers.filter((_, each) => fates[each]?.status === 'fulfilled')
    for (const fate of fates)
      if (fate.status === 'rejected') expect(fate.reason).to.be.instanceOf(NackedError)
    expect(confirmed.length).to.be.within(room, count - 1)
    expect(await bodiesIn(queue)).to.deep.equal(confirmed)
  })

  it('of time without use is deleted, and not while it has a consumer', async () => {
    const expires = 300
    const queue = await session.queue({ expires })
    await session.channel.publish('', queue, 'x')
    const consumer = await session.channel.consume(queue, () => {})
    await delay(2 * expires)
    expect((await session.connection.checkQueue(queue))?.consumerCount).to.equal(1)
    await consumer.cancel()
    const usedAt = performance.now()
    const isGone = async (): Promise<boolean> => {
      // Asking may count as use: not before its time would be over.
      await delay(2 * expires)
      return (await session.connection.checkQueue(queue)) === undefined
    }
    await until(GONE_WITHIN_MS, 'the end of the queue', isGone)
    expect(performance.now() - usedAt).to.be.above(expires)
  })
})
