// The object users hold for a channel: a façade over one life of it in the protocol layer. Methods are named after AMQP's,
// and none does anything itself: what was passed in becomes a checked command in the files of its class (exchange-methods,
// queue-methods, basic-methods), and Calls, Publisher and ConsumerStarter hand it down and return a promise of the answer.

import {
  ArgumentError,
  type Causes,
  ChannelClosedError,
  type ChannelProtocol,
  type CloseReason,
  type FieldTable,
  type IncomingDelivery,
  type ProtocolEvent,
} from '../protocol/index.js'
import { AbortWatch, expectNotAborted } from './abort-watch.js'
import { Announcer } from './announcer.js'
import { checkOptions } from './arguments.js'
import * as basic from './basic-methods.js'
import type { AnsweredOptions, CallOptions, NoWaitOptions, Unanswered } from './call-options.js'
import { Calls } from './calls.js'
import { ChannelConsumers } from './channel-consumers.js'
import type { ChannelEvents } from './channel-events.js'
import type { ChannelHost } from './channel-host.js'
import type {
  Body,
  ConsumeOptions,
  DeliveryHandler,
  GetOptions,
  PrefetchOptions,
  PublishOptions,
} from './channel-options.js'
import { type CancelOptions, CHANNEL_CLOSE_CHECKS, type ChannelCloseOptions } from './close-options.js'
import { Consumer } from './consumer.js'
import { ConsumerStarter } from './consumer-starter.js'
import { Deferred, handled } from './deferred.js'
import { type AckOptions, Delivery, type NackOptions, type RejectOptions } from './delivery.js'
import type { ExchangeDeclareOptions, ExchangeDeleteOptions } from './exchange-methods.js'
import * as exchanges from './exchange-methods.js'
import { GracefulClose } from './graceful-close.js'
import { HandlerFailures } from './handler-failures.js'
import { nothing, PendingCall } from './pending-call.js'
import { LimitedPublish, Publisher } from './publisher.js'
import type { QueueDeclared, QueueDeclareOptions, QueueDeleteOptions } from './queue-methods.js'
import * as queues from './queue-methods.js'

/** What a channel is doing. */
export type ChannelState = 'open' | 'closing' | 'closed'

/** An open channel, made by `connection.openChannel()`. */
export class Channel extends Announcer<ChannelEvents> {
  readonly #host: ChannelHost
  readonly #life: ChannelProtocol
  readonly #closed = new Deferred<CloseReason>()
  readonly #consumers = new ChannelConsumers()
  readonly #graceful: GracefulClose
  readonly #aborts: AbortWatch
  readonly #calls: Calls
  readonly #publisher: Publisher
  readonly #starter: ConsumerStarter

  /** @internal */
  constructor(host: ChannelHost, begin: (owner: object) => ChannelProtocol) {
    super()
    this.#host = host
    this.#life = begin(this)
    this.#graceful = this.#createGracefulClose()
    this.#aborts = new AbortWatch(causes => this.#withdraw(causes))
    this.#calls = new Calls(this.#life, host, this.#aborts)
    this.#publisher = new Publisher(this.#life, host, this.#aborts)
    this.#starter = new ConsumerStarter({
      life: this.#life,
      host,
      aborts: this.#aborts,
      calls: this.#calls,
      consumers: this.#consumers,
      noteHandlerError: new HandlerFailures({
        isListening: () => this.listenerCount('handlerError') > 0,
        announce: (...failure) => this.announce('handlerError', ...failure),
      }).note,
    })
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
    return this.#life.state === 'open' && !this.#consumers.areRetired ? 'open' : 'closing'
  }

  /**
   * Declares an exchange (AMQP 0-9-1, 1.6.2.1) of the type `direct`, `fanout`, `topic`, `headers` or one of a plugin (`x-…`).
   * Declaring it again with other properties closes the channel (406).
   */
  exchangeDeclare(exchange: string, type: string, options: ExchangeDeclareOptions = {}): Promise<void> {
    return this.#calls.make(options, () => exchanges.exchangeDeclare(exchange, type, options), nothing)
  }

  /** Deletes an exchange (AMQP 0-9-1, 1.6.2.3). Deleting none is no error. */
  exchangeDelete(exchange: string, options: ExchangeDeleteOptions = {}): Promise<void> {
    return this.#calls.make(options, () => exchanges.exchangeDelete(exchange, options), nothing)
  }

  /** Binds an exchange to another (RabbitMQ's exchange.bind): messages go from the source to the destination. */
  exchangeBind(
    destination: string,
    source: string,
    routingKey = '',
    args: FieldTable = {},
    options: NoWaitOptions = {},
  ): Promise<void> {
    const method = () => exchanges.exchangeBind(destination, source, routingKey, args, options)
    return this.#calls.make(options, method, nothing)
  }

  /** Takes a binding between exchanges away (RabbitMQ's exchange.unbind). Taking none away is no error. */
  exchangeUnbind(
    destination: string,
    source: string,
    routingKey = '',
    args: FieldTable = {},
    options: NoWaitOptions = {},
  ): Promise<void> {
    const method = () => exchanges.exchangeUnbind(destination, source, routingKey, args, options)
    return this.#calls.make(options, method, nothing)
  }

  /**
   * Declares a queue (AMQP 0-9-1, 1.7.2.1). Without a name the server makes one, and the queue is exclusive and not
   * durable. Declaring it again with other properties closes the channel (406).
   */
  queueDeclare(queue?: string, options?: QueueDeclareOptions): Promise<QueueDeclared>
  queueDeclare(queue: string, options: Unanswered<QueueDeclareOptions>): Promise<undefined>
  queueDeclare(
    queue = '',
    options: QueueDeclareOptions | Unanswered<QueueDeclareOptions> = {},
  ): Promise<QueueDeclared | undefined> {
    return this.#calls.make(options, () => queues.queueDeclare(queue, options), queues.declared)
  }

  /** Binds a queue to an exchange (AMQP 0-9-1, 1.7.2.3). */
  queueBind(
    queue: string,
    exchange: string,
    routingKey = '',
    args: FieldTable = {},
    options: NoWaitOptions = {},
  ): Promise<void> {
    const method = () => queues.queueBind(queue, exchange, routingKey, args, options)
    return this.#calls.make(options, method, nothing)
  }

  /** Takes a binding away (AMQP 0-9-1, 1.7.2.5), the only method of its kind without a no-wait form. Taking none away is no error. */
  queueUnbind(
    queue: string,
    exchange: string,
    routingKey = '',
    args: FieldTable = {},
    options: CallOptions = {},
  ): Promise<void> {
    const method = () => queues.queueUnbind(queue, exchange, routingKey, args, options)
    return this.#calls.make(options, method, nothing)
  }

  /** Removes the messages of a queue that wait to be delivered (AMQP 0-9-1, 1.7.2.7). Resolves with their number. */
  queuePurge(queue: string, options?: AnsweredOptions): Promise<number>
  queuePurge(queue: string, options: Unanswered<AnsweredOptions>): Promise<undefined>
  queuePurge(
    queue: string,
    options: AnsweredOptions | Unanswered<AnsweredOptions> = {},
  ): Promise<number | undefined> {
    return this.#calls.make(options, () => queues.queuePurge(queue, options), queues.messageCount)
  }

  /** Deletes a queue (AMQP 0-9-1, 1.7.2.9). Resolves with the number of messages that were in it; deleting none is no error. */
  queueDelete(queue: string, options?: QueueDeleteOptions): Promise<number>
  queueDelete(queue: string, options: Unanswered<QueueDeleteOptions>): Promise<undefined>
  queueDelete(
    queue: string,
    options: QueueDeleteOptions | Unanswered<QueueDeleteOptions> = {},
  ): Promise<number | undefined> {
    return this.#calls.make(options, () => queues.queueDelete(queue, options), queues.messageCount)
  }

  /**
   * How many deliveries each consumer started from now on may have unsettled, 0 for no limit (AMQP 0-9-1, 1.8.3.1, in
   * RabbitMQ's meaning). Consumers that run keep theirs. With `global` it is another limit, for all of them together.
   */
  prefetch(count: number, options: PrefetchOptions = {}): Promise<void> {
    const method = () => {
      const qos = basic.basicQos(count, options)
      expectNotAborted(options.signal)
      if (!qos.args.global) this.#starter.prefetch = count
      return qos
    }
    return this.#calls.make(options, method, nothing)
  }

  /** Asks the broker to confirm what is published on this channel from now on (RabbitMQ). There is no way back. */
  confirmSelect(options: NoWaitOptions = {}): Promise<void> {
    return this.#calls.make(options, () => basic.confirmSelect(options), nothing)
  }

  /** Puts the channel into transactions (AMQP 0-9-1, 1.9.2.1): publishes and settlements take effect when committed. */
  txSelect(options: CallOptions = {}): Promise<void> {
    return this.#calls.make(options, () => basic.transactionMethod('tx.select', options), nothing)
  }

  /** Commits what was published and settled since the last commit or rollback (AMQP 0-9-1, 1.9.2.3). */
  txCommit(options: CallOptions = {}): Promise<void> {
    return this.#calls.make(options, () => basic.transactionMethod('tx.commit', options), nothing)
  }

  /** Drops what was published since then, and makes the deliveries settled since then settleable again (AMQP 0-9-1, 1.9.2.5). */
  txRollback(options: CallOptions = {}): Promise<void> {
    return this.#calls.make(options, () => basic.transactionMethod('tx.rollback', options), nothing)
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
    return this.#publisher.publish(exchange, routingKey, body, options)
  }

  /**
   * Resolves when all that was published before is confirmed (RabbitMQ). Rejects with a {@link PublishesFailedError} when some of it,
   * since the last such wait, was not; with an {@link ArgumentError} outside of confirm mode.
   */
  waitForConfirms(options: CallOptions = {}): Promise<void> {
    return this.#publisher.waitForConfirms(options)
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
    if (typeof optionsOrHandler !== 'function')
      return handled(() => this.#starter.start(queue, optionsOrHandler, handler))
    if (handler === undefined) return this.consume(queue, {}, optionsOrHandler)
    return handled(() => Promise.reject(new ArgumentError('handler', 'comes last, behind the options')))
  }

  /** Cancels a consumer of this channel, as `consumer.cancel()` does. Resolves when it has ended. */
  cancel(consumer: Consumer, options?: CancelOptions): Promise<CloseReason> {
    return handled(async () => {
      if (!(consumer instanceof Consumer)) throw new ArgumentError('consumer', 'must be a Consumer')
      return consumer.cancel(options)
    })
  }

  /** Fetches one message (AMQP 0-9-1, 1.8.3.10); undefined when the queue is empty. Consuming is cheaper. */
  get(queue: string, options: GetOptions = {}): Promise<Delivery | undefined> {
    const call = new PendingCall((incoming: IncomingDelivery | undefined) =>
      incoming === undefined ? undefined : new Delivery(incoming, this.#host.flush),
    )
    return this.#calls.makeAs(call, options, () => basic.basicGet(queue, options))
  }

  /** Acknowledges, like `delivery.ack()`. It takes the delivery: a tag alone does not say which life it belongs to. */
  ack(delivery: Delivery, options?: AckOptions): boolean
  ack(delivery: Delivery, options?: AckOptions, ...surplus: unknown[]): boolean {
    return basic.expectDelivery(delivery, surplus).ack(options)
  }

  /** Refuses, like `delivery.nack()`. */
  nack(delivery: Delivery, options?: NackOptions): boolean
  nack(delivery: Delivery, options?: NackOptions, ...surplus: unknown[]): boolean {
    return basic.expectDelivery(delivery, surplus).nack(options)
  }

  /** Refuses, like `delivery.reject()`. */
  reject(delivery: Delivery, options?: RejectOptions): boolean
  reject(delivery: Delivery, options?: RejectOptions, ...surplus: unknown[]): boolean {
    return basic.expectDelivery(delivery, surplus).reject(options)
  }

  /**
   * Sends all that is delivered and not settled back to its queues (AMQP 0-9-1, 1.8.3.16, with requeue), to be delivered again,
   * here or elsewhere; settling it sends nothing any more. Not where a stream is read: RabbitMQ ends the connection then (541).
   */
  recover(options: CallOptions = {}): Promise<void> {
    return this.#calls.make(options, () => basic.basicRecover(options), nothing)
  }

  /**
   * Closes the channel (AMQP 0-9-1, 1.5.2.5). While handlers run its consumers are cancelled first and the handlers waited
   * for: until they are done they may publish, call and settle as before, and only `consume()` is refused. Then it closes when
   * all that was issued before is sent, answered and confirmed.
   *
   * Settles within `timeout`, of which handlers have all but a fifth, or two seconds. What was given up is said in the reason:
   * handlers that still run, and publishes that are not confirmed. Safe to call any number of times.
   *
   * A handler may call and await it, and is not waited for itself (see {@link Consumer.cancel}); but when this resolves, the
   * channel is gone, and a delivery that is not settled by then goes back to its queue. (One that awaits nothing is done before.)
   */
  close(options: ChannelCloseOptions = {}): Promise<CloseReason> {
    return handled(async () => {
      checkOptions(options, CHANNEL_CLOSE_CHECKS, 'options')
      const { timeout = this.#host.closeTimeout } = options
      if (this.#graceful.isDraining || this.#consumers.areBusy) this.#graceful.drain(timeout)
      else this.#graceful.close(timeout)
      return this.#closed.promise
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal */
  receive(
    event: Extract<ProtocolEvent, { type: 'drained' | 'returned' | 'takenBack' | 'channelClosed' }>,
  ): void {
    switch (event.type) {
      case 'drained':
        return this.#publisher.noteDrained()
      case 'returned':
        return this.announce('returned', event.message)
      case 'takenBack':
        return this.#consumers.takeBack()
      case 'channelClosed':
        this.#graceful.interrupt()
        this.#publisher.end(new ChannelClosedError(event.reason, this.number, this.#host.endpoint))
        this.#consumers.lose()
        return this.#closed.resolve(this.#graceful.explain(event.reason, `channel ${this.number}`))
    }
  }

  /** @internal What it sees of its connection. */
  get host(): ChannelHost {
    return this.#host
  }

  /** @internal Its consumers that are not done. */
  get consumers(): ChannelConsumers {
    return this.#consumers
  }

  /** @internal What ends waits before their time. */
  get aborts(): AbortWatch {
    return this.#aborts
  }

  /** @internal */
  get publisher(): Publisher {
    return this.#publisher
  }

  #withdraw(causes: Causes): void {
    this.#life.withdraw(causes)
    for (const [token, cause] of causes) {
      if (token instanceof LimitedPublish) token.giveUp(cause.message, { ...this.#host.endpoint, cause })
    }
    this.#host.flush()
  }

  #createGracefulClose(): GracefulClose {
    const { clock, endpoint } = this.#host
    return new GracefulClose({
      clock,
      endpoint,
      now: () => this.#host.now(),
      consumers: () => this.#consumers,
      retireConsumers: () => this.#consumers.retire(),
      close: timeoutMs => {
        this.#life.close(this.#host.now(), timeoutMs)
        this.#consumers.stop()
        this.#host.flush()
      },
    })
  }
}
