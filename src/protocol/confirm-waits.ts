// Whoever waits until all publishes of a channel are confirmed. A wait is issued like a command, has its turn when everything
// issued before it has been sent, and is over when all that is confirmed, or never will be. It hears of the failures of
// what was published since the wait before it, and of nothing else.

import { PublishFailures } from './publish-failures.js'

interface ConfirmWait {
  readonly token: object
  readonly failures: PublishFailures
  /** The last publish before it; Infinity until its turn. */
  lastTag: number
}

export class ConfirmWaits {
  /** In the order in which they were issued. */
  #waits: ConfirmWait[] = []
  #failures = new PublishFailures()

  /** Of what is published now: what the next wait will hear. */
  get failures(): PublishFailures {
    return this.#failures
  }

  issue(token: object): void {
    this.#waits.push({ token, failures: this.#failures, lastTag: Number.POSITIVE_INFINITY })
    this.#failures = new PublishFailures()
  }

  /** Its turn has come: everything before is sent. */
  reach(token: object, lastTag: number): void {
    for (const wait of this.#waits) if (wait.token === token) wait.lastTag = lastTag
  }

  /** Removes and returns those that are over, oldest first. `oldestTag`: all before it are settled. */
  take(oldestTag: number): Pick<ConfirmWait, 'token' | 'failures'>[] {
    const over = this.#waits.filter(({ lastTag }) => lastTag < oldestTag)
    if (over.length > 0) this.#waits = this.#waits.filter(({ lastTag }) => lastTag >= oldestTag)
    return over
  }

  /** Removes and returns those that nobody wants an answer to. What they would have heard the next one hears. */
  withdraw(tokens: Pick<ReadonlySet<object>, 'has'>): object[] {
    const withdrawn = this.#waits.filter(({ token }) => tokens.has(token))
    for (const { token, failures } of withdrawn) {
      const index = this.#waits.findIndex(wait => wait.token === token)
      failures.bequeath(this.#waits[index + 1]?.failures ?? this.#failures)
      this.#waits.splice(index, 1)
    }
    return withdrawn.map(({ token }) => token)
  }

  /** Removes and returns all: the channel is gone. */
  drain(): object[] {
    return this.#waits.splice(0).map(({ token }) => token)
  }
}
