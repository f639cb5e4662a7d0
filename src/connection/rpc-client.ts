// The asking side of request and reply, over RabbitMQ's direct reply-to: a pseudo-queue of the channel, without a queue to
// declare, that lives and dies with it. The reply comes to the channel that asked, so a client has a channel of its own,
// and its correlation ids need be unique there only: a counter does.

import {
  ArgumentError,
  ChannelClosedError,
  type CloseReason,
  ConsumerClosedError,
  type PublishProperties,
  ReturnedError,
  type ReturnedMessage,
} from '../protocol/index.js'
import { AbortWatch, expectNotAborted } from './abort-watch.js'
import { type Checks, checkOptions, isBoolean, isSignal, isTimeout } from './arguments.js'
import type { Channel } from './channel.js'
import type { Body } from './channel-options.js'
import { Connection } from './connection.js'
import { Deferred, handled } from './deferred.js'
import type { Delivery } from './delivery.js'
import { refuseOptions } from './rpc-arguments.js'
import { RpcDeadlines } from './rpc-deadlines.js'
import { failureIn } from './rpc-reply.js'
import { type OnSettled, RpcRequest } from './rpc-request.js'

/** Options of {@link openRpcClient}. */
export interface RpcClientOptions {
  /** Milliseconds that a request waits for its reply, unless it says otherwise. Default 20 000; it does not follow `rpcTimeout`. */
  timeout?: number | undefined
  /**
   * Whether the broker confirms each request. Default true: a request that it refuses, as a queue that is full may make it do,
   * or does not take over in time rejects as soon as that is known. False saves a frame for each request and, with RabbitMQ, mostly
   * a round of the event loop; who waits then hears of neither, and goes by the timeout.
   */
  confirm?: boolean | undefined
  /** Aborts opening. Later it has no effect. */
  signal?: AbortSignal | undefined
}

/** Options of {@link RpcClient.request}, content properties among them. `correlationId` and `replyTo` are the client's. */
export interface RpcRequestOptions extends Omit<PublishProperties, 'correlationId' | 'replyTo'> {
  /** Milliseconds to wait for the reply. Default: the client's `timeout`. */
  timeout?: number | undefined
  /** Gives the request up: it rejects with the signal's reason. The request may be handled all the same. */
  signal?: AbortSignal | undefined
  /**
   * Milliseconds after which the request is dropped when nobody has taken it out of its queue. Default: its `timeout`, so
   * that nothing is done for a requester who has given up.
   */
  expiration?: string | number | undefined
  /**
   * 2 is persistent, 1 transient. Default 1: the way back does not survive the broker, so a request that did would be
   * answered to nobody.
   */
  deliveryMode?: number | undefined
}

const REPLY_TO = 'amq.rabbitmq.reply-to'
const DEFAULT_TIMEOUT_MS = 20_000
const OWN = ['correlationId', 'replyTo', 'mandatory']

const CLIENT_CHECKS = {
  timeout: isTimeout,
  confirm: isBoolean,
  signal: isSignal,
} satisfies Checks<RpcClientOptions>

/**
 * Opens a client for request and reply over RabbitMQ's direct reply-to: a channel of its own, with the consumer of
 * the replies. Rejects as `openChannel` and `consume` do.
 */
export function openRpcClient(connection: Connection, options: RpcClientOptions = {}): Promise<RpcClient> {
  return handled(async () => {
    if (!(connection instanceof Connection)) throw new ArgumentError('connection', 'must be a Connection')
    checkOptions(options, CLIENT_CHECKS, 'options')
    const { timeout = DEFAULT_TIMEOUT_MS, confirm = true, signal } = options
    const channel = await connection.openChannel({ confirm, signal })
    const client = new RpcClient(channel, timeout, confirm)
    await client.listen(signal)
    return client
  })
}

/** Asks and is answered; made by {@link openRpcClient}. */
export class RpcClient {
  readonly #channel: Channel
  /** Of requests that do not say otherwise. */
  readonly #timeoutMs: number
  readonly #confirms: boolean
  readonly #closed = new Deferred<CloseReason>()
  /** By correlation id. */
  readonly #pending = new Map<string, RpcRequest>()
  readonly #aborts = new AbortWatch(causes => {
    for (const [request, cause] of causes) (request as RpcRequest).reject(cause)
  })
  readonly #deadlines: RpcDeadlines
  #requests = 0
  #droppedReplies = 0

  /** @internal */
  constructor(channel: Channel, timeoutMs: number, confirms: boolean) {
    this.#channel = channel
    this.#timeoutMs = timeoutMs
    this.#confirms = confirms
    this.#deadlines = new RpcDeadlines(channel.host.clock, () => this.#pending.values())
    channel.on('returned', message => this.#receiveReturned(message))
  }

  /**
   * Resolves once, when the client has ended, with the reason; its channel's or connection's if that ended it. Never
   * rejects.
   */
  get closed(): Promise<CloseReason> {
    return this.#closed.promise
  }

  /** Replies that fitted no request: they came after its timeout or abort, or were not the first. */
  get droppedReplies(): number {
    return this.#droppedReplies
  }

  /**
   * Publishes a request, mandatory, and resolves with its reply; both end at the `timeout`.
   *
   * Rejects with an {@link RpcError} when the other side says that it failed; with a {@link RequestTimeoutError}, or the
   * signal's reason, when nobody has answered by then; with a {@link ReturnedError} when it reached no queue; if requests are
   * confirmed, a {@link NackedError} when the broker refused it, an {@link UnconfirmedError} when it did not confirm it; and with a
   * {@link ChannelClosedError} when the client ends, or has ended. Only a request that was returned, refused or has the outcome
   * `not-sent` was certainly not handled.
   */
  request(
    exchange: string,
    routingKey: string,
    body: Body,
    options: RpcRequestOptions = {},
  ): Promise<Delivery> {
    const { endpoint } = this.#channel.host
    const correlationId = String(++this.#requests)
    const request = new RpcRequest(correlationId, { exchange, routingKey }, endpoint, this.#onSettled)
    try {
      this.#send(request, exchange, routingKey, body, options)
    } catch (error) {
      request.reject(error as Error)
    }
    return request.promise
  }

  /** Closes its channel. Requests that wait are rejected at once. Safe to call any number of times. */
  close(): Promise<CloseReason> {
    const reason: CloseReason = { by: 'client', text: 'the rpc client was closed' }
    this.#abandon(new ChannelClosedError(reason, this.#channel.number, this.#channel.host.endpoint))
    void this.#channel.close()
    return this.#closed.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal Starts the consumer of the replies; without it no request may be published (406). */
  async listen(signal: AbortSignal | undefined): Promise<void> {
    try {
      const options = { noAck: true, signal }
      const consumer = await this.#channel.consume(REPLY_TO, options, reply => this.#receiveReply(reply))
      void consumer.closed.then(reason => this.#end(reason, consumer.consumerTag))
    } catch (error) {
      void this.#channel.close()
      throw error
    }
  }

  #send(
    request: RpcRequest,
    exchange: string,
    routingKey: string,
    body: Body,
    options: RpcRequestOptions,
  ): void {
    refuseOptions(options, OWN, 'options')
    const { timeout = this.#timeoutMs, signal, expiration, deliveryMode, ...others } = options
    isTimeout(timeout, 'options.timeout')
    if (signal !== undefined) isSignal(signal, 'options.signal')
    expectNotAborted(signal)
    const { correlationId } = request
    const publishOptions = {
      expiration: expiration ?? timeout,
      deliveryMode: deliveryMode ?? 1,
      ...others,
      correlationId,
      replyTo: REPLY_TO,
    }
    const { publisher } = this.#channel
    const publish = publisher.publishRevocable(exchange, routingKey, body, publishOptions)
    if (publish !== undefined) request.follow(publish, this.#confirms)
    this.#pending.set(correlationId, request)
    request.begin(timeout, this.#channel.host.clock.now())
    this.#deadlines.add(request)
    this.#aborts.watch(signal, request)
  }

  /** A request that was not answered is not to be sent any more, if it waits for its turn. */
  readonly #onSettled: OnSettled = (request, error) => {
    this.#pending.delete(request.correlationId)
    const { publish } = request
    if (error !== undefined && publish !== undefined) this.#channel.aborts.end(new Set([publish]), error)
  }

  #receiveReply(reply: Delivery): void {
    const request = this.#pending.get(reply.properties.correlationId ?? '')
    if (request === undefined) {
      this.#droppedReplies++
      return
    }
    const failure = failureIn(reply, this.#channel.host.endpoint)
    if (failure === undefined) request.resolve(reply)
    else request.reject(failure)
  }

  /** On a confirm channel the publish itself tells, once it is confirmed, unless the broker has changed the message. */
  #receiveReturned(message: ReturnedMessage): void {
    const request = this.#pending.get(message.properties.correlationId ?? '')
    request?.reject(new ReturnedError(message, this.#channel.host.endpoint))
  }

  #end(reason: CloseReason, consumerTag: string): void {
    const { number, state, host } = this.#channel
    const { endpoint } = host
    const error =
      state === 'open'
        ? new ConsumerClosedError(reason, consumerTag, endpoint)
        : new ChannelClosedError(reason, number, endpoint)
    this.#abandon(error)
    void this.#channel.close().then(() => this.#closed.resolve(reason))
  }

  #abandon(error: Error): void {
    this.#deadlines.stop()
    for (const request of this.#pending.values()) request.reject(error)
  }
}
