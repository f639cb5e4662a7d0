import { expect } from 'chai'
import type { ConsumeArguments, FieldTable, QueueDeclareOptions, StreamOffset } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { sharedBroker, sharedVersion } from '../support/rabbitmq/index.js'
import { MethodsSession } from './methods-session.js'

interface TypedQueue {
  readonly options: QueueDeclareOptions
  /** What an independent client must say to mean the same. */
  readonly raw: Record<string, unknown>
}

const QUORUM = { 'x-queue-type': 'quorum' }
const STREAM = { 'x-queue-type': 'stream' }

/** Every typed option of a queue at least once. `consumerTimeout` is known from RabbitMQ 3.12 on, and kept before. */
const QUEUES: TypedQueue[] = [
  { options: { type: 'classic' }, raw: { 'x-queue-type': 'classic' } },
  { options: { messageTtl: 0 }, raw: { 'x-message-ttl': 0 } },
  { options: { messageTtl: 2 ** 32 - 1 }, raw: { 'x-message-ttl': 2 ** 32 - 1 } },
  { options: { expires: 60_000 }, raw: { 'x-expires': 60_000 } },
  {
    options: { maxLength: 0, overflow: 'reject-publish' },
    raw: { 'x-max-length': 0, 'x-overflow': 'reject-publish' },
  },
  {
    options: { maxLengthBytes: 2 ** 40, overflow: 'drop-head' },
    raw: { 'x-max-length-bytes': 2 ** 40, 'x-overflow': 'drop-head' },
  },
  {
    options: { deadLetterExchange: '', deadLetterRoutingKey: 'grave', overflow: 'reject-publish-dlx' },
    raw: {
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'grave',
      'x-overflow': 'reject-publish-dlx',
    },
  },
  { options: { maxPriority: 255 }, raw: { 'x-max-priority': 255 } },
  { options: { singleActiveConsumer: true }, raw: { 'x-single-active-consumer': true } },
  {
    options: { type: 'quorum', deliveryLimit: 3, initialGroupSize: 1, leaderLocator: 'balanced' },
    raw: {
      ...QUORUM,
      'x-delivery-limit': 3,
      'x-quorum-initial-group-size': 1,
      'x-queue-leader-locator': 'balanced',
    },
  },
  {
    options: {
      type: 'quorum',
      deadLetterExchange: 'amq.fanout',
      deadLetterStrategy: 'at-least-once',
      overflow: 'reject-publish',
    },
    raw: {
      ...QUORUM,
      'x-dead-letter-exchange': 'amq.fanout',
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
    },
  },
  {
    options: { type: 'quorum', consumerTimeout: 120_000 },
    raw: { ...QUORUM, 'x-consumer-timeout': 120_000 },
  },
  {
    options: { type: 'stream', maxAge: '7D', maxSegmentSizeBytes: 1_000_000, initialGroupSize: 1 },
    raw: {
      ...STREAM,
      'x-max-age': '7D',
      'x-stream-max-segment-size-bytes': 1_000_000,
      'x-initial-cluster-size': 1,
    },
  },
  {
    options: { type: 'stream', maxLengthBytes: 2 ** 33, leaderLocator: 'client-local' },
    raw: { ...STREAM, 'x-max-length-bytes': 2 ** 33, 'x-queue-leader-locator': 'client-local' },
  },
  {
    options: { maxLength: 7, arguments: { 'x-message-ttl': 60_000 } },
    raw: { 'x-max-length': 7, 'x-message-ttl': 60_000 },
  },
]

describe('options that stand for arguments, with RabbitMQ', () => {
  let session: MethodsSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await MethodsSession.open({ confirm: true })
  })

  afterEach(() => session.close())

  describe('of a queue', function () {
    // A quorum queue or a stream takes a moment to come and to go.
    this.timeout(20_000)

    for (const { options, raw } of QUEUES) {
      it(`${JSON.stringify(options)} is what the other client says with the table`, async () => {
        const queue = session.name()
        await session.channel.queueDeclare(queue, options)
        const witness = await session.live.witness()
        await witness.assertQueue(queue, { durable: true, arguments: raw })
        const { node } = await sharedBroker()
        if (node === undefined) return
        // Not all arguments are compared when a queue is declared again: this is what the queue has.
        const kept = await node.evaluate(argumentsOf(queue))
        for (const [name, value] of Object.entries(raw)) {
          expect(kept).to.match(new RegExp(`\\{<<"${name}">>,[a-z]+,${erlangTerm(value)}\\}`))
        }
        expect(kept.match(/\{<<"x-/g)).to.have.length(Object.keys(raw).length + impliedIn(kept, raw))
      })
    }

    it('covers each that there is', () => {
      const covered = new Set(QUEUES.flatMap(({ options }) => Object.keys(options)))
      expect([...covered].sort()).to.deep.equal([
        'arguments',
        'consumerTimeout',
        'deadLetterExchange',
        'deadLetterRoutingKey',
        'deadLetterStrategy',
        'deliveryLimit',
        'expires',
        'initialGroupSize',
        'leaderLocator',
        'maxAge',
        'maxLength',
        'maxLengthBytes',
        'maxPriority',
        'maxSegmentSizeBytes',
        'messageTtl',
        'overflow',
        'singleActiveConsumer',
        'type',
      ])
    })
  })

  it('of an exchange send on what no binding matches', async () => {
    const exchange = session.name()
    await session.channel.exchangeDeclare(exchange, 'direct', { alternateExchange: 'amq.fanout' })
    const witness = await session.live.witness()
    await witness.assertExchange(exchange, 'direct', { arguments: { 'alternate-exchange': 'amq.fanout' } })
    const queue = await session.live.queue()
    await session.channel.queueBind(queue, 'amq.fanout')
    await session.channel.publish(exchange, 'no binding', 'x', { mandatory: true })
    expect((await session.channel.get(queue))?.exchange).to.equal(exchange)
  })

  describe('of a consumer', () => {
    it('let the one of higher priority have the messages', async () => {
      const queue = await session.live.queue()
      const seen: string[] = []
      const channels = await Promise.all([1, 2, 3].map(() => session.connection.openChannel()))
      for (const [index, priority] of [-5, 10, undefined].entries()) {
        await channels[index]?.consume(queue, { priority, prefetch: 2, autoSettle: false }, () =>
          seen.push(String(priority)),
        )
      }
      for (let each = 0; each < 5; each++) {
        await session.channel.publish('', queue, 'x')
        await until(5_000, 'the delivery', () => seen.length === each + 1)
      }
      // Each until its prefetch is used up.
      expect(seen).to.deep.equal(['10', '10', 'undefined', 'undefined', '-5'])
    })

    it('begin a stream where they say', async function () {
      this.timeout(20_000)
      const queue = session.name()
      await session.channel.queueDeclare(queue, { type: 'stream' })
      const before = new Date(Date.now() - 60_000)
      const bodies = Array.from({ length: 10 }, (_, each) => String(each))
      for (const body of bodies) await session.channel.publish('', queue, body)
      const offsets: [StreamOffset, first: number][] = [
        ['first', 0],
        [0, 0],
        [7, 7],
        [8n, 8],
        [before, 0],
        ['1h', 0],
      ]
      for (const [streamOffset, first] of offsets) {
        const read = await readStream(queue, { streamOffset }, '9')
        // Whole chunks are sent, from the one that holds the offset on.
        const from = read.filter(({ offset }) => offset >= first)
        expect(
          from.map(({ body }) => body),
          String(streamOffset),
        ).to.deep.equal(bodies.slice(first))
      }
      const [last] = await readStream(queue, { streamOffset: 'last' }, '9')
      expect(last?.offset, 'of the last chunk').to.be.above(0)
      const reading = readStream(queue, { streamOffset: 'next' }, 'later')
      await session.channel.publish('', queue, 'later')
      expect(await reading).to.deep.equal([{ body: 'later', offset: 10 }])
    })

    it('choose of a stream what a filter lets through', async function () {
      this.timeout(20_000)
      const [major = 0, minor = 0] = (await sharedVersion()).split('.').map(Number)
      // Streams filter from RabbitMQ 3.13 on.
      if (major < 3 || (major === 3 && minor < 13)) return this.skip()
      const queue = session.name()
      await session.channel.queueDeclare(queue, { type: 'stream' })
      // Confirmed one by one, each is a chunk of its own: chunks are what the broker filters.
      for (const value of ['a', 'b', undefined, 'c']) {
        const headers: FieldTable = value === undefined ? {} : { 'x-stream-filter-value': value }
        await session.channel.publish('', queue, value ?? 'none', { headers })
      }
      const filters: [ConsumeArguments, string[]][] = [
        [{ streamFilter: 'b' }, ['b']],
        [{ streamFilter: ['x', 'c'] }, ['c']],
        [{ streamFilter: 'c', matchUnfiltered: true }, ['none', 'c']],
      ]
      for (const [filter, bodies] of filters) {
        const read = await readStream(queue, { streamOffset: 'first', ...filter }, bodies.at(-1) ?? '')
        expect(read.map(({ body }) => body)).to.deep.equal(bodies)
      }
    })

    it('leave the connection alone when what a stream has sent goes back', async function () {
      this.timeout(20_000)
      const queue = session.name()
      await session.channel.queueDeclare(queue, { type: 'stream' })
      for (const body of ['a', 'b', 'c']) await session.channel.publish('', queue, body)
      const { stats } = session.connection
      const consumer = await session.channel.consume(queue, { streamOffset: 'first' })
      // The answers to qos and consume, and three messages of three frames.
      const haveCome = (): boolean => session.connection.stats.framesReceived - stats.framesReceived === 11
      await until(5_000, 'the messages', haveCome)
      for await (const delivery of consumer) {
        delivery.ack()
        break
      }
      await session.channel.queueDeclare()
      expect(session.connection.state).to.equal('open')
    })
  })

  interface StreamMessage {
    readonly body: string
    readonly offset: number
  }

  /** What a stream sends from where the options say, up to a message, after which it has no more. */
  async function readStream(
    queue: string,
    options: ConsumeArguments,
    last: string,
  ): Promise<StreamMessage[]> {
    const read: StreamMessage[] = []
    await using _consumer = await session.channel.consume(queue, options, ({ body, properties }) =>
      read.push({ body: String(body), offset: Number(properties.headers?.['x-stream-offset']) }),
    )
    await until(5_000, `${last}, out of the stream`, () => read.at(-1)?.body === last)
    return read
  }
})

/** Erlang for the arguments of a queue as text, on one line. */
function argumentsOf(queue: string): string {
  return `{ok, Queue} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)),
    iolist_to_binary(io_lib:format("~0p", [amqqueue:get_arguments(Queue)]))`
}

function erlangTerm(value: unknown): string {
  if (value === '') return '<<>>'
  return typeof value === 'string' ? `<<"${value}">>` : String(value)
}

/** RabbitMQ 4 notes the type of a queue that was declared without one. */
function impliedIn(kept: string, raw: Record<string, unknown>): number {
  return kept.includes('x-queue-type') && !('x-queue-type' in raw) ? 1 : 0
}
