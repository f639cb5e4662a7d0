// Where the frames of some octets are: AMQP 0-9-1 section 4.2.3, read as plainly as it stands there. The decoder is held
// against it, and mutations cut at its edges. It shares nothing with what it is held against.
//
//   type 1 | channel 2 | size 4 | payload ... | frame-end 1

export const FRAME_END = 0xce
export const HEADER_SIZE = 7
const OVERHEAD = 8
const HEARTBEAT = 8
/** Octets of the longest input. */
export const MOST_OCTETS = 8192

export class FrameMap {
  /** Whole frames that are good. */
  count = 0
  /** Where each of them begins, and one more: where the last one ends. */
  readonly starts: Int32Array
  /** What is behind them: nothing, a frame that goes on, or octets that make none. */
  rest: 'nothing' | 'partial' | 'refused' = 'nothing'
  /** Headers that are complete and good, with that of a frame whose end is missing or wrong. */
  headers = 0

  constructor(mostOctets = MOST_OCTETS) {
    this.starts = new Int32Array(mostOctets / OVERHEAD + 1)
  }

  /** Reads the first `length` octets. */
  read(octets: Buffer, length: number, frameMax: number): void {
    this.count = 0
    this.headers = 0
    this.starts[0] = 0
    while (this.#readFrame(octets, length, frameMax)) this.count++
  }

  /** Offset of the first octet of a frame. */
  startOf(frame: number): number {
    return this.starts[frame] as number
  }

  /** Offset of the first octet of a frame's payload. */
  payloadOf(frame: number): number {
    return (this.starts[frame] as number) + HEADER_SIZE
  }

  /** Offset of the frame-end of a frame: one beyond its payload. */
  endOf(frame: number): number {
    return (this.starts[frame + 1] as number) - 1
  }

  #readFrame(octets: Buffer, length: number, frameMax: number): boolean {
    const at = this.starts[this.count] as number
    if (at === length) return this.#stop('nothing')
    const type = octets[at] as number
    if (type !== HEARTBEAT && (type < 1 || type > 3)) return this.#stop('refused')
    if (length - at < HEADER_SIZE) return this.#stop('partial')
    const size = longAt(octets, at + 3)
    if (size > frameMax - OVERHEAD) return this.#stop('refused')
    if (type === HEARTBEAT && (size !== 0 || octets[at + 1] !== 0 || octets[at + 2] !== 0))
      return this.#stop('refused')
    this.headers++
    const end = at + HEADER_SIZE + size
    if (end >= length) return this.#stop('partial')
    if (octets[end] !== FRAME_END) return this.#stop('refused')
    this.starts[this.count + 1] = end + 1
    return true
  }

  #stop(rest: FrameMap['rest']): false {
    this.rest = rest
    return false
  }
}

/** Twice as fast as readUInt32BE, which matters to something that is done a hundred million times. */
export function longAt(octets: Buffer, at: number): number {
  const high = ((octets[at] as number) << 8) | (octets[at + 1] as number)
  return high * 65_536 + (((octets[at + 2] as number) << 8) | (octets[at + 3] as number))
}

export function shortAt(octets: Buffer, at: number): number {
  return ((octets[at] as number) << 8) | (octets[at + 1] as number)
}

export function putLong(octets: Buffer, at: number, value: number): void {
  octets[at] = value >>> 24
  octets[at + 1] = value >>> 16
  octets[at + 2] = value >>> 8
  octets[at + 3] = value
}
