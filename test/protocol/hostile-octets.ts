// Octets that no honest server sends, put together by hand, and a connection to send them to.

import { expect } from 'chai'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import type { Method, MethodArgs } from '../../src/protocol/method-types.js'
import type { Received } from '../support/peer/peer-codec.js'
import { type PairOptions, ProtocolPair } from '../support/peer/protocol-pair.js'
import type { PeerTune } from '../support/peer/scripted-peer.js'

export const CONSUMER_TAG = 't'

/** A frame, with a size that may lie. */
export function frame(type: number, channelNumber: number, payload: Buffer, size = payload.length): Buffer {
  return Buffer.concat([frameHeader(type, channelNumber, size), payload, Buffer.from([0xce])])
}

/** The seven octets before a payload. */
export function frameHeader(type: number, channelNumber: number, size: number): Buffer {
  const header = Buffer.alloc(7)
  header.writeUInt8(type, 0)
  header.writeUInt16BE(channelNumber, 1)
  header.writeUInt32BE(size, 3)
  return header
}

/** A content header frame. `properties`: flags and list. */
export function contentHeader(
  channelNumber: number,
  bodySize: number | bigint,
  properties: Buffer = Buffer.from([0, 0]),
): Buffer {
  const fixed = Buffer.alloc(12)
  fixed.writeUInt16BE(60, 0)
  fixed.writeBigUInt64BE(BigInt(bodySize), 4)
  return frame(2, channelNumber, Buffer.concat([fixed, properties]))
}

/** Flags and list of properties that have nothing but headers. */
export function headersOnly(table: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x20, 0x00]), table])
}

/** A table or array inside itself, so many deep, as the value of the one field of a table. */
export function nested(kind: 'tables' | 'arrays', depth: number): Buffer {
  const name = Buffer.from([1, 0x61])
  const around = kind === 'tables' ? Buffer.concat([name, Buffer.from('F')]) : Buffer.from('A')
  const pieces: Buffer[] = []
  const step = around.length + 4
  for (let level = depth - 2; level >= 0; level--) pieces.push(around, uint32(level * step))
  const first = pieces.length === 0 ? Buffer.alloc(0) : Buffer.concat(pieces)
  const content = kind === 'tables' ? first : Buffer.concat([depth > 1 ? name : Buffer.alloc(0), first])
  return Buffer.concat([uint32(content.length), content])
}

function uint32(value: number): Buffer {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(value)
  return octets
}

export function deliverArgs(deliveryTag: number): MethodArgs<'basic.deliver'> {
  return { consumerTag: CONSUMER_TAG, deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
}

/** A connection, a channel that consumes on it, and another that nothing may happen to. */
export function consuming(
  options: PairOptions & { tune?: PeerTune } = {},
): ProtocolPair & { readonly channel: ChannelProtocol; readonly other: ChannelProtocol } {
  const pair = ProtocolPair.opened(options)
  const [channel, other] = [pair.openChannel(), pair.openChannel()]
  pair.consume(channel, { consumerTag: CONSUMER_TAG, noAck: true })
  pair.send(channel.number, { name: 'basic.consume-ok', args: { consumerTag: CONSUMER_TAG } })
  pair.forget()
  return Object.assign(pair, { channel, other })
}

/** The method frame in front of a delivery's content. */
export function deliverFrame(pair: ProtocolPair, deliveryTag = 1): Buffer {
  return pair.peer.method(1, { name: 'basic.deliver', args: deliverArgs(deliveryTag) })
}

/** A connection that has received Start or not, and nothing else. */
export function handshaking(phase: 'start' | 'tune'): ProtocolPair {
  const pair = new ProtocolPair()
  pair.settle()
  if (phase === 'tune') pair.send(0, start())
  pair.forget()
  return pair
}

export function start(): Method {
  const version = { versionMajor: 0, versionMinor: 9, serverProperties: {} }
  const args = { ...version, mechanisms: Buffer.from('PLAIN'), locales: Buffer.from('en_US') }
  return { name: 'connection.start', args }
}

/** The one Connection.Close that told the peer what it did wrong, and the end with it. Undefined when there was none. */
export function closeSent(pair: ProtocolPair): MethodArgs<'connection.close'> | undefined {
  const closes = pair.received.flatMap((one: Received) =>
    one.type === 'method' && one.method.name === 'connection.close' ? [one.method.args] : [],
  )
  expect(closes.length, 'closes').to.be.at.most(1)
  return closes[0]
}

/** The peer broke the protocol, is told so with this code, and it is the end. */
export function expectRefused(pair: ProtocolPair, replyCode: number, text: RegExp): void {
  const { state, reason } = pair.protocol
  expect(reason, String(reason?.text)).to.include({ by: 'protocol', code: replyCode })
  expect(reason?.text).to.match(text)
  expect(reason?.error).to.include({ code: 'AMQP_PROTOCOL', replyCode })
  expect(closeSent(pair)?.replyCode, 'what the peer is told').to.equal(replyCode)
  expect(state).to.equal('closed')
  expect(pair.eventsOf('closed')).to.have.length(1)
  expect(pair.protocol.nextDeadline()).to.equal(Number.POSITIVE_INFINITY)
}

/** As {@link expectRefused}, before the connection was open: nobody would answer a close there. */
export function expectRefusedInHandshake(pair: ProtocolPair, replyCode: number, text: RegExp): void {
  const { state, reason } = pair.protocol
  expect(reason).to.include({ by: 'protocol', code: replyCode })
  expect(reason?.error).to.include({ code: 'AMQP_CONNECT' })
  expect(reason?.error?.message).to.match(text)
  expect(closeSent(pair)).to.equal(undefined)
  expect(state).to.equal('closed')
}
