// A consumer of the model broker: the end of a queue that lies on a channel.

import type { BrokerQueue, QueueConsumer, QueuedMessage } from './broker-queue.js'

/** What a consumer needs of its channel. */
export interface ConsumerChannel {
  readonly isOpen: boolean
  unsettledOf(consumerTag: string): number
  deliverTo(consumer: ChannelConsumer, queued: QueuedMessage): void
  cancelByServer(consumer: ChannelConsumer): void
}

export class ChannelConsumer implements QueueConsumer {
  readonly consumerTag: string
  readonly queue: BrokerQueue
  readonly noAck: boolean
  readonly #prefetch: number
  readonly #channel: ConsumerChannel

  constructor(
    channel: ConsumerChannel,
    { consumerTag, noAck }: { readonly consumerTag: string; readonly noAck: boolean },
    queue: BrokerQueue,
    prefetch: number,
  ) {
    this.#channel = channel
    this.consumerTag = consumerTag
    this.noAck = noAck
    this.queue = queue
    this.#prefetch = prefetch === 0 ? Number.POSITIVE_INFINITY : prefetch
  }

  /** A prefetch means nothing without acknowledgements. */
  get hasRoom(): boolean {
    const { isOpen } = this.#channel
    return isOpen && (this.noAck || this.#channel.unsettledOf(this.consumerTag) < this.#prefetch)
  }

  deliver(queued: QueuedMessage): void {
    this.#channel.deliverTo(this, queued)
  }

  cancel(): void {
    this.#channel.cancelByServer(this)
  }
}
