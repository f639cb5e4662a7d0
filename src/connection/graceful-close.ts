// The close of a channel, or of a connection with `drain`, in two steps: its consumers are cancelled and their handlers
// waited for, while everything else goes on; then the protocol's own close, which waits for confirms and replies. One bound
// holds for both.

import type { CloseReason, Endpoint } from '../protocol/index.js'
import type { Clock } from './clock.js'
import { Drain, type DrainedConsumer, reasonGivingUp, stillRunning } from './drain.js'

/** What is closed. */
export interface ClosingSide {
  readonly clock: Clock
  readonly endpoint: Endpoint
  now(): number
  consumers(): Iterable<DrainedConsumer>
  /** Cancels the consumers; from here on there are no new ones. */
  retireConsumers(): void
  /** The protocol's close, bounded by so many milliseconds. */
  close(timeoutMs: number): void
}

/** The part of the time that is not the handlers': for confirms and the answer to the close. */
const REST_SHARE = 0.2
/** More of it they do not need. */
const REST_MAX_MS = 2_000

export class GracefulClose {
  readonly #side: ClosingSide
  #drain: Drain | undefined
  #deadline = 0
  #requested = false
  #abandoned = 0
  #told: CloseReason | undefined

  constructor(side: ClosingSide) {
    this.#side = side
  }

  /** Handlers are being waited for: what they need goes on, and nothing new begins. */
  get isDraining(): boolean {
    return this.#drain !== undefined && !this.#requested
  }

  /** Closes when the handlers that run are done. A second call changes nothing but that its caller is not waited for. */
  drain(timeoutMs: number): void {
    if (this.#requested) return
    if (this.#drain !== undefined) return this.#drain.excuseCaller()
    this.#deadline = this.#side.now() + timeoutMs
    this.#drain = new Drain(this.#side.clock, 'close', abandoned => {
      this.#abandoned = abandoned
      this.#close(Math.max(1, Math.round(this.#deadline - this.#side.now())))
    })
    this.#side.retireConsumers()
    const rest = Math.min(timeoutMs * REST_SHARE, REST_MAX_MS)
    this.#drain.begin(this.#side.consumers(), timeoutMs - rest)
  }

  /** Closes without waiting for handlers, any longer if they are being waited for. */
  close(timeoutMs: number): void {
    if (this.#requested) return
    if (this.#drain === undefined) return this.#close(timeoutMs)
    this.#deadline = Math.min(this.#deadline, this.#side.now() + timeoutMs)
    this.#drain.end()
  }

  /** What is closed has ended otherwise: who still runs is counted. */
  interrupt(): void {
    this.#drain?.end()
  }

  /** The reason of the end, with the handlers that were given up; always the same object. `who`: `channel 3`. */
  explain(reason: CloseReason, who: string): CloseReason {
    if (this.#abandoned === 0 || reason.by !== 'client') return reason
    this.#told ??= reasonGivingUp(reason, stillRunning(this.#abandoned), who, this.#side.endpoint)
    return this.#told
  }

  #close(timeoutMs: number): void {
    this.#requested = true
    this.#side.close(timeoutMs)
  }
}
