import { expect } from 'chai'
import type { ConsumeOptions, Delivery, FailureAction, FieldTable } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { ScenarioSession } from './scenario-session.js'

const DONE_WITHIN_MS = 5_000

describe('a handler that throws, with RabbitMQ,', () => {
  let session: ScenarioSession
  let queue: string
  let deadLetters: string

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await ScenarioSession.open({ confirm: true })
    deadLetters = await session.queue()
    queue = await session.queue({ deadLetterExchange: '', deadLetterRoutingKey: deadLetters })
  })

  afterEach(() => session.close())

  /** What a handler was called with, and what `handlerError` said: `BODY` or `BODY again`, in order. */
  interface Calls {
    readonly begun: string[]
    readonly failed: string[]
  }

  /** Consumes with a handler that throws as long as a body is `bad`, and at most so often. */
  async function consumeBadly(options: ConsumeOptions, failures = Number.POSITIVE_INFINITY): Promise<Calls> {
    const calls: Calls = { begun: [], failed: [] }
    const nameOf = ({ body, redelivered }: Delivery): string => `${body}${redelivered ? ' again' : ''}`
    session.channel.on('handlerError', (error, delivery) => {
      expect(String(error)).to.equal(`Error: ${delivery.body} failed`)
      calls.failed.push(nameOf(delivery))
    })
    await session.channel.consume(queue, { prefetch: 1, ...options }, async delivery => {
      calls.begun.push(nameOf(delivery))
      const isBad = String(delivery.body).startsWith('bad')
      if (isBad && calls.failed.length < failures) throw new Error(`${delivery.body} failed`)
    })
    for (const body of ['good', 'bad', 'last']) await session.channel.publish('', queue, body)
    await until(DONE_WITHIN_MS, 'the last message', () => calls.begun.includes('last'))
    return calls
  }

  /** What RabbitMQ says about how a message died. */
  async function deathOf(delivery: Delivery): Promise<FieldTable> {
    const deaths = delivery.properties.headers?.['x-death']
    expect(deaths).to.be.an('array').with.length(1)
    return (deaths as FieldTable[])[0] as FieldTable
  }

  const rejections: [string, ConsumeOptions, string[]][] = [
    ['by default requeues it once, and then dead-letters it', {}, ['bad', 'bad again']],
    ['can be told to requeue it once', { onError: 'requeue-once' }, ['bad', 'bad again']],
    ['can be told to reject it at once', { onError: 'reject' }, ['bad']],
    [
      'can decide for each delivery',
      { onError: (_, { redelivered }): FailureAction => (redelivered ? 'reject' : 'requeue') },
      ['bad', 'bad again'],
    ],
  ]
  for (const [what, options, failed] of rejections) {
    it(what, async () => {
      const calls = await consumeBadly(options)
      expect(calls).to.deep.equal({ begun: ['good', ...failed, 'last'], failed })
      const dead = await session.take(deadLetters)
      expect(String(dead.body)).to.equal('bad')
      expect(await deathOf(dead)).to.include({ count: 1, reason: 'rejected', queue })
      await session.channel.close()
      await session.expectMessages(queue, 0)
    })
  }

  it('can be told to requeue it until it succeeds', async () => {
    const calls = await consumeBadly({ onError: 'requeue' }, 3)
    const failed = ['bad', 'bad again', 'bad again']
    expect(calls).to.deep.equal({ begun: ['good', ...failed, 'bad again', 'last'], failed })
    await session.channel.close()
    await session.expectMessages(queue, 0)
    await session.expectMessages(deadLetters, 0)
  })

  it('can be told to leave it, which returns it when the channel closes', async () => {
    const calls = await consumeBadly({ onError: 'leave', prefetch: 2, concurrency: 1 })
    expect(calls).to.deep.equal({ begun: ['good', 'bad', 'last'], failed: ['bad'] })
    await session.channel.close()
    await session.expectMessages(queue, 1)
    const [left] = await session.drain(queue)
    expect(String(left?.content)).to.equal('bad')
    expect(left?.fields.redelivered).to.equal(true)
  })

  it('has settled it itself, and nothing is done about it again', async () => {
    const states: string[] = []
    session.channel.on('handlerError', (_, delivery) => states.push(delivery.state))
    await session.channel.consume(queue, delivery => {
      delivery.ack()
      throw new Error('too late')
    })
    await session.channel.publish('', queue, 'x')
    await until(DONE_WITHIN_MS, 'the failure', () => states.length === 1)
    expect(states).to.deep.equal(['settled'])
    await session.channel.close()
    await session.expectMessages(queue, 0)
    await session.expectMessages(deadLetters, 0)
  })
})
