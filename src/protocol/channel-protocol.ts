// One life of one channel, from channel.open to close-ok. Methods and contents come in, frames go to the connection's outbound,
// events to its queue. It routes: how the life ends is ChannelLifecycle's, the order of commands CommandLane's, publishing
// ChannelPublisher's, deliveries ChannelDeliveries'. Opened again, under whatever number, a channel is another life.

import { ArgumentError, type ByteReader, type WholeContent } from '../frames/index.js'
import type { AnsweredCall } from './call-slot.js'
import {
  type Causes,
  type ConsumeCommand,
  callsOf,
  type Departure,
  isContentMethod,
  nameOf,
  type ReceivedContentName,
} from './channel-commands.js'
import { ChannelDeliveries } from './channel-deliveries.js'
import { ChannelLifecycle } from './channel-lifecycle.js'
import type { ChannelLink } from './channel-link.js'
import { ChannelPublisher } from './channel-publisher.js'
import type { ChannelState } from './channel-state.js'
import type { CloseReason } from './close-reason.js'
import { CommandLane } from './command-lane.js'
import type { Content } from './content.js'
import { type Assembled, ContentAssembler } from './content-assembler.js'
import type { DeliveryState } from './delivery-ledger.js'
import type { ErrorDetails } from './errors.js'
import type { ChannelLife, IncomingDelivery, Settlement } from './events.js'
import { encodeMethodFrame, type Publishing } from './frame-writers.js'
import type { CallName, Method, MethodArgs, MethodOf } from './method-types.js'
import { ReplyCode } from './reply-codes.js'

export class ChannelProtocol implements ChannelLife {
  readonly number: number
  /** The token that this life's events carry. */
  readonly owner: object
  readonly maxUnconfirmed: number
  readonly #link: ChannelLink
  readonly #lifecycle: ChannelLifecycle
  readonly #publisher: ChannelPublisher
  readonly #lane: CommandLane
  readonly #deliveries: ChannelDeliveries
  readonly #assembler: ContentAssembler<MethodOf<ReceivedContentName>>
  /** Calls of confirm.select that were accepted and not taken back. */
  #confirmSelects = 0
  /** Whether one of them was sent. */
  #confirmsBegun = false

  constructor(number: number, link: ChannelLink, owner: object, maxUnconfirmed: number) {
    this.number = number
    this.owner = owner
    this.maxUnconfirmed = maxUnconfirmed
    this.#link = link
    this.#lifecycle = new ChannelLifecycle(this, link)
    this.#publisher = new ChannelPublisher(link, number)
    this.#lane = new CommandLane(this, link, this.#publisher)
    this.#deliveries = new ChannelDeliveries(link, settlement => this.#lane.settle(settlement))
    this.#assembler = new ContentAssembler(link.limits.maxMessageSize, link.bodies)
  }

  // A. getters

  get state(): ChannelState {
    return this.#lifecycle.state
  }

  /** Why it ended; undefined while it lives. */
  get reason(): CloseReason | undefined {
    return this.#lifecycle.reason
  }

  /** Whether publishes are confirmed: confirm.select was accepted for sending. */
  get confirming(): boolean {
    return this.#confirmSelects > 0
  }

  /** Nothing waits: no command, no reply, no confirm. Of what is closing nothing comes any more. */
  get isIdle(): boolean {
    return this.state === 'closing' || (this.#lane.isEmpty && this.#publisher.unconfirmed === 0)
  }

  /** Publishes that wait for their turn or for their confirm. */
  get unconfirmed(): number {
    return this.#lane.publishesWaiting + this.#publisher.unconfirmed
  }

  /** Commands wait for their turn. */
  get hasWaiting(): boolean {
    return this.#lane.hasWaiting
  }

  get nextDeadline(): number {
    if (this.#lifecycle.isOver) return Number.POSITIVE_INFINITY
    return Math.min(this.#lifecycle.deadline, this.#publisher.nextDeadline, this.#lane.nextDeadline)
  }

  stateOf(deliveryTag: number): DeliveryState {
    return this.#deliveries.stateOf(deliveryTag)
  }

  hasConsumer(consumerTag: string): boolean {
    return this.#deliveries.hasConsumer(consumerTag)
  }

  // B. inputs

  /** A content that has come whole. False, and nothing has happened, when it is not a delivery such as is expected. */
  receiveWhole(chunk: Buffer, place: WholeContent): boolean {
    return (
      this.state === 'open' && this.#assembler.isIdle && this.#deliveries.deliverWhole(this, chunk, place)
    )
  }

  receiveMethod(method: Method): void {
    this.#assembler.expectIdle()
    if (this.#lifecycle.receive(method)) this.#handle(method)
    // The content must be followed to its end all the same, or its frames would be mistaken for others.
    else if (isContentMethod(method)) this.#assembler.begin(method)
  }

  receiveHeader(reader: ByteReader): void {
    const assembled = this.#assembler.receiveHeader(reader)
    if (assembled !== undefined) this.#receiveContent(assembled)
  }

  receiveBody(octets: Buffer, start: number, end: number, frameComplete: boolean): void {
    const assembled = this.#assembler.receiveBody(octets, start, end, frameComplete)
    if (assembled !== undefined) this.#receiveContent(assembled)
  }

  placeFor(octets: number): Buffer | undefined {
    return this.#assembler.placeFor(octets)
  }

  handleTimeout(now: number): void {
    if (this.#lifecycle.isOver) return
    this.#lifecycle.expire(now)
    this.#publisher.expire(now)
    const unanswered = this.#lane.expire(now)
    if (unanswered !== undefined) {
      const { call, error } = unanswered
      const reason = { by: 'timeout', text: error.message, method: nameOf(call), error } as const
      this.#lifecycle.refuse(reason, ReplyCode.ReplySuccess)
    }
    this.advance()
  }

  /** What the channel has appended has left. */
  noteDeparture(): void {
    const sent = this.#lane.noteDeparture()
    if (sent === undefined) return
    if (sent.told) this.#undoAbandoned(sent.method)
    else this.#link.emit({ type: 'replied', token: sent.call.token, reply: undefined })
    this.advance()
  }

  /** Something that commands wait for may have changed: room in the outbound order, the end of a block. */
  advance(): void {
    if (this.#lifecycle.isOver) return this.#lane.noteReturned()
    this.#lane.advance()
    this.#lifecycle.advance()
  }

  /** The broker reads again: the call that it has not answered has its whole time from now on. */
  noteUnblocked(now: number): void {
    this.#lane.renewCall(now)
  }

  /** The connection has ended. */
  lose(reason: CloseReason): void {
    this.#lifecycle.lose(reason)
  }

  // C. commands. A call is given up, and its channel closed, after `timeoutMs`; a publish after its own.

  open(token: object, now: number, timeoutMs = this.#link.limits.rpcTimeoutMs): void {
    this.#lane.submit([{ name: 'channel.open', args: {} }], token, now, timeoutMs)
  }

  /** Any synchronous method. Throws when an argument cannot be encoded or the channel is not open. */
  call(
    method: MethodOf<CallName>,
    token: object,
    now: number,
    timeoutMs = this.#link.limits.rpcTimeoutMs,
  ): void {
    this.#lifecycle.expectOpen(method.name)
    this.#lane.submit([method], token, now, timeoutMs)
    if (method.name === 'confirm.select') this.#confirmSelects++
  }

  /** basic.qos and basic.consume as one entry of the order. Returns the consumer tag. */
  consume(
    command: ConsumeCommand,
    token: object,
    now: number,
    timeoutMs = this.#link.limits.rpcTimeoutMs,
  ): string {
    this.#lifecycle.expectOpen('basic.consume')
    const consumerTag = this.#deliveries.addConsumer(command.consumerTag, command.consumer, command.noAck)
    try {
      this.#lane.submit(callsOf(command, consumerTag), token, now, timeoutMs)
    } catch (error) {
      this.#deliveries.removeConsumer(consumerTag)
      throw error
    }
    return consumerTag
  }

  /**
   * Publishes. On a confirm channel a token is wanted, and `confirmed` or `failed` follows; on a plain one `queued` is followed by
   * `drained` when the socket has all that wait, or with a token by `replied` or `failed`. Throws when it cannot be encoded or kept.
   */
  publish(publishing: Publishing, token: object | undefined, now: number, timeoutMs?: number): Departure {
    this.#lifecycle.expectOpen('basic.publish')
    try {
      return this.#lane.publish(publishing, token, this.confirming, now, timeoutMs)
    } catch (error) {
      if (this.confirming) this.#publisher.noteRefused(error as Error)
      throw error
    }
  }

  /** Asks whether all publishes so far are confirmed: `replied` when they are, `failed` when some are not. */
  awaitConfirms(token: object, now: number): void {
    this.#lifecycle.expectOpen(undefined)
    if (!this.confirming)
      throw new ArgumentError('channel', 'is not in confirm mode: nothing confirms its publishes')
    this.#lane.awaitConfirms(token, now)
  }

  settle(deliveryTag: number, settlement: Settlement): boolean {
    return this.#deliveries.settle(deliveryTag, settlement)
  }

  giveBack(delivery: IncomingDelivery): void {
    this.#deliveries.giveBack(delivery)
  }

  /**
   * Nobody wants to wait any more under these tokens, each for a cause of its own: a call fails with that, a publish with an
   * error that says whether it may arrive. What has not left is taken back.
   */
  withdraw(causes: Causes): void {
    if (this.#lifecycle.isOver) return
    this.#publisher.withdraw(causes)
    this.#lane.withdraw(causes)
    this.advance()
  }

  /** Closes when everything before is sent and confirmed; `channelClosed` follows, not later than `timeoutMs`. */
  close(now: number, timeoutMs = this.#link.limits.closeTimeoutMs): void {
    this.#lifecycle.requestClose(now, timeoutMs)
    this.advance()
  }

  /** The connection is about to close: what was issued before still goes out, nothing new is taken. */
  quiesce(): void {
    this.#lifecycle.quiesce()
  }

  /** The connection's Close is being sent. */
  seal(): void {
    this.#lifecycle.seal()
  }

  // What the parts tell.

  onCall(method: MethodOf<CallName>): void {
    if (method.name === 'confirm.select') this.#confirmsBegun = true
    else if (method.name === 'basic.recover') this.#deliveries.beginRecovery()
    else if (method.name === 'tx.select') this.#deliveries.beginTransactions()
    else if (method.name === 'basic.cancel')
      this.#deliveries.beginCancel(method.args.consumerTag, !method.args.noWait)
  }

  onSettlement(): boolean {
    return this.#deliveries.settleReserved()
  }

  onAbandoned(method: MethodOf<CallName>, sent: boolean): void {
    if (method.name === 'confirm.select' && !sent) this.#dropConfirming()
    else if (method.name !== 'basic.consume') return
    else if (sent) this.#deliveries.disownConsumer(method.args.consumerTag)
    else this.#deliveries.removeConsumer(method.args.consumerTag)
  }

  onCloseSent(): void {
    this.#deliveries.stopSettling()
  }

  onEnd(reason: CloseReason, details: ErrorDetails, connectionLost: boolean): void {
    this.#publisher.end(reason, details, connectionLost)
    this.#lane.end(reason, details)
    this.#deliveries.end(reason)
    this.#link.emit({ type: 'channelClosed', channel: this.owner, reason })
  }

  #handle(method: Method): void {
    switch (method.name) {
      case 'channel.close':
        return this.#lifecycle.receiveClose(method.args)
      case 'channel.close-ok':
        return this.#lifecycle.receiveCloseOk()
      case 'channel.flow':
        this.#lane.flowActive = method.args.active
        this.#append({ name: 'channel.flow-ok', args: method.args })
        return this.advance()
      case 'basic.deliver':
      case 'basic.get-ok':
      case 'basic.return':
        return this.#assembler.begin(method)
      case 'basic.ack':
      case 'basic.nack':
        this.#publisher.settle(method.args.deliveryTag, method.args.multiple, method.name === 'basic.ack')
        return this.advance()
      case 'basic.cancel':
        return this.#receiveCancel(method.args)
      default:
        return this.#receiveReply(method)
    }
  }

  #receiveReply(reply: Method): void {
    const answered = this.#lane.takeReply(reply)
    if (answered !== undefined) {
      const { call, method, told } = answered
      this.#applyReply(method)
      if (told) this.#undoAbandoned(method)
      else if (reply.name === 'basic.get-empty')
        this.#link.emit({ type: 'got', token: call.token, delivery: undefined })
      else this.#link.emit({ type: 'replied', token: call.token, reply })
    }
    this.advance()
  }

  /** Some calls change what the channel holds once they are answered. */
  #applyReply(method: MethodOf<CallName>): void {
    switch (method.name) {
      case 'basic.cancel':
        return this.#deliveries.endCancel(method.args.consumerTag)
      case 'basic.recover':
        this.#deliveries.endRecovery()
        return this.#link.emit({ type: 'takenBack', channel: this.owner })
      case 'tx.commit':
        return this.#deliveries.commit()
      case 'tx.rollback':
        return this.#deliveries.rollback()
    }
  }

  /** Nobody waited for the answer any more. A consumer that nobody has must not swallow messages. */
  #undoAbandoned(method: MethodOf<CallName>): void {
    if (method.name !== 'basic.consume') return
    this.#lane.cancelAtOnce(method.args.consumerTag)
  }

  #receiveContent({ method, content }: Assembled<MethodOf<ReceivedContentName>>): void {
    // What comes back before close-ok is still told: on a plain channel nothing else tells of it.
    const isTold = this.state !== 'closing' || method.name === 'basic.return'
    if (this.reason !== undefined || !isTold) return
    if (content === undefined) return this.#lifecycle.refuseOversized()
    if (method.name === 'basic.deliver') this.#deliveries.deliver(this, method.args, content)
    else if (method.name === 'basic.get-ok') this.#receiveGetOk(method, content)
    else this.#receiveReturn(method.args, content)
  }

  #receiveGetOk(reply: MethodOf<'basic.get-ok'>, content: Content): void {
    // Before the call is taken as answered: if this ends the connection, whoever made it must hear of that.
    this.#deliveries.expectInOrder(reply.args.deliveryTag, reply.name)
    // Nothing else is answered so, and it has no other step.
    const { call, method, told } = this.#lane.takeReply(reply) as AnsweredCall
    const { noAck } = (method as MethodOf<'basic.get'>).args
    const delivery = this.#deliveries.accept({ life: this, content, noAck, consumerTag: '', ...reply.args })
    if (!told) this.#link.emit({ type: 'got', token: call.token, delivery })
    else this.#deliveries.giveBack(delivery)
    this.advance()
  }

  #receiveReturn(args: MethodArgs<'basic.return'>, content: Content): void {
    const message = { ...args, properties: content.properties, body: content.body }
    if (this.#publisher.assignReturn(message, content)) return
    this.#link.emit({ type: 'returned', channel: this.owner, message })
  }

  #receiveCancel({ consumerTag, noWait }: MethodArgs<'basic.cancel'>): void {
    const text = 'the server cancelled the consumer'
    const isOurs = this.#deliveries.endConsumer(consumerTag, { by: 'server', text, method: 'basic.cancel' })
    // RabbitMQ never wants the reply. A tag that is not one of ours may be one that cannot be written.
    if (!noWait && isOurs) this.#append({ name: 'basic.cancel-ok', args: { consumerTag } })
  }

  #dropConfirming(): void {
    this.#confirmSelects--
    if (!this.#confirmsBegun) this.#lane.dropConfirming('confirm.select was not sent')
  }

  #append(method: Method): void {
    this.#link.outbound.append(this.number, encodeMethodFrame, method)
  }
}
