import { expect } from 'chai'
import type { Channel, QueueDeclared } from '../../src/index.js'
import type { Method } from '../../src/protocol/method-types.js'
import type { MethodName } from '../../src/protocol/methods.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'
import { answerAll, CHANNEL_CALLS, plain } from './every-call.js'

type Case = [what: string, call: (channel: Channel) => Promise<unknown>, args: object]

const DECLARE_EXCHANGE = {
  exchange: 'e',
  type: 'topic',
  passive: false,
  durable: true,
  autoDelete: false,
  internal: false,
  noWait: false,
  arguments: {},
}
const DECLARE_QUEUE = {
  queue: 'q',
  passive: false,
  durable: true,
  exclusive: false,
  autoDelete: false,
  noWait: false,
  arguments: {},
}
const BIND = { queue: 'q', exchange: 'e', routingKey: '', noWait: false, arguments: {} }
const UNBIND = { queue: 'q', exchange: 'e', routingKey: '', arguments: {} }
const BIND_EXCHANGE = { destination: 'd', source: 's', routingKey: '', noWait: false, arguments: {} }
const TABLE = { 'x-match': 'all', n: 1 }

const CASES: Partial<Record<MethodName, Case[]>> = {
  'exchange.declare': [
    ['by default', c => c.exchangeDeclare('e', 'topic'), DECLARE_EXCHANGE],
    [
      'with every flag turned',
      c =>
        c.exchangeDeclare('e', 'topic', { durable: false, autoDelete: true, internal: true, passive: true }),
      { ...DECLARE_EXCHANGE, durable: false, autoDelete: true, internal: true, passive: true },
    ],
    [
      'without an answer',
      c => c.exchangeDeclare('e', 'topic', { noWait: true }),
      { ...DECLARE_EXCHANGE, noWait: true },
    ],
    [
      'with arguments of both kinds',
      c => c.exchangeDeclare('e', 'topic', { alternateExchange: 'rest', arguments: TABLE }),
      { ...DECLARE_EXCHANGE, arguments: { ...TABLE, 'alternate-exchange': 'rest' } },
    ],
  ],
  'exchange.delete': [
    ['by default', c => c.exchangeDelete('e'), { exchange: 'e', ifUnused: false, noWait: false }],
    [
      'with every flag turned',
      c => c.exchangeDelete('e', { ifUnused: true, noWait: true }),
      { exchange: 'e', ifUnused: true, noWait: true },
    ],
  ],
  'exchange.bind': [
    ['by default', c => c.exchangeBind('d', 's'), BIND_EXCHANGE],
    [
      'with everything',
      c => c.exchangeBind('d', 's', 'k', TABLE, { noWait: true }),
      { ...BIND_EXCHANGE, routingKey: 'k', arguments: TABLE, noWait: true },
    ],
  ],
  'exchange.unbind': [
    ['by default', c => c.exchangeUnbind('d', 's'), BIND_EXCHANGE],
    [
      'with everything',
      c => c.exchangeUnbind('d', 's', 'k', TABLE, { noWait: true }),
      { ...BIND_EXCHANGE, routingKey: 'k', arguments: TABLE, noWait: true },
    ],
  ],
  'queue.declare': [
    ['by default', c => c.queueDeclare('q'), DECLARE_QUEUE],
    [
      'without a name',
      c => c.queueDeclare(),
      { ...DECLARE_QUEUE, queue: '', durable: false, exclusive: true },
    ],
    [
      'with every flag turned',
      c => c.queueDeclare('q', { durable: false, exclusive: true, autoDelete: true, passive: true }),
      { ...DECLARE_QUEUE, durable: false, exclusive: true, autoDelete: true, passive: true },
    ],
    ['without an answer', c => c.queueDeclare('q', { noWait: true }), { ...DECLARE_QUEUE, noWait: true }],
    [
      'with noWait false and no name',
      c => c.queueDeclare('', { noWait: false, durable: true, exclusive: false }),
      { ...DECLARE_QUEUE, queue: '' },
    ],
  ],
  'queue.bind': [
    ['by default', c => c.queueBind('q', 'e'), BIND],
    [
      'with everything',
      c => c.queueBind('q', 'e', 'k', TABLE, { noWait: true }),
      { ...BIND, routingKey: 'k', arguments: TABLE, noWait: true },
    ],
  ],
  'queue.unbind': [
    ['by default', c => c.queueUnbind('q', 'e'), UNBIND],
    [
      'with everything',
      c => c.queueUnbind('q', 'e', 'k', TABLE),
      { ...UNBIND, routingKey: 'k', arguments: TABLE },
    ],
  ],
  'queue.purge': [
    ['by default', c => c.queuePurge('q'), { queue: 'q', noWait: false }],
    ['without an answer', c => c.queuePurge('q', { noWait: true }), { queue: 'q', noWait: true }],
  ],
  'queue.delete': [
    ['by default', c => c.queueDelete('q'), { queue: 'q', ifUnused: false, ifEmpty: false, noWait: false }],
    [
      'with every flag turned',
      c => c.queueDelete('q', { ifUnused: true, ifEmpty: true, noWait: true }),
      { queue: 'q', ifUnused: true, ifEmpty: true, noWait: true },
    ],
  ],
  'basic.qos': [
    ['by default', c => c.prefetch(7), { prefetchSize: 0, prefetchCount: 7, global: false }],
    [
      'for the channel',
      c => c.prefetch(7, { global: true }),
      { prefetchSize: 0, prefetchCount: 7, global: true },
    ],
  ],
  'basic.get': [
    ['by default', c => c.get('q'), { queue: 'q', noAck: false }],
    ['without acknowledgement', c => c.get('q', { noAck: true }), { queue: 'q', noAck: true }],
  ],
  'basic.recover': [['by default', c => c.recover(), { requeue: true }]],
  'confirm.select': [
    ['by default', c => c.confirmSelect(), { noWait: false }],
    ['without an answer', c => c.confirmSelect({ noWait: true }), { noWait: true }],
  ],
  'tx.select': [['by default', c => c.txSelect(), {}]],
  'tx.commit': [['by default', c => c.txCommit(), {}]],
  'tx.rollback': [['by default', c => c.txRollback(), {}]],
}

describe('the methods of a channel', () => {
  let virtual: Awaited<ReturnType<typeof VirtualPeer.open>>
  let channel: Channel
  let asked: Method[]

  beforeEach(async () => {
    virtual = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    asked = answerAll(virtual.peer)
    channel = await virtual.connection.openChannel()
    asked.length = 0
  })

  afterEach(() => within(1_000, 'close()', virtual.connection.close()))

  it('are all listed here', () => {
    expect(Object.keys(CASES)).to.have.members(CHANNEL_CALLS.map(({ method }) => method))
  })

  for (const { name, method } of CHANNEL_CALLS) {
    for (const [what, call, args] of CASES[method] ?? []) {
      it(`${name}, ${what}, is exactly one ${method} with these arguments`, async () => {
        await within(1_000, name, call(channel))
        await virtual.clock.settle()
        expect(asked.map(each => ({ ...each, args: plain(each.args) }))).to.deep.equal([
          { name: method, args },
        ])
      })
    }
  }

  const answers: [name: string, reply: Method, call: (c: Channel) => Promise<unknown>, result: unknown][] = [
    [
      'queueDeclare',
      { name: 'queue.declare-ok', args: { queue: 'amq.gen-1', messageCount: 7, consumerCount: 2 } },
      c => c.queueDeclare(),
      { queue: 'amq.gen-1', messageCount: 7, consumerCount: 2 },
    ],
    ['queuePurge', { name: 'queue.purge-ok', args: { messageCount: 12 } }, c => c.queuePurge('q'), 12],
    ['queueDelete', { name: 'queue.delete-ok', args: { messageCount: 13 } }, c => c.queueDelete('q'), 13],
  ]
  for (const [name, reply, call, result] of answers) {
    it(`${name} resolves with what the reply tells`, async () => {
      const method = reply.name.replace('-ok', '') as MethodName
      virtual.peer.on(method, ({ channelNumber }) => virtual.peer.send(channelNumber, reply))
      expect(await within(1_000, name, call(channel))).to.deep.equal(result)
    })
  }

  it('have the types of what they resolve with, with an answer and without', async () => {
    const answered: [Promise<QueueDeclared>, Promise<number>, Promise<number>] = [
      channel.queueDeclare('q', { type: 'quorum', noWait: false }),
      channel.queuePurge('q', {}),
      channel.queueDelete('q', { ifEmpty: true }),
    ]
    const unanswered: Promise<undefined>[] = [
      channel.queueDeclare('q', { type: 'quorum', noWait: true }),
      channel.queuePurge('q', { noWait: true }),
      channel.queueDelete('q', { ifEmpty: true, noWait: true }),
    ]
    // @ts-expect-error whether there is an answer must be known
    const either = channel.queueDeclare('q', { noWait: asked.length > 0 })
    await within(1_000, 'all of them', Promise.all([...answered, ...unanswered, either]))
  })

  const tellingNames = ['queueDeclare', 'queuePurge', 'queueDelete']
  for (const { name, run } of CHANNEL_CALLS.filter(call => !tellingNames.includes(call.name))) {
    it(`${name} resolves with nothing`, async () => {
      expect(await within(1_000, name, run(channel))).to.equal(undefined)
    })
  }

  for (const { name, method, run } of CHANNEL_CALLS.filter(({ mayGoUnanswered }) => mayGoUnanswered)) {
    it(`${name} with noWait resolves with undefined when it was written, and the next call does not wait`, async () => {
      const results = [run(channel, { noWait: true }), run(channel, { noWait: true })]
      expect(await within(1_000, name, Promise.all(results))).to.deep.equal([undefined, undefined])
      await virtual.clock.settle()
      expect(asked.map(each => each.name)).to.deep.equal([method, method])
      expect(channel.state).to.equal('open')
    })

    it(`${name} with noWait that is refused closes the channel`, async () => {
      await run(channel, { noWait: true })
      const args = { replyCode: 406, replyText: 'PRECONDITION_FAILED', classId: 0, methodId: 0 }
      virtual.peer.send(channel.number, { name: 'channel.close', args })
      expect(await within(1_000, 'the end of the channel', channel.closed)).to.include({ code: 406 })
    })
  }

  it('prefetch that was aborted before leaves the prefetch of each consumer as it is', async () => {
    await channel.prefetch(9)
    await rejectionOf(channel.prefetch(1, { signal: AbortSignal.abort() }), Error)
    asked.length = 0
    await channel.consume('q')
    expect(asked[0]).to.deep.equal({
      name: 'basic.qos',
      args: { prefetchSize: 0, prefetchCount: 9, global: false },
    })
  })

  it('prefetch with global leaves the prefetch of each consumer as it is', async () => {
    await channel.prefetch(9)
    await channel.prefetch(3, { global: true })
    asked.length = 0
    await channel.consume('q')
    expect(asked[0]?.args).to.include({ prefetchCount: 9, global: false })
  })
})

describe('consume', () => {
  let virtual: Awaited<ReturnType<typeof VirtualPeer.open>>
  let channel: Channel
  let asked: Method[]

  beforeEach(async () => {
    virtual = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    asked = answerAll(virtual.peer)
    channel = await virtual.connection.openChannel()
    asked.length = 0
  })

  afterEach(() => within(1_000, 'close()', virtual.connection.close()))

  it('with noWait resolves when it was written, with a consumer that runs', async () => {
    const consumer = await within(1_000, 'consume', channel.consume('q', { noWait: true, noAck: true }))
    await virtual.clock.settle()
    const { consumerTag } = consumer
    expect(consumerTag).to.not.equal('')
    expect(asked.map(each => ({ ...each, args: plain(each.args) }))).to.deep.equal([
      {
        name: 'basic.consume',
        args: {
          queue: 'q',
          consumerTag,
          noLocal: false,
          noAck: true,
          exclusive: false,
          noWait: true,
          arguments: {},
        },
      },
    ])
    const next = consumer[Symbol.asyncIterator]().next()
    const args = { consumerTag, deliveryTag: 1, redelivered: false, exchange: 'e', routingKey: 'k' }
    virtual.peer.sendContent(channel.number, { name: 'basic.deliver', args }, Buffer.from('hello'))
    expect((await within(1_000, 'a delivery', next)).value?.body.toString()).to.equal('hello')
  })

  it('takes the typed options as arguments, beside open ones', async () => {
    await channel.consume('q', {
      priority: -3,
      streamOffset: new Date('2026-01-02T03:04:05Z'),
      streamFilter: ['a', 'b'],
      matchUnfiltered: true,
      arguments: { 'x-other': 1 },
    })
    const consume = asked.find(({ name }) => name === 'basic.consume') as Extract<
      Method,
      { name: 'basic.consume' }
    >
    expect(plain(consume.args.arguments)).to.deep.equal({
      'x-other': 1,
      'x-priority': -3,
      'x-stream-offset': new Date('2026-01-02T03:04:05Z'),
      'x-stream-filter': ['a', 'b'],
      'x-stream-match-unfiltered': true,
    })
  })
})
