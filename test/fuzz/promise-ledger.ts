// Every promise that was given, with what gave it, and at the end what became of it. Until it is asked it attaches nothing: that
// would mark a rejection handled, and hide one that ends a process.

import { setImmediate as nextTurn } from 'node:timers/promises'

/** What became of a promise. */
export type Outcome =
  | { readonly what: string; readonly state: 'pending' }
  | { readonly what: string; readonly state: 'resolved'; readonly value: unknown }
  | { readonly what: string; readonly state: 'rejected'; readonly error: unknown }

export class PromiseLedger {
  readonly #noted: { readonly what: string; readonly promise: Promise<unknown> }[] = []

  note<T>(what: string, promise: Promise<T>): Promise<T> {
    this.#noted.push({ what, promise })
    return promise
  }

  /** As they stand now, in the order in which they were given. */
  async outcomes(): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = this.#noted.map(({ what }) => ({ what, state: 'pending' }))
    this.#noted.forEach(({ what, promise }, index) => {
      promise.then(
        value => {
          outcomes[index] = { what, state: 'resolved', value }
        },
        (error: unknown) => {
          outcomes[index] = { what, state: 'rejected', error }
        },
      )
    })
    await nextTurn()
    return [...outcomes]
  }
}

/** In a word: `ok`, `pending`, or the code of the error. */
export function verdictOf(outcome: Outcome): string {
  if (outcome.state !== 'rejected') return outcome.state === 'resolved' ? 'ok' : 'pending'
  const { error } = outcome
  if (!(error instanceof Error)) return String(error)
  return 'code' in error ? String(error.code) : error.name
}

/** With what gave it: `publish: AMQP_NACKED`. */
export function describeOutcome(outcome: Outcome): string {
  return `${outcome.what}: ${verdictOf(outcome)}`
}
