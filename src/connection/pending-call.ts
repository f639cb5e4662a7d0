// Whoever waits for the answer to a call: the token that goes down with the command and comes back with the event.

import type { IncomingDelivery, Method } from '../protocol/index.js'
import { Deferred } from './deferred.js'

/** A call that waits for its reply method. */
export class PendingCall<T> extends Deferred<T> {
  readonly #read: (reply: Method | undefined) => T

  constructor(read: (reply: Method | undefined) => T) {
    super()
    this.#read = read
  }

  answer(reply: Method | undefined): void {
    this.resolve(this.#read(reply))
  }
}

/** A basic.get that waits for a message, or for the word that there is none. */
export class PendingGet<T> extends Deferred<T | undefined> {
  readonly #read: (delivery: IncomingDelivery) => T

  constructor(read: (delivery: IncomingDelivery) => T) {
    super()
    this.#read = read
  }

  answer(delivery: IncomingDelivery | undefined): void {
    this.resolve(delivery === undefined ? undefined : this.#read(delivery))
  }
}
