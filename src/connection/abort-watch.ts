// Who is to be told when an AbortSignal fires. One listener per signal, however many wait under it: a hundred thousand
// publishes may share one, and Node warns of a leak at the eleventh listener. The listener goes with the last who waits.
//
// Each may also have a signal of its own, of AbortSignal.timeout() for instance, and those fire one by one. To withdraw
// something is to look through all that waits, so in one turn of the event loop that is done at once for the first and
// together for the rest: a storm of timeouts must not block the loop.

import type { Causes } from '../protocol/index.js'
import { onAbort } from './abort-listeners.js'
import { Deferred } from './deferred.js'

/** Something that is waited for. */
export interface Wait {
  readonly promise: Promise<unknown>
}

/** Those who wait under one signal. */
interface Watched {
  readonly tokens: Set<object>
  readonly forget: () => void
}

export class AbortWatch {
  readonly #withdraw: (causes: Causes) => void
  readonly #watched = new Map<AbortSignal, Watched>()
  /** What is to be withdrawn at the end of this turn; undefined when nothing was in this turn. */
  #later: Map<object, Error> | undefined

  /** @param withdraw ends the wait of all of these */
  constructor(withdraw: (causes: Causes) => void) {
    this.#withdraw = withdraw
  }

  /** From now on, until it settles, the wait ends when the signal fires, which it must not have done before. */
  watch(signal: AbortSignal | undefined, token: Wait): void {
    if (signal === undefined) return
    const { tokens } = this.#watched.get(signal) ?? this.#listen(signal)
    tokens.add(token)
    const forget = (): void => this.#forget(signal, token)
    token.promise.then(forget, forget)
  }

  /** These waits end now, for this cause. */
  end(tokens: ReadonlySet<object>, cause: Error): void {
    if (this.#later !== undefined) {
      for (const token of tokens) this.#later.set(token, cause)
      return
    }
    this.#later = new Map()
    setImmediate(() => {
      const causes = this.#later ?? new Map<object, Error>()
      this.#later = undefined
      if (causes.size > 0) this.#withdraw(causes)
    })
    this.#withdraw(new Map([...tokens].map(token => [token, cause])))
  }

  #listen(signal: AbortSignal): Watched {
    const tokens = new Set<object>()
    const forget = onAbort(signal, () => {
      this.#watched.delete(signal)
      this.end(tokens, abortCause(signal))
    })
    const watched = { tokens, forget }
    this.#watched.set(signal, watched)
    return watched
  }

  #forget(signal: AbortSignal, token: object): void {
    const watched = this.#watched.get(signal)
    if (watched === undefined) return
    watched.tokens.delete(token)
    if (watched.tokens.size > 0) return
    this.#watched.delete(signal)
    watched.forget()
  }
}

/** The same promise, for somebody who gives up when the signal fires. */
export function unlessAborted<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
  if (signal === undefined) return promise
  const wait = new Deferred<T>()
  new AbortWatch(causes => wait.reject(causes.get(wait) as Error)).watch(signal, wait)
  promise.then(
    value => wait.resolve(value),
    (error: Error) => wait.reject(error),
  )
  return wait.promise
}

/** Throws when the signal has fired. */
export function expectNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortCause(signal)
}

/** What a wait rejects with that the signal has ended: its reason, which may be anything, as an Error. */
export function abortCause(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  return reason instanceof Error ? reason : new Error('aborted by a signal', { cause: reason })
}
