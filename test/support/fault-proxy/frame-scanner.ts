// Where the frames of an octet stream lie (AMQP 0-9-1 section 4.2.3), in whatever chunks it comes:
//
//   type:1  channel:2  size:4  payload:size  frame-end:1 (0xCE)
//
// A stream may begin with the 8 octets of a protocol header (section 4.2.2). A stream that turns out not to be AMQP is
// "unknown" from there on, for good. Written anew rather than with the codec under test: a proxy that shared its
// mistakes would hide them. It keeps no octets.

export type FramePart = 'type' | 'channel' | 'size' | 'payload' | 'end'

/** A run of octets of one chunk that lie in the same part. */
export interface Segment {
  readonly part: FramePart | 'header' | 'unknown'
  /** Where it lies in the chunk; `end` is exclusive. */
  readonly start: number
  readonly end: number
  /** How many octets of the part came before, in earlier chunks, and how many it has in all. */
  readonly position: number
  readonly length: number
}

const PROTOCOL_HEADER_START = 0x41
const PROTOCOL_HEADER_LENGTH = 8
const FRAME_TYPES: ReadonlySet<number> = new Set([1, 2, 3, 8])
const FRAME_END = 0xce

const PART_AFTER = { type: 'channel', channel: 'size', size: 'payload', payload: 'end', end: 'type' } as const
const PART_LENGTH = { type: 1, channel: 2, size: 4, end: 1 } as const

export class FrameScanner {
  #part: Segment['part'] = 'type'
  #position = 0
  #length = 1
  #size = 0
  #started = false

  /** The parts of the next chunk of the stream, in order and without gaps. */
  scan(chunk: Buffer): Segment[] {
    const segments: Segment[] = []
    let start = 0
    while (start < chunk.length) {
      this.#classify(chunk[start] ?? 0)
      const left = this.#part === 'unknown' ? chunk.length : this.#length - this.#position
      const end = Math.min(chunk.length, start + left)
      segments.push({ part: this.#part, start, end, position: this.#position, length: this.#length })
      if (this.#part === 'size')
        for (const octet of chunk.subarray(start, end)) this.#size = this.#size * 256 + octet
      this.#position += end - start
      start = end
      if (this.#part !== 'unknown' && this.#position === this.#length) this.#nextPart()
    }
    return segments
  }

  /** An octet that cannot stand where it does shows that these are no frames. */
  #classify(octet: number): void {
    if (!this.#started && octet === PROTOCOL_HEADER_START) this.#enter('header', PROTOCOL_HEADER_LENGTH)
    this.#started = true
    const misplaced =
      (this.#part === 'type' && !FRAME_TYPES.has(octet)) || (this.#part === 'end' && octet !== FRAME_END)
    if (misplaced) this.#enter('unknown', Number.POSITIVE_INFINITY)
  }

  #nextPart(): void {
    const next = this.#part === 'header' || this.#part === 'unknown' ? 'type' : PART_AFTER[this.#part]
    if (next === 'type') this.#size = 0
    if (next === 'payload' && this.#size === 0) this.#enter('end', 1)
    else this.#enter(next, next === 'payload' ? this.#size : PART_LENGTH[next])
  }

  #enter(part: Segment['part'], length: number): void {
    this.#part = part
    this.#position = 0
    this.#length = length
  }
}
