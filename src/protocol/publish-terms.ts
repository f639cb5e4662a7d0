// What holds for publishes from when they were issued: how long they are waited for, and where to note that one failed. Those
// that are issued in one turn of the event loop share it, unless one has a timeout of its own.
//
// Their time begins when that turn ends, which is when their octets can leave. Until then the time at which the first of them
// was issued stands for all: a clock that is read for each publish costs as much as writing the publish does, and one that
// is read once would let those time out early that are issued late in a turn that the application makes long.

import { PublishFailures } from './publish-failures.js'

export class PublishTerms {
  readonly timeoutMs: number
  readonly failures: PublishFailures
  #deadline: number
  #hasBegun = false

  constructor(timeoutMs: number, failures: PublishFailures, now: number) {
    this.timeoutMs = timeoutMs
    this.failures = failures
    this.#deadline = now + timeoutMs
  }

  /** When nobody waits any more. */
  get deadline(): number {
    return this.#deadline
  }

  /** Whether the turn in which they hold is over. */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /** The turn is over: from now on time counts. */
  begin(now: number): void {
    this.#deadline = now + this.timeoutMs
    this.#hasBegun = true
  }
}

/** On a plain channel nobody hears what became of a publish: it waits as long as its channel lives. */
export const ENDLESS: PublishTerms = new PublishTerms(Number.POSITIVE_INFINITY, new PublishFailures(), 0)
ENDLESS.begin(0)
