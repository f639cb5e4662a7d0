// Makes an input that shows something smaller: by leaving out frames, and octets, half of them, then a quarter and so on, and by
// making those that stay zero. A frame in which something was left out is also tried with its size corrected.

import { FrameMap, putLong } from './frame-map.js'

/** A finding is worth a second, not a minute. */
const MOST_TRIES = 5_000

/** The smallest that was found of which `isStill` holds; it holds of the octets that are given. */
export function minimise(octets: Uint8Array, isStill: (octets: Buffer) => boolean): Buffer {
  const search = new Search(octets, isStill)
  let size: number
  do {
    size = search.best.length
    search.leaveOutFrames()
    for (let step = Math.ceil(size / 2); step >= 1; step = step === 1 ? 0 : Math.ceil(step / 2))
      search.leaveOut(step)
  } while (search.best.length < size)
  search.flatten()
  return search.best
}

class Search {
  best: Buffer
  readonly #isStill: (octets: Buffer) => boolean
  #tries = 0

  constructor(octets: Uint8Array, isStill: (octets: Buffer) => boolean) {
    this.best = Buffer.from(octets)
    this.#isStill = isStill
  }

  /** Tries to do without each frame. */
  leaveOutFrames(): void {
    const map = mapOf(this.best)
    for (let frame = map.count - 1; frame >= 0; frame--) {
      const [start, end] = [map.startOf(frame), map.startOf(frame + 1)]
      this.#try(Buffer.concat([this.best.subarray(0, start), this.best.subarray(end)]))
    }
  }

  /** Tries to do without each so many octets. */
  leaveOut(count: number): void {
    for (let at = 0; at < this.best.length; ) {
      const without = Buffer.concat([this.best.subarray(0, at), this.best.subarray(at + count)])
      const isSmaller = this.#try(without) || this.#try(corrected(this.best, without, at))
      if (!isSmaller) at += count
    }
  }

  flatten(): void {
    for (let at = 0; at < this.best.length; at++) {
      if (this.best[at] === 0) continue
      const flat = Buffer.from(this.best)
      flat[at] = 0
      this.#try(flat)
    }
  }

  #try(candidate: Buffer): boolean {
    if (this.#tries++ >= MOST_TRIES || !this.#isStill(Buffer.from(candidate))) return false
    this.best = candidate
    return true
  }
}

/** With the size of the frame that has lost octets at `at` as large as what is left of it. */
function corrected(before: Buffer, after: Buffer, at: number): Buffer {
  const map = mapOf(before)
  let frame = 0
  while (frame < map.count && map.endOf(frame) < at) frame++
  const result = Buffer.from(after)
  const left = map.endOf(frame) - map.payloadOf(frame) - (before.length - after.length)
  if (frame < map.count && at >= map.payloadOf(frame) && left >= 0)
    putLong(result, map.startOf(frame) + 3, left)
  return result
}

function mapOf(octets: Buffer): FrameMap {
  const map = new FrameMap(octets.length)
  map.read(octets, octets.length, Number.MAX_SAFE_INTEGER)
  return map
}
