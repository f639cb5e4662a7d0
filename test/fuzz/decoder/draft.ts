// An input while it is being made: octets in memory of its own, with their frames and the lengths inside them. An edit inside
// a payload keeps its frame well formed, and on request all lengths around it true; so what comes of it is judged by what is
// behind the frame header.

import { FRAME_END, HEADER_SIZE, longAt, MOST_OCTETS, putLong } from './frame-map.js'
import { Spans } from './spans.js'
import type { Stem } from './stem.js'

const OVERHEAD = HEADER_SIZE + 1

export class Draft {
  readonly octets = Buffer.alloc(MOST_OCTETS)
  length = 0
  /** Whole frames; what is behind them is no frame. */
  frames = 0
  readonly #spans = new Spans()
  /** Whose lengths they are, until somebody asks for them: most mutations do not. */
  #unread: Spans | undefined
  readonly #starts = new Int32Array(MOST_OCTETS / OVERHEAD + 1)

  /** Begins with another input as it is. */
  load(stem: Stem): void {
    const { octets, starts, spans } = stem
    this.octets.set(octets)
    this.length = octets.length
    this.frames = starts.length - 1
    this.#starts.set(starts)
    this.#unread = spans
  }

  /** The lengths inside the payloads. */
  get spans(): Spans {
    if (this.#unread !== undefined) this.#spans.copy(this.#unread)
    this.#unread = undefined
    return this.#spans
  }

  startOf(frame: number): number {
    return this.#starts[frame] as number
  }

  payloadOf(frame: number): number {
    return (this.#starts[frame] as number) + HEADER_SIZE
  }

  /** Offset of the frame-end. */
  endOf(frame: number): number {
    return (this.#starts[frame + 1] as number) - 1
  }

  typeOf(frame: number): number {
    return this.octets[this.startOf(frame)] as number
  }

  /** The frame in which an offset lies; as many as there are frames when it lies behind them. */
  frameAt(at: number): number {
    let frame = 0
    while (frame < this.frames && (this.#starts[frame + 1] as number) <= at) frame++
    return frame
  }

  /**
   * Makes room for `added` octets in the place of `removed` ones inside the payload of a frame, for the caller to write.
   * `repairs`: also the lengths that stand inside the payload and go around the place. False when it becomes too long.
   */
  edit(frame: number, at: number, removed: number, added: number, repairs: boolean): boolean {
    const delta = added - removed
    if (this.length + delta > MOST_OCTETS) return false
    this.#move(at, removed, added, repairs)
    const start = this.startOf(frame)
    putLong(this.octets, start + 3, longAt(this.octets, start + 3) + delta)
    for (let next = frame + 1; next <= this.frames; next++) {
      this.#starts[next] = (this.#starts[next] as number) + delta
    }
    return true
  }

  /** Replaces octets anywhere; no frame stays what it was from there on. */
  editRaw(at: number, removed: number, added: number): boolean {
    if (this.length + added - removed > MOST_OCTETS) return false
    this.#move(at, removed, added, false)
    this.frames = Math.min(this.frames, this.frameAt(at))
    return true
  }

  /** Ends it there. */
  truncate(length: number): void {
    this.length = length
    this.spans.cut(length)
    this.frames = Math.min(this.frames, this.frameAt(length))
  }

  /** Leaves so many frames, and nothing behind them. */
  keepFrames(count: number): void {
    this.frames = count
    this.length = this.startOf(count)
    this.spans.cut(this.length)
  }

  /** Puts frames of another input, from `first` up to `last`, behind the frames. False when it becomes too long. */
  append({ octets, starts, spans }: Stem, first: number, last: number): boolean {
    const from = starts[first] as number
    const to = starts[last] as number
    this.keepFrames(this.frames)
    if (this.length + to - from > MOST_OCTETS) return false
    const distance = this.length - from
    octets.copy(this.octets, this.length, from, to)
    this.spans.addAll(spans, from, to, distance)
    for (let frame = first + 1; frame <= last; frame++) {
      this.#starts[++this.frames] = (starts[frame] as number) + distance
    }
    this.length += to - from
    return true
  }

  /** Makes two frames of one: the second has the payload from `at` on. */
  splitFrame(frame: number, at: number): boolean {
    if (this.length + OVERHEAD > MOST_OCTETS) return false
    const { octets } = this
    const start = this.startOf(frame)
    const end = this.endOf(frame)
    this.#move(at, 0, OVERHEAD, false)
    octets[at] = FRAME_END
    octets.copy(octets, at + 1, start, start + 3)
    putLong(octets, start + 3, at - start - HEADER_SIZE)
    putLong(octets, at + 4, end - at)
    this.#starts.copyWithin(frame + 1, frame, this.frames + 1)
    this.frames++
    this.#starts[frame + 1] = at + 1
    for (let next = frame + 2; next <= this.frames; next++) {
      this.#starts[next] = (this.#starts[next] as number) + OVERHEAD
    }
    return true
  }

  #move(at: number, removed: number, added: number, repairs: boolean): void {
    const { octets, spans } = this
    if (removed !== added) {
      octets.copyWithin(at + added, at + removed, this.length)
      this.length += added - removed
    }
    spans.shift(at, removed, added, index => {
      if (repairs) this.#repair(index)
    })
  }

  #repair(index: number): void {
    const { octets, spans } = this
    const size = spans.end(index) - spans.start(index)
    const at = spans.sizeAt(index)
    if (spans.width(index) === 4) putLong(octets, at, size)
    else octets[at] = Math.min(size, 0xff)
  }
}
