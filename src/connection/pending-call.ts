// Whoever waits for the answer to a call: the token that goes down with the command and comes back with the event.

import type { Method } from '../protocol/index.js'
import { Deferred } from './deferred.js'

/** `A` is what answers: a reply method or nothing, and for basic.get a message or the word that there is none. */
export class PendingCall<T, A = Method | undefined> extends Deferred<T> {
  readonly #read: (answer: A) => T

  /** @param read makes the result out of the answer */
  constructor(read: (answer: A) => T) {
    super()
    this.#read = read
  }

  answer(answer: A): void {
    this.resolve(this.#read(answer))
  }
}

/** An answer that says no more than that it came. */
export function nothing(): void {}
