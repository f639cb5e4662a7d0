// What the broker has delivered on one channel and waits for the settlement of, by delivery tag. In a transaction what was
// settled is kept aside until the commit; a rollback puts it back without delivering it again (rabbit_channel does so).

import type { QueuedMessage } from './broker-queue.js'
import { BrokenRule } from './refusal.js'

export interface Unsettled {
  readonly deliveryTag: number
  readonly queued: QueuedMessage
  /** Undefined for one that was fetched. */
  readonly consumerTag: string | undefined
}

/** What was settled, and whether it goes back. */
export interface Settled {
  readonly entries: readonly Unsettled[]
  readonly requeue: boolean
}

export class UnsettledMessages {
  /** In ascending order of tags. */
  #entries: Unsettled[] = []
  #aside: Settled[] = []

  get size(): number {
    return this.#entries.length
  }

  add(entry: Unsettled): void {
    this.#entries.push(entry)
  }

  /** Those of one consumer, which its prefetch limits. */
  countOf(consumerTag: string): number {
    const aside = this.#aside.flatMap(({ entries }) => entries)
    return [...this.#entries, ...aside].filter(entry => entry.consumerTag === consumerTag).length
  }

  /** RabbitMQ closes the channel (406) on a tag that it does not know; a client is to know that before. */
  settle(deliveryTag: number, multiple: boolean, requeue: boolean): Settled {
    const isCovered = (tag: number): boolean => (multiple ? tag <= deliveryTag : tag === deliveryTag)
    if (!this.#entries.some(entry => entry.deliveryTag === deliveryTag))
      throw new BrokenRule(`unknown delivery tag ${deliveryTag}`)
    const entries = this.#entries.filter(entry => isCovered(entry.deliveryTag))
    this.#entries = this.#entries.filter(entry => !isCovered(entry.deliveryTag))
    return { entries, requeue }
  }

  keepAside(settled: Settled): void {
    this.#aside.push(settled)
  }

  /** What was kept aside takes effect. */
  commit(): readonly Settled[] {
    return this.#aside.splice(0)
  }

  rollback(): void {
    const back = this.#aside.splice(0).flatMap(({ entries }) => entries)
    this.#entries = [...this.#entries, ...back].sort((a, b) => a.deliveryTag - b.deliveryTag)
  }

  /** basic.recover: all that is not settled, and not kept aside. */
  recover(): QueuedMessage[] {
    return this.#entries.splice(0).map(({ queued }) => queued)
  }

  /** The channel is gone: all that is not settled for good. */
  drain(): QueuedMessage[] {
    this.rollback()
    return this.recover()
  }
}
