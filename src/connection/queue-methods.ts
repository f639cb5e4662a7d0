// The methods of the queue class (AMQP 0-9-1, 1.7): what was passed in -> the method with its arguments, checked; and what
// the replies tell. Defaults are RabbitMQ's recommendations where the specification's would lose messages: a queue with
// a name is durable.

import { ArgumentError, type FieldTable, type Method, type MethodOf } from '../protocol/index.js'
import { type Checks, checkOptions, isBoolean, isTable } from './arguments.js'
import {
  type AnsweredOptions,
  CALL_CHECKS,
  type CallOptions,
  NO_WAIT_CHECKS,
  type NoWaitOptions,
  type Unanswered,
} from './call-options.js'
import { QUEUE_ARGUMENTS, type QueueArguments } from './queue-arguments.js'
import { argumentsOf, checksOf } from './typed-arguments.js'

/** Options of `queueDeclare`. */
export interface QueueDeclareOptions extends AnsweredOptions, QueueArguments {
  /** Survives a restart of the broker. Default true, and false when the server names the queue. */
  durable?: boolean | undefined
  /** For this connection only, and gone with it. Default false, and true when the server names the queue. */
  exclusive?: boolean | undefined
  /** Deleted when its last consumer goes. Default false. */
  autoDelete?: boolean | undefined
  /**
   * Declares nothing, only asks whether it exists: if not, the channel is closed (404). `connection.checkQueue()` asks
   * without that risk. Default false.
   */
  passive?: boolean | undefined
  /** Arguments that no option stands for. Numbers must be whole: RabbitMQ refuses (406) doubles here. */
  arguments?: FieldTable | undefined
}

/** What queue.declare-ok tells. */
export interface QueueDeclared {
  /** The name, the server's choice when it was declared without one. */
  readonly queue: string
  readonly messageCount: number
  readonly consumerCount: number
}

/** Options of `queueDelete`. */
export interface QueueDeleteOptions extends AnsweredOptions {
  /** Only when it has no consumers; otherwise the channel is closed (406). Not for quorum queues. Default false. */
  ifUnused?: boolean | undefined
  /** Only when it is empty; otherwise the channel is closed (406). Not for quorum queues. Default false. */
  ifEmpty?: boolean | undefined
}

const DECLARE_CHECKS = {
  ...NO_WAIT_CHECKS,
  ...checksOf(QUEUE_ARGUMENTS),
  durable: isBoolean,
  exclusive: isBoolean,
  autoDelete: isBoolean,
  passive: isBoolean,
  arguments: isTable,
} satisfies Checks<QueueDeclareOptions>

const DELETE_CHECKS = {
  ...NO_WAIT_CHECKS,
  ifUnused: isBoolean,
  ifEmpty: isBoolean,
} satisfies Checks<QueueDeleteOptions>

export function queueDeclare(
  queue: string,
  options: QueueDeclareOptions | Unanswered<QueueDeclareOptions>,
): MethodOf<'queue.declare'> {
  checkOptions(options, DECLARE_CHECKS, 'options')
  const named = queue !== ''
  const { passive = false, noWait = false } = options
  if (!named && noWait)
    throw new ArgumentError('queue', 'must be a name: with noWait nobody hears which one is made')
  if (!named && passive) throw new ArgumentError('queue', 'must be a name: there is nothing else to ask for')
  const { durable = named, exclusive = !named, autoDelete = false } = options
  const flags = { passive, durable, exclusive, autoDelete, noWait }
  return {
    name: 'queue.declare',
    args: { queue, ...flags, arguments: argumentsOf(options, QUEUE_ARGUMENTS) },
  }
}

export function queueBind(
  queue: string,
  exchange: string,
  routingKey: string,
  args: FieldTable,
  options: NoWaitOptions,
): MethodOf<'queue.bind'> {
  isTable(args, 'args')
  checkOptions(options, NO_WAIT_CHECKS, 'options')
  const noWait = options.noWait ?? false
  return { name: 'queue.bind', args: { queue, exchange, routingKey, noWait, arguments: args } }
}

/** The only one of its class without a no-wait bit. */
export function queueUnbind(
  queue: string,
  exchange: string,
  routingKey: string,
  args: FieldTable,
  options: CallOptions,
): MethodOf<'queue.unbind'> {
  isTable(args, 'args')
  checkOptions(options, CALL_CHECKS, 'options')
  return { name: 'queue.unbind', args: { queue, exchange, routingKey, arguments: args } }
}

export function queuePurge(
  queue: string,
  options: AnsweredOptions | Unanswered<AnsweredOptions>,
): MethodOf<'queue.purge'> {
  checkOptions(options, NO_WAIT_CHECKS, 'options')
  return { name: 'queue.purge', args: { queue, noWait: options.noWait ?? false } }
}

export function queueDelete(
  queue: string,
  options: QueueDeleteOptions | Unanswered<QueueDeleteOptions>,
): MethodOf<'queue.delete'> {
  checkOptions(options, DELETE_CHECKS, 'options')
  const { ifUnused = false, ifEmpty = false, noWait = false } = options
  return { name: 'queue.delete', args: { queue, ifUnused, ifEmpty, noWait } }
}

/** What a declaration tells; nothing when no answer was asked for. */
export function declared(reply: Method | undefined): QueueDeclared | undefined {
  if (reply === undefined) return undefined
  const { queue, messageCount, consumerCount } = (reply as MethodOf<'queue.declare-ok'>).args
  return { queue, messageCount, consumerCount }
}

/** How many messages a purge or a deletion took; nothing when no answer was asked for. */
export function messageCount(reply: Method | undefined): number | undefined {
  return (reply as MethodOf<'queue.purge-ok' | 'queue.delete-ok'> | undefined)?.args.messageCount
}
