// A queue of the model broker, as a classic queue of RabbitMQ: first in, first out; what is requeued goes to the place it had,
// marked as redelivered; consumers take turns, each up to its prefetch.

export interface Message {
  readonly exchange: string
  readonly routingKey: string
  /** Flags and property list, as they came. */
  readonly propertyOctets: Buffer
  readonly body: Buffer
}

/** A message in a queue, or taken from it and not settled. */
export interface QueuedMessage {
  readonly message: Message
  readonly queue: BrokerQueue
  /** Its place, which it keeps. */
  readonly position: number
  redelivered: boolean
}

/** Who takes messages by itself. */
export interface QueueConsumer {
  readonly consumerTag: string
  readonly hasRoom: boolean
  deliver(queued: QueuedMessage): void
  /** The queue is gone. */
  cancel(): void
}

export class BrokerQueue {
  readonly name: string
  readonly #maxLength: number
  #ready: QueuedMessage[] = []
  /** In the order of their turns. */
  #consumers: QueueConsumer[] = []
  #positions = 0

  constructor(name: string, maxLength = Number.POSITIVE_INFINITY) {
    this.name = name
    this.#maxLength = maxLength
  }

  get ready(): readonly QueuedMessage[] {
    return this.#ready
  }

  get consumerCount(): number {
    return this.#consumers.length
  }

  /** False when it is full. */
  enqueue(message: Message): boolean {
    if (this.#ready.length >= this.#maxLength) return false
    this.#ready.push({ message, queue: this, position: this.#positions++, redelivered: false })
    return true
  }

  take(): QueuedMessage | undefined {
    return this.#ready.shift()
  }

  requeue(queued: readonly QueuedMessage[]): void {
    for (const each of queued) each.redelivered = true
    this.#ready = [...this.#ready, ...queued].sort((a, b) => a.position - b.position)
  }

  /** Returns how many there were. */
  purge(): number {
    return this.#ready.splice(0).length
  }

  addConsumer(consumer: QueueConsumer): void {
    this.#consumers.push(consumer)
  }

  removeConsumer(consumer: QueueConsumer): void {
    this.#consumers = this.#consumers.filter(each => each !== consumer)
  }

  /** Gives one message to the consumer whose turn it is. False when nobody wants one or there is none. */
  deliver(): boolean {
    const index = this.#consumers.findIndex(({ hasRoom }) => hasRoom)
    const queued = index === -1 ? undefined : this.take()
    if (queued === undefined) return false
    const [consumer] = this.#consumers.splice(index, 1) as [QueueConsumer]
    this.#consumers.push(consumer)
    consumer.deliver(queued)
    return true
  }

  /** It is being deleted. */
  cancelConsumers(): void {
    for (const consumer of this.#consumers.splice(0)) consumer.cancel()
  }
}
