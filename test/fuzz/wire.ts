// Frames on the wire, by hand from the specification (4.2.3): what a fuzzer knows of octets must not come from the code that it
// tries. It knows no method.

/** A frame of a stream. */
export interface WireFrame {
  /** Where it begins in the stream. */
  readonly offset: number
  /** All of it: type, channel, size, payload, frame-end. */
  readonly octets: Buffer
}

export const WIRE_METHOD = 1
export const WIRE_HEADER = 2
export const WIRE_BODY = 3
export const WIRE_HEARTBEAT = 8
export const WIRE_FRAME_END = 0xce
/** Type, channel and size. */
export const WIRE_HEADER_SIZE = 7

/** Any frame, also one that nobody may send. */
export function wireFrame(type: number, channelNumber: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(WIRE_HEADER_SIZE)
  header.writeUInt8(type, 0)
  header.writeUInt16BE(channelNumber, 1)
  header.writeUInt32BE(payload.length, 3)
  return Buffer.concat([header, payload, Buffer.from([WIRE_FRAME_END])])
}

/** Finds the frames of a stream that comes in chunks. The stream must be well formed. */
export class WireScanner {
  #rest: Buffer = Buffer.alloc(0)
  #offset = 0

  /** Octets so far that belong to frames that are not complete. */
  get unfinished(): Buffer {
    return this.#rest
  }

  /** The frames that the chunk completes. */
  push(chunk: Buffer): WireFrame[] {
    const frames: WireFrame[] = []
    let rest = Buffer.concat([this.#rest, chunk])
    for (let size = sizeOf(rest); size <= rest.length; size = sizeOf(rest)) {
      frames.push({ offset: this.#offset, octets: rest.subarray(0, size) })
      rest = rest.subarray(size)
      this.#offset += size
    }
    this.#rest = rest
    return frames
  }
}

/** The frames of octets that consist of whole frames. */
export function wireFramesIn(octets: Buffer): Buffer[] {
  return new WireScanner().push(octets).map(frame => frame.octets)
}

/** Octets of the frame that begins here, as far as that can be told. */
function sizeOf(octets: Buffer): number {
  if (octets.length < WIRE_HEADER_SIZE) return Number.POSITIVE_INFINITY
  return WIRE_HEADER_SIZE + octets.readUInt32BE(3) + 1
}
