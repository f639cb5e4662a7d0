// What holds for a publish from when it was issued.

import { PublishFailures } from './publish-failures.js'

export interface PublishTerms {
  /** How long it is waited for. */
  readonly timeoutMs: number
  /** When that is over. */
  readonly deadline: number
  /** Where to note that it failed. */
  readonly failures: PublishFailures
}

/** On a plain channel nobody hears what became of a publish: it waits as long as its channel lives. */
export const ENDLESS: PublishTerms = Object.freeze({
  timeoutMs: Number.POSITIVE_INFINITY,
  deadline: Number.POSITIVE_INFINITY,
  failures: new PublishFailures(),
})
