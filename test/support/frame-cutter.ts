// Cuts a stream of octets into frames, and into the protocol headers that may stand in front of them: by their sizes, and
// knowing nothing else of them (AMQP 0-9-1 section 4.2.3).

/** Type, channel and size come before the payload, frame-end after it. */
const FRAME_HEADER = 7
const FRAME_OVERHEAD = 8

/** A protocol header begins with 'A', a frame with its type. */
const LETTER_A = 0x41
const PROTOCOL_HEADER_SIZE = 8

export class FrameCutter {
  #pending = Buffer.alloc(0)

  /** The frames that these octets complete. */
  push(chunk: Buffer): Buffer[] {
    const frames: Buffer[] = []
    this.#pending = Buffer.concat([this.#pending, chunk])
    for (let size = this.#nextSize(); size <= this.#pending.length; size = this.#nextSize()) {
      frames.push(this.#pending.subarray(0, size))
      this.#pending = this.#pending.subarray(size)
    }
    return frames
  }

  #nextSize(): number {
    if (this.#pending[0] === LETTER_A) return PROTOCOL_HEADER_SIZE
    if (this.#pending.length < FRAME_HEADER) return Number.POSITIVE_INFINITY
    return this.#pending.readUInt32BE(3) + FRAME_OVERHEAD
  }
}
