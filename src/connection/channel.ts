// The object users hold for a channel: a façade over one life of it in the protocol layer. Methods are named after AMQP's
// and do three things: check what was passed in, hand a command down, and return a promise that its answer settles.

import {
  ArgumentError,
  type CallName,
  ChannelClosedError,
  type ChannelProtocol,
  type CloseReason,
  type FieldTable,
  type Method,
  type MethodOf,
  type ProtocolEvent,
  type ReturnedMessage,
} from '../protocol/index.js'
import { Announcer } from './announcer.js'
import { checkOptions } from './arguments.js'
import type { ChannelHost } from './channel-host.js'
import {
  type Body,
  CONSUME_CHECKS,
  type ConsumeOptions,
  checkHandler,
  checkPrefetch,
  type DeliveryHandler,
  EXCHANGE_DECLARE_CHECKS,
  type ExchangeDeclareOptions,
  GET_CHECKS,
  type GetOptions,
  octetsOf,
  type PublishOptions,
  propertiesOf,
  QUEUE_DECLARE_CHECKS,
  QUEUE_DELETE_CHECKS,
  type QueueDeclared,
  type QueueDeclareOptions,
  type QueueDeleteOptions,
} from './channel-options.js'
import { Consumer, type ConsumerHost } from './consumer.js'
import { Deferred, handled } from './deferred.js'
import { Delivery } from './delivery.js'
import { PendingCall, PendingGet } from './pending-call.js'

/** Events of a channel. None needs a listener. */
export interface ChannelEvents {
  /** A message came back that belongs to no publish that waits for its confirm: always so on a plain channel. */
  returned: [message: ReturnedMessage]
  /** A consumer's handler threw or rejected; what was done about the delivery is the consumer's `onError`. */
  handlerError: [error: unknown, delivery: Delivery]
}

/** What a channel is doing. */
export type ChannelState = 'open' | 'closing' | 'closed'

const DEFAULT_PREFETCH = 100

/** An open channel, made by `connection.openChannel()`. */
export class Channel extends Announcer<ChannelEvents> {
  readonly #host: ChannelHost
  readonly #life: ChannelProtocol
  readonly #closed = new Deferred<CloseReason>()
  #prefetch = DEFAULT_PREFETCH
  readonly #consumers = new Set<Consumer>()
  /** Shared by the publishes of a plain channel that had to wait. */
  #drained: Deferred<void> | undefined

  /** @internal */
  constructor(host: ChannelHost, begin: (owner: object) => ChannelProtocol) {
    super()
    this.#host = host
    this.#life = begin(this)
  }

  /** Resolves once, when the channel has ended, with the reason; its connection's if that ended it. Never rejects. */
  get closed(): Promise<CloseReason> {
    return this.#closed.promise
  }

  /** Its number on the connection. */
  get number(): number {
    return this.#life.number
  }

  get state(): ChannelState {
    if (this.#life.reason !== undefined) return 'closed'
    return this.#life.state === 'open' ? 'open' : 'closing'
  }

  /**
   * Declares an exchange (AMQP 0-9-1, 1.6.2.1) of the type `direct`, `fanout`, `topic`, `headers` or one of a plugin.
   * Declaring it again with other properties closes the channel (406).
   */
  exchangeDeclare(exchange: string, type: string, options: ExchangeDeclareOptions = {}): Promise<void> {
    return this.#call(() => {
      checkOptions(options, EXCHANGE_DECLARE_CHECKS, 'options')
      const { durable = true, autoDelete = false, internal = false } = options
      const flags = { passive: false, durable, autoDelete, internal, noWait: false }
      return {
        name: 'exchange.declare',
        args: { exchange, type, ...flags, arguments: options.arguments ?? {} },
      }
    }, nothing)
  }

  /**
   * Declares a queue (AMQP 0-9-1, 1.7.2.1). Without a name the server makes one, and the queue is exclusive and not
   * durable. Declaring it again with other properties closes the channel (406).
   */
  queueDeclare(queue = '', options: QueueDeclareOptions = {}): Promise<QueueDeclared> {
    return this.#call(() => {
      checkOptions(options, QUEUE_DECLARE_CHECKS, 'options')
      const named = queue !== ''
      const { durable = named, exclusive = !named, autoDelete = false } = options
      const flags = { passive: false, durable, exclusive, autoDelete, noWait: false }
      return { name: 'queue.declare', args: { queue, ...flags, arguments: options.arguments ?? {} } }
    }, declared)
  }

  /** Binds a queue to an exchange (AMQP 0-9-1, 1.7.2.3). */
  queueBind(queue: string, exchange: string, routingKey = '', args: FieldTable = {}): Promise<void> {
    return this.#call(
      () => ({ name: 'queue.bind', args: { queue, exchange, routingKey, noWait: false, arguments: args } }),
      nothing,
    )
  }

  /** Deletes a queue (AMQP 0-9-1, 1.7.2.9). Resolves with the number of messages that were in it; deleting none is no error. */
  queueDelete(queue: string, options: QueueDeleteOptions = {}): Promise<number> {
    return this.#call(() => {
      checkOptions(options, QUEUE_DELETE_CHECKS, 'options')
      const { ifUnused = false, ifEmpty = false } = options
      return { name: 'queue.delete', args: { queue, ifUnused, ifEmpty, noWait: false } }
    }, messageCount)
  }

  /**
   * How many deliveries each consumer started from now on may have unsettled, 0 for no limit (AMQP 0-9-1, 1.8.3.1, in
   * RabbitMQ's meaning). Consumers that run keep theirs.
   */
  prefetch(count: number): Promise<void> {
    return this.#call(() => {
      checkPrefetch(count)
      this.#prefetch = count
      return { name: 'basic.qos', args: { prefetchSize: 0, prefetchCount: count, global: false } }
    }, nothing)
  }

  /** Asks the broker to confirm what is published on this channel from now on (RabbitMQ). There is no way back. */
  confirmSelect(): Promise<void> {
    return this.#call(() => ({ name: 'confirm.select', args: { noWait: false } }), nothing)
  }

  /**
   * Publishes a message (AMQP 0-9-1, 1.8.3.7); persistent unless `deliveryMode` says otherwise.
   *
   * On a confirm channel the promise resolves when the broker has confirmed, and rejects with a {@link NackedError}, a
   * {@link ReturnedError} or an {@link UnconfirmedError} that says whether the message may have arrived. On a plain channel it
   * resolves at once as long as there is room; awaiting it is the back-pressure, and says nothing about the message. Beyond
   * `maxBuffered` it rejects with a {@link BackpressureError}, on a channel that is closed with a {@link ChannelClosedError}.
   */
  publish(exchange: string, routingKey: string, body: Body, options?: PublishOptions): Promise<void> {
    const token = this.#life.confirming ? new Deferred<void>() : undefined
    try {
      const octets = octetsOf(body)
      const properties = propertiesOf(options)
      const publishing = {
        exchange,
        routingKey,
        mandatory: options?.mandatory === true,
        properties,
        body: octets,
      }
      const before = this.#host.appended()
      const sent = this.#life.publish(publishing, token, this.#host.now())
      this.#host.flush()
      if (token !== undefined) return token.promise
      if (sent === 'sent') return this.#host.publishGate.pass(this.#host.appended() - before)
      this.#drained ??= new Deferred()
      return this.#drained.promise
    } catch (error) {
      const failed = token ?? new Deferred<void>()
      failed.reject(error as Error)
      return failed.promise
    }
  }

  /**
   * Starts a consumer (AMQP 0-9-1, 1.8.3.3). With a handler it is called for each delivery, `concurrency` at a time;
   * without, the consumer is an async iterable. See {@link ConsumeOptions}.
   */
  consume(queue: string, handler: DeliveryHandler): Promise<Consumer>
  consume(queue: string, options?: ConsumeOptions, handler?: DeliveryHandler): Promise<Consumer>
  consume(
    queue: string,
    optionsOrHandler: ConsumeOptions | DeliveryHandler = {},
    handler?: DeliveryHandler,
  ): Promise<Consumer> {
    const [options, handle] =
      typeof optionsOrHandler === 'function' ? [{}, optionsOrHandler] : [optionsOrHandler, handler]
    return handled(async () => {
      checkOptions(options, CONSUME_CHECKS, 'options')
      if (handle !== undefined) checkHandler(handle)
      const { noAck = false, exclusive = false, consumerTag = '', prefetch = this.#prefetch } = options
      if (this.#life.hasConsumer(consumerTag))
        throw new ArgumentError('options.consumerTag', 'is in use on this channel')
      const started = new PendingCall<void>(() => undefined)
      const command = { queue, consumerTag, noAck, exclusive, arguments: options.arguments ?? {} }
      const consumer = new Consumer(this.#consumerHost(), { ...options, noAck, prefetch }, handle, owner =>
        this.#life.consume(
          { ...command, prefetch: noAck ? undefined : prefetch, consumer: owner },
          started,
          this.#host.now(),
        ),
      )
      this.#host.flush()
      this.#consumers.add(consumer)
      try {
        await started.promise
      } catch (error) {
        consumer.stopCounting()
        this.#consumers.delete(consumer)
        throw error
      }
      void consumer.closed.then(() => this.#consumers.delete(consumer))
      return consumer
    })
  }

  /** Cancels a consumer of this channel, as `consumer.cancel()` does. Resolves when it has ended. */
  cancel(consumer: Consumer): Promise<CloseReason> {
    return handled(async () => {
      if (!(consumer instanceof Consumer)) throw new ArgumentError('consumer', 'must be a Consumer')
      return consumer.cancel()
    })
  }

  /** Fetches one message (AMQP 0-9-1, 1.8.3.10); undefined when the queue is empty. Consuming is cheaper. */
  get(queue: string, options: GetOptions = {}): Promise<Delivery | undefined> {
    const token = new PendingGet(incoming => new Delivery(incoming, this.#host.flush))
    return this.#send(token, () => {
      checkOptions(options, GET_CHECKS, 'options')
      return { name: 'basic.get', args: { queue, noAck: options.noAck ?? false } }
    })
  }

  /** Acknowledges, like `delivery.ack()`. It takes the delivery: a tag alone does not say which life it belongs to. */
  ack(delivery: Delivery, options?: { multiple?: boolean | undefined }): boolean {
    return expectDelivery(delivery).ack(options)
  }

  /** Refuses, like `delivery.nack()`. */
  nack(
    delivery: Delivery,
    options?: { requeue?: boolean | undefined; multiple?: boolean | undefined },
  ): boolean {
    return expectDelivery(delivery).nack(options)
  }

  /**
   * Closes the channel (AMQP 0-9-1, 1.5.2.5) after what was published before is sent and confirmed. Settles within
   * `closeTimeout`; what was given up then is said in the reason. Safe to call any number of times.
   */
  close(): Promise<CloseReason> {
    this.#life.close(this.#host.now())
    for (const consumer of this.#consumers) consumer.stopCounting()
    this.#host.flush()
    return this.#closed.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal */
  receive(event: Extract<ProtocolEvent, { type: 'drained' | 'returned' | 'channelClosed' }>): void {
    switch (event.type) {
      case 'drained':
        this.#drained?.resolve()
        this.#drained = undefined
        return
      case 'returned':
        return this.announce('returned', event.message)
      case 'channelClosed':
        this.#drained?.reject(new ChannelClosedError(event.reason, this.number, this.#host.endpoint))
        this.#drained = undefined
        return this.#closed.resolve(event.reason)
    }
  }

  /** Sends a call; `read` makes the result out of the reply. */
  #call<T>(method: () => MethodOf<CallName>, read: (reply: Method | undefined) => T): Promise<T> {
    return this.#send(new PendingCall(read), method)
  }

  #send<T>(token: Deferred<T>, method: () => MethodOf<CallName>): Promise<T> {
    try {
      this.#life.call(method(), token, this.#host.now())
      this.#host.flush()
    } catch (error) {
      token.reject(error as Error)
    }
    return token.promise
  }

  #consumerHost(): ConsumerHost {
    const { endpoint, receiveBudget, flush } = this.#host
    return {
      endpoint,
      receiveBudget,
      flush,
      sendCancel: consumerTag =>
        this.#call(() => ({ name: 'basic.cancel', args: { consumerTag, noWait: false } }), nothing),
      noteHandlerError: (error, delivery) => this.announce('handlerError', error, delivery),
    }
  }
}

function expectDelivery(delivery: Delivery): Delivery {
  if (delivery instanceof Delivery) return delivery
  throw new ArgumentError(
    'delivery',
    'must be a Delivery: a delivery tag alone does not say which channel life it belongs to',
  )
}

function nothing(): void {}

function declared(reply: Method | undefined): QueueDeclared {
  const { queue, messageCount, consumerCount } = (reply as MethodOf<'queue.declare-ok'>).args
  return { queue, messageCount, consumerCount }
}

function messageCount(reply: Method | undefined): number {
  return (reply as MethodOf<'queue.delete-ok'>).args.messageCount
}
