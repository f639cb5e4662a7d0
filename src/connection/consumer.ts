// The object users hold for a consumer: deliveries go to its handler, or wait here for its iterator. What was not started
// when it ends goes back to the broker, unless the broker has it back already, or never wants it back (noAck).

import {
  ArgumentError,
  type CloseReason,
  ConsumerClosedError,
  type Endpoint,
  type IncomingDelivery,
} from '../protocol/index.js'
import type { ConsumeOptions, DeliveryHandler } from './channel-options.js'
import { Deferred } from './deferred.js'
import { Delivery } from './delivery.js'
import { HandlerPool } from './handler-pool.js'
import type { ReceiveBudget } from './receive-budget.js'

/** What a consumer needs of its channel. */
export interface ConsumerHost {
  readonly endpoint: Endpoint
  readonly receiveBudget: ReceiveBudget
  flush(): void
  sendCancel(consumerTag: string): Promise<void>
  noteHandlerError(error: unknown, delivery: Delivery): void
}

/** A running consumer, made by `channel.consume()`. Iterate over it once, or give a handler. */
export class Consumer implements AsyncIterable<Delivery> {
  readonly consumerTag: string
  readonly #host: ConsumerHost
  readonly #noAck: boolean
  readonly #pool: HandlerPool | undefined
  readonly #closed = new Deferred<CloseReason>()
  /** Deliveries that nobody has begun to work on. */
  #inbox: Delivery[] = []
  #next: Deferred<IteratorResult<Delivery, undefined>> | undefined
  #iterated = false
  /** Octets in the inbox that count in the receive budget. */
  #budgeted = 0
  #cancelling = false
  #reason: CloseReason | undefined

  /** @internal */
  constructor(
    host: ConsumerHost,
    options: ConsumeOptions & { noAck: boolean; prefetch: number },
    handler: DeliveryHandler | undefined,
    begin: (owner: object) => string,
  ) {
    this.#host = host
    this.#noAck = options.noAck
    if (handler !== undefined) this.#pool = this.#createPool(options, handler)
    this.consumerTag = begin(this)
  }

  /**
   * Resolves once, when the consumer has ended, with the reason: cancelled by either side, or its channel's end. Never
   * rejects.
   */
  get closed(): Promise<CloseReason> {
    return this.#closed.promise
  }

  /**
   * Cancels the consumer (AMQP 0-9-1, 1.8.3.5). Nothing new is started; what has not been started goes back to its queue.
   * Handlers that run go on and may still settle. Resolves when the consumer has ended.
   */
  cancel(): Promise<CloseReason> {
    if (!this.#cancelling && this.#reason === undefined) {
      this.#cancelling = true
      // If it fails, so has the channel, and the consumer ends with it.
      this.#host.sendCancel(this.consumerTag)
      this.#stopCounting()
      this.#handBack()
    }
    return this.#closed.promise
  }

  /**
   * Yields the deliveries. Ends normally only by the application's own cancel or close; otherwise it throws a
   * {@link ConsumerClosedError} with the reason. Leaving the loop cancels the consumer.
   */
  [Symbol.asyncIterator](): AsyncIterator<Delivery, undefined> {
    if (this.#pool !== undefined)
      throw new ArgumentError('consumer', 'has a handler and cannot be iterated over')
    if (this.#iterated) throw new ArgumentError('consumer', 'is being iterated over already')
    this.#iterated = true
    return {
      next: () => this.#pull(),
      return: async () => {
        const closed = this.cancel()
        this.#inbox = []
        await closed
        return { done: true, value: undefined }
      },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cancel()
  }

  /** @internal */
  receive(incoming: IncomingDelivery): void {
    const delivery = new Delivery(incoming, this.#host.flush)
    if (this.#cancelling && !this.#noAck) delivery.nack({ requeue: true })
    else if (this.#next !== undefined) this.#yield(this.#next, delivery)
    else if (this.#pool?.hasRoom === true) this.#pool.run(delivery)
    else this.#keep(delivery)
  }

  /** @internal */
  end(reason: CloseReason): void {
    this.#reason = reason
    this.#stopCounting()
    // Of a channel that is gone, the broker has these back; of one that lives, they are still to be worked on.
    this.#inbox = this.#inbox.filter(delivery => delivery.state !== 'stale')
    if (this.#next !== undefined) {
      this.#finish(this.#next, reason)
      this.#next = undefined
    }
    this.#closed.resolve(reason)
  }

  #createPool(options: ConsumeOptions & { prefetch: number }, handler: DeliveryHandler): HandlerPool {
    const limit = options.prefetch === 0 ? Number.POSITIVE_INFINITY : options.prefetch
    const policy = {
      concurrency: Math.min(options.concurrency ?? limit, limit),
      autoSettle: options.autoSettle ?? true,
      onError: options.onError ?? 'requeue-once',
    }
    return new HandlerPool(handler, policy, this.#host.noteHandlerError, () => this.#work())
  }

  #work(): void {
    while (this.#pool?.hasRoom === true) {
      const delivery = this.#take()
      if (delivery === undefined) return
      this.#pool.run(delivery)
    }
  }

  #pull(): Promise<IteratorResult<Delivery, undefined>> {
    const result = new Deferred<IteratorResult<Delivery, undefined>>()
    const delivery = this.#take()
    if (delivery !== undefined) this.#yield(result, delivery)
    else if (this.#reason !== undefined) this.#finish(result, this.#reason)
    else this.#next = result
    return result.promise
  }

  #yield(result: Deferred<IteratorResult<Delivery, undefined>>, delivery: Delivery): void {
    if (result === this.#next) this.#next = undefined
    result.resolve({ done: false, value: delivery })
  }

  #finish(result: Deferred<IteratorResult<Delivery, undefined>>, reason: CloseReason): void {
    if (reason.by === 'client') result.resolve({ done: true, value: undefined })
    else result.reject(new ConsumerClosedError(reason, this.consumerTag, this.#host.endpoint))
  }

  #keep(delivery: Delivery): void {
    this.#inbox.push(delivery)
    if (!this.#noAck || this.#cancelling) return
    this.#budgeted += delivery.body.length
    this.#host.receiveBudget.add(delivery.body.length)
  }

  #take(): Delivery | undefined {
    const delivery = this.#inbox.shift()
    if (delivery !== undefined) this.#discount(Math.min(delivery.body.length, this.#budgeted))
    return delivery
  }

  #discount(octets: number): void {
    this.#budgeted -= octets
    if (octets > 0) this.#host.receiveBudget.remove(octets)
  }

  /** What is left is bounded now, and reading must go on, or the reply to the cancel would never be read. */
  #stopCounting(): void {
    this.#discount(this.#budgeted)
  }

  /** Not begun and not wanted any more: the broker gives it to somebody else. */
  #handBack(): void {
    if (this.#noAck) return
    for (const delivery of this.#inbox.splice(0)) delivery.nack({ requeue: true })
  }
}
