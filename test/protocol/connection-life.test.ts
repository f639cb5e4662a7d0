import { expect } from 'chai'
import { ArgumentError } from '../../src/frames/index.js'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import {
  ChannelClosedError,
  CloseTimeoutError,
  ConnectionClosedError,
  ProtocolError,
  TransportError,
  UnconfirmedError,
} from '../../src/protocol/errors.js'
import type { Method } from '../../src/protocol/method-types.js'
import { hex, toHex } from '../support/hex.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

const KIB = 1024
const MIB = 1024 * KIB

const PURGE: Extract<Method, { name: 'queue.purge' }> = {
  name: 'queue.purge',
  args: { queue: 'q', noWait: false },
}
/** 320 CONNECTION_FORCED - bye. */
const CLOSE_320 = hex`01000000000022000a0032014017434f4e4e454354494f4e5f464f52434544202d2062796500000000ce`
const CLOSE_OK = hex`01000000000004000a0033ce`
const DELIVERY = hex`01000100000013003c003c017400000000000000010000026431ce
  02000100000013003c00000000000000000003900003612f6202ce 03000100000003616263ce`
const HEARTBEAT = hex`08000000000000ce`
/** channel.open-ok, on a channel that nobody has opened. */
const FOREIGN_OPEN_OK = hex`010001000000080014000b00000000ce`

function close(pair: ProtocolPair): void {
  pair.run(() => pair.protocol.close(pair.now))
}

function reasonOf(pair: ProtocolPair) {
  const closed = pair.eventsOf('closed')
  expect(closed.length, 'closed events').to.be.at.most(1)
  return closed[0]?.reason
}

function consume(pair: ProtocolPair, channel: ChannelProtocol): void {
  const command = {
    queue: 'q',
    consumerTag: 't',
    prefetch: undefined,
    noAck: false,
    exclusive: false,
    noWait: false,
    arguments: {},
  }
  pair.run(() => channel.consume({ ...command, consumer: {} }, {}, pair.now))
  pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
  pair.forget()
}

/** Everything that could still happen, some of it days later. */
function expectSilence(pair: ProtocolPair): void {
  pair.forget()
  pair.sendOctets(HEARTBEAT)
  pair.sendOctets(DELIVERY)
  pair.sendOctets(hex`00112233`)
  pair.cut(new Error('read ECONNRESET'))
  pair.run(() => pair.protocol.handleWritten(pair.now))
  pair.now += 1_000_000
  pair.cut()
  pair.run(() => pair.protocol.handleSuspension(pair.now))
  pair.run(() => pair.protocol.handleTimeout(pair.now))
  close(pair)
  pair.run(() => pair.protocol.abort({ by: 'client' }))
  expect(pair.protocol.sendHeartbeat()).to.equal(false)
  pair.settle()
  expect(pair.events).to.deep.equal([])
  expect(pair.batches).to.deep.equal([])
  expect(pair.protocol.nextDeadline()).to.equal(Number.POSITIVE_INFINITY)
  expect(pair.protocol.buffered).to.equal(0)
}

describe('ConnectionLife, closed by the application', () => {
  it('sends the close and ends on close-ok', () => {
    const pair = ProtocolPair.opened()
    close(pair)
    expect(pair.protocol.state).to.equal('closing')
    expect(toHex(Buffer.concat(pair.batches.flat()))).to.equal('0100000000000b000a003200c80000000000ce')
    pair.sendOctets(CLOSE_OK)
    expect(reasonOf(pair)).to.deep.equal({ by: 'client' })
    expect(pair.protocol.state).to.equal('closed')
    expectSilence(pair)
  })

  it('discards what comes before close-ok', () => {
    const pair = ProtocolPair.opened()
    consume(pair, pair.openChannel())
    close(pair)
    pair.sendOctets(Buffer.concat([HEARTBEAT, DELIVERY, CLOSE_OK, HEARTBEAT]))
    expect(pair.events.map(({ type }) => type)).to.deep.equal(['consumerEnded', 'channelClosed', 'closed'])
    expect(reasonOf(pair)).to.deep.equal({ by: 'client' })
    expectSilence(pair)
  })

  it('waits for what was issued before: calls, publishes and their confirms', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true, maxUnconfirmed: 1 })
    const tokens = [pair.call(channel, PURGE), pair.publish(channel), pair.publish(channel)]
    close(pair)
    expect(pair.protocol.state).to.equal('draining')
    pair.send(1, { name: 'queue.purge-ok', args: { messageCount: 0 } })
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    expect(pair.protocol.state).to.equal('draining')
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 2, multiple: false } })
    expect(pair.methods).to.deep.equal(['queue.purge', 'basic.publish', 'basic.publish', 'connection.close'])
    pair.sendOctets(CLOSE_OK)
    expect(tokens.map(token => pair.settlementOf(token)?.type)).to.deep.equal([
      'replied',
      'confirmed',
      'confirmed',
    ])
  })

  it('puts what was published on a plain channel in front of the close, however large', () => {
    const pair = ProtocolPair.opened({ limits: { highWaterMark: 100 * KIB } })
    const channel = pair.openChannel()
    pair.reads = false
    for (let count = 0; count < 3; count++) pair.publish(channel, { body: Buffer.alloc(MIB) })
    close(pair)
    pair.reads = true
    pair.settle()
    expect(pair.methods).to.deep.equal([
      'basic.publish',
      'basic.publish',
      'basic.publish',
      'connection.close',
    ])
  })

  it('takes nothing new meanwhile', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    pair.publish(channel)
    close(pair)
    expect(() => pair.protocol.openChannel({}, 1, {}, 0)).to.throw(ConnectionClosedError, /it is closing/)
    expect(() => channel.call(PURGE, {}, 0)).to.throw(ChannelClosedError, /it is closing/)
  })

  it('does not wait for a channel that is being opened', () => {
    const pair = ProtocolPair.opened()
    const token = {}
    pair.run(() => pair.protocol.openChannel({}, 1, token, 0))
    close(pair)
    expect(pair.methods).to.deep.equal(['channel.open', 'connection.close'])
    pair.send(1, { name: 'channel.open-ok', args: {} })
    pair.sendOctets(CLOSE_OK)
    expect(pair.settlementOf(token)?.type).to.equal('failed')
    expect(reasonOf(pair)).to.deep.equal({ by: 'client' })
  })

  it('does not wait for a channel whose close is on its way', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.run(() => channel.close(0))
    close(pair)
    expect(pair.methods).to.deep.equal(['channel.close', 'connection.close'])
  })

  it('may be asked for any number of times, in any state', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    pair.publish(channel)
    for (let count = 0; count < 3; count++) close(pair)
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    for (let count = 0; count < 3; count++) close(pair)
    pair.sendOctets(CLOSE_OK)
    close(pair)
    expect(pair.methods).to.deep.equal(['basic.publish', 'connection.close'])
    expect(reasonOf(pair)).to.deep.equal({ by: 'client' })
  })

  it('has the time of the first request, however often it is asked for', () => {
    const pair = ProtocolPair.opened()
    pair.publish(pair.openChannel({ confirm: true }))
    close(pair)
    pair.advance(3000)
    pair.run(() => pair.protocol.close(pair.now, 60_000))
    pair.advance(1999)
    expect(reasonOf(pair)).to.equal(undefined)
    pair.advance(1)
    expect(reasonOf(pair)?.text).to.match(/^close not completed within 5000 ms/)
  })

  it('lets nothing follow its close that waits behind what is withdrawn, or behind a close of a channel', () => {
    const pair = ProtocolPair.opened()
    const [channel, closing] = [pair.openChannel({ confirm: true }), pair.openChannel({ confirm: true })]
    pair.call(channel, PURGE)
    const queued = pair.call(channel, PURGE)
    pair.publish(channel)
    pair.publish(closing)
    pair.run(() => closing.close(pair.now, 4500))
    close(pair)
    pair.advance(4000)
    expect(pair.methods.at(-1)).to.equal('connection.close')
    pair.withdraw(channel, new Error('not wanted'), queued)
    pair.advance(999)
    expect(pair.methods.at(-1)).to.equal('connection.close')
    pair.advance(1)
    expect(reasonOf(pair)).to.include({ by: 'client' })
  })

  it('ends at once, without a word, while the handshake runs', () => {
    const pair = new ProtocolPair()
    pair.settle()
    close(pair)
    expect(reasonOf(pair)).to.deep.equal({ by: 'client' })
    expect(pair.methods).to.deep.equal([])
    expectSilence(pair)
  })
})

describe('ConnectionLife, a close that cannot be completed', () => {
  it('sends the close after four fifths of the time, ends after all of it, and says what was given up', () => {
    const pair = ProtocolPair.opened({ limits: { closeTimeoutMs: 5000 } })
    const channel = pair.openChannel({ confirm: true })
    const token = pair.publish(channel)
    close(pair)
    pair.advance(3999)
    expect(pair.methods).not.to.include('connection.close')
    pair.advance(1)
    expect(pair.methods).to.include('connection.close')
    pair.advance(999)
    expect(reasonOf(pair)).to.equal(undefined)
    pair.advance(1)
    const reason = reasonOf(pair)
    expect(reason).to.include({ by: 'client' })
    expect(reason?.text).to.match(
      /^close not completed within 5000 ms: 1 publishes unconfirmed, \d+ octets not sent$/,
    )
    expect(reason?.error).to.be.instanceOf(CloseTimeoutError)
    const failed = pair.settlementOf(token)
    expect(failed?.type === 'failed' && failed.error).to.be.instanceOf(UnconfirmedError)
    expectSilence(pair)
  })

  it('says what was given up also when the server does answer the close', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    pair.publish(channel)
    close(pair)
    pair.advance(4500)
    pair.sendOctets(CLOSE_OK)
    expect(reasonOf(pair)?.text).to.match(/^closed before everything was answered: 1 publishes unconfirmed/)
    expect(reasonOf(pair)?.error).to.be.instanceOf(CloseTimeoutError)
  })

  it('ends in time while the broker blocks and does not answer', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    const token = pair.publish(channel)
    close(pair)
    pair.advance(5000)
    expect(reasonOf(pair)?.error).to.be.instanceOf(CloseTimeoutError)
    const failed = pair.settlementOf(token)
    expect(failed?.type === 'failed' && failed.error).to.include({ outcome: 'not-sent' })
  })

  it('ends in time when the socket takes nothing', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.reads = false
    pair.publish(channel, { body: Buffer.alloc(MIB) })
    pair.protocol.pollTransmit(pair.now)
    close(pair)
    pair.advance(5000)
    expect(reasonOf(pair)?.error).to.be.instanceOf(CloseTimeoutError)
  })

  it('lets nothing follow the close but heartbeats', () => {
    const pair = ProtocolPair.opened({ heartbeat: 1, limits: { highWaterMark: 100 * KIB } })
    const channel = pair.openChannel({ confirm: true })
    consume(pair, channel)
    pair.deliver(channel, 't', 1)
    pair.reads = false
    for (let count = 0; count < 5; count++) pair.publish(channel, { body: Buffer.alloc(40 * KIB) })
    pair.call(channel, PURGE)
    close(pair)
    for (let ms = 0; ms < 4000; ms += 500) {
      pair.advance(500)
      pair.sendOctets(HEARTBEAT)
    }
    expect(pair.protocol.state).to.equal('closing')
    pair.reads = true
    expect(channel.settle(1, { kind: 'ack', multiple: false })).to.equal(false)
    pair.run(() => channel.close(pair.now))
    for (const method of ['queue.purge-ok', 'connection.unblocked'] as const) {
      pair.send(method === 'queue.purge-ok' ? 1 : 0, { name: method, args: { messageCount: 0 } } as Method)
    }
    pair.advance(900)
    expect(pair.methods.at(-1)).to.equal('connection.close')
    expect(pair.methods.filter(name => name === 'connection.close')).to.have.length(1)
    const after = pair.received.slice(
      pair.received.findIndex(one => one.type === 'method' && one.channelNumber === 0) + 1,
    )
    expect(after.every(({ type }) => type === 'heartbeat')).to.equal(true)
  })

  it('does not break a large body that is on its way', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.reads = false
    pair.publish(channel, { body: Buffer.alloc(MIB) })
    pair.batches.push(pair.protocol.pollTransmit(pair.now) ?? [])
    close(pair)
    pair.advance(4500)
    expect(pair.protocol.state).to.equal('draining')
    pair.received.push(...pair.peer.receive(Buffer.concat(pair.batches.flat())))
    pair.reads = true
    pair.run(() => pair.protocol.handleWritten(pair.now))
    expect(pair.methods).to.deep.equal(['basic.publish', 'connection.close'])
  })

  it('tells what came in place of close-ok', () => {
    const pair = ProtocolPair.opened()
    close(pair)
    pair.cut(new Error('read ECONNRESET'))
    expect(reasonOf(pair)).to.include({
      by: 'client',
      text: 'connection.close was not answered: closed by the transport: read ECONNRESET',
    })
    expect(reasonOf(pair)?.error).to.be.instanceOf(TransportError)
  })

  it('ends at once, with no second close, when the peer breaks the protocol in place of close-ok', () => {
    const pair = ProtocolPair.opened()
    close(pair)
    expect(pair.methods).to.deep.equal(['connection.close'])
    pair.sendOctets(hex`09000000000000ce`)
    expect(reasonOf(pair)).to.include({ by: 'client' })
    expect(reasonOf(pair)?.text).to.match(
      /^connection.close was not answered: closed by a protocol violation of the peer: 501 /,
    )
    expect(reasonOf(pair)?.error).to.be.instanceOf(ProtocolError)
    expect(pair.methods).to.deep.equal(['connection.close'])
    expectSilence(pair)
  })

  it('takes a method of a channel for a violation on channel 0, also while everything else is discarded', () => {
    const pair = ProtocolPair.opened()
    close(pair)
    pair.send(0, { name: 'connection.blocked', args: { reason: 'discarded' } })
    expect(reasonOf(pair)).to.equal(undefined)
    pair.send(0, { name: 'channel.open-ok', args: {} })
    expect(reasonOf(pair)?.text).to.match(/504 channel.open-ok while closing/)
  })

  it('waits no longer for the socket when the peer goes on breaking the protocol', () => {
    const pair = ProtocolPair.opened()
    pair.reads = false
    for (let times = 0; times < 4; times++) {
      pair.sendOctets(FOREIGN_OPEN_OK)
      pair.advance(300)
    }
    expect(reasonOf(pair)).to.include({ by: 'protocol', code: 504 })
  })

  it('reads nothing more, and sends no heartbeat, while its last method waits for the socket', () => {
    const pair = ProtocolPair.opened()
    pair.reads = false
    for (let times = 0; times < 3; times++) pair.sendOctets(FOREIGN_OPEN_OK)
    expect(pair.protocol.state).to.equal('ending')
    pair.sendOctets(CLOSE_320)
    expect(pair.protocol.sendHeartbeat()).to.equal(false)
    pair.reads = true
    pair.settle()
    expect(pair.received.map(({ type }) => type)).to.deep.equal(['method'])
    expect(pair.methods).to.deep.equal(['connection.close'])
    expect(reasonOf(pair)).to.include({ by: 'protocol', code: 504 })
  })
})

describe('ConnectionLife, closed by the server', () => {
  it('answers, and tells code and text, and no reset that follows', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const token = pair.call(channel, PURGE)
    pair.forget()
    pair.reads = false
    pair.sendOctets(CLOSE_320)
    expect(pair.protocol.state).to.equal('ending')
    expect(pair.settlementOf(token)?.type).to.equal('failed')
    expect(reasonOf(pair)).to.equal(undefined)
    pair.reads = true
    pair.settle()
    expect(toHex(Buffer.concat(pair.batches.flat()))).to.equal(toHex(CLOSE_OK))
    expect(reasonOf(pair)).to.include({ by: 'server', code: 320, text: 'CONNECTION_FORCED - bye' })
    expect(pair.eventsOf('channelClosed')[0]?.reason).to.equal(reasonOf(pair))
    expectSilence(pair)
  })

  it('tells the close also when the reset comes before close-ok is out', () => {
    const pair = ProtocolPair.opened()
    pair.reads = false
    pair.sendOctets(CLOSE_320)
    pair.cut(new Error('write EPIPE'))
    expect(reasonOf(pair)).to.include({ by: 'server', code: 320 })
  })

  it('answers a close that crosses its own, and sends no second one', () => {
    const pair = ProtocolPair.opened()
    close(pair)
    pair.batches.length = 0
    pair.sendOctets(CLOSE_320)
    expect(toHex(Buffer.concat(pair.batches.flat()))).to.equal(toHex(CLOSE_OK))
    expect(reasonOf(pair)).to.include({ by: 'client' })
    expect(reasonOf(pair)?.text).to.include('320 CONNECTION_FORCED - bye')
    expectSilence(pair)
  })

  it('answers while it drains, and what was waited for fails with the reason', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const token = pair.publish(channel)
    close(pair)
    pair.sendOctets(CLOSE_320)
    expect(pair.methods.at(-1)).to.equal('connection.close-ok')
    expect(reasonOf(pair)).to.include({ by: 'server', code: 320 })
    const failed = pair.settlementOf(token)
    expect(failed?.type === 'failed' && failed.error.message).to.match(/may or may not have arrived.*320/)
  })

  it('sends nothing of what waited before close-ok', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    pair.reads = false
    const token = pair.publish(channel, { body: Buffer.alloc(300 * KIB) })
    pair.sendOctets(CLOSE_320)
    pair.reads = true
    pair.settle()
    expect(pair.methods).to.deep.equal(['connection.close-ok'])
    const failed = pair.settlementOf(token)
    expect(failed?.type === 'failed' && failed.error).to.include({ outcome: 'not-sent' })
  })

  it('waits no longer than a second for the socket to take close-ok', () => {
    const pair = ProtocolPair.opened()
    pair.reads = false
    pair.sendOctets(CLOSE_320)
    pair.advance(999)
    expect(reasonOf(pair)).to.equal(undefined)
    pair.advance(1)
    expect(reasonOf(pair)).to.include({ by: 'server', code: 320 })
    expectSilence(pair)
  })

  it('is not ended by a batch that was on its way before close-ok', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.reads = false
    pair.publish(channel)
    pair.protocol.pollTransmit(pair.now)
    pair.sendOctets(CLOSE_320)
    pair.run(() => pair.protocol.handleWritten(pair.now))
    expect(reasonOf(pair)).to.equal(undefined)
    pair.reads = true
    pair.settle()
    expect(reasonOf(pair)).to.include({ by: 'server' })
  })
})

describe('ConnectionLife, other ends', () => {
  for (const [what, error, text] of [
    ['a reset', new Error('read ECONNRESET'), 'read ECONNRESET'],
    ['an end', undefined, 'the peer ended the connection without connection.close'],
  ] as const) {
    it(`tells ${what} of the transport`, () => {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel()
      const token = pair.call(channel, PURGE)
      pair.cut(error)
      expect(reasonOf(pair)).to.include({ by: 'transport', text })
      expect(pair.eventsOf('channelClosed')[0]?.reason).to.equal(reasonOf(pair))
      const failed = pair.settlementOf(token)
      expect(failed?.type === 'failed' && failed.error.cause).to.equal(reasonOf(pair)?.error)
      expectSilence(pair)
    })
  }

  it('ends at once, without a word, when it is aborted', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    pair.reads = false
    const token = pair.publish(channel)
    const error = new Error('aborted')
    pair.run(() => pair.protocol.abort({ by: 'timeout', text: 'aborted', error }))
    pair.reads = true
    pair.settle()
    expect(reasonOf(pair)).to.deep.equal({ by: 'timeout', text: 'aborted', error })
    expect(pair.settlementOf(token)?.type).to.equal('failed')
    expect(pair.received).to.deep.equal([])
    expectSilence(pair)
  })

  for (const bodySize of [20 * KIB, 200 * KIB]) {
    it(`ends when the octets of a body of ${bodySize} are gone, before a wrong octet is out`, () => {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel({ confirm: true })
      pair.reads = false
      const memory = new ArrayBuffer(bodySize)
      const token = pair.publish(channel, { body: Buffer.from(memory) })
      structuredClone(memory, { transfer: [memory] })
      pair.reads = true
      pair.settle()
      expect(reasonOf(pair)).to.include({ by: 'client' })
      expect(reasonOf(pair)?.error).to.be.instanceOf(ArgumentError).with.property('path', 'body')
      expect(pair.settlementOf(token)?.type).to.equal('failed')
      expect(pair.methods).to.deep.equal([])
      expectSilence(pair)
    })
  }

  it('sends nothing when a close times out at the moment a heartbeat is due', () => {
    const pair = ProtocolPair.opened({ heartbeat: 10, limits: { closeTimeoutMs: 5000 } })
    close(pair)
    pair.forget()
    pair.advance(5000)
    expect(pair.events.map(({ type }) => type)).to.deep.equal(['closed'])
    expect(pair.received).to.deep.equal([])
  })
})
