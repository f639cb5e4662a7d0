// What an application does with what it is handed: looks at it, keeps it, settles some of it, and works on some for as long
// as it likes.

import { inspect } from 'node:util'
import type { Consumer, Delivery } from '../../../src/index.js'
import type { Random } from '../random.js'

export class Workload {
  /** Thrown where something was only looked at. */
  readonly thrown: unknown[] = []
  readonly #random: Random
  /** Handed over and not settled. */
  readonly #deliveries: Delivery[] = []
  /** Ends of the handlers that run. */
  readonly #handlers: ((failed: boolean) => void)[] = []
  #isOver = false

  constructor(random: Random) {
    this.#random = random
  }

  /** A consumer's handler: done at once, or when it is ended. */
  readonly handle = (delivery: Delivery): Promise<void> | undefined => {
    this.take(delivery)
    if (this.#isOver || this.#random.chance(0.6)) return undefined
    return new Promise((resolve, reject) => {
      this.#handlers.push(failed => (failed ? reject(new Error('the handler fails')) : resolve()))
    })
  }

  async iterate(consumer: Consumer): Promise<void> {
    for await (const delivery of consumer) {
      this.take(delivery)
      if (this.#random.chance(0.05)) return
    }
  }

  /** Whatever its octets, it can be looked at. */
  take(delivery: Delivery): void {
    this.#deliveries.push(delivery)
    this.look(() => [delivery.properties, delivery.body.length, JSON.stringify(delivery)])
    if (this.#random.chance(0.02)) this.look(() => inspect(delivery))
  }

  settle(): void {
    if (this.#deliveries.length === 0) return
    const [delivery] = this.#deliveries.splice(this.#random.below(this.#deliveries.length), 1) as [Delivery]
    const multiple = this.#random.chance(0.2)
    const how = this.#random.weighted({ ack: 6, nack: 2, reject: 2 })
    if (how === 'ack') delivery.ack({ multiple })
    else if (how === 'nack') delivery.nack({ multiple, requeue: this.#random.chance(0.5) })
    else delivery.reject({ requeue: this.#random.chance(0.5) })
  }

  /** The handler that has run longest ends, well or not. */
  endHandler(): void {
    this.#handlers.shift()?.(this.#random.chance(0.3))
  }

  endHandlers(): void {
    while (this.#handlers.length > 0) this.endHandler()
  }

  /** From here on handlers end as soon as they begin. */
  stop(): void {
    this.#isOver = true
    this.endHandlers()
  }

  /** What throws is noted. */
  look(at: () => unknown): void {
    try {
      at()
    } catch (error) {
      this.thrown.push(error)
    }
  }
}
