// One request that waits for its reply. Whatever comes first settles it: the reply, the failure of its publish, its deadline,
// its signal, or the end of its client. Those that come later change nothing.

import { type Endpoint, RequestTimeoutError } from '../protocol/index.js'
import { Deferred } from './deferred.js'
import type { Delivery } from './delivery.js'
import type { Deadlined } from './rpc-deadlines.js'

/** Where a request goes. */
export interface RequestAddress {
  readonly exchange: string
  readonly routingKey: string
}

/** What is told of a request that is settled; with the error, if it was not answered. */
export type OnSettled = (request: RpcRequest, error: Error | undefined) => void

export class RpcRequest extends Deferred<Delivery> implements Deadlined {
  readonly correlationId: string
  readonly #address: RequestAddress
  readonly #onSettled: OnSettled
  readonly #endpoint: Endpoint
  #timeoutMs = 0
  #deadline = Number.POSITIVE_INFINITY
  #publish: Deferred<void> | undefined
  #isConfirmed: boolean | undefined
  #isSettled = false

  constructor(correlationId: string, address: RequestAddress, endpoint: Endpoint, onSettled: OnSettled) {
    super()
    this.#endpoint = endpoint
    this.correlationId = correlationId
    this.#address = address
    this.#onSettled = onSettled
  }

  /** The publish that carries it, as long as it can be given up: until it is confirmed, or sent where nothing is confirmed. */
  get publish(): Deferred<void> | undefined {
    return this.#publish
  }

  get deadline(): number {
    return this.#deadline
  }

  /** Its time begins. */
  begin(timeoutMs: number, now: number): void {
    this.#timeoutMs = timeoutMs
    this.#deadline = now + timeoutMs
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
  expire(): void {
    const request = { ...this.#address, confirmed: this.#isConfirmed }
    this.reject(new RequestTimeoutError(this.#timeoutMs, request, this.#endpoint))
  }

  /** Follows the publish that carries it; `confirms`: it resolves when the broker has confirmed it. */
  follow(publish: Deferred<void>, confirms: boolean): void {
    this.#publish = publish
    if (confirms) this.#isConfirmed = false
    publish.promise.then(
      () => {
        this.#publish = undefined
        if (confirms) this.#isConfirmed = true
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
    this.#onSettled(this, error)
  }
}
