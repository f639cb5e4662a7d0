// The consumers of one channel that are not done: those that run, and those that have ended while handlers of theirs go on.

import type { ConsumerEnding } from './consumer-ending.js'

export class ChannelConsumers implements Iterable<ConsumerEnding> {
  readonly #consumers = new Set<ConsumerEnding>()
  #retired = false

  /** They have been told to end: the channel closes, or its connection. */
  get areRetired(): boolean {
    return this.#retired
  }

  /** Whether a handler runs. */
  get areBusy(): boolean {
    for (const consumer of this.#consumers) if (consumer.running() > 0) return true
    return false
  }

  [Symbol.iterator](): Iterator<ConsumerEnding> {
    return this.#consumers.values()
  }

  add(consumer: ConsumerEnding): void {
    this.#consumers.add(consumer)
  }

  delete(consumer: ConsumerEnding): void {
    this.#consumers.delete(consumer)
  }

  /** basic.recover: the broker has taken everything back that is not settled. */
  takeBack(): void {
    for (const consumer of this.#consumers) consumer.takeBack()
  }

  /** The channel is about to close; handlers go on until then. */
  retire(): void {
    this.#retired = true
    for (const consumer of this.#consumers) consumer.retire()
  }

  /** The channel closes. */
  stop(): void {
    this.#retired = true
    for (const consumer of this.#consumers) consumer.close()
  }

  /** The channel is gone. */
  lose(): void {
    for (const consumer of [...this.#consumers]) consumer.lose()
  }
}
