// Header and body frames of a content whose property octets are handed on as they came (spec 4.2.6), written by hand: a broker
// does not know what the properties say.

import type { Message } from './broker-queue.js'

const HEADER = 2
const BODY = 3
const FRAME_END = Buffer.from([0xce])
const FRAME_OVERHEAD = 8
const CLASS_BASIC = 60

/** The frames of a content behind its method. */
export function contentFrames(
  channelNumber: number,
  { propertyOctets, body }: Pick<Message, 'propertyOctets' | 'body'>,
  frameMax: number,
): Buffer[] {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(CLASS_BASIC, 0)
  header.writeBigUInt64BE(BigInt(body.length), 4)
  const frames = frame(HEADER, channelNumber, Buffer.concat([header, propertyOctets]))
  for (let offset = 0; offset < body.length; offset += frameMax - FRAME_OVERHEAD)
    frames.push(...frame(BODY, channelNumber, body.subarray(offset, offset + frameMax - FRAME_OVERHEAD)))
  return frames
}

function frame(type: number, channelNumber: number, payload: Buffer): Buffer[] {
  const head = Buffer.alloc(7)
  head.writeUInt8(type, 0)
  head.writeUInt16BE(channelNumber, 1)
  head.writeUInt32BE(payload.length, 3)
  return [head, payload, FRAME_END]
}
