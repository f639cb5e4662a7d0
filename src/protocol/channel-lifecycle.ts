// Where the life of one channel stands, and how it ends: moves along the transition table, appends the close methods, and
// sees to it that every way of ending comes to an end. What waits on the channel is its parts'; they are told.

import { blockedClause, type ChannelLink } from './channel-link.js'
import { type ChannelState, type ChannelTrigger, nextChannelState, triggerOf } from './channel-state.js'
import type { CloseReason } from './close-reason.js'
import { ChannelClosedError, CloseTimeoutError, type ErrorDetails } from './errors.js'
import { encodeMethodFrame } from './frame-writers.js'
import { methodNameOf } from './method-codec.js'
import type { Method, MethodArgs } from './method-types.js'
import { cutReplyText, ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

/** What the server is told in our Close. */
type ToldReason = CloseReason & { readonly text: string }

/** What the lifecycle needs of its channel. */
export interface LifecycleOwner {
  readonly number: number
  /** Nothing waits on the channel: no command, no reply, no confirm. */
  readonly isIdle: boolean
  /** Publishes that wait for their turn or for their confirm. */
  readonly unconfirmed: number
  /** A close is being sent, which nothing may follow. */
  onCloseSent(): void
  /** It has ended: everything that waits fails. Once. */
  onEnd(reason: CloseReason, details: ErrorDetails, connectionLost: boolean): void
}

export class ChannelLifecycle {
  readonly #channel: LifecycleOwner
  readonly #link: ChannelLink
  #state: ChannelState = 'opening'
  #reason: CloseReason | undefined
  /** `quiet`: the connection is about to close. `sealed`: its Close is sent, and nothing may follow that. */
  #connection: 'open' | 'quiet' | 'sealed' = 'open'
  #deadline = Number.POSITIVE_INFINITY
  #timeoutMs = 0

  constructor(channel: LifecycleOwner, link: ChannelLink) {
    this.#channel = channel
    this.#link = link
  }

  get state(): ChannelState {
    return this.#state
  }

  /** Why it ended; undefined while it lives. */
  get reason(): CloseReason | undefined {
    return this.#reason
  }

  /** Nothing of this life is sent any more. */
  get isOver(): boolean {
    return this.#reason !== undefined || this.#connection === 'sealed'
  }

  /** When the close must be complete. */
  get deadline(): number {
    return this.#deadline
  }

  /** Throws when the application may not use the channel: it closes, or is closed. */
  expectOpen(method: string | undefined): void {
    if (this.#state === 'open') return
    const reason = this.#reason ?? { by: 'client', text: 'it is closing' }
    const details = { ...this.#link.endpoint, cause: reason.error, method }
    throw new ChannelClosedError(reason, this.#channel.number, details)
  }

  /** A method came. False when the state discards it. */
  receive(method: Method): boolean {
    const next = nextChannelState(this.#state, triggerOf(method.name))
    if (next === 'violation') {
      const text = `${method.name} on a channel that is ${this.#state}`
      throw new Violation(ReplyCode.ChannelError, text, method.name)
    }
    if (next === 'discard') return false
    this.#state = next
    return true
  }

  receiveClose({ replyCode, replyText, classId, methodId }: MethodArgs<'channel.close'>): void {
    this.#append({ name: 'channel.close-ok', args: {} })
    const ids = classId === 0 ? {} : { classId, methodId, method: methodNameOf(classId, methodId) }
    this.#end(this.#withError({ by: 'server', code: replyCode, text: replyText, ...ids }))
    // In a collision our own close is still answered; only then is the number free.
    if (this.#state === 'closed') this.#link.release(this.#channel.number, true)
  }

  receiveCloseOk(): void {
    this.#end({ by: 'client' })
    this.#link.release(this.#channel.number)
  }

  /** The application closes: when all that was issued before is sent and confirmed, and not later than `timeoutMs`. */
  requestClose(now: number, timeoutMs: number): void {
    const opening = this.#state === 'opening'
    if (!this.#enter('closeRequested') || this.#deadline !== Number.POSITIVE_INFINITY) return
    this.#timeoutMs = timeoutMs
    this.#deadline = now + timeoutMs
    this.#link.wakeBy(this.#deadline)
    if (opening) this.#appendClose(ReplyCode.ReplySuccess, '')
  }

  /** While draining: closes when nothing is waited for any more. */
  advance(): void {
    if (this.#state !== 'draining' || this.#connection !== 'open' || !this.#channel.isIdle) return
    this.#sendClose('drained', ReplyCode.ReplySuccess, '')
  }

  /** Gives up on a close that takes too long. */
  expire(now: number): void {
    if (now < this.#deadline) return
    const left = `${this.#channel.unconfirmed} publishes unconfirmed${blockedClause(this.#link)}`
    const text = `not closed within ${this.#timeoutMs} ms; ${left}`
    const error = new CloseTimeoutError(`channel ${this.#channel.number} ${text}`, this.#link.endpoint)
    this.refuse({ by: 'client', text, error }, ReplyCode.ReplySuccess)
  }

  /** A body is larger than what is taken. */
  refuseOversized(): void {
    const text = `message body above the limit of ${this.#link.limits.maxMessageSize} octets`
    const reason = this.#withError({ by: 'protocol', code: ReplyCode.ContentTooLarge, text })
    this.refuse(reason, ReplyCode.ContentTooLarge)
  }

  /** Ends the life on our side; the number stays taken until the server has answered the close. */
  refuse(reason: ToldReason, replyCode: number): void {
    if (this.#state !== 'closing') this.#sendClose('gaveUp', replyCode, reason.text)
    this.#end(reason)
  }

  /** The connection is about to close: what was issued before still goes out, nothing new is taken. */
  quiesce(): void {
    this.#connection = 'quiet'
    this.#enter('closeRequested')
  }

  /** The connection's Close is being sent. */
  seal(): void {
    this.#connection = 'sealed'
    this.#channel.onCloseSent()
  }

  /** The connection has ended. */
  lose(reason: CloseReason): void {
    this.#enter('lost')
    this.#end(reason, true)
  }

  #sendClose(trigger: ChannelTrigger, replyCode: number, replyText: string): void {
    this.#enter(trigger)
    this.#appendClose(replyCode, replyText)
  }

  #appendClose(replyCode: number, replyText: string): void {
    const args = { replyCode, replyText: cutReplyText(replyText), classId: 0, methodId: 0 }
    this.#append({ name: 'channel.close', args })
    this.#channel.onCloseSent()
  }

  #append(method: Method): void {
    this.#link.outbound.append(this.#channel.number, encodeMethodFrame, method)
  }

  /** Moves to the state the trigger leads to; false when it leads to none. */
  #enter(trigger: ChannelTrigger): boolean {
    const next = nextChannelState(this.#state, trigger)
    if (next === 'violation' || next === 'discard') return false
    this.#state = next
    return true
  }

  #withError<R extends CloseReason>(reason: R): R {
    return { ...reason, error: new ChannelClosedError(reason, this.#channel.number, this.#link.endpoint) }
  }

  #end(reason: CloseReason, connectionLost = false): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    const { endpoint } = this.#link
    const cause = reason.error ?? new ChannelClosedError(reason, this.#channel.number, endpoint)
    const told = { replyCode: reason.code, replyText: reason.text, method: reason.method }
    this.#channel.onEnd(reason, { ...endpoint, cause, ...told }, connectionLost)
  }
}
