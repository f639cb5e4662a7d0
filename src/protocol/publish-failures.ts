// What went wrong with the publishes that were issued between one wait for confirms and the next. Only the first error is
// kept: it may hold a message, and nobody need ever ask.

import { type ErrorDetails, PublishesFailedError } from './errors.js'

export class PublishFailures {
  #count = 0
  #first: Error | undefined
  #heir: PublishFailures | undefined

  note(error: Error): void {
    const asked = this.#lastHeir
    asked.#count++
    asked.#first ??= error
  }

  /** Nobody will ask for these after all: whoever asks for the next ones hears of them, and of those still to come. */
  bequeath(heir: PublishFailures): void {
    heir.#count += this.#count
    heir.#first = this.#first ?? heir.#first
    this.#heir = heir
  }

  /** Who asks for these. In a loop, and found once: behind a publish under way there may be thousands who have given up. */
  get #lastHeir(): PublishFailures {
    let last: PublishFailures = this
    while (last.#heir !== undefined) last = last.#heir
    if (last !== this) this.#heir = last
    return last
  }

  /** All of it as one error; undefined when nothing went wrong. */
  error(details: ErrorDetails): PublishesFailedError | undefined {
    if (this.#first === undefined) return undefined
    return new PublishesFailedError(this.#count, { ...details, cause: this.#first })
  }
}
