import { expect } from 'chai'
import { CallTimeoutError, type Channel, ChannelClosedError } from '../../src/index.js'
import type { MethodOf } from '../../src/protocol/method-types.js'
import type { MethodName } from '../../src/protocol/methods.js'
import { ScriptedSession } from '../support/peer/scripted-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

describe('the calls of a channel', () => {
  let session: ScriptedSession
  let channel: Channel
  /** What the peer was asked, in order. */
  let asked: { name: MethodName; args: object }[]

  beforeEach(async () => {
    session = await ScriptedSession.open({ closeTimeout: 300 })
    channel = await session.connection.openChannel()
    asked = []
  })

  afterEach(() => session.close())

  /** Notes what comes by that name, and answers with this. */
  function answer<M extends MethodName>(name: M, ...replies: MethodOf<MethodName>[]): void {
    session.peer.on(name, ({ channelNumber, method }) => {
      asked.push(method)
      for (const reply of replies) session.peer.send(channelNumber, reply)
    })
  }

  it('declares exchanges, durable unless it says otherwise', async () => {
    answer('exchange.declare', { name: 'exchange.declare-ok', args: {} })
    expect(await channel.exchangeDeclare('logs', 'topic')).to.equal(undefined)
    await channel.exchangeDeclare('e', 'x-delayed', {
      durable: false,
      autoDelete: true,
      internal: true,
      arguments: { 'x-delayed-type': 'direct' },
    })
    const flags = { passive: false, noWait: false }
    expect(asked.map(({ args }) => plain(args))).to.deep.equal([
      {
        exchange: 'logs',
        type: 'topic',
        durable: true,
        autoDelete: false,
        internal: false,
        arguments: {},
        ...flags,
      },
      {
        exchange: 'e',
        type: 'x-delayed',
        durable: false,
        autoDelete: true,
        internal: true,
        arguments: { 'x-delayed-type': 'direct' },
        ...flags,
      },
    ])
  })

  it('declares queues, durable with a name and exclusive without, unless it says otherwise', async () => {
    answer('queue.declare', {
      name: 'queue.declare-ok',
      args: { queue: 'amq.gen-7', messageCount: 3, consumerCount: 2 },
    })
    expect(await channel.queueDeclare()).to.deep.equal({
      queue: 'amq.gen-7',
      messageCount: 3,
      consumerCount: 2,
    })
    await channel.queueDeclare('tasks')
    await channel.queueDeclare('', { durable: true, exclusive: false, autoDelete: true })
    await channel.queueDeclare('mine', { durable: false, exclusive: true, arguments: { 'x-max-length': 5 } })
    const flags = { passive: false, noWait: false }
    expect(asked.map(({ args }) => plain(args))).to.deep.equal([
      { queue: '', durable: false, exclusive: true, autoDelete: false, arguments: {}, ...flags },
      { queue: 'tasks', durable: true, exclusive: false, autoDelete: false, arguments: {}, ...flags },
      { queue: '', durable: true, exclusive: false, autoDelete: true, arguments: {}, ...flags },
      {
        queue: 'mine',
        durable: false,
        exclusive: true,
        autoDelete: false,
        arguments: { 'x-max-length': 5 },
        ...flags,
      },
    ])
  })

  it('binds queues', async () => {
    answer('queue.bind', { name: 'queue.bind-ok', args: {} })
    await channel.queueBind('q', 'e')
    await channel.queueBind('q', 'e', 'key', { 'x-match': 'all' })
    expect(asked.map(({ args }) => plain(args))).to.deep.equal([
      { queue: 'q', exchange: 'e', routingKey: '', noWait: false, arguments: {} },
      { queue: 'q', exchange: 'e', routingKey: 'key', noWait: false, arguments: { 'x-match': 'all' } },
    ])
  })

  it('deletes queues and says how many messages were in them', async () => {
    answer('queue.delete', { name: 'queue.delete-ok', args: { messageCount: 12 } })
    expect(await channel.queueDelete('q')).to.equal(12)
    await channel.queueDelete('q', { ifUnused: true, ifEmpty: true })
    expect(asked.map(({ args }) => plain(args))).to.deep.equal([
      { queue: 'q', ifUnused: false, ifEmpty: false, noWait: false },
      { queue: 'q', ifUnused: true, ifEmpty: true, noWait: false },
    ])
  })

  it('sets the prefetch of the consumers to come', async () => {
    answer('basic.qos', { name: 'basic.qos-ok', args: {} })
    await channel.prefetch(7)
    await channel.consume('q')
    await channel.consume('q', { prefetch: 3 })
    await channel.consume('q', { prefetch: 0 })
    expect(asked.map(({ args }) => plain(args))).to.deep.equal(
      [7, 7, 3, 0].map(prefetchCount => ({ prefetchSize: 0, prefetchCount, global: false })),
    )
  })

  it('consumes with a prefetch of 100 when nothing else was said', async () => {
    answer('basic.qos', { name: 'basic.qos-ok', args: {} })
    await channel.consume('q')
    expect(asked.map(({ args }) => plain(args))).to.deep.equal([
      { prefetchSize: 0, prefetchCount: 100, global: false },
    ])
  })

  it('consumes with tags of its own, or the one given', async () => {
    session.peer.on('basic.consume', ({ channelNumber, method }) => {
      asked.push(method)
      const { consumerTag } = (method as MethodOf<'basic.consume'>).args
      session.peer.send(channelNumber, { name: 'basic.consume-ok', args: { consumerTag } })
    })
    const consumers = [
      await channel.consume('a'),
      await channel.consume('b', { consumerTag: 'mine', exclusive: true, arguments: { 'x-priority': 5 } }),
      await channel.consume('c', { noAck: true }),
    ]
    const flags = { noLocal: false, noWait: false }
    expect(asked.map(({ args }) => plain(args))).to.deep.equal([
      {
        queue: 'a',
        consumerTag: consumers[0]?.consumerTag,
        noAck: false,
        exclusive: false,
        arguments: {},
        ...flags,
      },
      {
        queue: 'b',
        consumerTag: 'mine',
        noAck: false,
        exclusive: true,
        arguments: { 'x-priority': 5 },
        ...flags,
      },
      {
        queue: 'c',
        consumerTag: consumers[2]?.consumerTag,
        noAck: true,
        exclusive: false,
        arguments: {},
        ...flags,
      },
    ])
    expect(new Set(consumers.map(consumer => consumer.consumerTag)).size).to.equal(3)
  })

  it('refuses a consumer tag that is in use, which would cost the whole connection', async () => {
    await channel.consume('q', { consumerTag: 'mine' })
    const error = await rejectionOf(channel.consume('q', { consumerTag: 'mine' }), TypeError)
    expect(error.message).to.equal('options.consumerTag is in use on this channel')
    await channel.consume('q', { consumerTag: 'other' })
  })

  it('gets one message, or the word that there is none', async () => {
    answer('basic.get', { name: 'basic.get-empty', args: {} })
    expect(await channel.get('q')).to.equal(undefined)
    session.peer.on('basic.get', ({ channelNumber, method }) => {
      asked.push(method)
      const args = { deliveryTag: 1, redelivered: true, exchange: 'e', routingKey: 'k', messageCount: 41 }
      session.peer.sendContent(channelNumber, { name: 'basic.get-ok', args }, Buffer.from('got'), {
        messageId: '1',
      })
    })
    const delivery = await channel.get('q', { noAck: true })
    expect(delivery?.body.toString()).to.equal('got')
    expect(delivery).to.include({ exchange: 'e', routingKey: 'k', redelivered: true, messageCount: 41 })
    expect(delivery).to.include({ consumerTag: '', deliveryTag: 1, state: 'noAck' })
    expect(delivery?.properties).to.deep.equal({ messageId: '1' })
    expect(asked.map(({ args }) => plain(args))).to.deep.equal([
      { queue: 'q', noAck: false },
      { queue: 'q', noAck: true },
    ])
  })

  it('rejects a get whose answer breaks the protocol', async () => {
    session.peer.on('basic.get', ({ channelNumber }) => {
      const args = { deliveryTag: 0, redelivered: false, exchange: 'e', routingKey: 'k', messageCount: 0 }
      session.peer.sendContent(channelNumber, { name: 'basic.get-ok', args }, Buffer.from('got'))
    })
    const error = await rejectionOf(channel.get('q'), ChannelClosedError)
    expect(error.reason).to.include({ by: 'protocol', code: 502 })
    expect(error.reason).to.equal(await session.connection.closed)
  })

  it('has one call outstanding at a time, in the order in which they were made', async () => {
    const names: string[] = []
    const results = [channel.queueDeclare('a'), channel.queueDeclare('b'), channel.queueDelete('c')]
    const order = results.map((result, index) => result.then(() => names.push(`answer ${index}`)))
    session.peer.on('queue.declare', ({ channelNumber, method }) => {
      names.push(`asked ${(method as MethodOf<'queue.declare'>).args.queue}`)
      setTimeout(() => {
        const args = { queue: 'x', messageCount: 0, consumerCount: 0 }
        session.peer.send(channelNumber, { name: 'queue.declare-ok', args })
      }, 5)
    })
    await Promise.all(order)
    expect(names).to.deep.equal(['asked a', 'answer 0', 'asked b', 'answer 1', 'answer 2'])
  })

  it('does not let one channel wait for the calls of another', async () => {
    const other = await session.connection.openChannel()
    session.peer.on('queue.declare', () => {})
    const waiting = channel.queueDeclare('never answered')
    await other.exchangeDeclare('e', 'direct')
    await session.connection.close()
    await rejectionOf(waiting, ChannelClosedError)
  })
})

describe('a call that is not answered', () => {
  let session: ScriptedSession

  beforeEach(async () => {
    session = await ScriptedSession.open({ rpcTimeout: 60, closeTimeout: 300 }, { channelMax: 2 })
  })

  afterEach(() => session.close())

  it('rejects after rpcTimeout, and its channel is closed: no later reply could be matched', async () => {
    const [channel, other] = [await session.connection.openChannel(), await session.connection.openChannel()]
    session.peer.on('queue.declare', () => {})
    const first = channel.queueDeclare('a')
    await new Promise(resolve => setTimeout(resolve, 20))
    const second = channel.queueDelete('b')
    const error = await rejectionOf(first, CallTimeoutError)
    expect(error).to.include({ code: 'AMQP_CALL_TIMEOUT', method: 'queue.declare' })
    expect(error.message).to.match(/queue\.declare.*60 ms/)
    await rejectionOf(second, ChannelClosedError)
    const reason = await channel.closed
    expect(reason).to.include({ by: 'timeout', method: 'queue.declare', error })
    await other.exchangeDeclare('e', 'direct')
  })

  it('is not matched to a reply that comes late', async () => {
    const [channel, other] = [await session.connection.openChannel(), await session.connection.openChannel()]
    session.peer.on('queue.declare', () => {})
    session.peer.on('channel.close', () => {})
    await rejectionOf(channel.queueDeclare('slow'), CallTimeoutError)
    const args = { queue: 'slow', messageCount: 99, consumerCount: 0 }
    session.peer.send(channel.number, { name: 'queue.declare-ok', args })
    session.peer.send(channel.number, { name: 'channel.close-ok', args: {} })
    await other.exchangeDeclare('e', 'direct')
    const next = await session.connection.openChannel()
    expect(next.number).to.equal(channel.number)
    session.peer.answerCalls()
    expect((await next.queueDeclare('quick')).messageCount).to.equal(0)
  })

  it('leaves no channel behind that nobody has when opening one was given up', async () => {
    let closes = 0
    session.peer.on('channel.close', ({ channelNumber }) => {
      session.peer.send(channelNumber, { name: 'channel.close-ok', args: {} })
      closes++
    })
    session.peer.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    await new Promise<string>(resolve => session.connection.once('blocked', resolve))
    session.peer.on('channel.open', () => {})
    const error = await rejectionOf(session.connection.openChannel(), CallTimeoutError)
    expect(error.message).to.include('low on memory')
    session.peer.send(1, { name: 'channel.open-ok', args: {} })
    await until(2_000, 'the close of the abandoned channel', () => closes === 1)
  })
})

/** Tables that were received have no prototype. */
function plain(args: object): unknown {
  return JSON.parse(JSON.stringify(args))
}
