// Runs a consumer's handler on deliveries, so many at a time, and does with each delivery what the outcome asks for.
// The handler is the application's: whatever it does ends here.

import { warnOfThrow } from './announcer.js'
import { checkFailureAction, type DeliveryHandler, type FailureAction } from './channel-options.js'
import type { Delivery } from './delivery.js'

export interface HandlerPolicy {
  readonly concurrency: number
  readonly autoSettle: boolean
  readonly onError: FailureAction | ((error: unknown, delivery: Delivery) => FailureAction)
}

export class HandlerPool {
  readonly #handler: DeliveryHandler
  readonly #policy: HandlerPolicy
  readonly #noteError: (error: unknown, delivery: Delivery) => void
  readonly #noteIdle: () => void
  #running = 0

  constructor(
    handler: DeliveryHandler,
    policy: HandlerPolicy,
    noteError: (error: unknown, delivery: Delivery) => void,
    noteIdle: () => void,
  ) {
    this.#handler = handler
    this.#policy = policy
    this.#noteError = noteError
    this.#noteIdle = noteIdle
  }

  /** Whether another handler may start. */
  get hasRoom(): boolean {
    return this.#running < this.#policy.concurrency
  }

  run(delivery: Delivery): void {
    this.#running++
    void this.#work(delivery)
  }

  async #work(delivery: Delivery): Promise<void> {
    try {
      await this.#handler(delivery)
      if (this.#policy.autoSettle) delivery.ack()
    } catch (error) {
      this.#fail(error, delivery)
    } finally {
      this.#running--
      this.#noteIdle()
    }
  }

  #fail(error: unknown, delivery: Delivery): void {
    const action = this.#policy.autoSettle ? this.#actionFor(error, delivery) : 'leave'
    if (action === 'requeue') delivery.nack({ requeue: true })
    else if (action === 'reject') delivery.nack({ requeue: false })
    else if (action === 'requeue-once') delivery.nack({ requeue: !delivery.redelivered })
    this.#noteError(error, delivery)
  }

  #actionFor(error: unknown, delivery: Delivery): FailureAction {
    const { onError } = this.#policy
    if (typeof onError !== 'function') return onError
    try {
      const action: unknown = onError(error, delivery)
      if (action instanceof Promise) action.catch(ignore)
      checkFailureAction(action)
      return action as FailureAction
    } catch (thrown) {
      warnOfThrow("a consumer's onError", thrown)
      return 'requeue-once'
    }
  }
}

function ignore(): void {}
