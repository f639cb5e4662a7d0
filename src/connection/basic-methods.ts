// The methods of the basic, confirm and tx classes (AMQP 0-9-1, 1.8 and 1.9; RabbitMQ's confirms): what was passed in -> the
// method with its arguments, checked. Publishing is hot and stands in publisher.

import { ArgumentError, type ConsumeCommand, type MethodOf } from '../protocol/index.js'
import { checkOptions } from './arguments.js'
import { CALL_CHECKS, type CallOptions, NO_WAIT_CHECKS, type NoWaitOptions } from './call-options.js'
import {
  CONSUME_CHECKS,
  type ConsumeOptions,
  checkPrefetch,
  GET_CHECKS,
  type GetOptions,
  PREFETCH_CHECKS,
  type PrefetchOptions,
} from './channel-options.js'
import { CONSUME_ARGUMENTS } from './consume-arguments.js'
import { Delivery } from './delivery.js'
import { argumentsOf } from './typed-arguments.js'

/** RabbitMQ knows no other recover: one without requeue ends the connection (540). */
export function basicRecover(options: CallOptions): MethodOf<'basic.recover'> {
  checkOptions(options, CALL_CHECKS, 'options')
  return { name: 'basic.recover', args: { requeue: true } }
}

export function basicQos(count: number, options: PrefetchOptions): MethodOf<'basic.qos'> {
  checkPrefetch(count)
  checkOptions(options, PREFETCH_CHECKS, 'options')
  const { global = false } = options
  return { name: 'basic.qos', args: { prefetchSize: 0, prefetchCount: count, global } }
}

export function basicGet(queue: string, options: GetOptions): MethodOf<'basic.get'> {
  checkOptions(options, GET_CHECKS, 'options')
  return { name: 'basic.get', args: { queue, noAck: options.noAck ?? false } }
}

/** `prefetch`: of those consumers that do not say otherwise. */
export function basicConsume(
  queue: string,
  options: ConsumeOptions,
  prefetch: number,
): Omit<ConsumeCommand, 'consumer'> {
  checkOptions(options, CONSUME_CHECKS, 'options')
  const { noAck = false, exclusive = false, noWait = false, consumerTag = '' } = options
  return {
    queue,
    consumerTag,
    noAck,
    exclusive,
    noWait,
    prefetch: noAck ? undefined : (options.prefetch ?? prefetch),
    arguments: argumentsOf(options, CONSUME_ARGUMENTS),
  }
}

export function confirmSelect(options: NoWaitOptions): MethodOf<'confirm.select'> {
  checkOptions(options, NO_WAIT_CHECKS, 'options')
  return { name: 'confirm.select', args: { noWait: options.noWait ?? false } }
}

/** One of the three methods of transactions; none has arguments. */
export function transactionMethod<Name extends 'tx.select' | 'tx.commit' | 'tx.rollback'>(
  name: Name,
  options: CallOptions,
): { readonly name: Name; readonly args: object } {
  checkOptions(options, CALL_CHECKS, 'options')
  return { name, args: {} }
}

/** A delivery tag alone would not do; nor would the positional flags of other clients, which must not be ignored. */
export function expectDelivery(delivery: Delivery, surplus: readonly unknown[]): Delivery {
  if (surplus.length > 0)
    throw new ArgumentError('options', 'must be an object with all that is to be said: { requeue, multiple }')
  if (delivery instanceof Delivery) return delivery
  throw new ArgumentError(
    'delivery',
    'must be a Delivery: a delivery tag alone does not say which channel life it belongs to',
  )
}
