// One request that waits for its reply. Whatever comes first settles it: the reply, the failure of its publish, its deadline,
// its signal, or the end of its client. Those that come later change nothing.

import { type Endpoint, RequestTimeoutError } from '../protocol/index.js'
import type { Clock } from './clock.js'
import { Deferred } from './deferred.js'
import type { Delivery } from './delivery.js'
import { giveUpAfter } from './wait-limit.js'

/** Where a request goes. */
export interface RequestAddress {
  readonly exchange: string
  readonly routingKey: string
}

export class RpcRequest extends Deferred<Delivery> {
  readonly #address: RequestAddress
  /** Takes the publish back, as far as it has not been sent. */
  readonly #withdrawal = new AbortController()
  #isConfirmed = false

  constructor(address: RequestAddress) {
    super()
    this.#address = address
    this.promise.catch(() => this.#withdrawal.abort())
  }

  /** Fires when nobody waits for the reply any more. */
  get abandoned(): AbortSignal {
    return this.#withdrawal.signal
  }

  /** Rejects after so many milliseconds. */
  limit(clock: Clock, timeoutMs: number, details: Endpoint): void {
    giveUpAfter(clock, timeoutMs, this, () => {
      const request = { ...this.#address, confirmed: this.#isConfirmed }
      this.reject(new RequestTimeoutError(timeoutMs, request, details))
    })
  }

  /** Follows the publish that carries it. */
  follow(published: Promise<void>): void {
    published.then(
      () => {
        this.#isConfirmed = true
      },
      (error: Error) => this.reject(error),
    )
  }
}
