// The errors users meet. One root, one stable `code` per class; docs/errors.md lists them all with what to do.
// Misuse found before an octet is written is not here: that is ArgumentError, a TypeError (src/frames).

import { type CloseReason, describeReason } from './close-reason.js'
import { type DeclareMismatch, declareMismatchIn } from './declare-mismatch.js'
import { deprecatedFeatureIn } from './deprecated-feature.js'
import { ReplyCode } from './reply-codes.js'
import type { ReturnedMessage } from './returned-message.js'

/** What RabbitMQ's log and management pages call this connection: put into every error so that both can be matched. */
export interface Endpoint {
  readonly connectionName?: string | undefined
  readonly localPort?: number | undefined
}

/** What an error may know besides its message. */
export interface ErrorDetails extends Endpoint {
  readonly cause?: unknown
  /** The reply code the server or thump gave (AMQP 0-9-1, 1.2). */
  readonly replyCode?: number | undefined
  readonly replyText?: string | undefined
  /** The method concerned, for instance `queue.declare`. */
  readonly method?: string | undefined
}

/** Root of all errors that thump makes, apart from {@link ArgumentError}. Catch by class or by `code`. */
export class AmqpError extends Error {
  readonly code: `AMQP_${string}` = 'AMQP_ERROR'
  declare readonly replyCode?: number | undefined
  declare readonly replyText?: string | undefined
  declare readonly method?: string | undefined
  /** The `connectionName` option of the connection concerned. */
  declare readonly connectionName?: string | undefined
  /** Local port of the connection concerned: RabbitMQ logs it as the peer's port. */
  declare readonly localPort?: number | undefined

  constructor(message: string, details: ErrorDetails = {}) {
    const { cause, ...known } = details
    super(message, cause === undefined ? undefined : { cause })
    for (const [key, value] of Object.entries(known)) {
      if (value !== undefined) Object.defineProperty(this, key, { value, enumerable: true })
    }
  }

  override get name(): string {
    return this.constructor.name
  }
}

/** The phases of connecting, in order. An error names the one that did not complete. */
export type ConnectPhase = 'credentials' | 'dns' | 'tcp' | 'tls' | 'start' | 'tune' | 'open'

/** `connect()` failed. The message names the phase and the address and gives a hint where there is one to give. */
export class ConnectError extends AmqpError {
  override readonly code: `AMQP_${string}` = 'AMQP_CONNECT'
  /**
   * What was being waited for: the `credentials` function, name resolution, TCP, TLS, Connection.Start, Connection.Tune or
   * Connection.Open-Ok.
   */
  readonly phase: ConnectPhase
  /** What usually explains it, and what to do. */
  readonly hint: string | undefined

  constructor(message: string, phase: ConnectPhase, hint: string | undefined, details: ErrorDetails = {}) {
    super(hint === undefined ? message : `${message} (${hint})`, details)
    this.phase = phase
    this.hint = hint
  }
}

/**
 * The server refused the credentials (403). One that only hangs up where it would refuse them may be going down as well:
 * that is a plain {@link ConnectError} with this as its hint.
 */
export class AuthenticationError extends ConnectError {
  override readonly code = 'AMQP_AUTHENTICATION'
}

/**
 * The `credentials` function or the broker did not do its part before a password or token expires. Told by the event
 * `secretRefreshFailed`; `cause` is what failed.
 */
export class SecretRefreshError extends AmqpError {
  override readonly code = 'AMQP_SECRET_REFRESH'
}

/** The connection is closed; `reason` (and `cause`, when there is one) says why. */
export class ConnectionClosedError extends AmqpError {
  override readonly code = 'AMQP_CONNECTION_CLOSED'
  declare readonly reason: CloseReason

  constructor(reason: CloseReason, details: ErrorDetails = {}) {
    super(`connection ${describeReason(reason)}`, detailsOf(reason, details))
    attachReason(this, reason)
  }

  /** What the broker does not permit any more, by RabbitMQ's name for it, when it closed for that (541). */
  get deprecatedFeature(): string | undefined {
    return deprecatedFeatureIn(this.replyCode, this.replyText)
  }
}

/** The channel is closed; `reason` says why. A channel ended by its connection carries the connection's reason. */
export class ChannelClosedError extends AmqpError {
  override readonly code = 'AMQP_CHANNEL_CLOSED'
  declare readonly reason: CloseReason
  readonly channelNumber: number

  constructor(reason: CloseReason, channelNumber: number, details: ErrorDetails = {}) {
    super(`channel ${channelNumber} ${describeReason(reason)}`, detailsOf(reason, details))
    attachReason(this, reason)
    this.channelNumber = channelNumber
  }

  /** Whether the server closed it because something does not exist (404). */
  get notFound(): boolean {
    return this.replyCode === ReplyCode.NotFound
  }

  /** What the broker does not permit any more, by RabbitMQ's name for it, when that ended the connection (541). */
  get deprecatedFeature(): string | undefined {
    return deprecatedFeatureIn(this.replyCode, this.replyText)
  }

  /** What differs, when something was declared again with other properties (406). */
  get mismatch(): DeclareMismatch | undefined {
    return declareMismatchIn(this.replyText)
  }
}

/** The consumer ended otherwise than by its own cancel or close; thrown by its iterator. */
export class ConsumerClosedError extends AmqpError {
  override readonly code = 'AMQP_CONSUMER_CLOSED'
  declare readonly reason: CloseReason
  readonly consumerTag: string

  constructor(reason: CloseReason, consumerTag: string, details: ErrorDetails = {}) {
    super(`consumer ${consumerTag} ${describeReason(reason)}`, detailsOf(reason, details))
    attachReason(this, reason)
    this.consumerTag = consumerTag
  }
}

/** Nothing came from the peer for two heartbeat intervals, or a frame that it began never ended. */
export class HeartbeatError extends AmqpError {
  override readonly code = 'AMQP_HEARTBEAT'
  /** The negotiated interval. */
  readonly intervalMs: number
  /** Age of the last octet received. */
  readonly silenceMs: number
  /** Octets that were still waiting to be sent. */
  readonly queuedOctets: number
  /** The longest the event loop was late since the last octet came. */
  readonly eventLoopLagMs: number

  constructor(
    message: string,
    facts: { intervalMs: number; silenceMs: number; queuedOctets: number; eventLoopLagMs: number },
    details: ErrorDetails = {},
  ) {
    super(message, details)
    this.intervalMs = facts.intervalMs
    this.silenceMs = facts.silenceMs
    this.queuedOctets = facts.queuedOctets
    this.eventLoopLagMs = facts.eventLoopLagMs
  }
}

/** The socket ended or failed without a Connection.Close; `cause` is the system's error when there was one. */
export class TransportError extends AmqpError {
  override readonly code = 'AMQP_TRANSPORT'
}

/** The peer broke the protocol; `replyCode` is what thump closed with (501-505, 540). */
export class ProtocolError extends AmqpError {
  override readonly code = 'AMQP_PROTOCOL'
}

/** A call was not answered within its deadline. Its channel is closed, unless the broker blocks the connection. */
export class CallTimeoutError extends AmqpError {
  override readonly code = 'AMQP_CALL_TIMEOUT'
}

/** A close was not answered, or not everything was confirmed, within `closeTimeout`. The text says what was given up. */
export class CloseTimeoutError extends AmqpError {
  override readonly code = 'AMQP_CLOSE_TIMEOUT'
}

/** All channel numbers up to the negotiated `channelMax` are in use. Nothing was sent. */
export class ChannelLimitError extends AmqpError {
  override readonly code = 'AMQP_CHANNEL_LIMIT'
}

/**
 * What became of a publish that was not confirmed: `not-sent`, not one octet of it reached the socket; `unknown`, it
 * may have arrived.
 */
export type PublishOutcome = 'not-sent' | 'unknown'

/** The broker refused the message (basic.nack): it did not take it over. Publishing again is safe. */
export class NackedError extends AmqpError {
  override readonly code = 'AMQP_NACKED'
}

/** A mandatory message reached no queue; `returned` is what the broker sent back. */
export class ReturnedError extends AmqpError {
  override readonly code = 'AMQP_RETURNED'
  readonly returned: ReturnedMessage

  constructor(message: ReturnedMessage, details: ErrorDetails = {}) {
    super(
      `message to exchange '${message.exchange}' with routing key '${message.routingKey}' was returned: ` +
        `${message.replyCode} ${message.replyText}`,
      { ...details, replyCode: message.replyCode, replyText: message.replyText },
    )
    this.returned = message
  }
}

/** A publish whose confirmation never came; `outcome` says whether it may have arrived. */
export class UnconfirmedError extends AmqpError {
  override readonly code = 'AMQP_UNCONFIRMED'
  readonly outcome: PublishOutcome
  readonly exchange: string
  readonly routingKey: string

  constructor(
    why: string,
    publish: { outcome: PublishOutcome; exchange: string; routingKey: string },
    details: ErrorDetails = {},
  ) {
    const fate = publish.outcome === 'not-sent' ? 'was not sent' : 'may or may not have arrived'
    super(
      `publish to exchange '${publish.exchange}' with routing key '${publish.routingKey}' ${fate}: ${why}`,
      details,
    )
    this.outcome = publish.outcome
    this.exchange = publish.exchange
    this.routingKey = publish.routingKey
  }
}

/**
 * Of the publishes that `waitForConfirms()` waited for, some were not confirmed: nacked, returned, given up, or refused
 * where they were issued. `cause` is what the first of them rejected with.
 */
export class PublishesFailedError extends AmqpError {
  override readonly code = 'AMQP_PUBLISHES_FAILED'
  /** How many, since the last time somebody asked. */
  readonly failed: number

  constructor(failed: number, details: ErrorDetails & { readonly cause: Error }) {
    const others = failed > 1 ? ` and ${failed - 1} more` : ''
    super(`not all publishes were confirmed: ${details.cause.message}${others}`, details)
    this.failed = failed
  }
}

/** More than `maxBuffered` octets are waiting to be sent. Nothing of this message was kept. */
export class BackpressureError extends AmqpError {
  override readonly code = 'AMQP_BACKPRESSURE'
  readonly outcome = 'not-sent'
}

/**
 * No reply to a request within its timeout. It may have been handled, or may be still; a reply that comes later is
 * dropped.
 */
export class RequestTimeoutError extends AmqpError {
  override readonly code = 'AMQP_REQUEST_TIMEOUT'
  readonly exchange: string
  readonly routingKey: string
  /**
   * Whether the broker had taken the request over. If not, it may be blocking, or not be there any more. Undefined for a client
   * whose requests are not confirmed.
   */
  readonly confirmed: boolean | undefined

  constructor(
    timeoutMs: number,
    request: { exchange: string; routingKey: string; confirmed: boolean | undefined },
    details: ErrorDetails = {},
  ) {
    const { exchange, routingKey, confirmed } = request
    super(
      `no reply within ${timeoutMs} ms to the request to exchange '${exchange}' with routing key '${routingKey}'` +
        (confirmed === undefined ? '' : `, which the broker ${confirmed ? 'has' : 'has not'} confirmed`),
      details,
    )
    this.exchange = exchange
    this.routingKey = routingKey
    this.confirmed = confirmed
  }
}

/**
 * A request failed at the other side. Throw one in a handler of `serveRpc` to tell the requester why: its `request()` rejects
 * with this class and the same message. Of other errors it is told no particulars.
 */
export class RpcError extends AmqpError {
  override readonly code = 'AMQP_RPC'
}

/** Not enumerable: what it says is in the message and in the cause, and printing an error should not say it three times. */
function attachReason(error: AmqpError, reason: CloseReason): void {
  Object.defineProperty(error, 'reason', { value: reason })
}

function detailsOf(reason: CloseReason, details: ErrorDetails): ErrorDetails {
  return {
    ...details,
    cause: details.cause ?? reason.error ?? reason,
    replyCode: reason.code,
    // Without a code the text is no reply but thump's own words, and they are in the message.
    replyText: reason.code === undefined ? undefined : reason.text,
    method: reason.method ?? details.method,
  }
}
