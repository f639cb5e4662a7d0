// What becomes of a command that nobody wants to wait for any more: it is taken back as long as it can be, its caller is told
// at once and once, and what the reply to it would have meant happens all the same.

import { expect } from 'chai'
import { ChannelClosedError, UnconfirmedError } from '../../src/protocol/errors.js'
import type { Method, MethodOf } from '../../src/protocol/method-types.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

const ABORTED = new Error('aborted')
const SELECT: MethodOf<'confirm.select'> = { name: 'confirm.select', args: { noWait: false } }
const PURGE_OK: Method = { name: 'queue.purge-ok', args: { messageCount: 0 } }
const CONSUME_OK: Method = { name: 'basic.consume-ok', args: { consumerTag: 't' } }
const BACK = { multiple: false, requeue: true }

function purge(queue: string): MethodOf<'queue.purge'> {
  return { name: 'queue.purge', args: { queue, noWait: false } }
}

function get(noAck = false): MethodOf<'basic.get'> {
  return { name: 'basic.get', args: { queue: 'q', noAck } }
}

function cancel(noWait = false): MethodOf<'basic.cancel'> {
  return { name: 'basic.cancel', args: { consumerTag: 't', noWait } }
}

function sendGetOk(pair: ProtocolPair, deliveryTag: number): void {
  const args = { deliveryTag, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
  pair.sendContent(1, { name: 'basic.get-ok', args }, Buffer.from('body'))
}

function block(pair: ProtocolPair): void {
  pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
}

function unblock(pair: ProtocolPair): void {
  pair.send(0, { name: 'connection.unblocked', args: {} })
}

/** The methods that have reached the peer, whole. */
function sentBy(pair: ProtocolPair): Method[] {
  return pair.received.flatMap(received => (received.type === 'method' ? [received.method] : []))
}

function opened(options: { confirm?: boolean; maxUnconfirmed?: number } = {}) {
  const pair = ProtocolPair.opened({ heartbeat: 0 })
  return { pair, channel: pair.openChannel(options) }
}

describe('CommandLane, a call that is withdrawn', () => {
  it('before it is sent fails with the cause, is never sent, and lets those behind it go', () => {
    const { pair, channel } = opened()
    const calls = ['a', 'b', 'c'].map(queue => pair.call(channel, purge(queue)))
    pair.withdraw(channel, ABORTED, calls[1])
    expect(pair.errorOf(calls[1])).to.equal(ABORTED)
    pair.send(1, PURGE_OK)
    pair.send(1, PURGE_OK)
    expect(sentBy(pair)).to.deep.equal([purge('a'), purge('c')])
    expect(calls.map(token => pair.settlementOf(token)?.type)).to.deep.equal(['replied', 'failed', 'replied'])
    expect(pair.protocol.buffered).to.equal(0)
  })

  it('after it was sent fails at once, and its reply is still waited for: the next call is sent on it', () => {
    const { pair, channel } = opened()
    const [first, second] = [pair.call(channel, purge('a')), pair.call(channel, purge('b'))]
    pair.withdraw(channel, ABORTED, first)
    expect(pair.errorOf(first)).to.equal(ABORTED)
    expect(sentBy(pair)).to.deep.equal([purge('a')])
    pair.send(1, PURGE_OK)
    expect(pair.settlementOf(first)?.type, 'told once').to.equal('failed')
    expect(pair.settlementOf(second)).to.equal(undefined)
    pair.send(1, PURGE_OK)
    expect(pair.settlementOf(second)?.type).to.equal('replied')
  })

  it('is told once, however often it is withdrawn, and whatever else the tokens name', () => {
    const { pair, channel } = opened()
    const [sent, queued] = [pair.call(channel, purge('a')), pair.call(channel, purge('b'))]
    for (let count = 0; count < 3; count++) pair.withdraw(channel, ABORTED, sent, queued, {})
    expect(pair.eventsOf('failed')).to.have.length(2)
    pair.send(1, PURGE_OK)
    expect(channel.isIdle).to.equal(true)
  })

  it('closes its channel all the same when its reply does not come in time', () => {
    const { pair, channel } = opened()
    const token = pair.call(channel, purge('a'))
    pair.advance(5000)
    const queued = pair.call(channel, purge('b'))
    pair.withdraw(channel, ABORTED, token)
    pair.advance(14_999)
    expect(channel.state).to.equal('open')
    pair.advance(1)
    expect(pair.eventsOf('channelClosed')[0]?.reason).to.include({ by: 'timeout', method: 'queue.purge' })
    expect(pair.errorOf(token)).to.equal(ABORTED)
    expect(pair.errorOf(queued)).to.be.instanceOf(ChannelClosedError)
    expect(pair.methods).to.deep.equal(['queue.purge', 'channel.close'])
  })

  it('closes no channel while the broker blocks, and keeps its place for the late reply', () => {
    const { pair, channel } = opened()
    block(pair)
    const token = pair.call(channel, purge('a'))
    pair.withdraw(channel, ABORTED, token)
    pair.advance(100_000)
    expect(channel.state).to.equal('open')
    const next = pair.call(channel, purge('b'))
    unblock(pair)
    expect(sentBy(pair)).to.deep.equal([purge('a')])
    pair.send(1, PURGE_OK)
    pair.send(1, PURGE_OK)
    expect(pair.settlementOf(next)?.type).to.equal('replied')
    expect(pair.errorOf(token)).to.equal(ABORTED)
  })

  it('is the opening of a channel: what comes of it is nobody’s, and the channel can still be closed', () => {
    const pair = ProtocolPair.opened()
    const token = {}
    const channel = pair.run(() => pair.protocol.openChannel({}, 1, token, pair.now))
    pair.withdraw(channel, ABORTED, token)
    expect(pair.errorOf(token)).to.equal(ABORTED)
    pair.run(() => channel.close(pair.now))
    expect(pair.methods).to.deep.equal(['channel.open', 'channel.close'])
    pair.send(1, { name: 'channel.open-ok', args: {} })
    pair.send(1, { name: 'channel.close-ok', args: {} })
    expect(pair.eventsOf('channelClosed')).to.have.length(1)
    expect(pair.eventsOf('closed')).to.deep.equal([])
  })

  it('is not told on a channel that has ended', () => {
    const { pair, channel } = opened()
    const token = pair.call(channel, purge('a'))
    pair.cut()
    pair.withdraw(channel, ABORTED, token)
    expect(pair.errorOf(token)).to.be.instanceOf(ChannelClosedError)
  })
})

describe('CommandLane, a publish that is withdrawn', () => {
  it('before it was sent fails as not sent, for the cause, and lets those behind it go', () => {
    const { pair, channel } = opened({ confirm: true })
    block(pair)
    const [first, second] = ['a', 'b'].map(routingKey => pair.publish(channel, { routingKey }))
    pair.withdraw(channel, ABORTED, first)
    const error = pair.errorOf(first)
    expect(error).to.be.instanceOf(UnconfirmedError)
    expect(error).to.include({ outcome: 'not-sent', routingKey: 'a', cause: ABORTED, connectionName: 'pair' })
    expect(error?.message).to.equal(
      "publish to exchange '' with routing key 'a' was not sent: aborted; the broker blocks the connection: low on memory",
    )
    unblock(pair)
    expect(pair.methods).to.deep.equal(['basic.publish'])
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    expect(pair.settlementOf(second)?.type).to.equal('confirmed')
    expect(pair.protocol.buffered).to.equal(0)
  })

  it('after it was sent fails as unknown, and its late confirm counts for nothing but its own tag', () => {
    const { pair, channel } = opened({ confirm: true })
    const tokens = ['a', 'b'].map(routingKey => pair.publish(channel, { routingKey }))
    pair.withdraw(channel, ABORTED, tokens[0])
    const error = pair.errorOf(tokens[0])
    expect(error).to.include({ outcome: 'unknown', routingKey: 'a', cause: ABORTED })
    expect(error?.message).to.match(/may or may not have arrived: aborted$/)
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    expect(pair.settlementOf(tokens[1])).to.equal(undefined)
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 2, multiple: false } })
    expect(pair.settlementOf(tokens[1])?.type).to.equal('confirmed')
  })

  it('keeps its place in the window until the broker answers: one that does not must not be sent more', () => {
    const { pair, channel } = opened({ confirm: true, maxUnconfirmed: 1 })
    const tokens = ['a', 'b'].map(routingKey => pair.publish(channel, { routingKey }))
    pair.withdraw(channel, ABORTED, tokens[0])
    expect(pair.methods).to.deep.equal(['basic.publish'])
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    expect(pair.methods).to.deep.equal(['basic.publish', 'basic.publish'])
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 2, multiple: false } })
    expect(pair.settlementOf(tokens[1])?.type).to.equal('confirmed')
  })

  it('on a plain channel fails as not sent while it waits, and is past recall when it was sent', () => {
    const { pair, channel } = opened()
    const message = {
      exchange: '',
      routingKey: 'q',
      mandatory: false,
      properties: {},
      body: Buffer.from('x'),
    }
    const [sent, waiting] = [{}, {}]
    expect(pair.run(() => channel.publish(message, sent, pair.now))).to.equal('sent')
    block(pair)
    expect(pair.run(() => channel.publish(message, waiting, pair.now))).to.equal('queued')
    pair.withdraw(channel, ABORTED, sent, waiting)
    expect(pair.settlementOf(sent)).to.equal(undefined)
    expect(pair.errorOf(waiting)).to.include({ outcome: 'not-sent', cause: ABORTED })
    unblock(pair)
    expect(pair.methods).to.deep.equal(['basic.publish'])
  })

  it('lets a call behind it go that waited for nothing else', () => {
    const { pair, channel } = opened({ confirm: true })
    block(pair)
    const token = pair.publish(channel)
    pair.call(channel, purge('a'))
    expect(pair.methods).to.deep.equal([])
    pair.withdraw(channel, ABORTED, token)
    expect(sentBy(pair)).to.deep.equal([purge('a')])
  })
})

describe('CommandLane, the start of a consumer that is withdrawn', () => {
  it('before anything of it is sent leaves nothing behind', () => {
    const { pair, channel } = opened()
    pair.call(channel, purge('a'))
    const token = pair.consume(channel, { prefetch: 10 })
    pair.withdraw(channel, ABORTED, token)
    expect(pair.errorOf(token)).to.equal(ABORTED)
    expect(channel.hasConsumer('t')).to.equal(false)
    pair.send(1, PURGE_OK)
    expect(sentBy(pair)).to.deep.equal([purge('a')])
  })

  it('between qos and consume goes no further, and its tag is free', () => {
    const { pair, channel } = opened()
    const token = pair.consume(channel, { prefetch: 10 })
    pair.withdraw(channel, ABORTED, token)
    expect(channel.hasConsumer('t')).to.equal(false)
    pair.call(channel, purge('a'))
    expect(pair.methods).to.deep.equal(['basic.qos'])
    pair.send(1, { name: 'basic.qos-ok', args: {} })
    expect(pair.methods).to.deep.equal(['basic.qos', 'queue.purge'])
    pair.send(1, PURGE_OK)
    const consumer = {}
    pair.consume(channel, { consumer })
    pair.send(1, CONSUME_OK)
    pair.deliver(channel, 't', 1)
    expect(pair.eventsOf('delivered')[0]?.consumer).to.equal(consumer)
  })

  it('after it was sent is cancelled at its reply, and what it is sent goes back', () => {
    const { pair, channel } = opened()
    const token = pair.consume(channel)
    pair.withdraw(channel, ABORTED, token)
    pair.deliver(channel, 't', 1)
    pair.send(1, CONSUME_OK)
    pair.deliver(channel, 't', 2)
    expect(sentBy(pair).slice(1)).to.deep.equal([
      { name: 'basic.nack', args: { deliveryTag: 1, ...BACK } },
      cancel(false),
      { name: 'basic.nack', args: { deliveryTag: 2, ...BACK } },
    ])
    expect(pair.eventsOf('delivered')).to.deep.equal([])
    expect(pair.eventsOf('consumerEnded')).to.deep.equal([])
    expect(channel.hasConsumer('t'), 'messages may be on their way').to.equal(true)
    pair.send(1, { name: 'basic.cancel-ok', args: { consumerTag: 't' } })
    expect(channel.hasConsumer('t')).to.equal(false)
  })

  it('is cancelled as soon as it has left when it wants no reply', () => {
    const { pair, channel } = opened()
    pair.reads = false
    const token = pair.consume(channel, { noWait: true })
    const behind = pair.call(channel, purge('a'))
    pair.withdraw(channel, ABORTED, token)
    expect(pair.errorOf(token)).to.equal(ABORTED)
    pair.reads = true
    pair.settle()
    pair.deliver(channel, 't', 1)
    expect(pair.methods).to.deep.equal(['basic.consume', 'basic.cancel', 'basic.nack'])
    expect(channel.hasConsumer('t')).to.equal(true)
    pair.send(1, { name: 'basic.cancel-ok', args: { consumerTag: 't' } })
    expect(channel.hasConsumer('t')).to.equal(false)
    pair.send(1, PURGE_OK)
    expect(pair.settlementOf(behind)?.type).to.equal('replied')
    expect(pair.eventsOf('consumerEnded')).to.deep.equal([])
  })

  it('that does not acknowledge gives nothing back: it cannot', () => {
    const { pair, channel } = opened()
    const token = pair.consume(channel, { noAck: true })
    pair.withdraw(channel, ABORTED, token)
    pair.deliver(channel, 't', 1)
    pair.send(1, CONSUME_OK)
    expect(pair.methods).to.deep.equal(['basic.consume', 'basic.cancel'])
  })
})

describe('CommandLane, a get, a cancel or a transaction that is withdrawn', () => {
  it('gives back what a get brings, and counts its tag', () => {
    const { pair, channel } = opened()
    const token = pair.call(channel, get())
    pair.withdraw(channel, ABORTED, token)
    sendGetOk(pair, 1)
    expect(sentBy(pair).at(-1)).to.deep.equal({ name: 'basic.nack', args: { deliveryTag: 1, ...BACK } })
    expect(pair.eventsOf('got')).to.deep.equal([])
    const next = pair.call(channel, get())
    sendGetOk(pair, 2)
    expect(pair.settlementOf(next)).to.deep.include({ type: 'got' })
  })

  it('has nothing to give back of an empty queue, or without acknowledgement', () => {
    const { pair, channel } = opened()
    pair.withdraw(channel, ABORTED, pair.call(channel, get()))
    pair.send(1, { name: 'basic.get-empty', args: {} })
    pair.withdraw(channel, ABORTED, pair.call(channel, get(true)))
    sendGetOk(pair, 1)
    expect(pair.methods).to.deep.equal(['basic.get', 'basic.get'])
    expect(pair.eventsOf('got')).to.deep.equal([])
    expect(channel.isIdle).to.equal(true)
  })

  it('leaves a consumer alone whose cancel was not sent', () => {
    const { pair, channel } = opened()
    const consumer = {}
    pair.consume(channel, { consumer })
    pair.send(1, CONSUME_OK)
    pair.call(channel, purge('a'))
    for (const noWait of [false, true]) {
      const token = pair.call(channel, cancel(noWait))
      pair.withdraw(channel, ABORTED, token)
    }
    pair.send(1, PURGE_OK)
    pair.deliver(channel, 't', 1)
    expect(pair.methods).not.to.include('basic.cancel')
    expect(pair.eventsOf('delivered')[0]?.consumer).to.equal(consumer)
    expect(pair.eventsOf('consumerEnded')).to.deep.equal([])
  })

  it('ends a consumer whose cancel was sent when it is answered', () => {
    const { pair, channel } = opened()
    const consumer = {}
    pair.consume(channel, { consumer })
    pair.send(1, CONSUME_OK)
    pair.withdraw(channel, ABORTED, pair.call(channel, cancel()))
    pair.deliver(channel, 't', 1)
    pair.send(1, { name: 'basic.cancel-ok', args: { consumerTag: 't' } })
    expect(pair.eventsOf('delivered')).to.have.length(1)
    expect(pair.eventsOf('consumerEnded')).to.deep.equal([
      { type: 'consumerEnded', consumer, reason: { by: 'client' } },
    ])
  })

  it('holds everything up for the reply to a commit that was sent, and nothing for one that was not', () => {
    const { pair, channel } = opened()
    pair.consume(channel)
    pair.send(1, CONSUME_OK)
    for (const tag of [1, 2]) pair.deliver(channel, 't', tag)
    pair.call(channel, { name: 'tx.select', args: {} })
    pair.send(1, { name: 'tx.select-ok', args: {} })
    pair.forget()
    const sent = pair.call(channel, { name: 'tx.commit', args: {} })
    const queued = pair.call(channel, { name: 'tx.commit', args: {} })
    channel.settle(1, { kind: 'ack', multiple: false })
    pair.withdraw(channel, ABORTED, sent, queued)
    expect(pair.methods).to.deep.equal(['tx.commit'])
    pair.send(1, { name: 'tx.commit-ok', args: {} })
    channel.settle(2, { kind: 'ack', multiple: false })
    pair.settle()
    expect(pair.methods).to.deep.equal(['tx.commit', 'basic.ack', 'basic.ack'])
  })

  it('has a recover that was sent end with its reply all the same', () => {
    const { pair, channel } = opened()
    pair.consume(channel)
    pair.send(1, CONSUME_OK)
    pair.withdraw(channel, ABORTED, pair.call(channel, { name: 'basic.recover', args: { requeue: true } }))
    pair.deliver(channel, 't', 1)
    expect(channel.stateOf(1)).to.equal('settled')
    pair.send(1, { name: 'basic.recover-ok', args: {} })
    pair.deliver(channel, 't', 2)
    expect(channel.stateOf(2)).to.equal('unsettled')
  })
})

describe('CommandLane, confirm.select that is taken back', () => {
  it('fails at once what was published for it and waits, as not sent, and leaves a plain channel', () => {
    const { pair, channel } = opened()
    const plain = {
      exchange: '',
      routingKey: 'plain',
      mandatory: false,
      properties: {},
      body: Buffer.alloc(1),
    }
    pair.call(channel, purge('a'))
    pair.call(channel, purge('b'))
    pair.run(() => channel.publish(plain, undefined, pair.now))
    const select = pair.call(channel, SELECT)
    const confirming = pair.publish(channel, { routingKey: 'confirmed' })
    pair.withdraw(channel, ABORTED, select)
    expect(pair.errorOf(confirming)).to.include({ outcome: 'not-sent', routingKey: 'confirmed' })
    expect(pair.errorOf(confirming)?.message).to.match(/was not sent: confirm\.select was not sent$/)
    expect(channel.confirming).to.equal(false)
    pair.send(1, PURGE_OK)
    pair.send(1, PURGE_OK)
    expect(pair.methods).to.deep.equal(['queue.purge', 'queue.purge', 'basic.publish'])
    expect(pair.eventsOf('drained')).to.have.length(1)
    expect(pair.protocol.buffered).to.equal(0)
  })

  it('does the same when it could not be sent in time', () => {
    const { pair, channel } = opened()
    block(pair)
    pair.call(channel, purge('a'))
    pair.call(channel, SELECT)
    const token = pair.publish(channel)
    pair.advance(20_000)
    expect(pair.errorOf(token)).to.include({ outcome: 'not-sent' })
    expect(channel.unconfirmed).to.equal(0)
  })

  it('tells a publish once that is withdrawn with it', () => {
    const { pair, channel } = opened()
    pair.call(channel, purge('a'))
    const select = pair.call(channel, SELECT)
    const token = pair.publish(channel)
    pair.withdraw(channel, ABORTED, token, select)
    expect(pair.errorOf(token)).to.include({ cause: ABORTED, outcome: 'not-sent' })
  })

  it('is still in force when it was sent, or when another one was', () => {
    const { pair, channel } = opened()
    const first = pair.call(channel, SELECT)
    pair.withdraw(channel, ABORTED, first)
    expect(channel.confirming, 'sent, not answered').to.equal(true)
    const second = pair.call(channel, SELECT)
    const token = pair.publish(channel)
    pair.withdraw(channel, ABORTED, second)
    expect(channel.confirming).to.equal(true)
    pair.send(1, { name: 'confirm.select-ok', args: {} })
    expect(pair.methods).to.deep.equal(['confirm.select', 'basic.publish'])
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    expect(pair.settlementOf(token)?.type).to.equal('confirmed')
  })

  it('takes no publish for confirmed that goes before the second of two', () => {
    const { pair, channel } = opened()
    pair.call(channel, purge('a'))
    const select = pair.call(channel, SELECT)
    const between = pair.publish(channel, { routingKey: 'between' })
    pair.call(channel, SELECT)
    const behind = pair.publish(channel, { routingKey: 'behind' })
    pair.withdraw(channel, ABORTED, select)
    pair.send(1, PURGE_OK)
    pair.send(1, { name: 'confirm.select-ok', args: {} })
    // The broker counts from the first publish behind confirm.select.
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    expect(pair.settlementOf(behind)?.type).to.equal('confirmed')
    expect(pair.settlementOf(between)?.type).not.to.equal('confirmed')
  })
})
