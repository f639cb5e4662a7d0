// What is told of handlers that fail. An event tells of each; while nobody listens, a process warning tells of the first of
// each outcome on a channel, because a message may be lost by it: a storm of warnings would say no more.

import { warnOfThrow } from './announcer.js'
import type { Delivery } from './delivery.js'

/** What became of a delivery whose handler failed. `left`: nothing was done, or the handler had settled it before. */
export type FailureOutcome = 'requeued' | 'rejected' | 'acknowledged' | 'left'

/** Where the event goes. */
export interface FailureAudience {
  isListening(): boolean
  announce(error: unknown, delivery: Delivery, outcome: FailureOutcome): void
}

export class HandlerFailures {
  readonly #audience: FailureAudience
  readonly #warned = new Set<FailureOutcome>()

  constructor(audience: FailureAudience) {
    this.#audience = audience
  }

  readonly note = (error: unknown, delivery: Delivery, outcome: FailureOutcome): void => {
    if (this.#audience.isListening()) return this.#audience.announce(error, delivery, outcome)
    if (this.#warned.has(outcome)) return
    this.#warned.add(outcome)
    warnOfThrow(`a consumer's handler (message ${outcome}, nobody listens to 'handlerError')`, error)
  }
}
