// Commands -> whole frames: a method frame, and for a publish its content header frame too. Everything is written, and
// thereby validated, before the first octet can leave; what throws is rolled back by the slab's owner.

import {
  ByteWriter,
  beginFrame,
  endFrame,
  FRAME_HEADER_SIZE,
  FRAME_OVERHEAD,
  FrameType,
  PROTOCOL_HEADER,
} from '../frames/index.js'
import { CONTENT_CLASS_ID } from './content.js'
import { writeMethod } from './method-codec.js'
import type { Method } from './method-types.js'
import { METHODS } from './methods.js'
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
const { classId, methodId } = METHODS['basic.publish']
const PUBLISH_ID = (classId << 16) | methodId
const MANDATORY = 0x01

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
  const writer = new ByteWriter()
  writer.begin()
  encode(writer, channelNumber, frameMax, value)
  return writer.written()
}

/** Octets of a content header's payload before the properties: class, weight, body size. */
const FIXED_HEADER_SIZE = 12

/** Property flags and list as they stand in an encoded basic.publish: encoding them again could give others. */
export function propertyOctetsIn(publish: Buffer): Buffer {
  const methodFrame = publish.readUInt32BE(FRAME_HEADER_SIZE - 4) + FRAME_OVERHEAD
  return publish.subarray(methodFrame + FRAME_HEADER_SIZE + FIXED_HEADER_SIZE, publish.length - 1)
}
