import { expect } from 'chai'
import {
  ChannelClosedError,
  type Delivery,
  openRpcClient,
  RequestTimeoutError,
  ReturnedError,
  type RpcClient,
  RpcError,
  type RpcHandler,
  type RpcServerOptions,
  serveRpc,
  UnconfirmedError,
} from '../../src/index.js'
import { BROKER_START_MS, LiveSession, withSharedQueue } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'

const REPLY_TO = 'amq.rabbitmq.reply-to'

describe('request and reply, with RabbitMQ', () => {
  let session: LiveSession
  let client: RpcClient

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await LiveSession.open({ confirm: true })
    client = await openRpcClient(session.connection)
  })

  afterEach(() => session.close())

  /** A queue whose requests are handled on the session's channel. */
  async function serve(handler: RpcHandler, options: RpcServerOptions = {}): Promise<string> {
    const queue = await session.queue()
    await serveRpc(session.channel, queue, options, handler)
    return queue
  }

  async function ask(queue: string, body: string): Promise<string> {
    return String((await within(5_000, 'the reply', client.request('', queue, body))).body)
  }

  it('goes there and back', async () => {
    let seen: Delivery | undefined
    const queue = await serve(async request => {
      seen = request
      return { body: `re: ${request.body}`, contentType: 'text/plain', headers: { n: 1 } }
    })
    const reply = await client.request('', queue, 'question', { type: 'price', headers: { vat: true } })
    expect(String(reply.body)).to.equal('re: question')
    expect(reply.properties).to.include({ contentType: 'text/plain' })
    expect({ ...reply.properties.headers }).to.deep.equal({ n: 1 })
    expect(seen?.properties).to.include({ type: 'price', expiration: '20000', deliveryMode: 1 })
    expect(seen?.properties.replyTo).to.match(/^amq\.rabbitmq\.reply-to\../)
    await until(5_000, 'the acknowledgement', () => seen?.state === 'settled')
    expect(await ask(queue, '')).to.equal('re: ')
  })

  it('goes through an exchange to a server on another connection', async () => {
    await withSharedQueue(session, { durable: true }, async queue => {
      await session.channel.queueBind(queue, 'amq.direct', `${queue} price`)
      const other = await LiveSession.open()
      await serveRpc(other.channel, queue, request => `${request.exchange} ${request.body}`)
      const reply = await client.request('amq.direct', `${queue} price`, 'question')
      expect(String(reply.body)).to.equal('amq.direct question')
      await other.close()
    })
  })

  it('has a thousand requests at a time, answered in any order', async function () {
    this.timeout(30_000)
    const waiting: (() => void)[] = []
    const count = 1_000
    const handler: RpcHandler = request =>
      new Promise(resolve => {
        waiting.push(() => resolve(`re: ${request.body}`))
        if (waiting.length === count) for (const answer of shuffled(waiting)) answer()
      })
    const queue = await serve(handler, { prefetch: count })
    const bodies = await Promise.all(Array.from({ length: count }, (_, each) => ask(queue, String(each))))
    expect(bodies).to.deep.equal(Array.from({ length: count }, (_, each) => `re: ${each}`))
    expect(client.droppedReplies).to.equal(0)
  })

  it('gives up at the timeout, drops the late reply, and lives on', async () => {
    let answer: (() => void) | undefined
    const queue = await serve(
      ({ body }) =>
        new Promise(resolve => {
          if (String(body) === 'quick') resolve('quick')
          else answer = () => resolve('slow')
        }),
    )
    const error = await rejectionOf(
      client.request('', queue, 'slow', { timeout: 300, expiration: 60_000 }),
      RequestTimeoutError,
    )
    expect(error).to.include({ confirmed: true, routingKey: queue })
    answer?.()
    await until(5_000, 'the late reply', () => client.droppedReplies === 1)
    expect(await ask(queue, 'quick')).to.equal('quick')
  })

  it('lets a request that nobody takes expire with its timeout', async () => {
    const queue = await session.queue()
    await rejectionOf(client.request('', queue, 'x', { timeout: 100 }), RequestTimeoutError)
    await until(5_000, 'the expiry', async () => (await session.channel.get(queue)) === undefined)
  })

  it('gives up when the signal aborts', async () => {
    const queue = await session.queue()
    const controller = new AbortController()
    const request = client.request('', queue, 'x', { signal: controller.signal })
    const reason = new RangeError('the user left')
    controller.abort(reason)
    expect(await rejectionOf(request, RangeError)).to.equal(reason)
  })

  it('says at once when a request reaches no queue', async () => {
    const error = await rejectionOf(client.request('', 'no such queue', 'x'), ReturnedError)
    expect(error.returned).to.include({ routingKey: 'no such queue', replyCode: 312 })
    expect(error.returned.properties.correlationId).to.be.a('string')
    expect(await ask(await serve(() => 'ten'), 'x')).to.equal('ten')
  })

  it('does the same on a plain channel when requests are not to be confirmed', async () => {
    client = await openRpcClient(session.connection, { confirm: false })
    const queue = await serve(request => `re: ${request.body}`)
    const numbers = Array.from({ length: 200 }, (_, index) => String(index))
    const returned = client.request('', 'no such queue', 'x')
    const replies = await Promise.all(numbers.map(number => ask(queue, number)))
    expect(replies).to.deep.equal(numbers.map(number => `re: ${number}`))
    expect((await rejectionOf(returned, ReturnedError)).replyText).to.equal('NO_ROUTE')
    expect(client.droppedReplies).to.equal(0)
  })

  it('tells the requester that the handler failed, and dead-letters the request', async () => {
    const failures: unknown[] = []
    session.channel.on('handlerError', error => failures.push(error))
    const dead = await session.queue()
    const queue = await session.queue({
      arguments: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead },
    })
    await serveRpc(session.channel, queue, ({ body }) => {
      throw String(body) === 'a' ? new RpcError('no such order') : new Error('password=secret')
    })
    expect((await rejectionOf(client.request('', queue, 'a'), RpcError)).message).to.equal('no such order')
    expect((await rejectionOf(client.request('', queue, 'b'), RpcError)).message).not.to.include('secret')
    for (const body of ['a', 'b']) {
      let letter: Delivery | undefined
      await until(5_000, 'the dead letter', async () => {
        letter = await session.channel.get(dead, { noAck: true })
        return letter !== undefined
      })
      expect(String(letter?.body)).to.equal(body)
    }
    expect(failures).to.have.lengthOf(2)
  })

  it('does not trouble the server when the requester is gone', async () => {
    const failures: unknown[] = []
    session.channel.on('handlerError', error => failures.push(error))
    let request: Delivery | undefined
    let answer: (() => void) | undefined
    const queue = await serve(each => {
      if (String(each.body) === 'x') return 'ten'
      request = each
      return new Promise(resolve => {
        answer = () => resolve('to nobody')
      })
    })
    const waiting = rejectionOf(client.request('', queue, 'gone'), ChannelClosedError)
    await until(5_000, 'the request', () => answer !== undefined)
    await within(5_000, 'the end of the client', client.close())
    await waiting
    answer?.()
    await until(5_000, 'the acknowledgement', () => request?.state === 'settled')
    client = await openRpcClient(session.connection)
    expect(await ask(queue, 'x')).to.equal('ten')
    expect(failures).to.deep.equal([])
  })

  it('rejects what waits when the channel of the requester dies, and leads to the reason', async () => {
    const queue = await session.queue()
    const confirmed = client.request('', queue, 'x')
    await until(5_000, 'the request', async () => (await session.channel.get(queue)) !== undefined)
    const fatal = client.request('no such exchange', 'k', 'x')
    const [lost, cause] = await Promise.all([
      rejectionOf(confirmed, ChannelClosedError),
      rejectionOf(fatal, UnconfirmedError),
    ])
    const reason = await within(5_000, 'the end of the client', client.closed)
    expect(reason).to.include({ by: 'server', code: 404, method: 'basic.publish' })
    expect(lost.reason).to.equal(reason)
    expect(cause).to.include({ replyCode: 404, cause: reason.error })
    const late = await rejectionOf(client.request('', queue, 'x'), ChannelClosedError)
    expect(late.reason).to.equal(reason)
    client = await openRpcClient(session.connection)
    expect(await ask(await serve(() => 'ten'), 'x')).to.equal('ten')
  })

  it('has many clients on one connection', async () => {
    const queue = await serve(({ body }) => body)
    const clients = await Promise.all(Array.from({ length: 10 }, () => openRpcClient(session.connection)))
    const replies = await Promise.all(
      clients.map((each, index) => each.request('', queue, `for client ${index}`)),
    )
    expect(replies.map(({ body }) => String(body))).to.deep.equal(
      clients.map((_, index) => `for client ${index}`),
    )
    await Promise.all(clients.map(each => each.close()))
  })

  describe('with an independent client at the other side', () => {
    it('is answered by it', async () => {
      await withSharedQueue(session, { durable: true }, async queue => {
        const witness = await session.witness()
        await witness.consume(queue, message => {
          if (message === null) return
          const { replyTo, correlationId, expiration } = message.properties
          const properties = { correlationId, headers: { expiration } }
          witness.sendToQueue(replyTo, Buffer.from(`re: ${message.content}`), properties)
          witness.ack(message)
        })
        const reply = await within(
          5_000,
          'the reply',
          client.request('', queue, 'question', { timeout: 7_000 }),
        )
        expect(String(reply.body)).to.equal('re: question')
        expect(reply.properties.headers?.['expiration']).to.equal('7000')
      })
    })

    for (const [what, declare] of [
      ['over the pseudo-queue', undefined],
      ['over a queue of its own', { exclusive: true }],
    ] as const) {
      it(`answers it ${what}`, async () => {
        await withSharedQueue(session, { durable: true }, async queue => {
          session.channel.on('handlerError', () => {})
          await serveRpc(session.channel, queue, ({ body }) => {
            if (String(body) === 'bad') throw new RpcError('no such order')
            return { body: `re: ${body}`, type: 'price' }
          })
          const witness = await session.witness()
          const replyTo = declare === undefined ? REPLY_TO : (await witness.assertQueue('', declare)).queue
          const replies: string[] = []
          await witness.consume(
            replyTo,
            message => {
              const { correlationId, type } = message?.properties ?? {}
              replies.push(`${correlationId} ${type} ${message?.content}`)
            },
            { noAck: true },
          )
          for (const [index, body] of ['question', 'bad'].entries()) {
            witness.sendToQueue(queue, Buffer.from(body), { replyTo, correlationId: `c-${index}` })
            await until(5_000, 'the reply', () => replies.length === index + 1)
          }
          expect(replies).to.deep.equal(['c-0 price re: question', 'c-1 thump.error no such order'])
        })
      })
    }
  })
})

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map(item => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item)
}
