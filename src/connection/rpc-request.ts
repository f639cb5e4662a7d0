// One request that waits for its reply. Whatever comes first settles it: the reply, the failure of its publish, its deadline,
// its signal, or the end of its client. Those that come later change nothing.

import { type Endpoint, RequestTimeoutError } from '../protocol/index.js'
import type { Timer } from './clock.js'
import { Deferred } from './deferred.js'
import type { Delivery } from './delivery.js'

/** Where a request goes. */
export interface RequestAddress {
  readonly exchange: string
  readonly routingKey: string
}

/** What is told of a request that is settled; with the error, if it was not answered. */
export type OnSettled = (request: RpcRequest, error: Error | undefined) => void

export class RpcRequest extends Deferred<Delivery> {
  readonly correlationId: string
  readonly #address: RequestAddress
  readonly #onSettled: OnSettled
  #timer: Timer | undefined
  #publish: Deferred<void> | undefined
  #isConfirmed = false
  #isSettled = false

  constructor(correlationId: string, address: RequestAddress, onSettled: OnSettled) {
    super()
    this.correlationId = correlationId
    this.#address = address
    this.#onSettled = onSettled
  }

  /** The publish that carries it, as long as it is not confirmed. */
  get publish(): Deferred<void> | undefined {
    return this.#isConfirmed ? undefined : this.#publish
  }

  /** The timer that ends it, to be stopped when something else does. */
  keep(timer: Timer): void {
    this.#timer = timer
  }

  override resolve(reply: Delivery): void {
    super.resolve(reply)
    this.#end(undefined)
  }

  override reject(error: Error): void {
    super.reject(error)
    this.#end(error)
  }

  /** Its time is over. */
  expire(timeoutMs: number, details: Endpoint): void {
    const request = { ...this.#address, confirmed: this.#isConfirmed }
    this.reject(new RequestTimeoutError(timeoutMs, request, details))
  }

  /** Follows the publish that carries it. */
  follow(publish: Deferred<void>): void {
    this.#publish = publish
    publish.promise.then(
      () => {
        this.#isConfirmed = true
      },
      (error: Error) => {
        this.#publish = undefined
        this.reject(error)
      },
    )
  }

  #end(error: Error | undefined): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#timer?.cancel()
    this.#onSettled(this, error)
  }
}
