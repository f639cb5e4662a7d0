// Makes inputs: takes one of the corpus and changes it once or a few times. The result lies in memory that the next one
// overwrites.

import type { Random } from '../random.js'
import type { Corpus } from './corpus.js'
import { Draft } from './draft.js'
import { frameMutations } from './frame-mutations.js'
import type { Mutation, Surroundings } from './mutation.js'
import { payloadMutations } from './payload-mutations.js'
import { rawMutations } from './raw-mutations.js'
import type { Stem } from './stem.js'
import { Tally } from './tally.js'

/** So many inputs are made of one before it is another's turn: what is used again is at hand. */
const CHILDREN = 16
/** How often a mutation is followed by another. */
const AGAIN = 0.25
const ALL: readonly Mutation[] = [...payloadMutations, ...frameMutations, ...rawMutations]
/** One for each of their weight: choosing is a single look. */
const LOTS: readonly number[] = ALL.flatMap(({ weight }, index) => new Array<number>(weight).fill(index))

export class Mutator {
  readonly kinds = new Tally(
    'mutations',
    ALL.map(({ name }) => name),
  )
  readonly #draft = new Draft()
  readonly #random: Random
  readonly #surroundings: Surroundings
  readonly #corpus: Corpus
  #stem: Stem
  #children = 0

  constructor(corpus: Corpus, random: Random) {
    this.#corpus = corpus
    this.#random = random
    this.#stem = corpus.pick()
    this.#surroundings = { draft: this.#draft, random, corpus }
  }

  /** Good until it is called again. */
  next(): Buffer {
    const draft = this.#draft
    if (this.#children++ % CHILDREN === 0) this.#stem = this.#corpus.pick()
    draft.load(this.#stem)
    do this.#mutate()
    while (this.#random.chance(AGAIN))
    return draft.octets.subarray(0, draft.length)
  }

  /** Until one kind finds something to do; noise always does. */
  #mutate(): void {
    for (;;) {
      const kind = this.#random.pick(LOTS)
      if (!(ALL[kind] as Mutation).apply(this.#surroundings)) continue
      this.kinds.count(kind)
      return
    }
  }
}
