// Commands -> whole frames: a method frame, and for a publish its content header frame too. Everything is written, and
// thereby validated, before the first octet can leave; what throws is rolled back by the slab's owner.

import {
  ByteWriter,
  beginFrame,
  CONTENT_HEADER_SIZE,
  endFrame,
  FRAME_END,
  FRAME_HEADER_SIZE,
  FRAME_OVERHEAD,
  FrameType,
  keepOctets,
  PROTOCOL_HEADER,
  writeFrameHeader,
} from '../frames/index.js'
import { CONTENT_CLASS_ID } from './content.js'
import { writeMethod } from './method-codec.js'
import type { Method, MethodOf } from './method-types.js'
import { type MethodName, methodRow } from './methods.js'
import { type PublishProperties, writeProperties } from './properties.js'

/** Writes a command for a channel, in frames of at most `frameMax` octets. Returns how many frames. */
export type Encode<T> = (writer: ByteWriter, channelNumber: number, frameMax: number, value: T) => number

/** A message on its way out. */
export interface Publishing {
  readonly exchange: string
  readonly routingKey: string
  readonly mandatory: boolean
  readonly properties: PublishProperties
  readonly body: Buffer
}

export type SettlementMethod = MethodOf<'basic.ack' | 'basic.nack' | 'basic.reject'>

/** The octets a client begins with (spec 4.2.2); not a frame. */
export const encodeProtocolHeader: Encode<undefined> = writer => {
  writer.bytes(PROTOCOL_HEADER)
  return 0
}

export const encodeMethodFrame: Encode<Method> = (writer, channelNumber, frameMax, method) => {
  const frame = beginFrame(writer, FrameType.Method, channelNumber)
  writeMethod(writer, method.name, method.args)
  endFrame(writer, frame, frameMax, method.name)
  return 1
}

/** basic.publish and its content header. The body is the outbound's affair: large ones are not copied. */
export const encodePublish: Encode<Publishing> = (writer, channelNumber, frameMax, publishing) => {
  const { exchange, routingKey, mandatory } = publishing
  const frame = beginFrame(writer, FrameType.Method, channelNumber)
  writer.long(PUBLISH_ID)
  writer.short(0)
  writer.shortstr(exchange, 'exchange')
  writer.shortstr(routingKey, 'routingKey')
  writer.octet(mandatory ? MANDATORY : 0)
  endFrame(writer, frame, frameMax, 'basic.publish')
  return 1 + encodeContentHeader(writer, channelNumber, frameMax, publishing)
}

// By hand what writeMethod does by table, for the one method that is sent in millions; a property pins it to the table.
const PUBLISH_ID = idOf('basic.publish')
const MANDATORY = 0x01

/** Ack, nack or reject: by hand, as one comes with each delivery. */
export const encodeSettlement: Encode<SettlementMethod> = (writer, channelNumber, _frameMax, method) => {
  const { name, args } = method
  writeFrameHeader(writer, FrameType.Method, channelNumber, SETTLEMENT_SIZE)
  writer.long(SETTLEMENT_IDS[name])
  writer.longlong(args.deliveryTag)
  const requeue = 'requeue' in args && args.requeue
  if (name === 'basic.reject') writer.octet(requeue ? 1 : 0)
  else writer.octet((args.multiple ? 1 : 0) | (requeue ? 2 : 0))
  writer.octet(FRAME_END)
  return 1
}

/** Octets of the payload: ids, delivery tag, bits. */
const SETTLEMENT_SIZE = 4 + 8 + 1
const SETTLEMENT_IDS: Readonly<Record<SettlementMethod['name'], number>> = Object.freeze({
  'basic.ack': idOf('basic.ack'),
  'basic.nack': idOf('basic.nack'),
  'basic.reject': idOf('basic.reject'),
})

/** Class and method id in one, as they stand in front of the arguments. */
function idOf(name: MethodName): number {
  const { classId, methodId } = methodRow(name)
  return (classId << 16) | methodId
}

/** A content header frame: class, weight 0, body size, properties. */
export const encodeContentHeader: Encode<{
  readonly properties: PublishProperties
  readonly body: Buffer
}> = (writer, channelNumber, frameMax, content) => {
  const frame = beginFrame(writer, FrameType.Header, channelNumber)
  writer.short(CONTENT_CLASS_ID)
  writer.short(0)
  writer.longlong(content.body.length)
  writeProperties(writer, content.properties)
  // The other properties together fit the smallest frame.
  endFrame(writer, frame, frameMax, 'options.headers')
  return 1
}

/** A method frame that was encoded ahead. */
export const copyMethodFrame: Encode<Uint8Array> = (writer, _channelNumber, _frameMax, frame) => {
  writer.bytes(frame)
  return 1
}

/** basic.publish and its content header, encoded ahead. */
export const copyPublish: Encode<Uint8Array> = (writer, _channelNumber, _frameMax, frames) => {
  writer.bytes(frames)
  return 2
}

/** Encodes a command now that goes out later, so that its arguments are validated where they were given. */
export function encodeAhead<T>(encode: Encode<T>, channelNumber: number, frameMax: number, value: T): Buffer {
  // A getter in a table that publishes comes back here, in the middle of a command.
  const writer = scratch.length === 0 ? scratch : new ByteWriter()
  try {
    encode(writer, channelNumber, frameMax, value)
    const written = writer.written()
    return keepOctets(written, 0, written.length)
  } finally {
    writer.rollback()
    // A command that was refused for its size may have made it any size.
    if (scratch.capacity > SCRATCH_MAX) scratch = new ByteWriter()
  }
}

/** Memory of its own for each command that waits would cost more than encoding it. */
let scratch = new ByteWriter()
/** Octets that are kept for the next command. */
const SCRATCH_MAX = 64 * 1024

/** Property flags and list as they stand in an encoded basic.publish: encoding them again could give others. */
export function propertyOctetsIn(publish: Buffer): Buffer {
  const methodFrame = publish.readUInt32BE(FRAME_HEADER_SIZE - 4) + FRAME_OVERHEAD
  return publish.subarray(methodFrame + FRAME_HEADER_SIZE + CONTENT_HEADER_SIZE, publish.length - 1)
}
