// The kinds of command that go through a channel in program order: calls, of which one is outstanding at a time, publishes,
// settlements that come after a transaction method, and the question whether all publishes before are confirmed.

import { COMMAND_OVERHEAD } from './command-queue.js'
import type { Publishing, SettlementMethod } from './frame-writers.js'
import type { CallName, ContentMethodName, Method, MethodArgs, MethodOf } from './method-types.js'
import { METHODS, methodRow } from './methods.js'
import type { PublishTerms } from './publish-terms.js'

/** A synchronous method, or a few that belong together, and whoever waits for the answer. */
export interface CallCommand {
  readonly kind: 'call'
  readonly token: object
  /** Sent one after another, each on the reply to the one before (qos, then consume). */
  readonly steps: readonly CallStep[]
  /** Index of the step that is outstanding, or next. */
  step: number
  deadline: number
  /** How long the caller waits at most. */
  readonly timeoutMs: number
  /** The caller was told that it failed; the slot is kept for the late reply. */
  abandoned: boolean
  readonly octets: number
}

export interface CallStep {
  readonly method: MethodOf<CallName>
  readonly frames: Buffer
}

/** What becomes of a command that is not a call: it is on its way, or waits for its turn, or its octets for the socket. */
export type Departure = 'sent' | 'queued'

/** A publish that must wait: behind a call, for the window of confirms, for the socket, or for the broker. */
export class PublishCommand {
  readonly kind = 'publish'
  /** Undefined for one on a plain channel that nobody asks after. */
  readonly token: object | undefined
  /** Whether the broker confirms it: it was issued in confirm mode. */
  readonly confirming: boolean
  readonly publishing: Publishing
  /** Method frame and header frame. */
  readonly frames: Buffer
  readonly terms: PublishTerms
  readonly octets: number

  constructor(
    token: object | undefined,
    confirming: boolean,
    publishing: Publishing,
    frames: Buffer,
    terms: PublishTerms,
  ) {
    this.token = token
    this.confirming = confirming
    this.publishing = publishing
    this.frames = frames
    this.terms = terms
    this.octets = frames.length + publishing.body.length + COMMAND_OVERHEAD
  }

  get deadline(): number {
    return this.terms.deadline
  }

  get isMoving(): boolean {
    return !this.terms.hasBegun
  }
}

/** A settlement that was issued after a transaction method, and belongs behind it. */
export interface SettlementCommand {
  readonly kind: 'settlement'
  readonly method: SettlementMethod
  readonly deadline: number
  readonly octets: number
}

/** The wait until all publishes before it are confirmed. */
export interface ConfirmWait {
  readonly kind: 'confirmWait'
  readonly token: object
  deadline: number
  readonly octets: number
}

/** How a consumer is started. */
export interface ConsumeCommand {
  readonly queue: string
  /** Empty: a tag is made. */
  readonly consumerTag: string
  /** Deliveries that may be unsettled at a time; undefined leaves the channel's setting alone. */
  readonly prefetch: number | undefined
  readonly noAck: boolean
  readonly exclusive: boolean
  readonly noWait: boolean
  readonly arguments: MethodArgs<'basic.consume'>['arguments']
  /** The token that deliveries will carry. */
  readonly consumer: object
}

/** Tokens under which nobody waits any more, and why. */
export type Causes = ReadonlyMap<object, Error>

export type Command = CallCommand | PublishCommand | SettlementCommand | ConfirmWait

/** The name of the method a call is known by: its last step's. */
export function nameOf(call: CallCommand): CallName {
  return (call.steps.at(-1) as CallStep).method.name
}

/** A call whose answer nobody waits for. */
export function callForNobody(step: CallStep): CallCommand {
  const never = Number.POSITIVE_INFINITY
  const waiting = { deadline: never, timeoutMs: never, abandoned: true }
  return { kind: 'call', token: {}, steps: [step], step: 0, octets: 0, ...waiting }
}

/**
 * A call as it is sent. A cancel always asks for its answer, also when nobody waits for that: RabbitMQ answers calls that come
 * after a cancel before deliveries that the queue has sent already, so only cancel-ok says that there are no more.
 */
export function onTheWire(method: MethodOf<CallName>): Method {
  if (method.name !== 'basic.cancel') return method as Method
  return { name: method.name, args: { ...method.args, noWait: false } }
}

/** Whether the method is one that its sender wants no reply to. */
export function isNoWait(method: MethodOf<CallName>): boolean {
  return 'noWait' in method.args && method.args.noWait
}

/** Whether a received method may answer a call. */
export function isReplyTo(method: Method, call: CallName): boolean {
  return (METHODS[call].replies as readonly string[]).includes(method.name)
}

/** Whether nothing else may be sent on the channel while the call is outstanding (transactions). */
export function isExclusive(call: CallName): boolean {
  return methodRow(call).exclusive === true
}

/** A method with a content that a server sends. */
export type ReceivedContentName = Exclude<ContentMethodName, 'basic.publish'>

/** Whether a received method is followed by a content. */
export function isContentMethod(method: Method): method is MethodOf<ReceivedContentName> {
  return method.name === 'basic.deliver' || method.name === 'basic.return' || method.name === 'basic.get-ok'
}

/**
 * The calls that start a consumer: with a prefetch, first the limit for the consumers that are started after it (RabbitMQ's
 * meaning of global = 0).
 */
export function callsOf(command: ConsumeCommand, consumerTag: string): readonly MethodOf<CallName>[] {
  const { queue, noAck, exclusive, noWait, prefetch } = command
  const flags = { noLocal: false, noAck, exclusive, noWait }
  const args = { queue, consumerTag, ...flags, arguments: command.arguments }
  const consume: MethodOf<CallName> = { name: 'basic.consume', args }
  if (prefetch === undefined) return [consume]
  const qos = { prefetchSize: 0, prefetchCount: prefetch, global: false }
  return [{ name: 'basic.qos', args: qos }, consume]
}
