// When the broker is given a new password or token: before the old one expires, again and again for as long as the connection
// lives. One timer, none while an answer is awaited that has a limit of its own; nothing of this exists for a connection
// whose password does not expire. How a secret is asked for and handed over is others' affair.
//
//   asked ──given──▶ 4/5 of its life ──▶ asked again ──given──▶ connection.update-secret ──▶ 4/5 of its life …
//                                            │                          │
//                                            └────────failed────────────┴──▶ half of what is left of its life ──▶ asked again
//
// The halves get shorter, and end when less than a second is left: a handful of attempts, most of them late, when whoever
// gives tokens may be back. After that there is nothing to wait for but the broker's close.

import { ArgumentError, ConnectionClosedError, type Endpoint, SecretRefreshError } from '../protocol/index.js'
import type { Clock, Timer } from './clock.js'
import type { GivenCredentials } from './credentials.js'

export interface SecretRefreshHost {
  readonly clock: Clock
  readonly endpoint: Endpoint
  /** How long whoever is asked may take. */
  readonly askTimeoutMs: number
  /** Asks for credentials; returns what withdraws the question. */
  ask(owner: { onGiven(given: GivenCredentials): void; onFailed(error: unknown): void }): () => void
  /** Gives the broker a new secret; settles within a limit of its own. */
  update(secret: string): Promise<void>
  /** It did not work; undefined when it is not tried again. */
  tell(error: SecretRefreshError, retryInMs: number | undefined): void
}

const SHARE = 0.8
/** Nothing is asked for more often. */
const LEAST_MS = 1000
/** Node's timers overflow beyond this and would run at once. */
const TIMER_STEP_MS = 2 ** 31 - 1

export class SecretRefresh {
  readonly #host: SecretRefreshHost
  #expiresAt = Number.POSITIVE_INFINITY
  #timer: Timer | undefined
  #withdraw: (() => void) | undefined
  #ended = false

  constructor(host: SecretRefreshHost) {
    this.#host = host
  }

  /** The secret that is in use expires then, on the clock. */
  start(expiresAt: number): void {
    this.#expiresAt = expiresAt
    const lifeMs = expiresAt - this.#host.clock.now()
    this.#wakeIn(Math.max(LEAST_MS, lifeMs * SHARE), this.#ask)
  }

  /** The connection is gone: nothing of this is left. */
  end(): void {
    this.#ended = true
    this.#timer?.cancel()
    this.#withdraw?.()
  }

  readonly #ask = (): void => {
    this.#timer = this.#host.clock.startTimer(this.#giveUp, this.#host.askTimeoutMs)
    this.#withdraw = this.#host.ask({
      onGiven: given => {
        this.#timer?.cancel()
        void this.#handOver(given)
      },
      onFailed: cause => {
        this.#timer?.cancel()
        const why = cause instanceof ArgumentError ? `gave none: ${cause.message}` : 'failed'
        this.#fail(`the credentials function ${why}`, cause)
      },
    })
  }

  readonly #giveUp = (): void => {
    this.#withdraw?.()
    this.#fail(`the credentials function gave no answer within ${this.#host.askTimeoutMs} ms`)
  }

  async #handOver({ password, lifeMs }: GivenCredentials): Promise<void> {
    const { clock } = this.#host
    const expiresAt = lifeMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + lifeMs
    try {
      await this.#host.update(password)
    } catch (cause) {
      // What ends the connection is told by its `closed`.
      if (!(cause instanceof ConnectionClosedError))
        this.#fail('the broker has not taken the new secret', cause)
      return
    }
    if (!this.#ended && expiresAt !== Number.POSITIVE_INFINITY) this.start(expiresAt)
  }

  #fail(what: string, cause?: unknown): void {
    if (this.#ended) return
    const leftMs = this.#expiresAt - this.#host.clock.now()
    const retryInMs = leftMs / 2 >= LEAST_MS ? Math.round(leftMs / 2) : undefined
    if (retryInMs !== undefined) this.#wakeIn(retryInMs, this.#ask)
    const details = { ...this.#host.endpoint, cause }
    this.#host.tell(new SecretRefreshError(`the secret was not refreshed: ${what}`, details), retryInMs)
  }

  #wakeIn(delayMs: number, wake: () => void): void {
    const stepMs = Math.min(delayMs, TIMER_STEP_MS)
    const leftMs = delayMs - stepMs
    const next = leftMs > 0 ? () => this.#wakeIn(leftMs, wake) : wake
    this.#timer = this.#host.clock.startTimer(next, stepMs)
  }
}
