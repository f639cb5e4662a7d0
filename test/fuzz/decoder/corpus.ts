// The inputs that others are made from: those of the beginning, and those that showed something new. Bounded: beyond a number
// a new one takes the place of one that was found, never of one of the beginning.

import type { Random } from '../random.js'
import { MOST_OCTETS } from './frame-map.js'
import { type Stem, stemOf } from './stem.js'

const MOST_FOUND = 16_384
/** Octets: an input costs what it is long, and its children too. */
const LONGEST_FOUND = 128
/** Of what is picked, the part that is of the beginning: there is nothing wrong with it, so that what is done to it is seen. */
const SEEDS_SHARE = 0.7
/** Of the others, the part that is among the newest. */
const NEWEST_SHARE = 0.5
const NEWEST = 256

export class Corpus {
  readonly #stems: Stem[] = []
  readonly #known = new Set<string>()
  readonly #random: Random
  #seeds = Number.POSITIVE_INFINITY

  constructor(seeds: Iterable<Uint8Array>, random: Random) {
    this.#random = random
    for (const octets of seeds) this.add(octets)
    this.#seeds = this.#stems.length
  }

  get size(): number {
    return this.#stems.length
  }

  /** What was added since the beginning. */
  get found(): readonly Buffer[] {
    return this.#stems.slice(this.#seeds).map(({ octets }) => octets)
  }

  get all(): readonly Buffer[] {
    return this.#stems.map(({ octets }) => octets)
  }

  /** Takes a copy; false when it is known or too long. */
  add(octets: Uint8Array): boolean {
    const isFound = this.#seeds !== Number.POSITIVE_INFINITY
    if (octets.length > (isFound ? LONGEST_FOUND : MOST_OCTETS)) return false
    const copy = Buffer.from(octets)
    const key = copy.toString('latin1')
    if (this.#known.has(key)) return false
    const isFull = this.#stems.length === this.#seeds + MOST_FOUND
    this.#known.add(key)
    const place = isFull ? this.#seeds + this.#random.below(MOST_FOUND) : this.#stems.length
    const old = this.#stems[place]
    if (old !== undefined) this.#known.delete(old.octets.toString('latin1'))
    this.#stems[place] = stemOf(copy)
    return true
  }

  pick(): Stem {
    return this.#stems[this.#place()] as Stem
  }

  #place(): number {
    const { length } = this.#stems
    const found = length - this.#seeds
    if (found === 0 || this.#random.chance(SEEDS_SHARE)) return this.#random.below(this.#seeds)
    const among = this.#random.chance(NEWEST_SHARE) ? Math.min(found, NEWEST) : found
    return length - 1 - this.#random.below(among)
  }
}
