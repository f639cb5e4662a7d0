import { expect } from 'chai'
import {
  ArgumentError,
  type Channel,
  ChannelClosedError,
  type Connection,
  type Delivery,
  type MessageProperties,
  NackedError,
  type PublishProperties,
  RpcError,
  type RpcHandler,
  type RpcServerOptions,
  serveRpc,
} from '../../src/index.js'
import type { Method, MethodOf } from '../../src/protocol/method-types.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

/** A reply as the peer received it. */
interface Answer {
  readonly to: string
  readonly body: string
  readonly properties: MessageProperties
}

const ASKER = 'amq.rabbitmq.reply-to.g1h2.a+b/c='

let virtual: VirtualPeer & { readonly connection: Connection }
let channel: Channel
let consumerTag: string
let prefetches: number[]
let answers: Answer[]
/** What the peer was told, in order: `reply`, `ack 1`, `nack 2`, … */
let told: string[]
/** What the event told. */
let failures: unknown[]
let confirms: boolean
let lastTag: number

async function begin(confirm = false): Promise<void> {
  virtual = await VirtualPeer.open({ connect: { heartbeat: 0 } })
  ;[answers, told, failures, prefetches] = [[], [], [], []]
  confirms = true
  lastTag = 0
  let published = 0
  const { peer } = virtual
  channel = await within(1_000, 'a channel', virtual.connection.openChannel({ confirm }))
  channel.on('handlerError', error => failures.push(error))
  peer.on('basic.qos', ({ channelNumber, method }) => {
    prefetches.push((method as MethodOf<'basic.qos'>).args.prefetchCount)
    peer.send(channelNumber, { name: 'basic.qos-ok', args: {} })
  })
  peer.on('basic.publish', ({ method, content }) => {
    const { routingKey, exchange, mandatory } = (method as MethodOf<'basic.publish'>).args
    if (exchange !== '' || mandatory) throw new Error('that is no reply')
    told.push('reply')
    const properties = JSON.parse(JSON.stringify(content?.properties)) as MessageProperties
    answers.push({ to: routingKey, body: String(content?.body), properties })
    published++
    if (confirm && confirms) send({ name: 'basic.ack', args: { deliveryTag: published, multiple: false } })
  })
  peer.on('basic.ack', ({ method }) => {
    told.push(`ack ${(method as MethodOf<'basic.ack'>).args.deliveryTag}`)
  })
  peer.on('basic.reject', ({ method }) => {
    const { deliveryTag, requeue } = (method as MethodOf<'basic.reject'>).args
    told.push(`reject ${deliveryTag}${requeue ? ' requeue' : ''}`)
  })
  peer.on('basic.nack', ({ method }) => {
    const { deliveryTag, requeue } = (method as MethodOf<'basic.nack'>).args
    told.push(`nack ${deliveryTag}${requeue ? ' requeue' : ''}`)
  })
}

async function finish(): Promise<void> {
  const closing = virtual.connection.close()
  await virtual.clock.advance(5_000)
  await within(1_000, 'the end of the connection', closing)
}

async function serve(handler: RpcHandler, options?: RpcServerOptions): Promise<void> {
  const consumer = await within(1_000, 'a consumer', serveRpc(channel, 'orders', options, handler))
  consumerTag = consumer.consumerTag
}

function send(method: Method): void {
  virtual.peer.send(channel.number, method)
}

/** Delivers a request; resolves when everything that follows at once has happened. */
async function request(body: string, properties: PublishProperties = {}): Promise<void> {
  const args = { consumerTag, deliveryTag: ++lastTag, redelivered: false, exchange: '', routingKey: 'orders' }
  const asked = { replyTo: ASKER, correlationId: `c-${lastTag}`, ...properties }
  virtual.peer.sendContent(channel.number, { name: 'basic.deliver', args }, Buffer.from(body), asked)
  await virtual.clock.settle()
}

describe('serveRpc', () => {
  beforeEach(() => begin())
  afterEach(finish)

  it('replies with what the handler returns to whoever asked, and then acknowledges', async () => {
    await serve(async ({ body }) => `re: ${body}`)
    await request('a')
    await request('b', { correlationId: 'another', replyTo: 'answers' })
    expect(answers.map(({ to, body }) => [to, body])).to.deep.equal([
      [ASKER, 're: a'],
      ['answers', 're: b'],
    ])
    expect(answers.map(({ properties }) => properties.correlationId)).to.deep.equal(['c-1', 'another'])
    expect(told).to.deep.equal(['reply', 'ack 1', 'reply', 'ack 2'])
    expect(failures).to.deep.equal([])
  })

  for (const [what, result, body, properties] of [
    ['text', 'πß', 'πß', {}],
    ['a buffer', Buffer.from('octets'), 'octets', {}],
    ['a part of an array', new Uint8Array([65, 66, 67]).subarray(1), 'BC', {}],
    ['nothing', undefined, '', {}],
    [
      'a body with properties',
      { body: '{}', contentType: 'application/json', headers: { a: 1 }, type: 'price' },
      '{}',
      { contentType: 'application/json', headers: { a: 1 }, type: 'price' },
    ],
  ] as const) {
    it(`replies with ${what}`, async () => {
      await serve(() => result)
      await request('a')
      expect(answers).to.deep.equal([
        { to: ASKER, body, properties: { deliveryMode: 2, correlationId: 'c-1', ...properties } },
      ])
      expect(told).to.deep.equal(['reply', 'ack 1'])
    })
  }

  it('replies without a correlation id to a request without one', async () => {
    await serve(() => 'ten')
    await request('a', { correlationId: undefined })
    expect(answers[0]?.properties).to.deep.equal({ deliveryMode: 2 })
  })

  for (const replyTo of [undefined, '']) {
    it(`handles a request whose reply-to is ${JSON.stringify(replyTo)}, and does not reply`, async () => {
      const seen: string[] = []
      await serve(({ body }) => void seen.push(String(body)))
      await request('a', { replyTo })
      expect(seen).to.deep.equal(['a'])
      expect(told).to.deep.equal(['ack 1'])
    })
  }

  it('acknowledges on a confirm channel when the reply is confirmed', async () => {
    await finish()
    await begin(true)
    confirms = false
    await serve(() => 'ten')
    await request('a')
    expect(told).to.deep.equal(['reply'])
    send({ name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    await virtual.clock.settle()
    expect(told).to.deep.equal(['reply', 'ack 1'])
  })

  it('lets requests above the concurrency wait', async () => {
    const running: { readonly body: string; readonly finish: () => void }[] = []
    const handler: RpcHandler = ({ body }) =>
      new Promise(resolve => running.push({ body: String(body), finish: () => resolve(`re: ${body}`) }))
    await serve(handler, { prefetch: 10, concurrency: 2 })
    expect(prefetches).to.deep.equal([10])
    for (const body of ['a', 'b', 'c']) await request(body)
    expect(running.map(({ body }) => body)).to.deep.equal(['a', 'b'])
    running[1]?.finish()
    await virtual.clock.settle()
    expect(running.map(({ body }) => body)).to.deep.equal(['a', 'b', 'c'])
    expect(answers.map(({ body }) => body)).to.deep.equal(['re: b'])
    expect(told).to.deep.equal(['reply', 'ack 2'])
    for (const { finish: end } of running) end()
    await virtual.clock.settle()
    expect(told).to.have.lengthOf(6)
  })

  it('may be given its handler without options', async () => {
    const consumer = await within(
      1_000,
      'a consumer',
      serveRpc(channel, 'orders', () => 'ten'),
    )
    consumerTag = consumer.consumerTag
    await request('a')
    expect(answers.map(({ body }) => body)).to.deep.equal(['ten'])
    expect(prefetches).to.deep.equal([100])
    await consumer.cancel()
    expect((await consumer.closed).by).to.equal('client')
  })

  it('leaves a request alone that the handler has settled', async () => {
    await serve(delivery => {
      delivery.nack({ requeue: true })
      return 'not mine'
    })
    await request('a')
    expect(told).to.deep.equal(['nack 1 requeue', 'reply'])
  })

  describe('when the handler fails', () => {
    const GENERIC = 'the request could not be handled'

    it('tells the requester no more than that, rejects the request and tells the channel', async () => {
      const error = new Error('password=secret at db-1')
      await serve(async () => {
        throw error
      })
      await request('a')
      expect(answers).to.deep.equal([
        {
          to: ASKER,
          body: GENERIC,
          properties: { correlationId: 'c-1', type: 'thump.error', deliveryMode: 2 },
        },
      ])
      expect(told).to.deep.equal(['reply', 'reject 1'])
      expect(failures).to.deep.equal([error])
    })

    it('tells the requester the message of an RpcError', async () => {
      const error = new RpcError('no such order', { cause: new Error('secret') })
      await serve(() => {
        throw error
      })
      await request('a')
      expect(answers.map(({ body, properties }) => [body, properties.type])).to.deep.equal([
        ['no such order', 'thump.error'],
      ])
      expect(told).to.deep.equal(['reply', 'reject 1'])
      expect(failures).to.deep.equal([error])
    })

    it('goes on with other requests', async () => {
      await serve(({ body }) => {
        if (String(body) === 'a') throw undefined
        return 'ten'
      })
      await request('a')
      await request('b')
      expect(answers.map(({ body }) => body)).to.deep.equal([GENERIC, 'ten'])
      expect(failures).to.deep.equal([undefined])
    })

    it('tells nobody but the channel when nobody wants a reply', async () => {
      await serve(() => {
        throw new RpcError('no such order')
      })
      await request('a', { replyTo: undefined })
      expect(told).to.deep.equal(['reject 1'])
      expect(failures).to.have.lengthOf(1)
    })

    for (const [what, path, result] of [
      ['a number', 'reply', 5],
      ['null', 'reply', null],
      ['a list', 'reply', ['a']],
      ['an object without a body', 'reply', { price: 10 }],
      ['a body that is none', 'body', { body: 10 }],
      ['a correlation id', 'reply.correlationId', { body: '', correlationId: '1' }],
      ['mandatory', 'reply.mandatory', { body: '', mandatory: true }],
      ['an unknown property', 'options.colour', { body: '', colour: 'red' }],
      ['a property that cannot be encoded', 'options.headers.f', { body: '', headers: { f: () => {} } }],
    ] as const) {
      it(`as it does by returning ${what}`, async () => {
        await serve(() => result as never)
        await request('a')
        expect(answers.map(({ body, properties }) => [body, properties.type])).to.deep.equal([
          [GENERIC, 'thump.error'],
        ])
        expect(told).to.deep.equal(['reply', 'reject 1'])
        expect(failures).to.have.lengthOf(1)
        expect(failures[0]).to.be.instanceOf(ArgumentError).and.include({ path })
      })
    }
  })

  describe('when the reply cannot be sent', () => {
    it('acknowledges the request, which was handled, and tells the channel', async () => {
      await finish()
      await begin(true)
      confirms = false
      await serve(() => 'ten')
      await request('a')
      send({ name: 'basic.nack', args: { deliveryTag: 1, multiple: false, requeue: false } })
      await virtual.clock.settle()
      expect(told).to.deep.equal(['reply', 'ack 1'])
      expect(failures).to.have.lengthOf(1)
      expect(failures[0]).to.be.instanceOf(NackedError)
    })

    it("tells the handler's error rather than why the requester could not be told", async () => {
      await finish()
      await begin(true)
      confirms = false
      const error = new RangeError('mine')
      await serve(() => {
        throw error
      })
      await request('a')
      send({ name: 'basic.nack', args: { deliveryTag: 1, multiple: false, requeue: false } })
      await virtual.clock.settle()
      expect(told).to.deep.equal(['reply', 'reject 1'])
      expect(failures).to.deep.equal([error])
    })

    it('because the channel is closed by then, tells that', async () => {
      let end: (() => void) | undefined
      let delivery: Delivery | undefined
      await serve(
        each =>
          new Promise(resolve => {
            delivery = each
            end = () => resolve('ten')
          }),
      )
      await request('a')
      send({ name: 'channel.close', args: { replyCode: 406, replyText: 'gone', classId: 0, methodId: 0 } })
      await within(1_000, 'the end of the channel', channel.closed)
      end?.()
      await virtual.clock.settle()
      expect(delivery?.state).to.equal('stale')
      expect(told).to.deep.equal([])
      expect(failures).to.have.lengthOf(1)
      expect(failures[0]).to.be.instanceOf(ChannelClosedError)
    })
  })

  describe('misuse', () => {
    for (const [path, options] of [
      ['options', null],
      ['options.noAck', { noAck: true }],
      ['options.autoSettle', { autoSettle: false }],
      ['options.onError', { onError: 'requeue' }],
      ['options.prefetch', { prefetch: -1 }],
      ['options.timeout', { timeout: 0 }],
      ['options.colour', { colour: 'red' }],
    ] as const) {
      it(`of ${path}, ${JSON.stringify(options)}, is refused`, async () => {
        const serving = serveRpc(channel, 'orders', options as never, () => 'ten')
        expect((await rejectionOf(serving, ArgumentError)).path).to.equal(path)
      })
    }

    it('of the handler and the channel is refused', async () => {
      const withoutHandler = serveRpc(channel, 'orders', {} as never)
      expect((await rejectionOf(withoutHandler, ArgumentError)).path).to.equal('handler')
      const withoutChannel = serveRpc(virtual.connection as never, 'orders', () => 'ten')
      expect((await rejectionOf(withoutChannel, ArgumentError)).path).to.equal('channel')
    })
  })

  it('rejects when the consumer is refused', async () => {
    virtual.peer.on('basic.consume', () => {
      const args = { replyCode: 404, replyText: 'NOT_FOUND', classId: 60, methodId: 20 }
      send({ name: 'channel.close', args })
    })
    const error = await rejectionOf(
      serveRpc(channel, 'orders', () => 'ten'),
      ChannelClosedError,
    )
    expect(error).to.include({ replyCode: 404, method: 'basic.consume' })
  })
})
