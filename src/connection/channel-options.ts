// Options of the methods of a channel that move messages: publish, consume, get; and their checks. Names are AMQP's.
// Those of declarations stand beside their methods (exchange-methods, queue-methods).

import type { FieldTable, PublishProperties } from '../protocol/index.js'
import { type Checks, isBoolean, isFunction, isInteger, isOneOf, isShortstr, isTable } from './arguments.js'
import { CALL_CHECKS, type CallOptions, NO_WAIT_CHECKS, type NoWaitOptions } from './call-options.js'
import { CONSUME_ARGUMENTS, type ConsumeArguments } from './consume-arguments.js'
import type { Delivery } from './delivery.js'
import { checksOf } from './typed-arguments.js'

/** Options of `publish`, content properties among them. */
export interface PublishOptions extends PublishProperties, CallOptions {
  /** The broker sends the message back when no queue takes it; on a confirm channel its publish rejects then. Default false. */
  mandatory?: boolean | undefined
  /**
   * Gives the publish up: it rejects with an {@link UnconfirmedError} whose `cause` is the signal's reason. A message that
   * has not been sent by then (`outcome` `'not-sent'`) never is. Any number of publishes may share a signal.
   */
  signal?: AbortSignal | undefined
  /**
   * Milliseconds for the confirm, instead of the connection's `confirmTimeout`. On a plain channel, where nothing is
   * confirmed: for the room that an awaited publish waits for. Default there: no limit.
   */
  timeout?: number | undefined
}

/** What is done with a delivery whose handler failed. */
export type FailureAction = 'requeue-once' | 'reject' | 'requeue' | 'leave'

/** Options of `consume`. `signal`, `timeout` and `noWait` are about its start alone. */
export interface ConsumeOptions extends NoWaitOptions, ConsumeArguments {
  /** Deliveries that may be unsettled at a time, 0 for no limit. Default: the channel's last `prefetch()`, else 100. */
  prefetch?: number | undefined
  /** The broker considers messages settled when it has sent them: fast, and lost when they do not arrive. Default false. */
  noAck?: boolean | undefined
  /** No other consumer may read the queue. Default false. */
  exclusive?: boolean | undefined
  /** Its name on this channel. Default: one is made. */
  consumerTag?: string | undefined
  /** Arguments that no option stands for. */
  arguments?: FieldTable | undefined
  /** Handlers that run at a time. Default, and at most: the prefetch. */
  concurrency?: number | undefined
  /** Settle what a handler has not settled: acknowledge when it is done, `onError` when it fails. Default true. */
  autoSettle?: boolean | undefined
  /**
   * What is done when the handler fails. Default `requeue-once`: back into the queue, and at the second failure rejected,
   * which dead-letters or drops it. A function decides per delivery.
   */
  onError?: FailureAction | ((error: unknown, delivery: Delivery) => FailureAction) | undefined
}

/** A function that works on one delivery. */
export type DeliveryHandler = (delivery: Delivery) => unknown

/** Options of `get`. */
export interface GetOptions extends CallOptions {
  /** The broker considers the message settled when it has sent it. Default false. */
  noAck?: boolean | undefined
}

/** Options of `prefetch`. */
export interface PrefetchOptions extends CallOptions {
  /**
   * One limit for all consumers of the channel together, beside the limit of each. RabbitMQ 4.3 and later answer yes and treat
   * it as false; with quorum queues and streams it ends the connection (540). Default false.
   */
  global?: boolean | undefined
}

/** What can be published. Octets are not copied before they are sent: leave them alone until the promise settles. */
export type Body = string | Uint8Array

const isPrefetch = isInteger(0, 65_535)
const isFailureAction = isOneOf('requeue-once', 'reject', 'requeue', 'leave')

/** Of those that are no content properties: these are checked when they are encoded. */
export const PUBLISH_CHECKS = { ...CALL_CHECKS, mandatory: isBoolean } satisfies Checks<
  Omit<PublishOptions, keyof PublishProperties>
>

export const CONSUME_CHECKS = {
  ...NO_WAIT_CHECKS,
  ...checksOf(CONSUME_ARGUMENTS),
  prefetch: isPrefetch,
  noAck: isBoolean,
  exclusive: isBoolean,
  consumerTag: isShortstr,
  arguments: isTable,
  concurrency: isInteger(1, Number.MAX_SAFE_INTEGER),
  autoSettle: isBoolean,
  onError: (value: unknown, path: string) => {
    if (typeof value !== 'function') isFailureAction(value, path)
  },
} satisfies Checks<ConsumeOptions>

export const GET_CHECKS = { ...CALL_CHECKS, noAck: isBoolean } satisfies Checks<GetOptions>

export const PREFETCH_CHECKS = { ...CALL_CHECKS, global: isBoolean } satisfies Checks<PrefetchOptions>

/** What an `onError` function answered. */
export function checkFailureAction(action: unknown): void {
  isFailureAction(action, 'its result')
}

export function checkPrefetch(count: number): void {
  isPrefetch(count, 'count')
}

export function checkHandler(handler: unknown): void {
  isFunction(handler, 'handler')
}
