// Where the parts of a content are that comes whole: its method, header and body frame one behind the other, on one channel,
// with all their octets in one chunk (AMQP 0-9-1 section 4.2.6). Nearly every small message comes so, and looking once over
// its three frames is a third of the cost of decoding them one by one. It consumes nothing: whatever is not exactly so,
// broken frames included, is left to the decoder. It knows neither methods nor properties.
//
//   1 | channel | size | method | 206   2 | channel | size | class, weight, body size, properties | 206   3 | channel | size | body | 206

import { CONTENT_HEADER_SIZE, FRAME_END, FRAME_HEADER_SIZE, FRAME_OVERHEAD, FrameType } from './constants.js'

export class WholeContent {
  channelNumber = 0
  /** The payload of the method frame. */
  methodStart = 0
  methodEnd = 0
  /** The payload of the header frame. */
  headerStart = 0
  headerEnd = 0
  bodyStart = 0
  bodyEnd = 0
  /** Behind the last frame-end. */
  end = 0

  /** Whether one begins at `at`. A body of no octets has no frame, and is left to the decoder. */
  find(chunk: Buffer, at: number, frameMax: number): boolean {
    const methodEnd = frameEnd(chunk, at, FrameType.Method, frameMax)
    const headerAt = methodEnd + 1
    const headerEnd = methodEnd === NONE ? NONE : frameEnd(chunk, headerAt, FrameType.Header, frameMax)
    const bodyAt = headerEnd + 1
    const bodyEnd = headerEnd === NONE ? NONE : frameEnd(chunk, bodyAt, FrameType.Body, frameMax)
    if (bodyEnd === NONE || !isSameChannel(chunk, at, headerAt) || !isSameChannel(chunk, at, bodyAt))
      return false
    this.channelNumber = ((chunk[at + 1] as number) << 8) | (chunk[at + 2] as number)
    this.methodStart = at + FRAME_HEADER_SIZE
    this.methodEnd = methodEnd
    this.headerStart = headerAt + FRAME_HEADER_SIZE
    this.headerEnd = headerEnd
    this.bodyStart = bodyAt + FRAME_HEADER_SIZE
    this.bodyEnd = bodyEnd
    this.end = bodyEnd + 1
    return this.#isBodyWhole(chunk)
  }

  /** Whether the header announces the body that is there. */
  #isBodyWhole(chunk: Buffer): boolean {
    const { headerStart, headerEnd, bodyStart, bodyEnd } = this
    if (headerEnd - headerStart < CONTENT_HEADER_SIZE) return false
    const [high, low] = [longAt(chunk, headerStart + 4), longAt(chunk, headerStart + 8)]
    return high === 0 && low === bodyEnd - bodyStart
  }
}

/** There is no whole frame. */
const NONE = -1

/** Where the frame-end stands of the frame of that type that begins at `at`. No octet behind the chunk is looked at: V8 is slow there. */
function frameEnd(chunk: Buffer, at: number, type: FrameType, frameMax: number): number {
  if (at + FRAME_OVERHEAD > chunk.length || chunk[at] !== type) return NONE
  const size = longAt(chunk, at + 3)
  const end = at + FRAME_HEADER_SIZE + size
  if (size > frameMax - FRAME_OVERHEAD || end >= chunk.length) return NONE
  return chunk[end] === FRAME_END ? end : NONE
}

function isSameChannel(chunk: Buffer, one: number, other: number): boolean {
  return chunk[one + 1] === chunk[other + 1] && chunk[one + 2] === chunk[other + 2]
}

function longAt(chunk: Buffer, at: number): number {
  const high = ((chunk[at] as number) << 8) | (chunk[at + 1] as number)
  const low = ((chunk[at + 2] as number) << 8) | (chunk[at + 3] as number)
  return ((high << 16) | low) >>> 0
}
