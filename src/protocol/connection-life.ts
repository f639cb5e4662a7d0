// Where a connection stands between its first octet and its end: moves along the transition table, and sees to it that
// every way of ending comes to an end. It is told what happened and does what the state asks for; the frames are others'.

import type { ChannelDirectory } from './channel-directory.js'
import { blockedClause } from './channel-link.js'
import { type CloseReason, describeReason } from './close-reason.js'
import { gaveUpClosing } from './connection-end.js'
import { type ConnectionState, type ConnectionTrigger, nextConnectionState } from './connection-state.js'
import { ConnectionClosedError } from './errors.js'
import { encodeMethodFrame } from './frame-writers.js'
import type { Method } from './method-types.js'
import { ReplyCode } from './reply-codes.js'
import { SecretUpdates } from './secret-updates.js'
import { Violation } from './violation.js'

/** How long the last octets may take into the socket. */
const ENDING_LIMIT_MS = 1000
/** The share of the close timeout in which confirms are waited for; the rest is for Close-Ok. */
const DRAINING_SHARE = 0.8
const EARLY = 'closed before everything was answered'

export class ConnectionLife {
  readonly #channels: ChannelDirectory
  #secretUpdates: SecretUpdates | undefined
  /** How long a close may take, unless it says otherwise. */
  #closeTimeoutMs: number
  #state: ConnectionState = 'awaitingStart'
  #opened = false
  #finished = false
  #reason: CloseReason | undefined
  /** When the state must have ended; only while closing. */
  #stateDeadline = Number.POSITIVE_INFINITY
  #closeDeadline = Number.POSITIVE_INFINITY
  /** Confirms have been waited for long enough. */
  #isOverdue = false

  constructor(channels: ChannelDirectory) {
    this.#channels = channels
    this.#closeTimeoutMs = channels.limits.closeTimeoutMs
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** Whether the handshake was completed, now or before. */
  get opened(): boolean {
    return this.#opened
  }

  /** Why it is ending, from the moment that is decided. */
  get reason(): CloseReason | undefined {
    return this.#reason
  }

  /** Whether what the peer sends is still looked at. */
  get reads(): boolean {
    return this.#state !== 'ending' && this.#state !== 'closed'
  }

  get nextDeadline(): number {
    return this.#stateDeadline
  }

  /** A method came on channel 0. False when the state discards it. */
  receive(method: Method): boolean {
    const trigger = TRIGGERS[method.name]
    const next = trigger === undefined ? 'violation' : nextConnectionState(this.#state, trigger)
    if (next === 'violation') {
      throw new Violation(ReplyCode.ChannelError, `${method.name} while ${this.#state}`, method.name)
    }
    if (next === 'discard') return false
    this.#state = next
    if (next === 'open') this.#opened = true
    return true
  }

  /** The application closes. What it published before goes out and is confirmed first. */
  requestClose(now: number, timeoutMs = this.#closeTimeoutMs): void {
    if (this.#closeDeadline !== Number.POSITIVE_INFINITY || !this.#enter('closeRequested')) return
    if (!this.#opened) return this.finish({ by: 'client' })
    this.#closeTimeoutMs = timeoutMs
    this.#closeDeadline = now + this.#closeTimeoutMs
    this.#stateDeadline = now + this.#closeTimeoutMs * DRAINING_SHARE
    this.#channels.quiesce()
    this.advance()
  }

  /** Calls of the connection itself, if there ever was one. */
  get secretUpdates(): SecretUpdates | undefined {
    return this.#secretUpdates
  }

  /** From the first one on. */
  beginSecretUpdates(): SecretUpdates {
    this.#secretUpdates ??= new SecretUpdates(this.#channels)
    return this.#secretUpdates
  }

  /** While draining: closes when nothing is waited for any more. */
  advance(): void {
    if (this.#state !== 'draining') return
    if (this.#channels.isIdle && this.secretUpdates?.isEmpty !== false) this.#sendClose({ by: 'client' })
    else if (this.#isOverdue && !this.#channels.outbound.hasJobs) this.#sendClose(this.#gaveUp(EARLY))
  }

  /** The peer broke the protocol: whether a close may still tell it so. */
  violate(): boolean {
    this.#enter('violated')
    return this.#state === 'ending'
  }

  /** The last method goes out; nothing is read or taken any more. */
  endWith(reason: CloseReason, last: Method, now: number): void {
    this.#reason = this.#decide(reason)
    this.#lose(this.#reason)
    this.#append(last)
    this.#stateDeadline = now + ENDING_LIMIT_MS
  }

  /**
   * The next batch for the socket. A body that is not what it was when it was accepted would leave a hole in the stream that
   * nothing can fill: that ends the connection.
   */
  takeOutbound(): Buffer[] | undefined {
    const channels = this.#channels
    try {
      const batch = channels.outbound.take(() => {
        channels.noteDeparture()
        channels.advanceWaiting()
      })
      channels.noteDeparture()
      return batch
    } catch (error) {
      // The octets of a body are gone. Anything else would be a mistake of ours: that ends the connection, not the process.
      const damage = error as Error
      this.finish({ by: 'client', text: damage.message, error: damage })
      return undefined
    }
  }

  /** The socket has taken everything there was. */
  noteFlushed(): void {
    if (this.#enter('flushed')) this.finish(this.#reason as CloseReason)
  }

  /** The end, once; a reason that was decided before goes first. */
  finish(reason: CloseReason): void {
    if (this.#finished) return
    this.#enter('lost')
    this.#finished = true
    this.#reason = this.#decide(reason)
    this.#stateDeadline = Number.POSITIVE_INFINITY
    this.#lose(this.#reason)
    this.#channels.emit({ type: 'closed', reason: this.#reason })
  }

  expire(now: number): void {
    if (now < this.#stateDeadline) return
    if (this.#state === 'draining' && now < this.#closeDeadline) {
      // A close must not stand inside a large body that is half sent: it goes behind it.
      this.#stateDeadline = this.#closeDeadline
      this.#isOverdue = true
      return this.advance()
    }
    this.#reason = this.#state === 'ending' ? this.#reason : undefined
    this.finish(this.#gaveUp(`close not completed within ${this.#closeTimeoutMs} ms`))
  }

  #gaveUp(what: string): CloseReason {
    const channels = this.#channels
    const left = `${channels.unconfirmed} publishes unconfirmed, ${channels.buffered} octets not sent`
    return gaveUpClosing(`${what}: ${left}${blockedClause(channels)}`, channels.endpoint)
  }

  /** Everything that waits fails. */
  #lose(reason: CloseReason): void {
    this.#channels.lose(reason)
    this.secretUpdates?.end(new ConnectionClosedError(reason, this.#channels.endpoint))
    this.#channels.outbound.clear()
  }

  #sendClose(reason: CloseReason): void {
    this.#enter('drained')
    this.#reason = reason
    this.#stateDeadline = this.#closeDeadline
    const args = { replyCode: ReplyCode.ReplySuccess, replyText: '', classId: 0, methodId: 0 }
    this.#append({ name: 'connection.close', args })
    this.#channels.seal()
  }

  /**
   * The first reason stands. Of a close of ours that something else came instead of Close-Ok is said: whether the peer has
   * taken what was not to be confirmed is not known then.
   */
  #decide(reason: CloseReason): CloseReason {
    const first = this.#reason
    if (first === undefined) return reason
    if (first.error !== undefined || reason.error === undefined) return first
    return {
      ...first,
      text: `connection.close was not answered: ${describeReason(reason)}`,
      error: reason.error,
    }
  }

  #append(method: Method): void {
    this.#channels.outbound.append(0, encodeMethodFrame, method)
  }

  /** Moves to the state the trigger leads to; false when it leads to none. */
  #enter(trigger: ConnectionTrigger): boolean {
    const next = nextConnectionState(this.#state, trigger)
    if (next === 'violation' || next === 'discard') return false
    this.#state = next
    return true
  }
}

const TRIGGERS: Partial<Record<Method['name'], ConnectionTrigger>> = {
  'connection.start': 'start',
  'connection.secure': 'secure',
  'connection.tune': 'tune',
  'connection.open-ok': 'openOk',
  'connection.close': 'close',
  'connection.close-ok': 'closeOk',
  'connection.blocked': 'blocked',
  'connection.unblocked': 'unblocked',
  'connection.update-secret-ok': 'updateSecretOk',
}
