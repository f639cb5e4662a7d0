// What a mutation is: it changes a draft, if it finds anything to do.

import type { Random } from '../random.js'
import type { Corpus } from './corpus.js'
import type { Draft } from './draft.js'

export interface Surroundings {
  readonly draft: Draft
  readonly random: Random
  readonly corpus: Corpus
}

export interface Mutation {
  readonly name: string
  /** How often, beside the others. */
  readonly weight: number
  /** False when there was nothing to do. */
  apply(surroundings: Surroundings): boolean
}
