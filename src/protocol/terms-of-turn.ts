// The terms that the publishes of one channel are issued under: one for all of a turn of the event loop that do not bring a
// timeout of their own.

import type { ChannelLink } from './channel-link.js'
import type { PublishFailures } from './publish-failures.js'
import { ENDLESS, PublishTerms } from './publish-terms.js'

export class TermsOfTurn {
  readonly #link: ChannelLink
  #shared = ENDLESS

  constructor(link: ChannelLink) {
    this.#link = link
  }

  /** Without a timeout of its own a publish has that of the connection, and shares its terms. */
  of(failures: PublishFailures, now: number, timeoutMs: number | undefined): PublishTerms {
    if (timeoutMs !== undefined) return this.#issue(timeoutMs, failures, now)
    if (this.#shared.hasBegun || this.#shared.failures !== failures)
      this.#shared = this.#issue(this.#link.limits.confirmTimeoutMs, failures, now)
    return this.#shared
  }

  #issue(timeoutMs: number, failures: PublishFailures, now: number): PublishTerms {
    const terms = new PublishTerms(timeoutMs, failures, now)
    this.#link.noteIssued(terms)
    return terms
  }
}
