// Octets -> frame boundaries. Looks at seven octets of each frame and skips the rest; what it gives is lent. A method or
// header frame that was split over chunks is put together first, bodies never are.

import { FRAME_HEADER, FRAME_OVERHEAD, FrameType } from './wire.js'

/** Where the payload of a method or header frame lies. A body has only its size: its octets are not looked at. */
export interface FrameSink {
  receiveMethod(octets: Buffer, at: number): void
  receiveHeader(octets: Buffer, at: number): void
  receiveBody(size: number): void
}

export class FrameScanner {
  readonly #sink: FrameSink
  /** The beginning of a frame that the last chunk did not have whole. */
  #carried: Buffer = Buffer.alloc(0)
  /** A body frame whose end is still to come: its size, and how many octets are left of it. */
  #bodySize = 0
  #bodyLeft = 0

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  scan(chunk: Buffer): void {
    let octets = chunk
    let at = 0
    if (this.#bodyLeft > 0) {
      at = Math.min(this.#bodyLeft, chunk.length)
      this.#bodyLeft -= at
      if (this.#bodyLeft > 0) return
      this.#sink.receiveBody(this.#bodySize)
    } else if (this.#carried.length > 0) {
      octets = Buffer.concat([this.#carried, chunk])
      this.#carried = Buffer.alloc(0)
    }
    const end = octets.length
    while (end - at >= FRAME_HEADER) {
      const type = octets[at] as number
      const size = octets.readUInt32BE(at + 3)
      const next = at + size + FRAME_OVERHEAD
      if (type === FrameType.Body) {
        if (next > end) {
          this.#bodySize = size
          this.#bodyLeft = next - end
          return
        }
        this.#sink.receiveBody(size)
      } else if (next > end) break
      else if (type === FrameType.Method) this.#sink.receiveMethod(octets, at + FRAME_HEADER)
      else if (type === FrameType.Header) this.#sink.receiveHeader(octets, at + FRAME_HEADER)
      at = next
    }
    // The chunk is lent: what is kept of it is copied.
    if (at < end) this.#carried = Buffer.from(octets.subarray(at))
  }
}
