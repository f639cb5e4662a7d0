// What can be said about the operations of a channel: options, results and the checks of both. Names are AMQP's; defaults
// are RabbitMQ's recommendations where the specification's would lose messages (durable, persistent).

import {
  ArgumentError,
  type FieldTable,
  isPropertyName,
  kindOf,
  type PublishProperties,
} from '../protocol/index.js'
import { isBoolean, isFunction, isInteger, isObject, isOneOf, isString } from './arguments.js'
import type { Delivery } from './delivery.js'

export interface ExchangeDeclareOptions {
  /** Survives a restart of the broker. Default true. */
  durable?: boolean | undefined
  /** Deleted when its last binding goes. Default false. */
  autoDelete?: boolean | undefined
  /** Takes messages from other exchanges only. Default false. */
  internal?: boolean | undefined
  arguments?: FieldTable | undefined
}

export interface QueueDeclareOptions {
  /** Survives a restart of the broker. Default true, and false when the server names the queue. */
  durable?: boolean | undefined
  /** For this connection only, and gone with it. Default false, and true when the server names the queue. */
  exclusive?: boolean | undefined
  /** Deleted when its last consumer goes. Default false. */
  autoDelete?: boolean | undefined
  /** `x-queue-type`, `x-message-ttl`, … Numbers must be whole: RabbitMQ refuses (406) doubles here. */
  arguments?: FieldTable | undefined
}

/** What queue.declare-ok tells. */
export interface QueueDeclared {
  /** The name, the server's choice when it was declared without one. */
  readonly queue: string
  readonly messageCount: number
  readonly consumerCount: number
}

export interface QueueDeleteOptions {
  /** Only when it has no consumers; otherwise the channel is closed (406). Default false. */
  ifUnused?: boolean | undefined
  /** Only when it is empty; otherwise the channel is closed (406). Default false. */
  ifEmpty?: boolean | undefined
}

export interface PublishOptions extends PublishProperties {
  /** The broker sends the message back when no queue takes it; on a confirm channel its publish rejects then. Default false. */
  mandatory?: boolean | undefined
}

/** What is done with a delivery whose handler failed. */
export type FailureAction = 'requeue-once' | 'reject' | 'requeue' | 'leave'

export interface ConsumeOptions {
  /** Deliveries that may be unsettled at a time, 0 for no limit. Default: the channel's last `prefetch()`, else 100. */
  prefetch?: number | undefined
  /** The broker considers messages settled when it has sent them: fast, and lost when they do not arrive. Default false. */
  noAck?: boolean | undefined
  /** No other consumer may read the queue. Default false. */
  exclusive?: boolean | undefined
  /** Its name on this channel. Default: one is made. */
  consumerTag?: string | undefined
  /** `x-priority`, `x-stream-offset`, … */
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

export interface GetOptions {
  /** The broker considers the message settled when it has sent it. Default false. */
  noAck?: boolean | undefined
}

/** What can be published. Octets are not copied before they are sent: leave them alone until the promise settles. */
export type Body = string | Uint8Array

export const EXCHANGE_DECLARE_CHECKS = {
  durable: isBoolean,
  autoDelete: isBoolean,
  internal: isBoolean,
  arguments: isObject,
}
export const QUEUE_DECLARE_CHECKS = {
  durable: isBoolean,
  exclusive: isBoolean,
  autoDelete: isBoolean,
  arguments: isObject,
}
export const QUEUE_DELETE_CHECKS = { ifUnused: isBoolean, ifEmpty: isBoolean }
export const GET_CHECKS = { noAck: isBoolean }
const isPrefetch = isInteger(0, 65_535)
const isFailureAction = isOneOf('requeue-once', 'reject', 'requeue', 'leave')
export const CONSUME_CHECKS = {
  prefetch: isPrefetch,
  noAck: isBoolean,
  exclusive: isBoolean,
  consumerTag: isString,
  arguments: isObject,
  concurrency: isInteger(1, Number.MAX_SAFE_INTEGER),
  autoSettle: isBoolean,
  onError: (value: unknown, path: string) => {
    if (typeof value !== 'function') isFailureAction(value, path)
  },
}

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

/** The octets of a body. */
export function octetsOf(body: Body): Buffer {
  if (typeof body === 'string') return Buffer.from(body)
  if (Buffer.isBuffer(body)) return body
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  throw new ArgumentError('body', `must be a string, a Buffer or a Uint8Array, not ${kindOf(body)}`)
}

const PERSISTENT: PublishProperties = Object.freeze({ deliveryMode: 2 })

/** The content properties of a publish: persistent unless it says otherwise. */
export function propertiesOf(options: PublishOptions | undefined): PublishProperties {
  if (options === undefined) return PERSISTENT
  isObject(options, 'options')
  for (const name in options) {
    if (name !== 'mandatory' && !isPropertyName(name))
      throw new ArgumentError(`options.${name}`, 'is unknown')
  }
  if (options.mandatory !== undefined) isBoolean(options.mandatory, 'options.mandatory')
  return options.deliveryMode === undefined ? { ...options, deliveryMode: 2 } : options
}
