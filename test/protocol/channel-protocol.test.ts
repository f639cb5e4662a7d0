import { expect } from 'chai'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import { ChannelClosedError, CloseTimeoutError } from '../../src/protocol/errors.js'
import type { Method } from '../../src/protocol/method-types.js'
import { hex, toHex } from '../support/hex.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

const KIB = 1024
const MIB = 1024 * KIB

/** 406, unknown delivery tag 9, caused by basic.ack. */
const CLOSE_406 = hex`010001000000370014002801962c505245434f4e444954494f4e5f4641494c4544202d20756e6b6e6f776e2064656c69
  766572792074616720 39003c0050ce`
const CLOSE_OK = '0100010000000400140029ce'
const DELIVERY = hex`01000100000013003c003c017400000000000000010000026431ce
  02000100000013003c00000000000000000003900003612f6202ce 03000100000003616263ce`

const PURGE: Extract<Method, { name: 'queue.purge' }> = {
  name: 'queue.purge',
  args: { queue: 'q', noWait: false },
}

function octetsOf(pair: ProtocolPair): string {
  return toHex(Buffer.concat(pair.batches.flat()))
}

function closeOk(pair: ProtocolPair, channelNumber = 1): void {
  pair.send(channelNumber, { name: 'channel.close-ok', args: {} })
}

function consume(pair: ProtocolPair, channel: ChannelProtocol, consumer: object = {}): void {
  const command = {
    queue: 'q',
    consumerTag: 't',
    prefetch: undefined,
    noAck: false,
    exclusive: false,
    noWait: false,
    arguments: {},
  }
  pair.run(() => channel.consume({ ...command, consumer }, {}, pair.now))
  pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
  pair.forget()
}

describe('ChannelProtocol, opening', () => {
  it('sends channel.open with a reserved short string, and is open on open-ok', () => {
    const pair = ProtocolPair.opened()
    const [owner, token] = [{}, {}]
    const channel = pair.run(() => pair.protocol.openChannel(owner, 1, token, 0))
    expect(octetsOf(pair)).to.equal('01000100000005 0014000a 00 ce'.replaceAll(' ', ''))
    expect(channel).to.include({ number: 1, state: 'opening', owner })
    pair.sendOctets(hex`010001000000080014000b00000000ce`)
    expect(channel.state).to.equal('open')
    expect(pair.settlementOf(token)?.type).to.equal('replied')
  })

  it('takes no command before it is open, and says which', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.run(() => pair.protocol.openChannel({}, 1, {}, 0))
    for (const [method, command] of [
      ['queue.purge', () => channel.call(PURGE, {}, 0)],
      ['basic.publish', () => pair.publish(channel)],
      ['basic.consume', () => pair.consume(channel)],
    ] as const) {
      expect(command).to.throw(ChannelClosedError).with.property('method', method)
    }
    expect(() => channel.awaitConfirms({}, 0)).to.throw(ChannelClosedError)
  })

  it('knows of no confirms to wait for on a plain channel', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    expect(() => channel.awaitConfirms({}, 0))
      .to.throw('channel is not in confirm mode: nothing confirms its publishes')
      .with.property('path', 'channel')
  })

  it('fails when the server closes it, and the number is free', () => {
    const pair = ProtocolPair.opened()
    const token = {}
    pair.run(() => pair.protocol.openChannel({}, 1, token, 0))
    pair.sendOctets(CLOSE_406)
    expect(pair.settlementOf(token)?.type).to.equal('failed')
    expect(pair.eventsOf('channelClosed')[0]?.reason).to.include({ by: 'server', code: 406 })
    expect(pair.methods).to.deep.equal(['channel.open', 'channel.close-ok'])
  })

  it('fails when there is no answer, closes the channel, and forgives a late one', () => {
    const pair = ProtocolPair.opened()
    const token = {}
    pair.run(() => pair.protocol.openChannel({}, 1, token, 0))
    pair.advance(20_000)
    const event = pair.settlementOf(token)
    expect(event?.type === 'failed' && event.error.message).to.equal('channel.open: no reply within 20000 ms')
    expect(pair.methods).to.deep.equal(['channel.open', 'channel.close'])
    pair.send(1, { name: 'channel.open-ok', args: {} })
    closeOk(pair)
    expect(pair.eventsOf('closed')).to.deep.equal([])
  })

  it('is closed at once when that is wanted before it is open', () => {
    const pair = ProtocolPair.opened()
    const token = {}
    const channel = pair.run(() => pair.protocol.openChannel({}, 1, token, 0))
    pair.run(() => channel.close(0))
    expect(pair.methods).to.deep.equal(['channel.open', 'channel.close'])
    pair.send(1, { name: 'channel.open-ok', args: {} })
    closeOk(pair)
    expect(pair.settlementOf(token)?.type).to.equal('failed')
    expect(pair.eventsOf('channelClosed')).to.have.length(1)
  })
})

describe('ChannelProtocol, closed by the server', () => {
  it('answers once, fails what waits with code and culprit, and leaves other channels alone', () => {
    const pair = ProtocolPair.opened()
    const [channel, other] = [pair.openChannel(), pair.openChannel()]
    const token = pair.call(channel, PURGE)
    pair.batches.length = 0
    pair.sendOctets(CLOSE_406)
    expect(octetsOf(pair)).to.equal(CLOSE_OK)
    const [closed] = pair.eventsOf('channelClosed')
    expect(closed?.channel).to.equal(channel.owner)
    expect(closed?.reason).to.include({
      by: 'server',
      code: 406,
      text: 'PRECONDITION_FAILED - unknown delivery tag 9',
      classId: 60,
      methodId: 80,
      method: 'basic.ack',
    })
    const failed = pair.settlementOf(token)
    const error = failed?.type === 'failed' ? failed.error : undefined
    expect(error).to.be.instanceOf(ChannelClosedError).and.include({ replyCode: 406, channelNumber: 1 })
    expect(error?.cause).to.equal(closed?.reason.error)
    expect(channel.reason).to.equal(closed?.reason)
    expect(pair.eventsOf('closed')).to.deep.equal([])
    const answered = pair.call(other, PURGE)
    pair.send(2, { name: 'queue.purge-ok', args: { messageCount: 0 } })
    expect(pair.settlementOf(answered)?.type).to.equal('replied')
  })

  it('refuses every command with the reason', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.sendOctets(CLOSE_406)
    pair.forget()
    expect(() => channel.call(PURGE, {}, 0)).to.throw(ChannelClosedError, /406 PRECONDITION_FAILED/)
    const message = { exchange: '', routingKey: '', mandatory: false, properties: {}, body: Buffer.alloc(0) }
    expect(() => channel.publish(message, {}, 0)).to.throw(ChannelClosedError)
    const consumer = {
      queue: '',
      consumerTag: '',
      prefetch: 1,
      noAck: false,
      exclusive: false,
      noWait: false,
      arguments: {},
      consumer: {},
    }
    expect(() => channel.consume(consumer, {}, 0)).to.throw(ChannelClosedError)
    channel.close(0)
    pair.advance(100_000)
    expect(pair.methods).to.deep.equal([])
    expect(pair.events).to.deep.equal([])
  })

  it('gives its number to the next channel, which starts from nothing', () => {
    const pair = ProtocolPair.opened({ channelMax: 1 })
    const channel = pair.openChannel({ confirm: true })
    consume(pair, channel)
    pair.deliver(channel, 't', 1)
    pair.publish(channel)
    pair.sendOctets(CLOSE_406)
    const next = pair.openChannel()
    expect(next.number).to.equal(1)
    expect(next.confirming).to.equal(false)
    expect(next.hasConsumer('t')).to.equal(false)
    expect(next.stateOf(1)).to.equal('settled')
    consume(pair, next)
    pair.deliver(next, 't', 1)
    expect(next.stateOf(1)).to.equal('unsettled')
    expect(channel.settle(1, { kind: 'ack', multiple: false }), 'of the life before').to.equal(false)
  })
})

describe('ChannelProtocol, closing', () => {
  it('sends the close, discards what comes, contents too, and ends on close-ok', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel)
    pair.run(() => channel.close(0))
    expect(octetsOf(pair)).to.equal('0100010000000b00140028 00c8 00 0000 0000ce'.replaceAll(' ', ''))
    expect(channel.state).to.equal('closing')
    pair.sendOctets(DELIVERY)
    pair.send(1, { name: 'basic.cancel', args: { consumerTag: 't', noWait: true } })
    pair.sendOctets(Buffer.concat([DELIVERY, Buffer.from(CLOSE_OK, 'hex')]))
    expect(pair.events.map(({ type }) => type)).to.deep.equal(['consumerEnded', 'channelClosed'])
    expect(pair.eventsOf('channelClosed')[0]?.reason).to.deep.equal({ by: 'client' })
    expect(channel.state).to.equal('closed')
  })

  it('finishes a content that was begun before the close', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel)
    pair.sendOctets(DELIVERY.subarray(0, 40))
    pair.run(() => channel.close(0))
    pair.sendOctets(DELIVERY.subarray(40))
    closeOk(pair)
    expect(pair.eventsOf('delivered')).to.deep.equal([])
    expect(pair.eventsOf('channelClosed')).to.have.length(1)
  })

  it('closes the connection (505) for a method inside a content, also while it closes', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel)
    pair.run(() => channel.close(0))
    pair.sendOctets(DELIVERY.subarray(0, 27))
    closeOk(pair)
    expect(pair.eventsOf('closed')[0]?.reason).to.include({ by: 'protocol', code: 505 })
  })

  it('may be asked for any number of times', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    for (let count = 0; count < 3; count++) pair.run(() => channel.close(0))
    closeOk(pair)
    pair.run(() => channel.close(0))
    expect(pair.methods).to.deep.equal(['channel.close'])
    expect(pair.eventsOf('channelClosed')).to.have.length(1)
  })

  it('waits for what was issued before it, and for its confirms, and takes nothing new', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true, maxUnconfirmed: 1 })
    const calls = [pair.call(channel, PURGE), pair.call(channel, PURGE)]
    const publishes = [pair.publish(channel), pair.publish(channel)]
    pair.run(() => channel.close(0))
    expect(channel.state).to.equal('draining')
    expect(() => channel.call(PURGE, {}, 0)).to.throw(ChannelClosedError, /it is closing/)
    pair.send(1, { name: 'queue.purge-ok', args: { messageCount: 0 } })
    pair.send(1, { name: 'queue.purge-ok', args: { messageCount: 0 } })
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    expect(pair.methods.at(-1)).to.equal('basic.publish')
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 2, multiple: false } })
    expect(pair.methods.at(-1)).to.equal('channel.close')
    closeOk(pair)
    expect([...calls, ...publishes].map(token => pair.settlementOf(token)?.type)).to.deep.equal([
      'replied',
      'replied',
      'confirmed',
      'confirmed',
    ])
  })

  it('gives up after the close timeout and says what', () => {
    const pair = ProtocolPair.opened({ limits: { closeTimeoutMs: 5000 } })
    const channel = pair.openChannel({ confirm: true })
    const publishes = [pair.publish(channel), pair.publish(channel)]
    pair.run(() => channel.close(0))
    pair.advance(4999)
    expect(pair.eventsOf('channelClosed')).to.deep.equal([])
    pair.advance(1)
    const [closed] = pair.eventsOf('channelClosed')
    expect(closed?.reason).to.include({
      by: 'client',
      text: 'not closed within 5000 ms; 2 publishes unconfirmed',
    })
    expect(closed?.reason.error).to.be.instanceOf(CloseTimeoutError)
    for (const token of publishes) expect(pair.settlementOf(token)?.type).to.equal('failed')
    expect(pair.methods.at(-1)).to.equal('channel.close')
    closeOk(pair)
    expect(pair.eventsOf('channelClosed')).to.have.length(1)
    expect(pair.eventsOf('closed')).to.deep.equal([])
  })

  it('gives up waiting for close-ok too, and keeps the number until it comes', () => {
    const pair = ProtocolPair.opened({ channelMax: 1 })
    const channel = pair.openChannel()
    pair.run(() => channel.close(0))
    pair.advance(5000)
    expect(pair.eventsOf('channelClosed')[0]?.reason.error).to.be.instanceOf(CloseTimeoutError)
    expect(() => pair.protocol.openChannel({}, 1, {}, pair.now)).to.throw(/all 1 channels/)
    closeOk(pair)
    expect(pair.protocol.openChannel({}, 1, {}, pair.now).number).to.equal(1)
  })

  it("answers a close of the server's that crosses it, and waits for close-ok to its own", () => {
    const pair = ProtocolPair.opened({ channelMax: 1 })
    const channel = pair.openChannel()
    pair.run(() => channel.close(0))
    pair.batches.length = 0
    pair.sendOctets(CLOSE_406)
    expect(octetsOf(pair)).to.equal(CLOSE_OK)
    expect(pair.eventsOf('channelClosed')[0]?.reason).to.include({ by: 'server', code: 406 })
    expect(() => pair.protocol.openChannel({}, 1, {}, pair.now)).to.throw(/all 1 channels/)
    pair.sendOctets(Buffer.from(CLOSE_OK, 'hex'))
    expect(pair.eventsOf('channelClosed')).to.have.length(1)
    expect(pair.openChannel().number).to.equal(1)
  })

  it('goes behind a large body that is on its way', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.reads = false
    pair.publish(channel, { body: Buffer.alloc(MIB) })
    pair.run(() => channel.close(0))
    pair.reads = true
    pair.settle()
    expect(pair.methods).to.deep.equal(['basic.publish', 'channel.close'])
  })
})

describe('ChannelProtocol, messages that are too large', () => {
  it('are skipped and close the channel (311), and the connection goes on', () => {
    const pair = ProtocolPair.opened({ limits: { maxMessageSize: 1000 } })
    const [channel, other] = [pair.openChannel(), pair.openChannel()]
    const consumer = {}
    consume(pair, channel, consumer)
    pair.deliver(channel, 't', 1, Buffer.alloc(1000))
    pair.deliver(channel, 't', 2, Buffer.alloc(1001))
    expect(pair.eventsOf('delivered')).to.have.length(1)
    const [closed] = pair.eventsOf('channelClosed')
    expect(closed?.reason).to.include({
      by: 'protocol',
      code: 311,
      text: 'message body above the limit of 1000 octets',
    })
    expect(closed?.reason.error).to.be.instanceOf(ChannelClosedError)
    expect(pair.eventsOf('consumerEnded')).to.have.length(1)
    const [close] = pair.received
    expect(close?.type === 'method' && close.method.args).to.deep.include({ replyCode: 311 })
    pair.deliver(channel, 't', 3)
    closeOk(pair)
    expect(pair.eventsOf('delivered')).to.have.length(1)
    expect(other.state).to.equal('open')
  })

  it('fail the get that asked for one', () => {
    const pair = ProtocolPair.opened({ limits: { maxMessageSize: 10 } })
    const channel = pair.openChannel()
    const token = pair.call(channel, { name: 'basic.get', args: { queue: 'q', noAck: true } })
    const args = { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
    pair.sendContent(1, { name: 'basic.get-ok', args }, Buffer.alloc(11))
    const event = pair.settlementOf(token)
    expect(event?.type === 'failed' && event.error).to.include({ replyCode: 311 })
  })
})

describe('ChannelProtocol, while it closes', () => {
  const NO_ROUTE = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'none' }

  it('still tells of a message that comes back, and of nothing after its end', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.publish(channel, { mandatory: true })
    pair.run(() => channel.close(pair.now))
    pair.sendContent(1, { name: 'basic.return', args: NO_ROUTE }, Buffer.from('body'))
    expect(pair.eventsOf('returned').map(({ message }) => String(message.body))).to.deep.equal(['body'])
    closeOk(pair)
    expect(pair.eventsOf('channelClosed')).to.have.lengthOf(1)
  })

  it('tells of none when it was given up', () => {
    const pair = ProtocolPair.opened({ limits: { maxMessageSize: 10 } })
    const channel = pair.openChannel()
    pair.call(channel, { name: 'basic.get', args: { queue: 'q', noAck: true } })
    const args = { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
    pair.sendContent(1, { name: 'basic.get-ok', args }, Buffer.alloc(11))
    expect(channel.state).to.equal('closing')
    pair.sendContent(1, { name: 'basic.return', args: NO_ROUTE }, Buffer.from('body'))
    expect(pair.eventsOf('returned')).to.have.lengthOf(0)
  })
})

describe('ChannelProtocol, what the server must not send', () => {
  const misuses: readonly (readonly [what: string, method: Method])[] = [
    ['a second open-ok', { name: 'channel.open-ok', args: {} }],
    ['a close-ok that was not asked for', { name: 'channel.close-ok', args: {} }],
    ['a reply that was not asked for', { name: 'queue.purge-ok', args: { messageCount: 1 } }],
    ['a cancel-ok that was not asked for', { name: 'basic.cancel-ok', args: { consumerTag: 't' } }],
  ]
  for (const [what, method] of misuses) {
    it(`closes the connection (504) for ${what}`, () => {
      const pair = ProtocolPair.opened()
      pair.openChannel()
      pair.send(1, method)
      expect(pair.eventsOf('closed')[0]?.reason).to.include({
        by: 'protocol',
        code: 504,
        method: method.name,
      })
    })
  }

  it('closes the connection (504) for a method before open-ok', () => {
    const pair = ProtocolPair.opened()
    pair.run(() => pair.protocol.openChannel({}, 1, {}, 0))
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    expect(pair.eventsOf('closed')[0]?.reason).to.include({ code: 504 })
  })
})
