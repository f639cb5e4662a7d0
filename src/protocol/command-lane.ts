// The order of commands of one channel life. Calls and publishes leave in program order; of the calls one at a time is
// outstanding, with the rest queued behind it, because RabbitMQ's replies to pipelined calls overtake each other
// (consume-ok after qos-ok, measured). Publishes do not wait for an outstanding call, only for what was issued before them,
// for room, for the window of unconfirmed ones, and for a broker that blocks. Settlements wait for a transaction method alone:
// RabbitMQ answers whatever comes beside one with 504.
//
// Every call passes #go and every reply takeReply: whoever wants to know what was declared listens there.

import {
  type CallCommand,
  type CallStep,
  type Command,
  isExclusive,
  isNoWait,
  isReplyTo,
  nameOf,
} from './channel-commands.js'
import type { ChannelLink } from './channel-link.js'
import type { ChannelPublisher } from './channel-publisher.js'
import { type CloseReason, describeReason } from './close-reason.js'
import { CommandQueue } from './command-queue.js'
import { BackpressureError, CallTimeoutError, ChannelClosedError, type ErrorDetails } from './errors.js'
import {
  copyMethodFrame,
  type Encode,
  encodeAhead,
  encodeMethodFrame,
  encodePublish,
  type Publishing,
} from './frame-writers.js'
import type { CallName, Method, MethodOf } from './method-types.js'
import { ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

/** About what a command that waits occupies besides its octets: many small ones must have a limit too. */
const COMMAND_OVERHEAD = 512

/** The channel a lane belongs to. */
export interface LaneOwner {
  readonly number: number
  /** Token of the channel's events. */
  readonly owner: object
  /** Publishes that may be unconfirmed at a time. */
  readonly maxUnconfirmed: number
  /** A call is being sent: some change what the channel holds. */
  onCall(method: MethodOf<CallName>): void
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
  #outstanding: CallCommand | undefined
  /** Settlements that wait for a transaction method. */
  #held: Method[] = []
  #publishesWaiting = 0
  /** Those of them that nobody will confirm. */
  #plainWaiting = 0

  constructor(channel: LaneOwner, link: ChannelLink, publisher: ChannelPublisher) {
    this.#channel = channel
    this.#link = link
    this.#publisher = publisher
  }

  /** Neither commands wait nor a reply. */
  get isEmpty(): boolean {
    return this.#queue.isEmpty && this.#outstanding === undefined
  }

  /** Commands wait for their turn. */
  get hasWaiting(): boolean {
    return !this.#queue.isEmpty
  }

  get publishesWaiting(): number {
    return this.#publishesWaiting
  }

  /** The method whose reply is awaited. */
  get awaited(): MethodOf<CallName> | undefined {
    const call = this.#outstanding
    return call?.steps[call.step]?.method
  }

  get nextDeadline(): number {
    const call = this.#outstanding
    const deadline = call === undefined || call.abandoned ? Number.POSITIVE_INFINITY : call.deadline
    return Math.min(deadline, this.#queue.nextDeadline)
  }

  /** Calls that belong together: each is sent on the reply to the one before, and the last reply is the answer. */
  submit(methods: readonly MethodOf<CallName>[], token: object, now: number): void {
    const { outbound, limits } = this.#link
    const steps = methods.map(method => ({
      method,
      frames: encodeAhead(encodeMethodFrame, this.#channel.number, outbound.frameMax, method as Method),
    }))
    const deadline = now + limits.rpcTimeoutMs
    const octets = steps.reduce((sum, step) => sum + step.frames.length, COMMAND_OVERHEAD)
    this.#enqueue({ kind: 'call', token, steps, step: 0, deadline, abandoned: false, octets })
    this.#link.wakeBy(deadline)
    this.advance()
  }

  publish(publishing: Publishing, token: object | undefined, now: number): 'sent' | 'queued' {
    const { outbound, limits, buffered } = this.#link
    const deadline = token === undefined ? Number.POSITIVE_INFINITY : now + limits.confirmTimeoutMs
    if (buffered + publishing.body.length > limits.maxBuffered) throw this.#overfull(publishing.body.length)
    if (this.#queue.isEmpty && this.#mayPublish()) {
      this.#publisher.send(publishing, token, deadline)
      return 'sent'
    }
    const frames = encodeAhead(encodePublish, this.#channel.number, outbound.frameMax, publishing)
    const octets = frames.length + publishing.body.length + COMMAND_OVERHEAD
    this.#enqueue({ kind: 'publish', token, publishing, frames, deadline, octets })
    this.#publishesWaiting++
    if (token === undefined) this.#plainWaiting++
    this.#link.wakeBy(deadline)
    return 'queued'
  }

  /** A method that nothing answers: a settlement. */
  send(settlement: Method): void {
    if (this.#isHeldUp) this.#held.push(settlement)
    else this.#append(encodeMethodFrame, settlement)
  }

  /** Something that commands wait for may have changed. */
  advance(): void {
    for (
      let command = this.#queue.first;
      command !== undefined && this.#mayGo(command);
      command = this.#queue.first
    ) {
      this.#queue.shift()
      this.#link.noteQueued(this.#channel.number, -command.octets)
      this.#go(command)
    }
  }

  /**
   * Matches a reply. Undefined when another step of the same call was sent on it; otherwise the call that is answered
   * and the method it answers.
   */
  takeReply(reply: Method): { readonly call: CallCommand; readonly method: MethodOf<CallName> } | undefined {
    const call = this.#outstanding
    const method = this.awaited
    if (call === undefined || method === undefined || !isReplyTo(reply, method.name)) {
      throw new Violation(ReplyCode.ChannelError, `${reply.name} answers nothing that was asked`, reply.name)
    }
    call.step++
    if (call.step < call.steps.length && !call.abandoned) {
      this.#sendStep(call)
      return undefined
    }
    this.#outstanding = undefined
    for (const settlement of this.#held.splice(0)) this.#append(encodeMethodFrame, settlement)
    return { call, method }
  }

  /**
   * Fails what is overdue. Returns the call whose missing reply makes the channel useless: which of the replies to come
   * belongs to which call cannot be known any more. While the broker blocks the connection it answers nothing, so then
   * the call only fails, and its slot is kept for the late reply.
   */
  expire(now: number): { readonly call: CallCommand; readonly error: CallTimeoutError } | undefined {
    const renew = (command: Command): boolean => {
      if (!this.#outlastsBlock(command)) return false
      command.deadline = now + this.#link.limits.rpcTimeoutMs
      return true
    }
    for (const command of this.#queue.expire(now, renew)) this.#expireQueued(command)
    const call = this.#outstanding
    if (call === undefined || call.abandoned || now < call.deadline) return undefined
    const error = this.#timeoutOf(call, 'no reply')
    call.abandoned = true
    this.#abandon(call, call.step === call.steps.length - 1)
    this.#link.emit({ type: 'failed', token: call.token, error })
    return this.#link.blocked === undefined ? { call, error } : undefined
  }

  /** The channel is gone: everything that waits fails. */
  end(reason: CloseReason, details: ErrorDetails): void {
    this.#link.noteQueued(this.#channel.number, -this.#queue.octets)
    if (this.#outstanding !== undefined) this.#failCall(this.#outstanding, reason)
    for (const command of this.#queue.drain()) {
      if (command.kind === 'call') this.#failCall(command, reason)
      else this.#publisher.fail(command, describeReason(reason), details)
    }
    this.#outstanding = undefined
    this.#held = []
    this.#publishesWaiting = 0
    this.#plainWaiting = 0
  }

  /** A cancel that is given up would leave a consumer that nobody can end; it waits until the broker reads again. */
  #outlastsBlock(command: Command): command is CallCommand {
    return command.kind === 'call' && nameOf(command) === 'basic.cancel' && this.#link.blocked !== undefined
  }

  /** Whether nothing may be sent beside the call that is outstanding. */
  get #isHeldUp(): boolean {
    return this.#outstanding !== undefined && isExclusive(nameOf(this.#outstanding))
  }

  /** Whether a call of several steps has still some to send: what was issued after it comes after all of them. */
  get #isMidCall(): boolean {
    const call = this.#outstanding
    return call !== undefined && !call.abandoned && call.step < call.steps.length - 1
  }

  #enqueue(command: Command): void {
    this.#queue.push(command)
    this.#link.noteQueued(this.#channel.number, command.octets)
  }

  #mayGo(command: Command): boolean {
    if (command.kind === 'publish') return this.#mayPublish()
    return this.#outstanding === undefined && !this.#link.outbound.isBusy(this.#channel.number)
  }

  #mayPublish(): boolean {
    const { outbound, limits, blocked } = this.#link
    return (
      blocked === undefined &&
      this.flowActive &&
      outbound.size < limits.highWaterMark &&
      !outbound.isBusy(this.#channel.number) &&
      !this.#isHeldUp &&
      !this.#isMidCall &&
      this.#publisher.unconfirmed < this.#channel.maxUnconfirmed
    )
  }

  #go(command: Command): void {
    if (command.kind === 'call') {
      this.#outstanding = command
      return this.#sendStep(command)
    }
    const { frames, publishing, token, deadline } = command
    this.#publisher.sendEncoded(frames, publishing, token, deadline)
    this.#publishesWaiting--
    if (token !== undefined || --this.#plainWaiting > 0) return
    this.#link.emit({ type: 'drained', channel: this.#channel.owner })
  }

  #sendStep(call: CallCommand): void {
    const { method, frames } = call.steps[call.step] as CallStep
    this.#append(copyMethodFrame, frames)
    this.#channel.onCall(method)
    if (!isNoWait(method)) return
    this.#outstanding = undefined
    this.#link.emit({ type: 'replied', token: call.token, reply: undefined })
  }

  #expireQueued(command: Command): void {
    this.#link.noteQueued(this.#channel.number, -command.octets)
    if (command.kind === 'call') {
      this.#abandon(command, false)
      this.#link.emit({ type: 'failed', token: command.token, error: this.#timeoutOf(command, 'not sent') })
      return
    }
    this.#publishesWaiting--
    const why = `not sent within ${this.#link.limits.confirmTimeoutMs} ms${this.#blockedClause()}`
    this.#publisher.fail(command, why, this.#link.endpoint)
  }

  #abandon({ steps }: CallCommand, sent: boolean): void {
    this.#channel.onAbandoned((steps.at(-1) as CallStep).method, sent)
  }

  #append<T>(encode: Encode<T>, value: T): void {
    this.#link.outbound.append(this.#channel.number, encode, value)
  }

  #failCall(call: CallCommand, reason: CloseReason): void {
    if (call.abandoned) return
    const details = { ...this.#link.endpoint, cause: reason.error, method: nameOf(call) }
    const error = new ChannelClosedError(reason, this.#channel.number, details)
    this.#link.emit({ type: 'failed', token: call.token, error })
  }

  #timeoutOf(call: CallCommand, what: string): CallTimeoutError {
    const method = nameOf(call)
    const text = `${method}: ${what} within ${this.#link.limits.rpcTimeoutMs} ms${this.#blockedClause()}`
    return new CallTimeoutError(text, { ...this.#link.endpoint, method })
  }

  #blockedClause(): string {
    const { blocked } = this.#link
    return blocked === undefined ? '' : `; the broker blocks the connection: ${blocked}`
  }

  #overfull(octets: number): BackpressureError {
    const { buffered, limits, endpoint } = this.#link
    const text = `a body of ${octets} octets would join ${buffered} that wait to be sent; the limit is ${limits.maxBuffered}`
    return new BackpressureError(text, endpoint)
  }
}
