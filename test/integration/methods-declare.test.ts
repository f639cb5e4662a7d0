import { expect } from 'chai'
import type {
  ChannelClosedError,
  DeclareMismatch,
  ExchangeDeclareOptions,
  QueueDeclareOptions,
} from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { MethodsSession } from './methods-session.js'

describe('declaring again, with RabbitMQ,', () => {
  let session: MethodsSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await MethodsSession.open()
  })

  afterEach(() => session.close())

  async function expectQueueMismatch(
    first: QueueDeclareOptions,
    second: QueueDeclareOptions,
    mismatch: DeclareMismatch,
  ): Promise<ChannelClosedError> {
    const queue = session.name()
    await session.channel.queueDeclare(queue, first)
    const text = new RegExp(
      `^PRECONDITION_FAILED - inequivalent arg '${mismatch.argument}' for queue '${queue}'`,
    )
    const error = await session.expectRefusal(
      { code: 406, method: 'queue.declare', text, mismatch },
      channel => channel.queueDeclare(queue, second),
    )
    // The queue is as it was.
    await session.channel.queueDeclare(queue, first)
    return error
  }

  const queues: [what: string, QueueDeclareOptions, QueueDeclareOptions, DeclareMismatch][] = [
    ['durable or not', {}, { durable: false }, { argument: 'durable', received: 'false', current: 'true' }],
    [
      'auto-delete or not',
      {},
      { autoDelete: true },
      { argument: 'auto_delete', received: 'true', current: 'false' },
    ],
    [
      'with another value of an argument',
      { maxLength: 5 },
      { maxLength: 6 },
      { argument: 'x-max-length', received: '6', current: '5' },
    ],
    [
      'with one argument more',
      {},
      { messageTtl: 60_000 },
      { argument: 'x-message-ttl', received: '60000', current: undefined },
    ],
    [
      'with one argument less',
      { deadLetterExchange: 'amq.fanout' },
      {},
      { argument: 'x-dead-letter-exchange', received: undefined, current: 'amq.fanout' },
    ],
    [
      'with a quote in the value',
      { deadLetterExchange: '', deadLetterRoutingKey: "it's" },
      { deadLetterExchange: '', deadLetterRoutingKey: "isn't" },
      { argument: 'x-dead-letter-routing-key', received: "isn't", current: "it's" },
    ],
    [
      'of another type',
      { type: 'classic' },
      { type: 'quorum' },
      { argument: 'x-queue-type', received: 'quorum', current: 'classic' },
    ],
  ]
  for (const [what, first, second, mismatch] of queues) {
    it(`a queue ${what} is a mismatch that says what differs`, () =>
      expectQueueMismatch(first, second, mismatch))
  }

  it('a queue exclusively that is not is refused with the whole reply', async () => {
    const queue = await session.sharedQueue()
    // Not as a property that differs: with an exclusive queue comes an owner, and the queue has none.
    const refusal = {
      code: 405,
      method: 'queue.declare',
      text: /^RESOURCE_LOCKED - .*exclusive access/,
    } as const
    await session.expectRefusal(refusal, channel => channel.queueDeclare(queue, { exclusive: true }))
  })

  const exchanges: [
    what: string,
    [type: string, ExchangeDeclareOptions],
    [type: string, ExchangeDeclareOptions],
    DeclareMismatch,
  ][] = [
    [
      'of another type',
      ['topic', {}],
      ['fanout', {}],
      { argument: 'type', received: 'fanout', current: 'topic' },
    ],
    [
      'durable or not',
      ['direct', {}],
      ['direct', { durable: false }],
      { argument: 'durable', received: 'false', current: 'true' },
    ],
    [
      'auto-delete or not',
      ['direct', {}],
      ['direct', { autoDelete: true }],
      { argument: 'auto_delete', received: 'true', current: 'false' },
    ],
    [
      'internal or not',
      ['direct', { internal: true }],
      ['direct', {}],
      { argument: 'internal', received: 'false', current: 'true' },
    ],
    [
      'with another alternate exchange',
      ['direct', { alternateExchange: 'amq.fanout' }],
      ['direct', { alternateExchange: 'amq.topic' }],
      { argument: 'alternate-exchange', received: 'amq.topic', current: 'amq.fanout' },
    ],
    [
      'without its alternate exchange',
      ['direct', { alternateExchange: 'amq.fanout' }],
      ['direct', {}],
      { argument: 'alternate-exchange', received: undefined, current: 'amq.fanout' },
    ],
  ]
  for (const [what, [type, options], again, mismatch] of exchanges) {
    it(`an exchange ${what} is a mismatch that says what differs`, async () => {
      const exchange = session.name()
      await session.channel.exchangeDeclare(exchange, type, options)
      const text = new RegExp(
        `^PRECONDITION_FAILED - inequivalent arg '${mismatch.argument}' for exchange '${exchange}'`,
      )
      await session.expectRefusal({ code: 406, method: 'exchange.declare', text, mismatch }, channel =>
        channel.exchangeDeclare(exchange, ...again),
      )
      await session.channel.exchangeDeclare(exchange, type, options)
    })
  }

  it('with the same properties is no mistake, however often and by whomever', async () => {
    const [queue, exchange] = [session.name(), session.name()]
    const queueOptions = { maxLength: 5, deadLetterExchange: exchange, autoDelete: true }
    const exchangeOptions = { durable: false, alternateExchange: 'amq.fanout' }
    const other = await MethodsSession.open()
    for (const { channel } of [session, other, session]) {
      await channel.exchangeDeclare(exchange, 'headers', exchangeOptions)
      expect(await channel.queueDeclare(queue, queueOptions)).to.deep.equal({
        queue,
        messageCount: 0,
        consumerCount: 0,
      })
    }
    await other.close()
    // The order of arguments, and which integer type carries them, make no difference.
    const witness = await session.live.witness()
    await witness.assertQueue(queue, {
      autoDelete: true,
      arguments: { 'x-dead-letter-exchange': exchange, 'x-max-length': 5 },
    })
    expect((await session.channel.queueDeclare(queue, { passive: true })).queue).to.equal(queue)
    await session.channel.exchangeDeclare(exchange, 'whatever', { passive: true })
    expect(session.channel.state).to.equal('open')
  })
})
