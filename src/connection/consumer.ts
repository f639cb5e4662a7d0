// The object users hold for a consumer: deliveries go to its handler, or wait here for its iterator. What was not started
// when it ends goes back to the broker, unless the broker has it back already, or never wants it back (noAck). It goes back
// when the broker has cancelled, so that what is on its way until then is not lost either. Handlers that run outlive it.

import {
  ArgumentError,
  type CloseReason,
  ConsumerClosedError,
  type Endpoint,
  type IncomingDelivery,
} from '../protocol/index.js'
import { expectNotAborted, unlessAborted } from './abort-watch.js'
import { checkOptions } from './arguments.js'
import type { ConsumeOptions, DeliveryHandler } from './channel-options.js'
import type { Clock } from './clock.js'
import { CANCEL_CHECKS, type CancelOptions } from './close-options.js'
import { ConsumerEnding } from './consumer-ending.js'
import { Deferred, handled } from './deferred.js'
import { Delivery } from './delivery.js'
import { Fifo } from './fifo.js'
import type { FailureOutcome } from './handler-failures.js'
import { HandlerPool } from './handler-pool.js'
import type { ReceiveBudget } from './receive-budget.js'
import type { TurnShare } from './turn-share.js'

/** RabbitMQ's pseudo-queue of the replies to what a channel asked. */
const DIRECT_REPLY_TO = 'amq.rabbitmq.reply-to'
/** Octets that a delivery occupies besides its content, about: messages without a body must not be without a limit. */
const DELIVERY_OVERHEAD = 256

/** What a consumer needs of its channel. */
export interface ConsumerHost {
  readonly endpoint: Endpoint
  readonly receiveBudget: ReceiveBudget
  readonly turnShare: TurnShare
  readonly clock: Clock
  /** Milliseconds. */
  readonly closeTimeout: number
  flush(): void
  sendCancel(consumerTag: string, noWait: boolean): Promise<void>
  noteHandlerError(error: unknown, delivery: Delivery, outcome: FailureOutcome): void
  /** The consumer has ended, and its handlers are done. */
  release(consumer: ConsumerEnding): void
}

/** A running consumer, made by `channel.consume()`. Iterate over it once, or give a handler. */
export class Consumer implements AsyncIterable<Delivery> {
  readonly consumerTag: string
  readonly #host: ConsumerHost
  readonly #noAck: boolean
  readonly #pool: HandlerPool | undefined
  readonly #closed = new Deferred<CloseReason>()
  /** Deliveries that nobody has begun to work on. */
  readonly #inbox = new Fifo<Delivery>()
  /** Calls of `next` that wait, oldest first; never while something is in the inbox. */
  #waiting: Deferred<IteratorResult<Delivery, undefined>>[] = []
  #iterated = false
  #begun = false
  #working = false
  /** Handlers go on in the next turn of the event loop. */
  #waitsForTurn = false
  /**
   * Deliveries that may wait outside of the receive budget: with acknowledgements the prefetch is their limit. It is the broker
   * that keeps to it, so what comes beyond is counted.
   */
  readonly #granted: number
  #counts = true
  #budgeted = 0
  readonly #ending: ConsumerEnding

  /** @internal */
  constructor(
    host: ConsumerHost,
    options: ConsumeOptions & { queue: string; noAck: boolean; prefetch: number },
    handler: DeliveryHandler | undefined,
    begin: (owner: object) => string,
  ) {
    this.#host = host
    this.#noAck = options.noAck
    this.#granted = options.noAck ? 0 : options.prefetch
    if (handler !== undefined) this.#pool = this.#createPool(options, handler)
    this.#ending = this.#createEnding(options.queue)
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
   * Cancels the consumer (AMQP 0-9-1, 1.8.3.5). Nothing new is started; what has not been started goes back to its queue. Then
   * waits for the handlers that run, and for what they settle to be accepted for sending. Resolves with the reason that
   * {@link closed} has. When the `timeout` ends the wait, the reason says how many handlers still ran (`text`, and `error`, a
   * {@link CloseTimeoutError}); they go on and may still settle.
   *
   * A handler may call and await it: it is not waited for itself, and acknowledged as usual when it is done. That holds
   * also after awaits, but not for a call from a callback that nobody awaits, a timer's for instance.
   */
  cancel(options: CancelOptions = {}): Promise<CloseReason> {
    return handled(async () => {
      checkOptions(options, CANCEL_CHECKS, 'options')
      const { timeout = this.#host.closeTimeout, noWait = false, signal } = options
      expectNotAborted(signal)
      this.#ending.cancel(noWait)
      return unlessAborted(signal, this.#ending.finish(timeout, `cancel of consumer ${this.consumerTag}`))
    })
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
        if (this.#noAck) this.#inbox.drain()
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
    const next = this.#isHandingBack() ? undefined : this.#waiting.shift()
    if (next !== undefined) next.resolve({ done: false, value: delivery })
    else if (this.#canBegin()) this.#run(delivery)
    else this.#keep(delivery)
  }

  /** @internal From here on its handler is called: whoever started the consumer has it by now. */
  begin(): void {
    this.#begun = true
    this.#work()
  }

  /** @internal */
  end(reason: CloseReason): void {
    this.#stopCounting()
    // Of a channel that is gone, the broker has these back; of one that lives, they are still to be worked on.
    for (const delivery of this.#inbox.drain()) {
      if (delivery.state !== 'stale') this.#inbox.push(delivery)
    }
    // Not before: until the broker has cancelled, it would deliver what comes back to this very consumer again.
    if (this.#ending.isStopping) this.#handBack()
    for (const next of this.#waiting.splice(0)) this.#finishIteration(next, reason)
    this.#closed.resolve(reason)
    this.#ending.end(reason)
  }

  /** @internal How it ends, for whoever closes. */
  get ending(): ConsumerEnding {
    return this.#ending
  }

  #createPool(options: ConsumeOptions & { prefetch: number }, handler: DeliveryHandler): HandlerPool {
    const limit = options.prefetch === 0 ? Number.POSITIVE_INFINITY : options.prefetch
    const policy = {
      concurrency: Math.min(options.concurrency ?? limit, limit),
      autoSettle: options.autoSettle ?? true,
      onError: options.onError ?? 'requeue-once',
      isClosing: () => this.#ending.isClosing,
    }
    return new HandlerPool(handler, policy, this.#host.noteHandlerError, runner => {
      this.#work()
      this.#ending.noteProgress(runner)
    })
  }

  #createEnding(queue: string): ConsumerEnding {
    const { clock, endpoint, sendCancel, release } = this.#host
    return new ConsumerEnding({
      clock,
      endpoint,
      pool: this.#pool,
      bringsReplies: queue === DIRECT_REPLY_TO,
      sendCancel: noWait => void sendCancel(this.consumerTag, noWait),
      onStop: () => {
        this.#stopCounting()
        if (this.#ending.reason !== undefined) this.#handBack()
      },
      onTakenBack: () => this.#drop(),
      hasWaiting: () => !this.#inbox.isEmpty,
      onDone: release,
    })
  }

  /** A handler that is done at once makes room, and is told of, inside of this very loop. */
  #work(): void {
    if (this.#working || this.#inbox.isEmpty) return
    this.#working = true
    while (this.#pool?.hasRoom === true && !this.#waitsForTurn) {
      const delivery = this.#take()
      if (delivery === undefined) break
      this.#run(delivery)
    }
    this.#working = false
  }

  /**
   * Handlers that are always done at once would keep the event loop until all is worked off: when their share of this turn is
   * spent, what comes is kept for the next one. Reading goes on; the prefetch, or the receive budget, is the limit.
   */
  #run(delivery: Delivery): void {
    const { turnShare } = this.#host
    this.#pool?.run(delivery)
    if (this.#waitsForTurn || !turnShare.isSpent()) return
    this.#waitsForTurn = true
    turnShare.onNextTurn(() => {
      this.#waitsForTurn = false
      this.#work()
    })
  }

  #pull(): Promise<IteratorResult<Delivery, undefined>> {
    const result = new Deferred<IteratorResult<Delivery, undefined>>()
    const { turnShare } = this.#host
    if (this.#inbox.isEmpty || !turnShare.isSpent()) this.#answer(result)
    else turnShare.onNextTurn(() => this.#answer(result))
    return result.promise
  }

  #answer(result: Deferred<IteratorResult<Delivery, undefined>>): void {
    const delivery = this.#take()
    const { reason } = this.#ending
    if (delivery !== undefined) result.resolve({ done: false, value: delivery })
    else if (reason !== undefined) this.#finishIteration(result, reason)
    else this.#waiting.push(result)
  }

  #finishIteration(result: Deferred<IteratorResult<Delivery, undefined>>, reason: CloseReason): void {
    if (reason.by === 'client') result.resolve({ done: true, value: undefined })
    else result.reject(new ConsumerClosedError(reason, this.consumerTag, this.#host.endpoint))
  }

  /** Little more is to come, and reading must go on, or the server's answer to the end would never be read. */
  #stopCounting(): void {
    this.#counts = false
    this.#discount(this.#budgeted)
  }

  #keep(delivery: Delivery): void {
    this.#inbox.push(delivery)
    if (!this.#counts || this.#inbox.size <= this.#granted) return
    const octets = delivery.octets + DELIVERY_OVERHEAD
    this.#budgeted += octets
    this.#host.receiveBudget.add(octets)
  }

  #take(): Delivery | undefined {
    if (this.#isHandingBack()) return undefined
    const delivery = this.#inbox.shift()
    if (delivery === undefined) return undefined
    this.#discount(Math.min(delivery.octets + DELIVERY_OVERHEAD, this.#budgeted))
    // Handlers tell by themselves.
    if (this.#pool === undefined && this.#inbox.isEmpty) this.#ending.noteProgress()
    return delivery
  }

  #discount(octets: number): void {
    this.#budgeted -= octets
    if (octets > 0) this.#host.receiveBudget.remove(octets)
  }

  /** The broker has everything back that was not settled, and delivers it again. */
  #drop(): void {
    if (this.#noAck) return
    this.#inbox.drain()
    this.#discount(this.#budgeted)
  }

  /** Whether a handler may begin at once. */
  #canBegin(): boolean {
    return this.#begun && this.#pool?.hasRoom === true && !this.#isHandingBack() && !this.#waitsForTurn
  }

  /** Whether what has not been begun is to go back. Without acknowledgements nothing can. */
  #isHandingBack(): boolean {
    return this.#ending.isStopping && !this.#noAck
  }

  /** Not begun and not wanted any more: the broker gives it to somebody else. */
  #handBack(): void {
    if (this.#noAck) return
    for (const delivery of this.#inbox.drain()) delivery.giveBack()
  }
}
