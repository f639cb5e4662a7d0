// What all fuzzers have in common: a name, a short run for every `npm test`, a long run by hand, and a report that says
// what was tried, what came of it, and what was found.

import type { Histogram } from './histogram.js'

export interface Effort {
  /** Everything follows from it, as far as a live broker allows. */
  readonly seed: number
  /** How many; see `Campaign.unit`. */
  readonly cases: number
  /** Told now and then in a long run, in a line. */
  readonly progress?: ((line: string) => void) | undefined
}

export interface Campaign {
  /** As it is called on the command line. */
  readonly name: string
  /** What it does, in a line. */
  readonly title: string
  /** What one case is, in the plural: 'inputs', 'sessions', 'operations'. */
  readonly unit: string
  /** How many cases a run has when nobody says it: a few seconds. */
  readonly shortRun: number
  /** Resolves when all cases were tried, or when there are too many findings to go on. */
  run(effort: Effort): Promise<Report>
}

export interface Report {
  readonly cases: number
  readonly histograms: readonly Histogram[]
  /** What must not be, each with what repeats it. None is a success. */
  readonly findings: readonly string[]
}

/** A run with so many findings is stopped: they are all the same. */
export const ENOUGH_FINDINGS = 10
