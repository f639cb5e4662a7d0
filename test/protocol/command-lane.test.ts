import { expect } from 'chai'
import { ArgumentError } from '../../src/frames/index.js'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import {
  BackpressureError,
  CallTimeoutError,
  ChannelClosedError,
  UnconfirmedError,
} from '../../src/protocol/errors.js'
import type { Method, MethodOf } from '../../src/protocol/method-types.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

const KIB = 1024

function declare(queue: string, noWait = false): MethodOf<'queue.declare'> {
  const flags = { passive: false, durable: true, exclusive: false, autoDelete: false }
  return { name: 'queue.declare', args: { queue, ...flags, noWait, arguments: {} } }
}

function declareOk(queue: string): Method {
  return { name: 'queue.declare-ok', args: { queue, messageCount: 0, consumerCount: 0 } }
}

function purge(queue: string): MethodOf<'queue.purge'> {
  return { name: 'queue.purge', args: { queue, noWait: false } }
}

const QOS: MethodOf<'basic.qos'> = {
  name: 'basic.qos',
  args: { prefetchSize: 0, prefetchCount: 1, global: false },
}

function consumeCommand(consumer: object, prefetch: number | undefined) {
  return {
    queue: 'q',
    consumerTag: 't',
    prefetch,
    noAck: false,
    exclusive: false,
    noWait: false,
    arguments: {},
    consumer,
  }
}

function block(pair: ProtocolPair): void {
  pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
}

function unblock(pair: ProtocolPair): void {
  pair.send(0, { name: 'connection.unblocked', args: {} })
}

/** Names of the queues that the calls that reached the peer are about, and of other methods. */
function sequenceOf(pair: ProtocolPair): string[] {
  return pair.received.flatMap(received => {
    if (received.type !== 'method') return []
    const { name, args } = received.method
    if (name === 'basic.publish') return [`publish ${args.routingKey}`]
    return ['queue' in args ? `${name} ${args.queue}` : name]
  })
}

function publishAll(pair: ProtocolPair, channel: ChannelProtocol, ...routingKeys: string[]): void {
  for (const routingKey of routingKeys) pair.publish(channel, { routingKey })
}

function errorOf(pair: ProtocolPair, token: object | undefined): Error | undefined {
  const event = pair.settlementOf(token)
  return event?.type === 'failed' ? event.error : undefined
}

describe('CommandLane, calls', () => {
  it('has one outstanding at a time, and sends the next on its reply, in program order', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const tokens = ['a', 'b', 'c'].map(queue => pair.call(channel, declare(queue)))
    expect(sequenceOf(pair)).to.deep.equal(['queue.declare a'])
    pair.send(1, declareOk('a'))
    expect(sequenceOf(pair)).to.deep.equal(['queue.declare a', 'queue.declare b'])
    expect(pair.settlementOf(tokens[0])).to.deep.include({ type: 'replied', reply: declareOk('a') })
    expect(pair.settlementOf(tokens[1])).to.equal(undefined)
    pair.send(1, declareOk('b'))
    pair.send(1, declareOk('c'))
    expect(pair.settlementOf(tokens[2])).to.deep.include({ reply: declareOk('c') })
  })

  it('does not let replies overtake each other: the later call is not sent before the reply', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const consumed = {}
    pair.run(() => channel.consume(consumeCommand({}, undefined), consumed, pair.now))
    const limited = pair.call(channel, QOS)
    expect(pair.methods).to.deep.equal(['basic.consume'])
    pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
    pair.send(1, { name: 'basic.qos-ok', args: {} })
    expect(pair.settlementOf(consumed)).to.deep.include({
      reply: { name: 'basic.consume-ok', args: { consumerTag: 't' } },
    })
    expect(pair.settlementOf(limited)).to.deep.include({ reply: { name: 'basic.qos-ok', args: {} } })
  })

  it('has qos and consume as one entry: nothing comes between, and one reply is the answer', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const token = {}
    pair.run(() => channel.consume(consumeCommand({}, 10), token, pair.now))
    pair.call(channel, declare('a'))
    publishAll(pair, channel, 'behind')
    expect(pair.methods).to.deep.equal(['basic.qos'])
    pair.send(1, { name: 'basic.qos-ok', args: {} })
    expect(pair.methods).to.deep.equal(['basic.qos', 'basic.consume'])
    expect(pair.settlementOf(token)).to.equal(undefined)
    pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
    expect(pair.settlementOf(token)).to.deep.include({ type: 'replied' })
    expect(sequenceOf(pair).slice(2)).to.deep.equal(['queue.declare a', 'publish behind'])
  })

  it('lets no publish come between qos and consume either, and one behind consume not wait for its reply', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.run(() => channel.consume(consumeCommand({}, 10), {}, pair.now))
    publishAll(pair, channel, 'behind')
    expect(pair.methods).to.deep.equal(['basic.qos'])
    pair.send(1, { name: 'basic.qos-ok', args: {} })
    expect(pair.methods).to.deep.equal(['basic.qos', 'basic.consume', 'basic.publish'])
  })

  it('answers a no-wait call when it has left, and sends the next then', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const token = pair.call(channel, declare('a', true))
    pair.call(channel, declare('b'))
    expect(sequenceOf(pair)).to.deep.equal(['queue.declare a', 'queue.declare b'])
    expect(pair.settlementOf(token)).to.deep.include({ type: 'replied', reply: undefined })
  })

  it('refuses a call whose arguments cannot be encoded, and is as usable as before', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    expect(() => channel.call(declare('q'.repeat(256)), {}, 0)).to.throw(ArgumentError)
    pair.call(channel, declare('a'))
    expect(() => channel.call(declare('q'.repeat(256)), {}, 0)).to.throw(ArgumentError)
    pair.call(channel, declare('b'))
    pair.send(1, declareOk('a'))
    expect(sequenceOf(pair)).to.deep.equal(['queue.declare a', 'queue.declare b'])
  })

  it('takes a reply to something else for a violation (504)', () => {
    for (const before of [undefined, purge('a')]) {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel()
      if (before !== undefined) pair.call(channel, before)
      pair.send(1, declareOk('a'))
      expect(pair.eventsOf('closed')[0]?.reason).to.include({
        by: 'protocol',
        code: 504,
        method: 'queue.declare-ok',
      })
    }
  })
})

describe('CommandLane, publishes', () => {
  it('go beside an outstanding call, and behind a queued one', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.call(channel, declare('a'))
    publishAll(pair, channel, '1', '2')
    pair.call(channel, declare('b'))
    publishAll(pair, channel, '3')
    pair.call(channel, declare('c'))
    publishAll(pair, channel, '4')
    expect(sequenceOf(pair)).to.deep.equal(['queue.declare a', 'publish 1', 'publish 2'])
    pair.send(1, declareOk('a'))
    expect(sequenceOf(pair).slice(3)).to.deep.equal(['queue.declare b', 'publish 3'])
    pair.send(1, declareOk('b'))
    expect(sequenceOf(pair).slice(5)).to.deep.equal(['queue.declare c', 'publish 4'])
  })

  it('say whether they wait, and are told when none of a plain channel does any more', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const message = {
      exchange: '',
      routingKey: 'q',
      mandatory: false,
      properties: {},
      body: Buffer.from('x'),
    }
    expect(channel.publish(message, undefined, 0)).to.equal('sent')
    block(pair)
    expect(channel.publish(message, undefined, 0)).to.equal('queued')
    expect(channel.publish(message, undefined, 0)).to.equal('queued')
    expect(pair.eventsOf('drained')).to.deep.equal([])
    unblock(pair)
    expect(pair.eventsOf('drained')).to.deep.equal([{ type: 'drained', channel: channel.owner }])
    expect(pair.methods).to.deep.equal(['basic.publish', 'basic.publish', 'basic.publish'])
  })

  it('that are plain are told that they drained also when confirmed ones wait behind them', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ maxUnconfirmed: 1 })
    pair.call(channel, declare('a'))
    pair.call(channel, declare('b'))
    publishAll(pair, channel, 'plain')
    pair.call(channel, { name: 'confirm.select', args: { noWait: false } })
    publishAll(pair, channel, 'confirmed 1', 'confirmed 2')
    pair.send(1, declareOk('a'))
    expect(pair.eventsOf('drained')).to.have.length(1)
  })

  it('stop while the broker blocks the connection, and calls and settlements do not', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.run(() => channel.consume(consumeCommand({}, undefined), {}, pair.now))
    pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
    pair.deliver(channel, 't', 1)
    pair.forget()
    block(pair)
    expect(pair.eventsOf('blocked')).to.deep.equal([{ type: 'blocked', reason: 'low on memory' }])
    publishAll(pair, channel, '1')
    expect(channel.settle(1, { kind: 'ack', multiple: false })).to.equal(true)
    pair.settle()
    expect(sequenceOf(pair)).to.deep.equal(['basic.ack'])
    const other = pair.run(() => pair.protocol.openChannel({}, 1, {}, pair.now))
    pair.send(other.number, { name: 'channel.open-ok', args: {} })
    pair.call(other, declare('a'))
    expect(sequenceOf(pair).slice(1)).to.deep.equal(['channel.open', 'queue.declare a'])
    unblock(pair)
    expect(sequenceOf(pair).at(-1)).to.equal('publish 1')
  })

  it('stop while the server has set the flow off, and go on when it is on', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.send(1, { name: 'channel.flow', args: { active: false } })
    publishAll(pair, channel, '1')
    pair.call(channel, declare('a'))
    expect(sequenceOf(pair)).to.deep.equal(['channel.flow-ok'])
    pair.send(1, { name: 'channel.flow', args: { active: true } })
    expect(sequenceOf(pair).slice(1)).to.deep.equal(['channel.flow-ok', 'publish 1', 'queue.declare a'])
  })

  it('wait beyond the window of unconfirmed ones, in order', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true, maxUnconfirmed: 2 })
    publishAll(pair, channel, '1', '2', '3', '4')
    expect(sequenceOf(pair)).to.deep.equal(['publish 1', 'publish 2'])
    expect(channel.unconfirmed).to.equal(4)
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 2, multiple: false } })
    expect(sequenceOf(pair).slice(2)).to.deep.equal(['publish 3'])
    pair.send(1, { name: 'basic.nack', args: { deliveryTag: 3, multiple: true, requeue: true } })
    expect(sequenceOf(pair).slice(3)).to.deep.equal(['publish 4'])
    expect(channel.unconfirmed).to.equal(1)
  })

  it('wait in front of the outbound order while it holds more than the high water mark', () => {
    const pair = ProtocolPair.opened({ limits: { highWaterMark: 100 * KIB } })
    const channel = pair.openChannel()
    pair.reads = false
    const body = Buffer.alloc(40 * KIB)
    for (const routingKey of ['1', '2', '3', '4', '5']) pair.publish(channel, { routingKey, body })
    expect(pair.protocol.unsent).to.be.within(100 * KIB, 140 * KIB)
    expect(pair.protocol.buffered).to.be.above(200 * KIB)
    pair.reads = true
    pair.settle()
    expect(sequenceOf(pair)).to.deep.equal(['publish 1', 'publish 2', 'publish 3', 'publish 4', 'publish 5'])
    expect(pair.protocol.buffered).to.equal(0)
  })

  it('wait behind a large body of their own channel only', () => {
    const pair = ProtocolPair.opened({ limits: { highWaterMark: 1024 * KIB } })
    const [channel, other] = [pair.openChannel(), pair.openChannel()]
    pair.reads = false
    pair.publish(channel, { routingKey: 'large', body: Buffer.alloc(700 * KIB) })
    publishAll(pair, channel, 'behind')
    pair.call(channel, declare('a'))
    publishAll(pair, other, 'other')
    pair.reads = true
    pair.settle()
    expect(sequenceOf(pair)).to.deep.equal([
      'publish other',
      'publish large',
      'publish behind',
      'queue.declare a',
    ])
  })

  it('beyond maxBuffered are refused, and nothing of them is kept', () => {
    const pair = ProtocolPair.opened({ limits: { maxBuffered: 100 * KIB, highWaterMark: 50 * KIB } })
    const channel = pair.openChannel({ confirm: true })
    pair.reads = false
    const body = Buffer.alloc(40 * KIB)
    for (const routingKey of ['1', '2']) pair.publish(channel, { routingKey, body })
    const { buffered } = pair.protocol
    const token = {}
    const message = { exchange: '', routingKey: '3', mandatory: true, properties: {}, body }
    expect(() => channel.publish(message, token, 0))
      .to.throw(BackpressureError, `join ${buffered} that wait to be sent; the limit is ${100 * KIB}`)
      .with.property('outcome', 'not-sent')
    expect(pair.protocol.buffered).to.equal(buffered)
    expect(channel.unconfirmed).to.equal(2)
    pair.reads = true
    pair.settle()
    expect(sequenceOf(pair)).to.deep.equal(['publish 1', 'publish 2'])
    expect(pair.settlementOf(token)).to.equal(undefined)
    pair.publish(channel, { routingKey: '4' })
    expect(sequenceOf(pair).at(-1)).to.equal('publish 4')
  })

  it('that wait count with what they occupy besides their octets: two-octet bodies cannot fill the memory', () => {
    const pair = ProtocolPair.opened({ limits: { maxBuffered: 100 * KIB } })
    const channel = pair.openChannel()
    block(pair)
    const publishMany = (): void => {
      for (let count = 0; count < 1000; count++) pair.publish(channel, { body: Buffer.alloc(2) })
    }
    expect(publishMany).to.throw(BackpressureError)
    expect(channel.unconfirmed).to.be.within(100, 200)
    expect(pair.protocol.buffered).to.be.within(99 * KIB, 101 * KIB)
    unblock(pair)
    expect(pair.protocol.buffered).to.equal(0)
  })

  it('whose header is too large for a frame are refused, whether they would wait or not', () => {
    const pair = ProtocolPair.opened({ frameMax: 8192 })
    const channel = pair.openChannel({ confirm: true })
    const message = {
      exchange: '',
      routingKey: 'q',
      mandatory: false,
      properties: { headers: { large: 'x'.repeat(8192) } },
      body: Buffer.alloc(10),
    }
    expect(() => channel.publish(message, {}, 0)).to.throw(
      ArgumentError,
      'options.headers must fit one frame',
    )
    block(pair)
    expect(() => channel.publish(message, {}, 0)).to.throw(ArgumentError)
    unblock(pair)
    expect(channel.unconfirmed).to.equal(0)
    expect(pair.protocol.buffered).to.equal(0)
    const token = pair.publish(channel)
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    expect(pair.settlementOf(token)?.type).to.equal('confirmed')
  })

  it('keep what they were given, whatever becomes of the properties while they wait', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    block(pair)
    const properties = { messageId: 'then' }
    pair.publish(channel, { properties })
    properties.messageId = 'now'
    unblock(pair)
    const [received] = pair.received
    expect(received?.type === 'method' && received.content?.properties).to.deep.equal({ messageId: 'then' })
  })
})

describe('CommandLane, transactions', () => {
  for (const [name, reply] of [
    ['tx.select', 'tx.select-ok'],
    ['tx.commit', 'tx.commit-ok'],
    ['tx.rollback', 'tx.rollback-ok'],
  ] as const) {
    it(`let everything wait while ${name} is outstanding, settlements too`, () => {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel()
      pair.run(() => channel.consume(consumeCommand({}, undefined), {}, pair.now))
      pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
      for (const deliveryTag of [1, 2]) pair.deliver(channel, 't', deliveryTag)
      pair.forget()
      pair.call(channel, { name, args: {} })
      publishAll(pair, channel, '1')
      pair.call(channel, declare('a'))
      expect(channel.settle(1, { kind: 'ack', multiple: false })).to.equal(true)
      expect(channel.settle(1, { kind: 'ack', multiple: false })).to.equal(false)
      pair.settle()
      expect(sequenceOf(pair)).to.deep.equal([name])
      pair.send(1, { name: reply, args: {} })
      expect(sequenceOf(pair).slice(1)).to.deep.equal(['publish 1', 'queue.declare a', 'basic.ack'])
      channel.settle(2, { kind: 'ack', multiple: false })
      pair.settle()
      expect(pair.methods.at(-1)).to.equal('basic.ack')
    })
  }

  it('wait neither for publishes nor for settlements', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    publishAll(pair, channel, '1')
    pair.call(channel, { name: 'tx.commit', args: {} })
    expect(sequenceOf(pair)).to.deep.equal(['publish 1', 'tx.commit'])
  })
})

describe('CommandLane, deadlines', () => {
  it('closes the channel of a call without a reply: which reply belongs to which is lost', () => {
    const pair = ProtocolPair.opened({ limits: { rpcTimeoutMs: 20_000 } })
    const channel = pair.openChannel({ confirm: true })
    const unanswered = pair.call(channel, declare('a'))
    const queued = pair.call(channel, declare('b'))
    const published = pair.publish(channel)
    pair.advance(19_999)
    expect(pair.settlementOf(unanswered)).to.equal(undefined)
    pair.advance(1)
    const error = errorOf(pair, unanswered)
    expect(error).to.be.instanceOf(CallTimeoutError)
    expect(error?.message).to.equal('queue.declare: no reply within 20000 ms')
    expect(error).to.include({ method: 'queue.declare', connectionName: 'pair', localPort: 1 })
    expect(errorOf(pair, published)).to.be.instanceOf(UnconfirmedError).with.property('outcome', 'not-sent')
    expect(pair.settlementOf(queued)?.type).to.equal('failed')
    const [closed] = pair.eventsOf('channelClosed')
    expect(closed?.reason).to.include({ by: 'timeout', method: 'queue.declare' })
    expect(closed?.reason.error).to.equal(error)
    expect(pair.methods).to.deep.equal(['queue.declare', 'channel.close'])
  })

  it('takes the number of a channel that timed out for used until the close is answered', () => {
    const pair = ProtocolPair.opened({ channelMax: 1 })
    const channel = pair.openChannel()
    pair.call(channel, declare('a'))
    pair.advance(20_000)
    const open = () => pair.protocol.openChannel({}, 1, {}, pair.now)
    expect(open).to.throw(/all 1 channels/)
    pair.send(1, declareOk('a'))
    expect(open).to.throw(/all 1 channels/)
    pair.send(1, { name: 'channel.close-ok', args: {} })
    expect(open().number).to.equal(1)
  })

  it('rejects a call while the broker blocks the connection, names the block and keeps the slot for the late reply', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    block(pair)
    const late = pair.call(channel, declare('a'))
    pair.advance(15_000)
    const next = pair.call(channel, declare('b'))
    pair.advance(5_000)
    expect(errorOf(pair, late)?.message).to.equal(
      'queue.declare: no reply within 20000 ms; the broker blocks the connection: low on memory',
    )
    expect(pair.methods).to.deep.equal(['queue.declare'])
    expect(channel.state).to.equal('open')
    unblock(pair)
    expect(pair.methods, 'the reply is still to come').to.deep.equal(['queue.declare'])
    pair.send(1, declareOk('a'))
    pair.send(1, declareOk('b'))
    expect(pair.settlementOf(late)?.type, 'settled once').to.equal('failed')
    expect(pair.settlementOf(next)).to.deep.include({ type: 'replied', reply: declareOk('b') })
  })

  it('rejects a call that could not be sent in time, and the channel lives', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    block(pair)
    pair.call(channel, declare('a'))
    pair.advance(1000)
    const queued = pair.call(channel, declare('b'))
    pair.advance(20_000)
    expect(errorOf(pair, queued)?.message).to.match(
      /^queue\.declare: not sent within 20000 ms; the broker blocks/,
    )
    unblock(pair)
    pair.send(1, declareOk('a'))
    expect(channel.state).to.equal('open')
    expect(sequenceOf(pair)).to.deep.equal(['queue.declare a'])
    pair.call(channel, declare('c'))
    expect(sequenceOf(pair)).to.deep.equal(['queue.declare a', 'queue.declare c'])
  })

  it('rejects a publish that could not be sent in time as not sent, and sends those behind it', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    block(pair)
    const late = pair.publish(channel, { routingKey: 'late' })
    pair.advance(10_000)
    const next = pair.publish(channel, { routingKey: 'next' })
    pair.advance(20_000)
    const error = errorOf(pair, late)
    expect(error).to.be.instanceOf(UnconfirmedError).and.include({ outcome: 'not-sent', routingKey: 'late' })
    expect(error?.message).to.match(
      /not sent within 30000 ms; the broker blocks the connection: low on memory$/,
    )
    unblock(pair)
    expect(sequenceOf(pair)).to.deep.equal(['publish next'])
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    expect(pair.settlementOf(next)?.type).to.equal('confirmed')
    expect(pair.protocol.buffered).to.equal(0)
  })

  it('gives a get that nobody waits for any more back to its queue', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    block(pair)
    const token = pair.call(channel, { name: 'basic.get', args: { queue: 'q', noAck: false } })
    pair.advance(20_000)
    unblock(pair)
    const args = { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
    pair.sendContent(1, { name: 'basic.get-ok', args }, Buffer.from('body'))
    expect(pair.settlementOf(token)?.type).to.equal('failed')
    const [, nack] = pair.received
    expect(nack?.type === 'method' && nack.method).to.deep.equal({
      name: 'basic.nack',
      args: { deliveryTag: 1, multiple: false, requeue: true },
    })
  })

  it('cancels a consumer that nobody waits for any more, and gives back what it was sent', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    block(pair)
    const token = {}
    pair.run(() => channel.consume(consumeCommand({}, undefined), token, pair.now))
    pair.advance(20_000)
    unblock(pair)
    pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
    pair.deliver(channel, 't', 1)
    expect(pair.settlementOf(token)?.type).to.equal('failed')
    expect(pair.eventsOf('delivered')).to.deep.equal([])
    expect(pair.methods).to.deep.equal(['basic.consume', 'basic.cancel', 'basic.nack'])
    pair.send(1, { name: 'channel.close', args: { replyCode: 404, replyText: '', classId: 0, methodId: 0 } })
    expect(pair.eventsOf('consumerEnded'), 'it never began').to.deep.equal([])
  })

  it('does not start a consumer that was given up before basic.consume', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    block(pair)
    pair.run(() => channel.consume(consumeCommand({}, 10), {}, pair.now))
    pair.advance(20_000)
    expect(channel.hasConsumer('t')).to.equal(false)
    unblock(pair)
    pair.send(1, { name: 'basic.qos-ok', args: {} })
    pair.call(channel, declare('a'))
    expect(sequenceOf(pair)).to.deep.equal(['basic.qos', 'queue.declare a'])
  })

  it('gives up no cancel while the broker blocks: a consumer that nobody can end would be left', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.run(() => channel.consume(consumeCommand({}, undefined), {}, pair.now))
    pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
    pair.forget()
    block(pair)
    pair.call(channel, declare('a'))
    const token = pair.call(channel, { name: 'basic.cancel', args: { consumerTag: 't', noWait: false } })
    pair.advance(100_000 - 1)
    expect(pair.settlementOf(token)).to.equal(undefined)
    expect(pair.methods).to.deep.equal(['queue.declare'])
    unblock(pair)
    pair.send(1, declareOk('a'))
    expect(channel.state).to.equal('open')
    expect(pair.methods).to.include('basic.cancel')
    pair.send(1, { name: 'basic.cancel-ok', args: { consumerTag: 't' } })
    expect(pair.settlementOf(token)?.type).to.equal('replied')
    expect(pair.eventsOf('consumerEnded')).to.have.length(1)
    expect(pair.protocol.buffered).to.equal(0)
  })

  it('forgets a consumer whose call was never sent', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    block(pair)
    pair.call(channel, declare('a'))
    pair.run(() => channel.consume(consumeCommand({}, 10), {}, pair.now))
    pair.advance(20_000)
    expect(channel.hasConsumer('t')).to.equal(false)
  })

  it('takes no publishes for confirmed whose confirm.select was never sent', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    block(pair)
    pair.call(channel, declare('a'))
    pair.call(channel, { name: 'confirm.select', args: { noWait: false } })
    expect(channel.confirming).to.equal(true)
    pair.advance(20_000)
    expect(channel.confirming).to.equal(false)
  })
})

describe('CommandLane, a call that a block holds up', () => {
  it('has its whole time again when the broker reads again', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const channel = pair.openChannel()
    block(pair)
    const token = pair.call(channel, declare('a'))
    pair.advance(39_990)
    expect(pair.errorOf(token)).to.include({ code: 'AMQP_CALL_TIMEOUT' })
    unblock(pair)
    pair.advance(19_999)
    expect(channel.state).to.equal('open')
    pair.advance(1)
    expect(channel.reason).to.include({ by: 'timeout' })
  })
})

describe('CommandLane, at the end of the channel', () => {
  it('fails all that waits, in order, once, and says whether it was sent', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const outstanding = pair.call(channel, declare('a'))
    const sent = pair.publish(channel, { routingKey: 'sent' })
    const queued = pair.call(channel, declare('b'))
    const waiting = pair.publish(channel, { routingKey: 'waiting' })
    const text = 'NOT_FOUND - no exchange'
    pair.send(1, {
      name: 'channel.close',
      args: { replyCode: 404, replyText: text, classId: 60, methodId: 40 },
    })
    const failures = pair.eventsOf('failed')
    expect(failures.map(({ token }) => token)).to.have.members([outstanding, sent, queued, waiting])
    for (const token of [outstanding, queued]) {
      expect(errorOf(pair, token))
        .to.be.instanceOf(ChannelClosedError)
        .and.include({ replyCode: 404, method: 'basic.publish' })
    }
    expect(errorOf(pair, sent)).to.include({ outcome: 'unknown', routingKey: 'sent' })
    expect(errorOf(pair, waiting)).to.include({ outcome: 'not-sent', routingKey: 'waiting' })
    expect(pair.events.at(-1)?.type).to.equal('channelClosed')
    expect(pair.protocol.buffered).to.equal(0)
  })
})
