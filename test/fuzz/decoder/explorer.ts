// The slow feedback: makes inputs in batches and asks after each which code has run. Of a batch that came to something new the
// inputs are found that did it, by halves, and kept; others are made from them.

import type { Random } from '../random.js'
import type { Corpus } from './corpus.js'
import type { Coverage } from './coverage.js'
import type { Mutator } from './mutator.js'

/** What is wrong with what became of an input, or undefined. The plan says all that the octets do not. */
export type Trial = (octets: Buffer, plan: number) => string | undefined

/** An input of which something is wrong. */
export interface Complaint {
  readonly octets: Uint8Array
  readonly plan: number
  readonly what: string
}

interface Input {
  readonly octets: Buffer
  readonly plan: number
}

/** Asking costs as much as some tens of inputs, and finding the one as much as asking ten times. */
const BATCH = 32

export class Explorer {
  readonly complaints: Complaint[] = []
  readonly #coverage: Coverage
  readonly #trial: Trial
  readonly #corpus: Corpus
  readonly #mutator: Mutator
  readonly #random: Random

  constructor(coverage: Coverage, trial: Trial, corpus: Corpus, mutator: Mutator, random: Random) {
    this.#coverage = coverage
    this.#trial = trial
    this.#corpus = corpus
    this.#mutator = mutator
    this.#random = random
  }

  /** Begins with what is known already, and tries so many more. */
  run(inputs: number): void {
    this.#runAll(this.#corpus.all.map(octets => this.#inputOf(octets)))
    this.#coverage.keep()
    for (let tried = 0; tried < inputs; tried += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, inputs - tried) }, () =>
        this.#inputOf(this.#mutator.next()),
      )
      if (!this.#runAll(batch)) continue
      this.#search(batch)
      // What did not come again is nobody's, and no reason to search the next batch.
      this.#runAll(batch)
      this.#coverage.keep()
    }
  }

  #inputOf(octets: Uint8Array): Input {
    return { octets: Buffer.from(octets), plan: this.#random.below(2 ** 32) }
  }

  /** Keeps those of the inputs that come to something new. */
  #search(inputs: readonly Input[]): void {
    const middle = inputs.length >> 1
    const halves = inputs.length === 1 ? [inputs] : [inputs.slice(0, middle), inputs.slice(middle)]
    for (const half of halves) {
      if (!this.#runAll(half)) continue
      if (half.length > 1) this.#search(half)
      else {
        this.#corpus.add((half[0] as Input).octets)
        this.#coverage.keep()
      }
    }
  }

  /** Whether they come to something new. */
  #runAll(inputs: readonly Input[]): boolean {
    for (const { octets, plan } of inputs) {
      const what = this.#trial(octets, plan)
      if (what !== undefined) this.complaints.push({ octets, plan, what })
    }
    return this.#coverage.look()
  }
}
