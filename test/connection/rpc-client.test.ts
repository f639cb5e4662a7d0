import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import {
  ArgumentError,
  ChannelClosedError,
  type CloseReason,
  type Connection,
  ConnectionClosedError,
  ConsumerClosedError,
  NackedError,
  openRpcClient,
  type PublishProperties,
  RequestTimeoutError,
  ReturnedError,
  RpcClient,
  type RpcClientOptions,
  RpcError,
  type RpcRequestOptions,
  UnconfirmedError,
} from '../../src/index.js'
import type { Method, MethodOf } from '../../src/protocol/method-types.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const TIMEOUT_MS = 20_000

/** A request as the peer received it. */
interface Asked {
  readonly method: MethodOf<'basic.publish'>
  readonly properties: Readonly<Record<string, unknown>>
  readonly body: Buffer
}

let virtual: VirtualPeer & { readonly connection: Connection }
let client: RpcClient
/** The channel of the client. */
let channelNumber: number
let consumerTag: string
let asked: Asked[]

async function begin(channelMax = 10): Promise<void> {
  const connect = { heartbeat: 0, connectionName: 'asker' }
  virtual = await VirtualPeer.open({ connect, tune: { channelMax } })
  asked = []
  virtual.peer.on('basic.publish', ({ method, content }) => {
    const properties = { ...content?.properties } as Record<string, unknown>
    asked.push({ method: method as MethodOf<'basic.publish'>, properties, body: content?.body as Buffer })
  })
  virtual.peer.on('basic.consume', received => {
    channelNumber = received.channelNumber
    consumerTag = (received.method as MethodOf<'basic.consume'>).args.consumerTag
    send({ name: 'basic.consume-ok', args: { consumerTag } })
  })
}

/** Closes the connection, without its waiting for confirms in vain. */
async function finish(): Promise<void> {
  const closing = virtual.connection.close()
  await virtual.clock.advance(5_000)
  await within(1_000, 'the end of the connection', closing)
}

async function open(options: RpcClientOptions = {}): Promise<void> {
  const opening = openRpcClient(virtual.connection, options)
  client = await within(1_000, 'the client', opening)
}

function send(method: Method): void {
  virtual.peer.send(channelNumber, method)
}

function confirm(deliveryTag: number): void {
  send({ name: 'basic.ack', args: { deliveryTag, multiple: false } })
}

function reply(correlationId: string | undefined, body: string, properties: PublishProperties = {}): void {
  const args = {
    consumerTag,
    // RabbitMQ gives a reply the tag of the channel's next delivery, and does not count it.
    deliveryTag: 1,
    redelivered: false,
    exchange: '',
    routingKey: 'token',
  }
  const method = { name: 'basic.deliver', args } as const
  virtual.peer.sendContent(channelNumber, method, Buffer.from(body), { correlationId, ...properties })
}

/** A request to `orders`, and its correlation id, once it has reached the peer. */
async function ask(
  options: RpcRequestOptions = {},
  body = 'how much?',
): Promise<{ request: ReturnType<RpcClient['request']>; id: string }> {
  const before = asked.length
  const request = client.request('', 'orders', body, options)
  await virtual.clock.settle()
  expect(asked, 'the request reached the peer').to.have.lengthOf(before + 1)
  return { request, id: String(asked[before]?.properties['correlationId']) }
}

async function textOf(request: ReturnType<RpcClient['request']>): Promise<string> {
  return String((await within(1_000, 'the reply', request)).body)
}

describe('openRpcClient', () => {
  beforeEach(() => begin())
  afterEach(finish)

  it('opens a confirm channel with the consumer of the replies', async () => {
    const calls: Method[] = []
    for (const name of ['confirm.select', 'basic.consume'] as const) {
      virtual.peer.on(name, ({ channelNumber: number, method }) => {
        calls.push(method)
        const answer: Method =
          method.name === 'basic.consume'
            ? { name: 'basic.consume-ok', args: { consumerTag: method.args.consumerTag } }
            : { name: 'confirm.select-ok', args: {} }
        virtual.peer.send(number, answer)
      })
    }
    await open()
    expect(client).to.be.instanceOf(RpcClient)
    expect(calls.map(({ name }) => name)).to.deep.equal(['confirm.select', 'basic.consume'])
    expect(calls[1]?.args).to.include({ queue: 'amq.rabbitmq.reply-to', noAck: true, exclusive: false })
  })

  it('rejects, and leaves no channel, when the consumer is refused', async () => {
    await finish()
    await begin(1)
    virtual.peer.on('basic.consume', received => {
      channelNumber = received.channelNumber
      const args = { replyCode: 406, replyText: 'PRECONDITION_FAILED', classId: 60, methodId: 20 }
      send({ name: 'channel.close', args })
    })
    const error = await rejectionOf(openRpcClient(virtual.connection), ChannelClosedError)
    expect(error).to.include({ replyCode: 406, method: 'basic.consume' })
    await virtual.connection.openChannel()
  })

  it('rejects on a connection that is closed', async () => {
    await virtual.connection.close()
    await rejectionOf(openRpcClient(virtual.connection), ConnectionClosedError)
  })

  it('does nothing when its signal has aborted', async () => {
    const reason = new RangeError('not now')
    const opening = openRpcClient(virtual.connection, { signal: AbortSignal.abort(reason) })
    expect(await rejectionOf(opening, RangeError)).to.equal(reason)
    await virtual.clock.settle()
    expect(virtual.peer.inbox).to.deep.equal([])
  })

  it('rejects when its signal aborts, and closes what it has opened', async () => {
    virtual.peer.on('basic.consume', received => {
      channelNumber = received.channelNumber
      consumerTag = (received.method as MethodOf<'basic.consume'>).args.consumerTag
    })
    let closes = 0
    virtual.peer.on('channel.close', received => {
      closes++
      virtual.peer.send(received.channelNumber, { name: 'channel.close-ok', args: {} })
    })
    const controller = new AbortController()
    const opening = openRpcClient(virtual.connection, { signal: controller.signal })
    await virtual.clock.settle()
    controller.abort('enough')
    expect((await rejectionOf(opening, Error)).cause).to.equal('enough')
    expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([])
    send({ name: 'basic.consume-ok', args: { consumerTag } })
    await virtual.clock.settle()
    expect(closes).to.equal(1)
  })

  it('leaves its signal alone once it is open', async () => {
    const controller = new AbortController()
    await open({ signal: controller.signal })
    expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([])
    controller.abort()
    const { request, id } = await ask()
    reply(id, 'ten')
    expect(await textOf(request)).to.equal('ten')
  })

  for (const [path, options] of [
    ['options', null],
    ['options.timeout', { timeout: 0 }],
    ['options.timeout', { timeout: 2 ** 31 }],
    ['options.signal', { signal: {} }],
    ['options.prefetch', { prefetch: 1 }],
  ] as const) {
    it(`refuses ${path}, ${JSON.stringify(options)}`, async () => {
      const opening = openRpcClient(virtual.connection, options as never)
      expect((await rejectionOf(opening, ArgumentError)).path).to.equal(path)
    })
  }

  it('refuses what is no connection', async () => {
    expect((await rejectionOf(openRpcClient({} as never), ArgumentError)).path).to.equal('connection')
  })
})

describe('RpcClient', () => {
  beforeEach(async () => {
    await begin()
    await open()
  })
  afterEach(finish)

  describe('request', () => {
    it('publishes mandatory and transient, to be dropped when nobody takes it in time', async () => {
      const { request, id } = await ask({ headers: { vat: true }, messageId: 'm-1' })
      expect(asked[0]?.method.args).to.include({ exchange: '', routingKey: 'orders', mandatory: true })
      expect(String(asked[0]?.body)).to.equal('how much?')
      expect(JSON.parse(JSON.stringify(asked[0]?.properties))).to.deep.equal({
        correlationId: id,
        replyTo: 'amq.rabbitmq.reply-to',
        expiration: String(TIMEOUT_MS),
        deliveryMode: 1,
        headers: { vat: true },
        messageId: 'm-1',
      })
      reply(id, 'ten')
      await textOf(request)
    })

    it('has its own address for the reply, whatever an undefined option says', async () => {
      const options = {
        correlationId: undefined,
        replyTo: undefined,
        expiration: undefined,
        deliveryMode: undefined,
      }
      const { id } = await ask(options as RpcRequestOptions)
      expect(asked[0]?.properties).to.include({
        correlationId: id,
        replyTo: 'amq.rabbitmq.reply-to',
        expiration: '20000',
        deliveryMode: 1,
      })
    })

    it('may be persistent, and expire at another time', async () => {
      const { request, id } = await ask({ expiration: 5, deliveryMode: 2, timeout: 1_000 })
      expect(asked[0]?.properties).to.include({ expiration: '5', deliveryMode: 2 })
      reply(id, 'ten')
      await textOf(request)
    })

    it('resolves with the reply that fits, in whatever order they come', async () => {
      const requests = [await ask(), await ask(), await ask()]
      expect(new Set(requests.map(({ id }) => id)).size).to.equal(3)
      for (const index of [2, 0, 1]) reply(requests[index]?.id, `reply ${index}`, { type: 'price' })
      const bodies = await Promise.all(requests.map(({ request }) => textOf(request)))
      expect(bodies).to.deep.equal(['reply 0', 'reply 1', 'reply 2'])
      const first = await requests[0]?.request
      expect(first?.properties.type).to.equal('price')
      expect(first?.state).to.equal('noAck')
    })

    it('resolves with a reply that comes before the confirm', async () => {
      const { request, id } = await ask()
      reply(id, 'ten')
      expect(await textOf(request)).to.equal('ten')
      confirm(1)
      await virtual.clock.settle()
    })

    it('leaves nothing behind but a timer of the client, which goes with that', async () => {
      const controller = new AbortController()
      const { request, id } = await ask({ signal: controller.signal })
      expect(getEventListeners(controller.signal, 'abort')).to.have.lengthOf(1)
      expect(virtual.clock.timers).to.have.lengthOf(2)
      confirm(1)
      reply(id, 'ten')
      await textOf(request)
      expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([])
      for (let requests = 0; requests < 10; requests++) {
        const again = await ask()
        reply(again.id, 'ten')
        await textOf(again.request)
      }
      expect(virtual.clock.timers).to.have.lengthOf(2)
      controller.abort()
      await virtual.clock.settle()
      void client.close()
      expect(virtual.clock.timers, 'those of the connection, and of the close').to.have.lengthOf(1)
    })

    it('takes no notice of replies that fit no request, and counts them', async () => {
      const { request, id } = await ask()
      reply('no such request', 'a')
      reply(undefined, 'b')
      reply(id, 'c')
      reply(id, 'd')
      expect(await textOf(request)).to.equal('c')
      await virtual.clock.settle()
      expect(client.droppedReplies).to.equal(3)
      const next = await ask()
      reply(next.id, 'e')
      expect(await textOf(next.request)).to.equal('e')
    })

    it('rejects with an RpcError when the other side says that it failed', async () => {
      const { request, id } = await ask()
      reply(id, 'no such order', { type: 'thump.error' })
      const error = await rejectionOf(request, RpcError)
      expect(error).to.include({ message: 'no such order', code: 'AMQP_RPC', connectionName: 'asker' })
    })
  })

  describe('timeout', () => {
    it('rejects a request that is not answered in time, and not before', async () => {
      const { request } = await ask()
      confirm(1)
      let settled = false
      request.catch(() => {}).finally(() => (settled = true))
      await virtual.clock.advance(TIMEOUT_MS - 1)
      expect(settled).to.equal(false)
      await virtual.clock.advance(1)
      expect(settled).to.equal(true)
      const error = await rejectionOf(request, RequestTimeoutError)
      expect(error).to.include({ code: 'AMQP_REQUEST_TIMEOUT', exchange: '', routingKey: 'orders' })
      expect(error).to.include({ confirmed: true, connectionName: 'asker' })
      expect(error.message).to.equal(
        "no reply within 20000 ms to the request to exchange '' with routing key 'orders', which the broker has confirmed",
      )
    })

    it('says when the broker had not taken the request over either', async () => {
      const { request } = await ask()
      await virtual.clock.advance(TIMEOUT_MS)
      const error = await rejectionOf(request, RequestTimeoutError)
      expect(error.confirmed).to.equal(false)
      expect(error.message).to.match(/which the broker has not confirmed$/)
    })

    it("is the request's, else the client's", async () => {
      await open({ timeout: 3_000 })
      const [own, others] = [await ask({ timeout: 1_000 }), await ask()]
      expect(asked.map(({ properties }) => properties['expiration'])).to.deep.equal(['1000', '3000'])
      await virtual.clock.advance(1_000)
      await rejectionOf(own.request, RequestTimeoutError)
      await virtual.clock.advance(1_999)
      reply(others.id, 'just in time')
      await virtual.clock.settle()
      expect(await textOf(others.request)).to.equal('just in time')
    })

    it('drops a reply that comes too late', async () => {
      const { request, id } = await ask()
      await virtual.clock.advance(TIMEOUT_MS)
      await rejectionOf(request, RequestTimeoutError)
      reply(id, 'late')
      await virtual.clock.settle()
      expect(client.droppedReplies).to.equal(1)
    })

    it('does not count a reply as late that came while the event loop was blocked', async () => {
      const { request, id } = await ask()
      virtual.clock.stall(TIMEOUT_MS)
      reply(id, 'ten')
      await virtual.clock.settle()
      expect(await textOf(request)).to.equal('ten')
    })

    it('counts from the call, also when the broker blocks', async () => {
      virtual.peer.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
      await virtual.clock.settle()
      const request = client.request('', 'orders', 'x')
      await virtual.clock.advance(TIMEOUT_MS)
      expect((await rejectionOf(request, RequestTimeoutError)).confirmed).to.equal(false)
      virtual.peer.send(0, { name: 'connection.unblocked', args: {} })
      await virtual.clock.settle()
      expect(asked, 'what was given up before it was sent').to.deep.equal([])
    })
  })

  describe('signal', () => {
    it('rejects with its reason when that is an error, and the reply is dropped', async () => {
      const controller = new AbortController()
      const { request, id } = await ask({ signal: controller.signal })
      const reason = new RangeError('the user left')
      controller.abort(reason)
      expect(await rejectionOf(request, RangeError)).to.equal(reason)
      reply(id, 'late')
      await virtual.clock.settle()
      expect(client.droppedReplies).to.equal(1)
      expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([])
    })

    it('rejects with an error whose cause is its reason when that is none', async () => {
      const controller = new AbortController()
      const { request } = await ask({ signal: controller.signal })
      controller.abort('the user left')
      const error = await rejectionOf(request, Error)
      expect(error).to.include({ message: 'aborted by a signal', cause: 'the user left' })
    })

    it('that has aborted lets nothing be published', async () => {
      const request = client.request('', 'orders', 'x', { signal: AbortSignal.abort() })
      expect((await rejectionOf(request, DOMException)).name).to.equal('AbortError')
      await virtual.clock.settle()
      expect(asked).to.deep.equal([])
    })

    it('may be shared by any number of requests', async () => {
      const controller = new AbortController()
      const requests = Array.from({ length: 50 }, () =>
        client.request('', 'orders', 'x', { signal: controller.signal }),
      )
      await virtual.clock.settle()
      reply(String(asked[7]?.properties['correlationId']), 'ten')
      expect(await textOf(requests[7] as (typeof requests)[0])).to.equal('ten')
      controller.abort(new RangeError('all of you'))
      const outcomes = await Promise.allSettled(requests)
      expect(outcomes.filter(({ status }) => status === 'rejected')).to.have.lengthOf(49)
      expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([])
    })
  })

  describe('what the broker says', () => {
    for (const [how, replyTo] of [
      ['with the token of the channel in it, as RabbitMQ does', 'amq.rabbitmq.reply-to.g1h2'],
      ['as it was', 'amq.rabbitmq.reply-to'],
    ] as const) {
      it(`rejects a request that reached no queue and came back ${how}`, async () => {
        const [other, { request }] = [await ask(), await ask()]
        const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'orders' }
        const { body, properties } = asked[1] as Asked
        const returned = { name: 'basic.return', args } as const
        virtual.peer.sendContent(channelNumber, returned, body, { ...properties, replyTo })
        confirm(1)
        confirm(2)
        const error = await rejectionOf(request, ReturnedError)
        expect(error).to.include({ replyCode: 312, connectionName: 'asker' })
        expect(error.returned.properties.replyTo).to.equal(replyTo)
        reply(other.id, 'ten')
        expect(await textOf(other.request)).to.equal('ten')
      })
    }

    it('rejects a request that was refused', async () => {
      const { request } = await ask()
      send({ name: 'basic.nack', args: { deliveryTag: 1, multiple: false, requeue: false } })
      await rejectionOf(request, NackedError)
    })

    it('rejects a request that is not confirmed in time', async () => {
      const { request } = await ask({ timeout: 60_000 })
      await virtual.clock.advance(30_000)
      expect((await rejectionOf(request, UnconfirmedError)).outcome).to.equal('unknown')
    })

    it('does not care for the confirm of a request that is answered', async () => {
      const { request, id } = await ask()
      reply(id, 'ten')
      await textOf(request)
      await virtual.clock.advance(40_000)
    })
  })

  describe('without confirms', () => {
    beforeEach(async () => {
      await client.close()
      asked.length = 0
      await open({ confirm: false })
    })

    it('uses a plain channel, and publishes mandatory as before', async () => {
      const { request, id } = await ask()
      expect(asked[0]?.method.args.mandatory).to.equal(true)
      reply(id, 'ten')
      expect(await textOf(request)).to.equal('ten')
    })

    it('rejects a request that came back, and no other', async () => {
      const [other, { request }] = [await ask(), await ask()]
      const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'orders' }
      const { body, properties } = asked[1] as Asked
      const returned = { name: 'basic.return', args } as const
      virtual.peer.sendContent(channelNumber, returned, body, properties)
      const error = await rejectionOf(request, ReturnedError)
      expect(error).to.include({ replyCode: 312, connectionName: 'asker' })
      virtual.peer.sendContent(channelNumber, returned, body, { ...properties, correlationId: 'unknown' })
      virtual.peer.sendContent(channelNumber, returned, body, { ...properties, correlationId: undefined })
      reply(other.id, 'ten')
      expect(await textOf(other.request)).to.equal('ten')
    })

    it('says nothing of confirms when a request times out', async () => {
      const { request } = await ask({ timeout: 100 })
      await virtual.clock.advance(100)
      const error = await rejectionOf(request, RequestTimeoutError)
      expect(error.confirmed).to.equal(undefined)
      expect(error.message).to.match(/with routing key 'orders'$/)
    })

    it('does not send a request whose time is over before its turn', async () => {
      virtual.peer.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
      await virtual.clock.settle()
      const request = client.request('', 'orders', 'how much?', { timeout: 100 })
      await virtual.clock.advance(100)
      await rejectionOf(request, RequestTimeoutError)
      const next = client.request('', 'orders', 'and now?')
      virtual.peer.send(0, { name: 'connection.unblocked', args: {} })
      await virtual.clock.settle()
      expect(asked.map(({ body }) => String(body))).to.deep.equal(['and now?'])
      reply(String(asked[0]?.properties['correlationId']), 'ten')
      expect(await textOf(next)).to.equal('ten')
    })
  })

  describe('end', () => {
    const NOT_FOUND = { replyCode: 404, replyText: 'NOT_FOUND', classId: 60, methodId: 40 }

    it('rejects everything when the channel is closed, and says whether it was confirmed', async () => {
      const [confirmed, unconfirmed] = [await ask(), await ask()]
      confirm(1)
      send({ name: 'channel.close', args: NOT_FOUND })
      const lost = await rejectionOf(confirmed.request, ChannelClosedError)
      const unknown = await rejectionOf(unconfirmed.request, UnconfirmedError)
      const reason = await within(1_000, 'the end of the client', client.closed)
      expect(reason).to.include({ by: 'server', code: 404, method: 'basic.publish' })
      expect(lost).to.include({ reason, replyCode: 404, cause: reason.error, connectionName: 'asker' })
      expect(unknown).to.include({ outcome: 'unknown', cause: reason.error })
      const late = await rejectionOf(client.request('', 'orders', 'x'), ChannelClosedError)
      expect(late.reason).to.equal(reason)
      expect(await client.close()).to.equal(reason)
    })

    it('rejects everything when the connection is lost', async () => {
      const { request } = await ask()
      confirm(1)
      await virtual.clock.settle()
      virtual.stream.reset()
      const error = await rejectionOf(request, ChannelClosedError)
      const reason = await virtual.connection.closed
      expect(error).to.include({ reason, cause: reason.error })
      expect(await within(1_000, 'the end of the client', client.closed)).to.equal(reason)
      expect(reason.by).to.equal('transport')
      expect(virtual.clock.timers).to.deep.equal([])
    })

    it('rejects everything when the server cancels the consumer, and closes the channel', async () => {
      const { request } = await ask()
      let closes = 0
      virtual.peer.on('channel.close', () => {
        closes++
        send({ name: 'channel.close-ok', args: {} })
      })
      confirm(1)
      send({ name: 'basic.cancel', args: { consumerTag, noWait: true } })
      const error = await rejectionOf(request, ConsumerClosedError)
      const reason = await within(1_000, 'the end of the client', client.closed)
      expect(error).to.include({ reason, consumerTag })
      expect(reason).to.include({ by: 'server', method: 'basic.cancel' })
      expect(closes).to.equal(1)
      await rejectionOf(client.request('', 'orders', 'x'), ChannelClosedError)
    })

    it('by close() rejects what waits at once, and the client ends when the channel has', async () => {
      const { request } = await ask()
      const waiting = rejectionOf(request, ChannelClosedError)
      let closed: CloseReason | undefined
      const closing = client.close().then(reason => {
        closed = reason
      })
      expect((await waiting).reason.by).to.equal('client')
      expect(closed, 'while the request is not confirmed').to.equal(undefined)
      confirm(1)
      await within(1_000, 'the end of the client', closing)
      expect(closed).to.deep.equal({ by: 'client' })
      expect(await client.close()).to.equal(closed)
      expect(await client.closed).to.equal(closed)
      await rejectionOf(client.request('', 'orders', 'x'), ChannelClosedError)
      expect(virtual.connection.state).to.equal('open')
    })

    it('comes with the block of an `await using`', async () => {
      const { closed } = client
      await client[Symbol.asyncDispose]()
      expect((await closed).by).to.equal('client')
    })

    it('comes with the close of the connection', async () => {
      const { request } = await ask()
      confirm(1)
      await virtual.clock.settle()
      const waiting = rejectionOf(request, ChannelClosedError)
      const reason = await virtual.connection.close()
      expect((await waiting).reason).to.equal(reason)
      expect(await client.closed).to.equal(reason)
    })
  })

  describe('misuse', () => {
    for (const [path, options] of [
      ['options', 5],
      ['options.correlationId', { correlationId: '1' }],
      ['options.replyTo', { replyTo: 'elsewhere' }],
      ['options.mandatory', { mandatory: false }],
      ['options.timeout', { timeout: 0.5 }],
      ['options.timeout', { timeout: 2 ** 31 }],
      ['options.signal', { signal: 'stop' }],
      ['options.colour', { colour: 'red' }],
      ['options.expiration', { expiration: 'soon' }],
    ] as const) {
      it(`of ${path}, ${JSON.stringify(options)}, is refused before anything is sent`, async () => {
        const timers = [...virtual.clock.timers]
        const error = await rejectionOf(client.request('', 'orders', 'x', options as never), ArgumentError)
        expect(error.path).to.equal(path)
        await virtual.clock.settle()
        expect(asked).to.deep.equal([])
        expect(virtual.clock.timers).to.deep.equal(timers)
      })
    }

    it('of the body is refused before anything is sent', async () => {
      const error = await rejectionOf(client.request('', 'orders', 5 as never), ArgumentError)
      expect(error.path).to.equal('body')
    })
  })
})
