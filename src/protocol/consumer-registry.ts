// The consumers of one channel life by consumer tag. A consumer is registered before basic.consume leaves, with a tag of
// our own choosing, because deliveries may follow consume-ok in the same octets, or come without one (no-wait).

export interface RegisteredConsumer {
  readonly consumerTag: string
  /** The caller's token; undefined when nobody has the consumer any more. */
  readonly consumer: object | undefined
  readonly noAck: boolean
}

export class ConsumerRegistry {
  readonly #consumers = new Map<string, RegisteredConsumer>()
  /** The one that was asked for last: deliveries to a consumer come one behind the other. */
  #latest: RegisteredConsumer | undefined
  #generated = 0

  /** A tag that is free on this channel; tags need be unique per channel only (RabbitMQ: a reuse is a hard 530). */
  generateTag(): string {
    let tag: string
    do tag = `thump-${++this.#generated}`
    while (this.#consumers.has(tag))
    return tag
  }

  has(consumerTag: string): boolean {
    return this.#consumers.has(consumerTag)
  }

  add(consumer: RegisteredConsumer): void {
    this.#consumers.set(consumer.consumerTag, consumer)
    this.#latest = undefined
  }

  get(consumerTag: string): RegisteredConsumer | undefined {
    if (this.#latest?.consumerTag !== consumerTag) this.#latest = this.#consumers.get(consumerTag)
    return this.#latest
  }

  /** Nobody has the consumer any more, and deliveries may come for it: it runs or will, or is being cancelled. Returns who had it. */
  disown(consumerTag: string): RegisteredConsumer | undefined {
    const registered = this.#consumers.get(consumerTag)
    if (registered !== undefined) this.#consumers.set(consumerTag, { ...registered, consumer: undefined })
    this.#latest = undefined
    return registered
  }

  /** Removes a consumer: cancelled by either side, or refused. */
  remove(consumerTag: string): RegisteredConsumer | undefined {
    const consumer = this.#consumers.get(consumerTag)
    this.#consumers.delete(consumerTag)
    this.#latest = undefined
    return consumer
  }

  /** Removes and returns all: the channel is gone. */
  drain(): RegisteredConsumer[] {
    const consumers = [...this.#consumers.values()]
    this.#consumers.clear()
    this.#latest = undefined
    return consumers
  }
}
