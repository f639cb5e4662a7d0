// Frames around what a writer holds: AMQP 0-9-1 section 4.2.3. The size is patched in when the payload is
// complete, so nothing is encoded twice or copied. It does not know what a payload means.

import { ArgumentError } from './argument-error.js'
import type { ArgumentPath } from './argument-path.js'
import type { ByteWriter } from './byte-writer.js'
import { FRAME_END, FRAME_OVERHEAD, FrameType, SIZE_OFFSET } from './constants.js'

/** Begins a frame; the payload is written next. Returns what `endFrame` needs. */
export function beginFrame(writer: ByteWriter, type: FrameType, channelNumber: number): number {
  const offset = writer.length
  writeFrameHeader(writer, type, channelNumber, 0)
  return offset
}

/** What goes before a payload of known size, also one sent by reference; a frame-end must follow it. */
export function writeFrameHeader(
  writer: ByteWriter,
  type: FrameType,
  channelNumber: number,
  size: number,
): void {
  writer.octet(type)
  writer.short(channelNumber)
  writer.long(size)
}

/**
 * Ends the frame begun at `offset`. Method and header frames cannot be split, so one beyond `frameMax`
 * (octets, the whole frame) is refused here: RabbitMQ would close the connection. `path` is the argument to
 * blame for the size.
 */
export function endFrame(writer: ByteWriter, offset: number, frameMax: number, path: ArgumentPath): void {
  writer.octet(FRAME_END)
  const size = writer.length - offset
  if (size > frameMax) {
    throw new ArgumentError(path, `must fit one frame: it makes ${size} octets, frame-max is ${frameMax}`)
  }
  writer.patchLong(offset + SIZE_OFFSET, size - FRAME_OVERHEAD)
}

/**
 * Copies a body into as few frames as `frameMax` allows. An empty body has no frame at all: RabbitMQ answers
 * an empty body frame behind a header that announced nothing with 505.
 */
export function writeBodyFrames(
  writer: ByteWriter,
  channelNumber: number,
  body: Uint8Array,
  frameMax: number,
): void {
  const payloadMax = frameMax - FRAME_OVERHEAD
  for (let start = 0; start < body.length; start += payloadMax) {
    const size = Math.min(payloadMax, body.length - start)
    writeFrameHeader(writer, FrameType.Body, channelNumber, size)
    writer.bytes(size === body.length ? body : body.subarray(start, start + size))
    writer.octet(FRAME_END)
  }
}
