// One direction of a wire in memory: octets arrive after a latency, in pieces of arbitrary sizes, or not at all for as long as the
// lane stands still. Time is the caller's.

import type { Random } from '../../fuzz/random.js'

interface Passing {
  readonly dueAt: number
  octets: Buffer
}

export class Lane {
  readonly #latencyMs: number
  readonly #random: Random
  #passing: Passing[] = []
  /** Octets that still pass before it stands still. */
  #allowance = Number.POSITIVE_INFINITY

  constructor(latencyMs: number, random: Random) {
    this.#latencyMs = latencyMs
    this.#random = random
  }

  get isEmpty(): boolean {
    return this.#passing.length === 0
  }

  /** When the next octets arrive, unless they stand still. */
  get nextDue(): number {
    return this.#allowance > 0
      ? (this.#passing[0]?.dueAt ?? Number.POSITIVE_INFINITY)
      : Number.POSITIVE_INFINITY
  }

  push(octets: Buffer, now: number): void {
    if (octets.length > 0) this.#passing.push({ dueAt: now + this.#latencyMs, octets })
  }

  /** The next piece that has arrived by now. */
  take(now: number): Buffer | undefined {
    const [first] = this.#passing
    if (first === undefined || this.nextDue > now) return undefined
    const size = Math.min(this.#pieceSize(), this.#allowance)
    const piece = Buffer.from(first.octets.subarray(0, size))
    first.octets = first.octets.subarray(piece.length)
    if (first.octets.length === 0) this.#passing.shift()
    this.#allowance -= piece.length
    return piece
  }

  /** So many octets pass, and then none. */
  stall(octets: number): void {
    this.#allowance = octets
  }

  resume(): void {
    this.#allowance = Number.POSITIVE_INFINITY
  }

  /** The transport is gone. */
  clear(): void {
    this.#passing = []
  }

  #pieceSize(): number {
    if (this.#random.chance(0.7)) return Number.POSITIVE_INFINITY
    return this.#random.chance(0.5) ? this.#random.between(1, 12) : this.#random.between(1, 5_000)
  }
}
