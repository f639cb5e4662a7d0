// The wait for consumers to end and for their handlers to be done, with a bound: what `consumer.cancel()`, `channel.close()`
// and `connection.close({ drain })` have in common. A handler that called one of these is not waited for by that one. Nor do
// handlers that cancel consumers wait for each other, or for one that closes: each would wait for the other. A cancel from
// outside waits for all of them.

import { type CloseReason, CloseTimeoutError, type Endpoint } from '../protocol/index.js'
import type { Clock, Timer } from './clock.js'
import { callingHandler } from './handler-caller.js'

/** What a drain sees of a consumer. Handlers go by the names of their runners. */
export interface DrainedConsumer {
  /** Handlers that run and can still settle, the excused ones left out. */
  running(excused: ReadonlySet<string>): number
  /** Nothing more is to be waited for. */
  isDone(excused: ReadonlySet<string>): boolean
  /** From here on the drain is told of every handler that ends, and of the end of the consumer. */
  join(drain: Drain): void
  leave(drain: Drain): void
}

/** `close`: nothing can be settled afterwards. `cancel`: everything can. */
export type DrainPurpose = 'cancel' | 'close'

/** Drains that handlers wait for, of all connections. */
const awaitedByHandlers = new Set<Drain>()

export class Drain {
  readonly #clock: Clock
  readonly #purpose: DrainPurpose
  readonly #onDone: (abandoned: number) => void
  readonly #pending = new Set<DrainedConsumer>()
  /** Handlers that have called for it. */
  readonly #callers = new Set<string>()
  #timer: Timer | undefined
  #over = false

  /** `onDone` is called once, with the number of handlers that were given up. */
  constructor(clock: Clock, purpose: DrainPurpose, onDone: (abandoned: number) => void) {
    this.#clock = clock
    this.#purpose = purpose
    this.#onDone = onDone
  }

  begin(consumers: Iterable<DrainedConsumer>, limitMs: number): void {
    this.#timer = this.#clock.startTimer(this.#onLimit, limitMs)
    for (const consumer of consumers) {
      this.#pending.add(consumer)
      consumer.join(this)
    }
    this.excuseCaller()
    this.#lookAtAll()
    if (this.#pending.size === 0) this.end()
  }

  /** Whoever calls right now, if that is a handler, is not waited for. */
  excuseCaller(): void {
    const caller = this.#running > 0 ? callingHandler() : undefined
    if (caller === undefined) return
    this.#callers.add(caller)
    awaitedByHandlers.add(this)
    for (const drain of [...awaitedByHandlers]) drain.#lookAtAll()
  }

  /** A consumer has ended, or a handler has: whatever its runner runs next is waited for. */
  look(consumer: DrainedConsumer, endedHandler?: string): void {
    if (endedHandler !== undefined) this.#callers.delete(endedHandler)
    if (!consumer.isDone(this.#excused)) return
    this.#pending.delete(consumer)
    consumer.leave(this)
    if (this.#pending.size === 0) this.end()
  }

  /** Nothing is waited for any more. */
  end(): void {
    if (this.#over) return
    this.#over = true
    this.#timer?.cancel()
    const abandoned = this.#running
    for (const consumer of this.#pending) consumer.leave(this)
    this.#pending.clear()
    awaitedByHandlers.delete(this)
    this.#onDone(abandoned)
  }

  #lookAtAll(): void {
    for (const consumer of [...this.#pending]) this.look(consumer)
  }

  get #running(): number {
    let running = 0
    const excused = this.#excused
    for (const consumer of this.#pending) running += consumer.running(excused)
    return running
  }

  get #excused(): ReadonlySet<string> {
    if (this.#purpose === 'close' || this.#callers.size === 0) return this.#callers
    return new Set([...awaitedByHandlers].flatMap(drain => [...drain.#callers]))
  }

  /** The last answer may have come while the event loop was blocked: it is read first. */
  readonly #onLimit = (): void => {
    this.#timer = this.#clock.afterPoll(() => this.end())
  }
}

/** How many handlers were given up, in words. */
export function stillRunning(handlers: number): string {
  return handlers === 1 ? '1 handler still running' : `${handlers} handlers still running`
}

/** A reason that says also what was given up. */
export function reasonGivingUp(
  reason: CloseReason,
  what: string,
  who: string,
  endpoint: Endpoint,
): CloseReason {
  const text = reason.text === undefined ? what : `${what}; ${reason.text}`
  const error = new CloseTimeoutError(`${who}: ${text}`, { ...endpoint, cause: reason.error })
  return { ...reason, text, error }
}
