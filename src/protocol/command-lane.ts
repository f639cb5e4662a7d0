// The order of commands of one channel life. Calls and publishes leave in program order; of the calls one at a time is
// outstanding (CallSlot), with the rest queued behind it. Publishes do not wait for an outstanding call, only for what was
// issued before them, for room, for the window of unconfirmed ones, and for a broker that blocks. Settlements wait for
// transaction methods alone: RabbitMQ answers whatever comes beside one with 504, and which transaction they are part of
// depends on their place.
//
// Every call passes #go and every reply takeReply: whoever wants to know what was declared listens there.

import { type AnsweredCall, CallSlot } from './call-slot.js'
import {
  type CallCommand,
  type CallStep,
  type Causes,
  type Command,
  type ConfirmWait,
  callForNobody,
  type Departure,
  nameOf,
  onTheWire,
  PublishCommand,
} from './channel-commands.js'
import { blockedClause, type ChannelLink } from './channel-link.js'
import type { ChannelPublisher } from './channel-publisher.js'
import { type CloseReason, describeReason } from './close-reason.js'
import { callTimedOut, overfull, waitTimedOut, windowClause } from './command-errors.js'
import { COMMAND_OVERHEAD, CommandQueue } from './command-queue.js'
import { type CallTimeoutError, ChannelClosedError, type ErrorDetails } from './errors.js'
import {
  copyMethodFrame,
  type Encode,
  encodeAhead,
  encodeMethodFrame,
  encodePublish,
  encodeSettlement,
  type Publishing,
  type SettlementMethod,
} from './frame-writers.js'
import type { CallName, Method, MethodOf } from './method-types.js'
import { ENDLESS } from './publish-terms.js'
import { TermsOfTurn } from './terms-of-turn.js'
import { WaitingCommands } from './waiting-commands.js'

/** The channel a lane belongs to. */
export interface LaneOwner {
  readonly number: number
  /** Token of the channel's events. */
  readonly owner: object
  /** Publishes that may be unconfirmed at a time. */
  readonly maxUnconfirmed: number
  /** A call is being sent: some change what the channel holds. */
  onCall(method: MethodOf<CallName>): void
  /** The settlement that has waited longest has its turn. False when the broker has taken its delivery back meanwhile. */
  onSettlement(): boolean
  /** Nobody waits for a call any more: it was sent and its reply is still to come, or it never was. */
  onAbandoned(method: MethodOf<CallName>, sent: boolean): void
}

export class CommandLane {
  /** False while the server asks not to be sent contents (channel.flow; RabbitMQ never does). */
  flowActive = true
  readonly #channel: LaneOwner
  readonly #link: ChannelLink
  readonly #publisher: ChannelPublisher
  readonly #queue = new CommandQueue<Command>()
  readonly #slot = new CallSlot()
  readonly #terms: TermsOfTurn
  readonly #waiting = new WaitingCommands()
  /** Somebody waits for octets of his that were sent from where they are. */
  #owesDrained = false

  constructor(channel: LaneOwner, link: ChannelLink, publisher: ChannelPublisher) {
    this.#channel = channel
    this.#link = link
    this.#publisher = publisher
    this.#terms = new TermsOfTurn(link)
  }

  /** Neither commands wait nor a reply. */
  get isEmpty(): boolean {
    return this.#queue.isEmpty && this.#slot.call === undefined
  }

  /** Commands wait for their turn. */
  get hasWaiting(): boolean {
    return !this.#queue.isEmpty
  }

  get publishesWaiting(): number {
    return this.#waiting.publishes
  }

  get nextDeadline(): number {
    return Math.min(this.#slot.deadline, this.#queue.nextDeadline)
  }

  /** Calls that belong together: each is sent on the reply to the one before, and the last reply is the answer. */
  submit(methods: readonly MethodOf<CallName>[], token: object, now: number, timeoutMs: number): void {
    const { limits } = this.#link
    const steps = methods.map(method => this.#encode(method))
    const octets = steps.reduce((sum, step) => sum + step.frames.length, COMMAND_OVERHEAD)
    // Not the publishes that wait: while the broker blocks them, calls go on. And not a cancel, of which there is one for each
    // consumer: without it nobody could end that.
    const isLimited = methods[0]?.name !== 'basic.cancel'
    if (isLimited && this.#waiting.callOctets + octets > limits.maxBuffered)
      throw overfull('a call', octets, this.#waiting.callOctets, this.#link)
    const deadline = now + timeoutMs
    this.#enqueue({ kind: 'call', token, steps, step: 0, deadline, timeoutMs, abandoned: false, octets })
    this.advance()
  }

  /** Without `confirming` a token is only told of what has to wait. */
  publish(
    publishing: Publishing,
    token: object | undefined,
    confirming: boolean,
    now: number,
    timeoutMs: number | undefined,
  ): Departure {
    const { outbound, buffered, limits } = this.#link
    const { length } = publishing.body
    if (buffered + length > limits.maxBuffered) throw overfull('a body', length, buffered, this.#link)
    const isTimed = confirming || timeoutMs !== undefined
    const terms = isTimed ? this.#terms.of(this.#publisher.failures, now, timeoutMs) : ENDLESS
    if (this.#queue.isEmpty && this.#mayPublish()) {
      this.#publisher.send(publishing, confirming ? token : undefined, terms)
      if (token !== undefined || !outbound.isLent(this.#channel.number)) return 'sent'
      this.#owesDrained = true
      return 'queued'
    }
    const frames = encodeAhead(encodePublish, this.#channel.number, outbound.frameMax, publishing)
    this.#enqueue(new PublishCommand(token, confirming, publishing, frames, terms))
    return 'queued'
  }

  /** Cancels a consumer that nobody has, before anything else is called; nothing may be outstanding. */
  cancelAtOnce(consumerTag: string): void {
    const step = this.#encode({ name: 'basic.cancel', args: { consumerTag, noWait: false } })
    this.#sendStep(this.#slot.begin(callForNobody(step)))
  }

  /** Sends a settlement, in its place among transaction methods and other settlements: one with `multiple` covers those. */
  settle(method: SettlementMethod): Departure {
    if (this.#waiting.exclusives === 0 && this.#waiting.settlements === 0 && !this.#slot.isExclusive) {
      this.#append(encodeSettlement, method)
      return 'sent'
    }
    const deadline = Number.POSITIVE_INFINITY
    this.#enqueue({ kind: 'settlement', method, deadline, octets: COMMAND_OVERHEAD })
    return 'queued'
  }

  /** Confirm mode comes later than was thought, or not at all: what was published for it is not sent. */
  dropConfirming(why: string): void {
    let confirms = false
    const isTooEarly = (command: Command): boolean => {
      confirms ||= command.kind === 'call' && nameOf(command) === 'confirm.select'
      return !confirms && command.kind === 'publish' && command.confirming
    }
    for (const command of this.#queue.remove(isTooEarly)) {
      this.#discount(command)
      this.#failUnsent(command as PublishCommand, why)
    }
  }

  /**
   * Asks whether all publishes before are confirmed. Each of them has a deadline; what else is in front has none while the broker
   * blocks, so then the question has one.
   */
  awaitConfirms(token: object, now: number): void {
    const deadline = now + this.#link.limits.confirmTimeoutMs
    this.#publisher.issueWait(token)
    this.#enqueue({ kind: 'confirmWait', token, deadline, octets: COMMAND_OVERHEAD })
    this.advance()
  }

  /** Something that commands wait for may have changed. */
  advance(): void {
    for (
      let command = this.#queue.first;
      command !== undefined && this.#mayGo(command);
      command = this.#queue.first
    ) {
      this.#queue.shift()
      this.#discount(command)
      this.#go(command)
    }
    this.noteReturned()
  }

  /** The socket may have octets now that were sent from where they are. */
  noteReturned(): void {
    if (this.#owesDrained) this.#tellDrained()
  }

  /** Matches a reply. Undefined when another step of the same call was sent on it. */
  takeReply(reply: Method): AnsweredCall | undefined {
    const taken = this.#slot.takeReply(reply)
    if ('call' in taken) return taken
    this.#sendStep(taken)
    return undefined
  }

  /** What was appended has left, or a part of it. The call that is over by that, if there is one. */
  noteDeparture(): AnsweredCall | undefined {
    const sent = this.#slot.noteHandedOver(this.#link.outbound.handedOver)
    if (this.#slot.awaitsDeparture) this.#link.watchDeparture(this.#channel.number)
    return sent
  }

  /**
   * Fails what is overdue. Returns the call whose missing reply makes the channel useless: which of the replies to come
   * belongs to which call cannot be known any more. While the broker blocks the connection it answers nothing, so then
   * the call only fails, and its slot is kept for the late reply, which has as much time again.
   */
  expire(now: number): { readonly call: CallCommand; readonly error: CallTimeoutError } | undefined {
    const renew = (command: Command): boolean => {
      if (!this.#outlasts(command)) return false
      const { rpcTimeoutMs, confirmTimeoutMs } = this.#link.limits
      command.deadline = now + (command.kind === 'call' ? rpcTimeoutMs : confirmTimeoutMs)
      return true
    }
    for (const command of this.#queue.expire(now, renew)) this.#failOverdue(command)
    const { call } = this.#slot
    if (call === undefined || now < call.deadline) return undefined
    const error = callTimedOut(call, this.#slot.awaitsDeparture ? 'not sent' : 'no reply', this.#link)
    this.#giveUp(call, error)
    if (this.#link.blocked === undefined) return { call, error }
    call.deadline = now + call.timeoutMs
    return undefined
  }

  /** The call that is outstanding has its whole time from now on. */
  renewCall(now: number): void {
    const { call } = this.#slot
    if (call === undefined) return
    call.deadline = now + call.timeoutMs
    this.#link.wakeBy(call.deadline)
  }

  /** Nobody wants to wait any more for what was issued under these tokens. What has not left never will. */
  withdraw(causes: Causes): void {
    const causeOf = (command: Command): Error | undefined =>
      'token' in command && command.token !== undefined ? causes.get(command.token) : undefined
    for (const command of this.#queue.remove(command => causeOf(command) !== undefined)) {
      const cause = causeOf(command) as Error
      this.#discount(command)
      if (command.kind === 'publish') this.#failUnsent(command, cause.message, cause)
      else if (command.kind === 'call') this.#dropQueued(command, cause)
    }
    const { call } = this.#slot
    const cause = call === undefined ? undefined : causes.get(call.token)
    if (call !== undefined && cause !== undefined) this.#giveUp(call, cause)
    this.advance()
  }

  /** The channel is gone: everything that waits fails. */
  end(reason: CloseReason, details: ErrorDetails): void {
    const { call } = this.#slot
    if (call !== undefined) this.#failCall(call, reason)
    this.#slot.clear()
    for (const command of this.#queue.drain()) {
      this.#discount(command)
      if (command.kind === 'publish') this.#publisher.failUnsent(command, describeReason(reason), details)
      else if (command.kind === 'call') this.#failCall(command, reason)
    }
  }

  /**
   * A cancel that is given up would leave a consumer that nobody can end; it waits until the broker reads again. A wait for
   * confirms waits as long as there are publishes in front that may be confirmed.
   */
  #outlasts(command: Command): command is CallCommand | ConfirmWait {
    if (command.kind === 'confirmWait') return this.#waiting.publishes > this.#waiting.tokenless
    return command.kind === 'call' && nameOf(command) === 'basic.cancel' && this.#link.blocked !== undefined
  }

  #encode(method: MethodOf<CallName>): CallStep {
    const { outbound } = this.#link
    const frames = encodeAhead(encodeMethodFrame, this.#channel.number, outbound.frameMax, onTheWire(method))
    return { method, frames }
  }

  #enqueue(command: Command): void {
    this.#queue.push(command)
    this.#link.noteQueued(this.#channel.number, command.octets)
    this.#link.wakeBy(command.deadline)
    this.#waiting.count(command, 1)
  }

  /** A command has left the queue. */
  #discount(command: Command): void {
    this.#link.noteQueued(this.#channel.number, -command.octets)
    this.#waiting.count(command, -1)
  }

  #mayGo(command: Command): boolean {
    switch (command.kind) {
      case 'publish':
        return this.#mayPublish()
      case 'call':
        return this.#slot.call === undefined && !this.#link.outbound.isBusy(this.#channel.number)
      case 'settlement':
        return !this.#slot.isExclusive
      case 'confirmWait':
        return true
    }
  }

  #mayPublish(): boolean {
    const { outbound, limits, blocked } = this.#link
    return (
      blocked === undefined &&
      this.flowActive &&
      outbound.queued < limits.highWaterMark &&
      !outbound.isBusy(this.#channel.number) &&
      !this.#slot.isExclusive &&
      !this.#slot.isMidCall &&
      this.#publisher.outstanding < this.#channel.maxUnconfirmed
    )
  }

  #go(command: Command): void {
    switch (command.kind) {
      case 'publish':
        return this.#goPublish(command)
      case 'call':
        return this.#sendStep(this.#slot.begin(command))
      case 'settlement':
        if (this.#channel.onSettlement()) this.#append(encodeSettlement, command.method)
        return
      case 'confirmWait':
        return this.#publisher.reachWait(command.token)
    }
  }

  #goPublish(command: PublishCommand): void {
    const { frames, publishing, token, confirming, terms } = command
    this.#publisher.sendEncoded(frames, publishing, confirming ? token : undefined, terms)
    if (confirming) return
    if (token !== undefined) this.#link.emit({ type: 'replied', token, reply: undefined })
    else this.#tellDrained()
  }

  /** Publishes that nobody asks after are with the socket, or copied. */
  #tellDrained(): void {
    this.#owesDrained = this.#link.outbound.isLent(this.#channel.number)
    if (this.#waiting.tokenless > 0 || this.#owesDrained) return
    this.#link.emit({ type: 'drained', channel: this.#channel.owner })
  }

  #sendStep({ method, frames }: CallStep): void {
    this.#slot.noteSent(this.#append(copyMethodFrame, frames))
    this.#channel.onCall(method)
    if (this.#slot.awaitsDeparture) this.#link.watchDeparture(this.#channel.number)
  }

  #failOverdue(command: Command): void {
    this.#discount(command)
    if (command.kind === 'call') this.#dropQueued(command, callTimedOut(command, 'not sent', this.#link))
    else if (command.kind === 'publish')
      this.#failUnsent(command, `not sent within ${command.terms.timeoutMs} ms`)
    else if (command.kind === 'confirmWait')
      this.#publisher.withdraw(new Map([[command.token, waitTimedOut(this.#link)]]))
  }

  #failUnsent(command: PublishCommand, why: string, cause?: Error): void {
    const details = { ...this.#link.endpoint, cause }
    const window = windowClause(this.#publisher.outstanding, this.#channel.maxUnconfirmed)
    this.#publisher.failUnsent(command, `${why}${window}${blockedClause(this.#link)}`, details)
  }

  #dropQueued(call: CallCommand, error: Error): void {
    this.#abandon(call, false)
    this.#link.emit({ type: 'failed', token: call.token, error })
  }

  /** Tells the caller; the call itself is under way. */
  #giveUp(call: CallCommand, error: Error): void {
    if (call.abandoned) return
    call.abandoned = true
    this.#abandon(call, call.step === call.steps.length - 1)
    this.#link.emit({ type: 'failed', token: call.token, error })
  }

  #abandon({ steps }: CallCommand, sent: boolean): void {
    this.#channel.onAbandoned((steps.at(-1) as CallStep).method, sent)
  }

  #append<T>(encode: Encode<T>, value: T): number {
    return this.#link.outbound.append(this.#channel.number, encode, value)
  }

  #failCall(call: CallCommand, reason: CloseReason): void {
    if (call.abandoned) return
    const details = { ...this.#link.endpoint, cause: reason.error, method: nameOf(call) }
    const error = new ChannelClosedError(reason, this.#channel.number, details)
    this.#link.emit({ type: 'failed', token: call.token, error })
  }
}
