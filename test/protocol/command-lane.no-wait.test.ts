// Calls that want no reply: all that can be said of one is that it has left, and it is said then and not before.

import { expect } from 'chai'
import { CallTimeoutError, ChannelClosedError } from '../../src/protocol/errors.js'
import type { CallName, Method, MethodOf } from '../../src/protocol/method-types.js'
import { type PairOptions, ProtocolPair } from '../support/peer/protocol-pair.js'

const KIB = 1024
const PURGE_OK: Method = { name: 'queue.purge-ok', args: { messageCount: 0 } }
const CONSUME_OK: Method = { name: 'basic.consume-ok', args: { consumerTag: 't' } }
const CANCEL: MethodOf<'basic.cancel'> = { name: 'basic.cancel', args: { consumerTag: 't', noWait: true } }

function purge(queue: string, noWait = true): MethodOf<'queue.purge'> {
  return { name: 'queue.purge', args: { queue, noWait } }
}

function opened(options: PairOptions = {}) {
  const pair = ProtocolPair.opened({ heartbeat: 0, ...options })
  return { pair, channel: pair.openChannel() }
}

/** Hands the next batch over, whether the peer reads or not. */
function handOver(pair: ProtocolPair): void {
  const batch = pair.protocol.pollTransmit(pair.now) ?? []
  pair.batches.push(batch.map(octets => Buffer.from(octets)))
  pair.settle()
}

function backToReading(pair: ProtocolPair): void {
  pair.received.push(...pair.peer.receive(Buffer.concat(pair.batches.flat())))
  pair.batches.length = 0
  pair.reads = true
  pair.run(() => pair.protocol.handleWritten(pair.now))
}

/** Which queues the calls are about that have reached the peer, and the names of other methods. */
function sequenceOf(pair: ProtocolPair): string[] {
  return pair.received.flatMap(received => {
    if (received.type !== 'method') return []
    const { name, args } = received.method
    return ['queue' in args ? args.queue : name]
  })
}

describe('CommandLane, a call without a reply', () => {
  it('is answered when its octets are handed over, and not before', () => {
    const { pair, channel } = opened()
    pair.reads = false
    const token = pair.call(channel, purge('a'))
    expect(pair.settlementOf(token)).to.equal(undefined)
    expect(channel.isIdle).to.equal(false)
    handOver(pair)
    expect(pair.settlementOf(token)).to.deep.equal({ type: 'replied', token, reply: undefined })
    expect(channel.isIdle).to.equal(true)
  })

  it('is answered once, whatever is handed over later', () => {
    const { pair, channel } = opened()
    const token = pair.call(channel, purge('a'))
    pair.publish(channel)
    pair.call(channel, purge('b', false))
    pair.send(1, PURGE_OK)
    expect(pair.eventsOf('replied').filter(event => event.token === token)).to.have.length(1)
  })

  it('waits behind what fills the outbound order in front of it', () => {
    const { pair, channel } = opened()
    const other = pair.openChannel()
    pair.reads = false
    // Two batches and a half of commands that are copied or passed by reference.
    for (let count = 0; count < 16; count++) pair.publish(other, { body: Buffer.alloc(40 * KIB) })
    const token = pair.call(channel, purge('a'))
    handOver(pair)
    pair.protocol.handleWritten(pair.now)
    handOver(pair)
    expect(pair.settlementOf(token)).to.equal(undefined)
    pair.protocol.handleWritten(pair.now)
    handOver(pair)
    expect(pair.settlementOf(token)?.type).to.equal('replied')
  })

  it('is not sent inside a large body of its channel, and answered only when it has left behind it', () => {
    const { pair, channel } = opened()
    pair.reads = false
    pair.publish(channel, { body: Buffer.alloc(700 * KIB) })
    const token = pair.call(channel, purge('a'))
    for (let batches = 0; batches < 2; batches++) {
      handOver(pair)
      expect(pair.settlementOf(token), `after ${batches + 1} batches`).to.equal(undefined)
      pair.protocol.handleWritten(pair.now)
    }
    // The last of the body leaves room in its batch.
    handOver(pair)
    expect(pair.settlementOf(token)?.type).to.equal('replied')
    backToReading(pair)
    expect(pair.methods).to.deep.equal(['basic.publish', 'queue.purge'])
  })

  it('is not held up by the large body of another channel', () => {
    const { pair, channel } = opened()
    const other = pair.openChannel()
    pair.reads = false
    pair.publish(other, { body: Buffer.alloc(700 * KIB) })
    const token = pair.call(channel, purge('a'))
    handOver(pair)
    expect(pair.settlementOf(token)?.type).to.equal('replied')
  })

  it('has those behind it leave behind it, in order, and in the same batch if there is room', () => {
    const { pair, channel } = opened()
    const other = pair.openChannel()
    pair.reads = false
    for (let count = 0; count < 7; count++) pair.publish(other, { body: Buffer.alloc(40 * KIB) })
    const tokens = ['a', 'b', 'c'].map(queue => pair.call(channel, purge(queue)))
    const replied = () => tokens.map(token => pair.settlementOf(token)?.type)
    handOver(pair)
    expect(replied()).to.deep.equal([undefined, undefined, undefined])
    pair.protocol.handleWritten(pair.now)
    handOver(pair)
    expect(replied()).to.deep.equal(['replied', 'replied', 'replied'])
    backToReading(pair)
    expect(sequenceOf(pair).slice(-3)).to.deep.equal(['a', 'b', 'c'])
    expect(pair.eventsOf('replied').map(({ token }) => token)).to.deep.equal(tokens)
  })

  it('lets publishes and settlements go beside it', () => {
    const { pair, channel } = opened()
    pair.consume(channel)
    pair.send(1, CONSUME_OK)
    pair.deliver(channel, 't', 1)
    pair.forget()
    pair.reads = false
    pair.call(channel, purge('a'))
    pair.publish(channel)
    channel.settle(1, { kind: 'ack', multiple: false })
    pair.reads = true
    pair.settle()
    expect(pair.methods).to.deep.equal(['queue.purge', 'basic.publish', 'basic.ack'])
  })

  it('is followed by one with a reply, which gets it', () => {
    const { pair, channel } = opened()
    pair.call(channel, purge('a'))
    const token = pair.call(channel, purge('b', false))
    pair.send(1, PURGE_OK)
    expect(pair.settlementOf(token)).to.deep.include({ reply: PURGE_OK })
  })

  it('takes a reply for a violation (504), before and after it has left', () => {
    for (const reads of [false, true]) {
      const { pair, channel } = opened()
      pair.reads = reads
      pair.call(channel, purge('a'))
      pair.send(1, PURGE_OK)
      pair.reads = true
      pair.settle()
      expect(pair.eventsOf('closed')[0]?.reason, `reads: ${reads}`).to.include({ by: 'protocol', code: 504 })
    }
  })

  it('fails when the connection is lost before it has left', () => {
    const { pair, channel } = opened()
    pair.reads = false
    const token = pair.call(channel, purge('a'))
    pair.cut(new Error('read ECONNRESET'))
    expect(pair.errorOf(token)).to.be.instanceOf(ChannelClosedError).and.include({ method: 'queue.purge' })
  })

  it('fails when the server closes the channel before it has left, and is not answered later', () => {
    const { pair, channel } = opened({ channelMax: 1 })
    pair.reads = false
    const token = pair.call(channel, purge('a'))
    const args = { replyCode: 404, replyText: 'NOT_FOUND', classId: 60, methodId: 40 }
    pair.send(1, { name: 'channel.close', args })
    expect(pair.errorOf(token)).to.be.instanceOf(ChannelClosedError).and.include({ replyCode: 404 })
    pair.reads = true
    pair.settle()
    const next = pair.openChannel()
    expect(next.number).to.equal(1)
    expect(pair.events).to.deep.equal([])
    expect(next.isIdle).to.equal(true)
  })

  it('is left before a close goes, of the channel and of the connection', () => {
    for (const what of ['channel', 'connection'] as const) {
      const { pair, channel } = opened()
      pair.reads = false
      const token = pair.call(channel, purge('a'))
      pair.run(() => (what === 'channel' ? channel.close(pair.now) : pair.protocol.close(pair.now)))
      pair.reads = true
      pair.settle()
      expect(pair.methods).to.deep.equal(['queue.purge', `${what}.close`])
      expect(pair.settlementOf(token)?.type).to.equal('replied')
    }
  })

  it('that could not leave in time closes the channel, and does not speak of a reply that it never wanted', () => {
    const { pair, channel } = opened()
    pair.reads = false
    const token = pair.call(channel, purge('a'))
    pair.advance(20_000)
    const error = pair.errorOf(token)
    expect(error).to.be.instanceOf(CallTimeoutError)
    expect(error?.message).not.to.include('no reply')
  })

  it('is sent with what else is asked for: exchanges, bindings, queues, confirms', () => {
    const exchange = { exchange: 'x', noWait: true }
    const flags = { passive: false, durable: true, autoDelete: false, noWait: true, arguments: {} }
    const binding = { routingKey: 'k', noWait: true, arguments: {} }
    const calls: readonly MethodOf<CallName>[] = [
      { name: 'exchange.declare', args: { exchange: 'x', type: 'direct', internal: false, ...flags } },
      { name: 'exchange.delete', args: { ...exchange, ifUnused: false } },
      { name: 'exchange.bind', args: { destination: 'a', source: 'b', ...binding } },
      { name: 'exchange.unbind', args: { destination: 'a', source: 'b', ...binding } },
      { name: 'queue.declare', args: { queue: 'q', exclusive: false, ...flags } },
      { name: 'queue.bind', args: { queue: 'q', exchange: 'x', ...binding } },
      purge('q'),
      { name: 'queue.delete', args: { queue: 'q', ifUnused: false, ifEmpty: false, noWait: true } },
      { name: 'confirm.select', args: { noWait: true } },
    ]
    const { pair, channel } = opened()
    const tokens = calls.map(method => pair.call(channel, method))
    expect(pair.methods).to.deep.equal(calls.map(({ name }) => name))
    expect(pair.eventsOf('replied')).to.deep.equal(
      tokens.map(token => ({ type: 'replied', token, reply: undefined })),
    )
    expect(channel.confirming).to.equal(true)
  })
})

describe('CommandLane, a consumer without a reply', () => {
  it('runs as soon as its start has left, behind the reply to its limit', () => {
    const { pair, channel } = opened()
    const consumer = {}
    const token = pair.consume(channel, { noWait: true, prefetch: 10, consumer })
    expect(pair.methods).to.deep.equal(['basic.qos'])
    expect(pair.settlementOf(token)).to.equal(undefined)
    pair.send(1, { name: 'basic.qos-ok', args: {} })
    expect(pair.methods).to.deep.equal(['basic.qos', 'basic.consume'])
    expect(pair.settlementOf(token)).to.deep.include({ type: 'replied', reply: undefined })
    pair.deliver(channel, 't', 1)
    expect(pair.eventsOf('delivered')[0]?.consumer).to.equal(consumer)
  })

  it('ends with its cancel, and what is still on its way to it goes back', () => {
    const { pair, channel } = opened()
    const consumer = {}
    pair.consume(channel, { consumer })
    pair.send(1, CONSUME_OK)
    pair.deliver(channel, 't', 1)
    pair.forget()
    pair.reads = false
    const token = pair.call(channel, CANCEL)
    expect(pair.eventsOf('consumerEnded')).to.deep.equal([
      { type: 'consumerEnded', consumer, reason: { by: 'client' } },
    ])
    pair.reads = true
    pair.settle()
    expect(pair.settlementOf(token)?.type).to.equal('replied')
    pair.deliver(channel, 't', 2)
    expect(pair.eventsOf('delivered')).to.deep.equal([])
    expect(pair.methods).to.deep.equal(['basic.cancel', 'basic.nack'])
    expect(channel.settle(1, { kind: 'ack', multiple: false }), 'what it has is to be settled').to.equal(true)
  })

  it('asks for the answer on the wire, and keeps its tag until that has come: deliveries may come before it', () => {
    const { pair, channel } = opened()
    pair.consume(channel)
    pair.send(1, CONSUME_OK)
    pair.call(channel, CANCEL)
    const behind = pair.call(channel, purge('b', false))
    const sent = pair.received.at(-1)
    expect(sent?.type === 'method' && sent.method).to.deep.equal({
      name: 'basic.cancel',
      args: { consumerTag: 't', noWait: false },
    })
    pair.deliver(channel, 't', 1)
    expect(pair.methods.at(-1)).to.equal('basic.nack')
    expect(channel.hasConsumer('t')).to.equal(true)
    pair.send(1, { name: 'basic.cancel-ok', args: { consumerTag: 't' } })
    expect(channel.hasConsumer('t')).to.equal(false)
    expect(pair.methods.at(-1)).to.equal('queue.purge')
    pair.send(1, PURGE_OK)
    expect(pair.settlementOf(behind)?.type).to.equal('replied')
    expect(pair.eventsOf('closed')).to.deep.equal([])
  })

  it('is told its end once when the server cancels it too', () => {
    const { pair, channel } = opened()
    pair.consume(channel)
    pair.send(1, CONSUME_OK)
    pair.call(channel, CANCEL)
    pair.send(1, { name: 'basic.cancel', args: { consumerTag: 't', noWait: true } })
    expect(pair.eventsOf('consumerEnded').map(({ reason }) => reason.by)).to.deep.equal(['client'])
  })

  it('leaves its tag to the next one when the server has cancelled it before that was answered', () => {
    const { pair, channel } = opened()
    pair.consume(channel)
    pair.send(1, CONSUME_OK)
    pair.call(channel, CANCEL)
    pair.send(1, { name: 'basic.cancel', args: { consumerTag: 't', noWait: true } })
    const consumer = {}
    pair.consume(channel, { consumer })
    pair.send(1, { name: 'basic.cancel-ok', args: { consumerTag: 't' } })
    pair.send(1, CONSUME_OK)
    expect(channel.hasConsumer('t')).to.equal(true)
    pair.deliver(channel, 't', 1)
    expect(pair.eventsOf('delivered')[0]?.consumer).to.equal(consumer)
    expect(pair.eventsOf('closed')).to.deep.equal([])
  })

  it('ends with its channel without being told twice', () => {
    const { pair, channel } = opened()
    pair.consume(channel)
    pair.send(1, CONSUME_OK)
    pair.call(channel, CANCEL)
    pair.cut()
    expect(pair.eventsOf('consumerEnded')).to.have.length(1)
  })
})
