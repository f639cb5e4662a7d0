// The methods of the exchange class (AMQP 0-9-1, 1.6, and RabbitMQ's bindings between exchanges): what was passed in -> the
// method with its arguments, checked. Defaults are RabbitMQ's recommendations where the specification's would lose
// something: an exchange is durable.

import { ArgumentError, type FieldTable, type MethodOf } from '../protocol/index.js'
import { type Checks, checkOptions, isBoolean, isShortstr, isTable } from './arguments.js'
import { NO_WAIT_CHECKS, type NoWaitOptions } from './call-options.js'
import { type ArgumentRows, argumentsOf, checksOf } from './typed-arguments.js'

/** Options that stand for arguments of RabbitMQ. */
export interface ExchangeArguments {
  /** `alternate-exchange`: where messages go that no binding matches. Default: nowhere. */
  alternateExchange?: string | undefined
}

/** Options of `exchangeDeclare`. */
export interface ExchangeDeclareOptions extends NoWaitOptions, ExchangeArguments {
  /** Survives a restart of the broker. Default true. */
  durable?: boolean | undefined
  /** Deleted when its last binding goes. Default false. */
  autoDelete?: boolean | undefined
  /** Takes messages from other exchanges only. Default false. */
  internal?: boolean | undefined
  /**
   * Declares nothing, only asks whether it exists: if not, the channel is closed (404). `connection.checkExchange()` asks
   * without that risk. Default false.
   */
  passive?: boolean | undefined
  /** Arguments that no option stands for. */
  arguments?: FieldTable | undefined
}

/** Options of `exchangeDelete`. */
export interface ExchangeDeleteOptions extends NoWaitOptions {
  /** Only when nothing is bound to it; otherwise the channel is closed (406). Default false. */
  ifUnused?: boolean | undefined
}

const EXCHANGE_ARGUMENTS = {
  alternateExchange: { argument: 'alternate-exchange', check: isShortstr },
} satisfies ArgumentRows<ExchangeArguments>

const DECLARE_CHECKS = {
  ...NO_WAIT_CHECKS,
  ...checksOf(EXCHANGE_ARGUMENTS),
  durable: isBoolean,
  autoDelete: isBoolean,
  internal: isBoolean,
  passive: isBoolean,
  arguments: isTable,
} satisfies Checks<ExchangeDeclareOptions>

const DELETE_CHECKS = { ...NO_WAIT_CHECKS, ifUnused: isBoolean } satisfies Checks<ExchangeDeleteOptions>

export function exchangeDeclare(
  exchange: string,
  type: string,
  options: ExchangeDeclareOptions,
): MethodOf<'exchange.declare'> {
  checkOptions(options, DECLARE_CHECKS, 'options')
  const { passive = false, durable = true, autoDelete = false, internal = false, noWait = false } = options
  if (!passive) expectType(type)
  const flags = { passive, durable, autoDelete, internal, noWait }
  const table = argumentsOf(options, EXCHANGE_ARGUMENTS)
  return { name: 'exchange.declare', args: { exchange, type, ...flags, arguments: table } }
}

/** A type that RabbitMQ 3.10 does not know ends the whole connection (503). Those of its plugins begin with `x-`. */
function expectType(type: string): void {
  isShortstr(type, 'type')
  if (/^(?:direct|fanout|topic|headers|x-.+)$/.test(type)) return
  throw new ArgumentError(
    'type',
    "must be direct, fanout, topic, headers or a plugin's, which begins with x-",
  )
}

export function exchangeDelete(
  exchange: string,
  options: ExchangeDeleteOptions,
): MethodOf<'exchange.delete'> {
  checkOptions(options, DELETE_CHECKS, 'options')
  const { ifUnused = false, noWait = false } = options
  return { name: 'exchange.delete', args: { exchange, ifUnused, noWait } }
}

export function exchangeBind(
  destination: string,
  source: string,
  routingKey: string,
  args: FieldTable,
  options: NoWaitOptions,
): MethodOf<'exchange.bind'> {
  isTable(args, 'args')
  checkOptions(options, NO_WAIT_CHECKS, 'options')
  const noWait = options.noWait ?? false
  return { name: 'exchange.bind', args: { destination, source, routingKey, noWait, arguments: args } }
}

export function exchangeUnbind(
  destination: string,
  source: string,
  routingKey: string,
  args: FieldTable,
  options: NoWaitOptions,
): MethodOf<'exchange.unbind'> {
  const bind = exchangeBind(destination, source, routingKey, args, options)
  return { name: 'exchange.unbind', args: bind.args }
}
