// One life of one channel, from channel.open to close-ok. Methods and contents come in, frames go to the connection's
// outbound, events to its queue. It routes: the order of commands is CommandLane's, publishing ChannelPublisher's,
// deliveries ChannelDeliveries'. A channel that is opened again, under whatever number, is another life.

import type { ByteReader } from '../frames/index.js'
import { type ConsumeCommand, callsOf, isContentMethod, nameOf } from './channel-commands.js'
import { ChannelDeliveries } from './channel-deliveries.js'
import type { ChannelLink } from './channel-link.js'
import { ChannelPublisher } from './channel-publisher.js'
import { type ChannelState, type ChannelTrigger, nextChannelState, triggerOf } from './channel-state.js'
import type { CloseReason } from './close-reason.js'
import { CommandLane } from './command-lane.js'
import type { Content } from './content.js'
import { type Assembled, ContentAssembler } from './content-assembler.js'
import type { DeliveryState } from './delivery-ledger.js'
import { ChannelClosedError, CloseTimeoutError } from './errors.js'
import type { ChannelLife, Settlement } from './events.js'
import { encodeMethodFrame, type Publishing } from './frame-writers.js'
import { methodNameOf } from './method-codec.js'
import type { CallName, ContentMethodName, Method, MethodArgs, MethodOf } from './method-types.js'
import { cutReplyText, ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

export class ChannelProtocol implements ChannelLife {
  readonly number: number
  /** The token that this life's events carry. */
  readonly owner: object
  readonly maxUnconfirmed: number
  readonly #link: ChannelLink
  readonly #publisher: ChannelPublisher
  readonly #lane: CommandLane
  readonly #deliveries: ChannelDeliveries
  readonly #assembler: ContentAssembler<MethodOf<ContentMethodName>>
  #state: ChannelState = 'opening'
  #reason: CloseReason | undefined
  /** `quiet`: the connection is about to close. `sealed`: its Close is sent, and nothing may follow that. */
  #connection: 'open' | 'quiet' | 'sealed' = 'open'
  #confirming = false
  #closeDeadline = Number.POSITIVE_INFINITY

  constructor(number: number, link: ChannelLink, owner: object, maxUnconfirmed: number) {
    this.number = number
    this.owner = owner
    this.maxUnconfirmed = maxUnconfirmed
    this.#link = link
    this.#publisher = new ChannelPublisher(link, number)
    this.#lane = new CommandLane(this, link, this.#publisher)
    this.#deliveries = new ChannelDeliveries(link, settlement => this.#lane.send(settlement))
    this.#assembler = new ContentAssembler(link.limits.maxMessageSize)
  }

  // A. getters

  get state(): ChannelState {
    return this.#state
  }

  /** Why it ended; undefined while it lives. */
  get reason(): CloseReason | undefined {
    return this.#reason
  }

  /** Whether publishes are confirmed: confirm.select was accepted for sending. */
  get confirming(): boolean {
    return this.#confirming
  }

  /** Nothing waits: no command, no reply, no confirm. Of what is closing nothing comes any more. */
  get isIdle(): boolean {
    return this.#state === 'closing' || (this.#lane.isEmpty && this.#publisher.unconfirmed === 0)
  }

  /** Publishes that wait for their turn or for their confirm. */
  get unconfirmed(): number {
    return this.#lane.publishesWaiting + this.#publisher.unconfirmed
  }

  /** Whether commands wait for their turn. */
  get hasWaiting(): boolean {
    return this.#lane.hasWaiting
  }

  get nextDeadline(): number {
    if (this.#isOver) return Number.POSITIVE_INFINITY
    return Math.min(this.#closeDeadline, this.#publisher.nextDeadline, this.#lane.nextDeadline)
  }

  stateOf(deliveryTag: number): DeliveryState {
    return this.#deliveries.stateOf(deliveryTag)
  }

  hasConsumer(consumerTag: string): boolean {
    return this.#deliveries.hasConsumer(consumerTag)
  }

  // B. inputs

  receiveMethod(method: Method): void {
    this.#assembler.expectIdle()
    const next = nextChannelState(this.#state, triggerOf(method.name))
    if (next === 'violation') {
      throw new Violation(
        ReplyCode.ChannelError,
        `${method.name} on a channel that is ${this.#state}`,
        method.name,
      )
    }
    if (next !== 'discard') {
      this.#state = next
      this.#handle(method)
    } else if (isContentMethod(method)) {
      // The content must be followed to its end all the same, or its frames would be mistaken for others.
      this.#assembler.begin(method)
    }
  }

  receiveHeader(reader: ByteReader): void {
    const assembled = this.#assembler.receiveHeader(reader)
    if (assembled !== undefined) this.#receiveContent(assembled)
  }

  receiveBody(octets: Buffer, start: number, end: number, frameComplete: boolean): void {
    const assembled = this.#assembler.receiveBody(octets, start, end, frameComplete)
    if (assembled !== undefined) this.#receiveContent(assembled)
  }

  handleTimeout(now: number): void {
    if (this.#isOver) return
    if (now >= this.#closeDeadline) return this.#giveUpClosing()
    this.#publisher.expire(now)
    const unanswered = this.#lane.expire(now)
    if (unanswered !== undefined) {
      const { call, error } = unanswered
      this.#refuse(
        { by: 'timeout', text: error.message, method: nameOf(call), error },
        ReplyCode.ReplySuccess,
      )
    }
    this.advance()
  }

  /** Something that commands wait for may have changed: room in the outbound order, the end of a block. */
  advance(): void {
    if (this.#isOver) return
    this.#lane.advance()
    if (this.#state !== 'draining' || this.#connection !== 'open' || !this.isIdle) return
    this.#sendClose('drained', ReplyCode.ReplySuccess, '')
  }

  /** The connection has ended. */
  lose(reason: CloseReason): void {
    this.#enter('lost')
    this.#end(reason, true)
  }

  // C. commands

  open(token: object, now: number): void {
    this.#lane.submit([{ name: 'channel.open', args: {} }], token, now)
  }

  /** Any synchronous method. Throws when an argument cannot be encoded or the channel is not open. */
  call(method: MethodOf<CallName>, token: object, now: number): void {
    this.#expectOpen(method.name)
    this.#lane.submit([method], token, now)
    if (method.name === 'confirm.select') this.#confirming = true
  }

  /** basic.qos and basic.consume as one entry of the order. Returns the consumer tag. */
  consume(command: ConsumeCommand, token: object, now: number): string {
    this.#expectOpen('basic.consume')
    const consumerTag = this.#deliveries.addConsumer(command.consumerTag, command.consumer, command.noAck)
    try {
      this.#lane.submit(callsOf(command, consumerTag), token, now)
    } catch (error) {
      this.#deliveries.removeConsumer(consumerTag)
      throw error
    }
    return consumerTag
  }

  /**
   * Publishes. On a confirm channel a token is wanted, and `confirmed` or `failed` follows; on a plain one `queued` says
   * that it has to wait, and `drained` follows. Throws when it cannot be encoded, or too much is waiting.
   */
  publish(publishing: Publishing, token: object | undefined, now: number): 'sent' | 'queued' {
    this.#expectOpen('basic.publish')
    return this.#lane.publish(publishing, token, now)
  }

  settle(deliveryTag: number, settlement: Settlement): boolean {
    return this.#deliveries.settle(deliveryTag, settlement)
  }

  /** Closes when everything before is sent and confirmed; `channelClosed` follows, not later than the close timeout. */
  close(now: number): void {
    const opening = this.#state === 'opening'
    if (!this.#enter('closeRequested') || this.#closeDeadline !== Number.POSITIVE_INFINITY) return
    this.#closeDeadline = now + this.#link.limits.closeTimeoutMs
    this.#link.wakeBy(this.#closeDeadline)
    if (opening) this.#appendClose(ReplyCode.ReplySuccess, '')
    this.advance()
  }

  /** The connection is about to close: what was issued before still goes out, nothing new is taken. */
  quiesce(): void {
    this.#connection = 'quiet'
    this.#enter('closeRequested')
  }

  /** The connection's Close is being sent. */
  seal(): void {
    this.#connection = 'sealed'
    this.#deliveries.stopSettling()
  }

  /** A call is being sent. */
  onCall(method: MethodOf<CallName>): void {
    if (method.name === 'basic.recover') this.#deliveries.beginRecovery()
  }

  /** Nobody waits for a call any more, that was sent or never was. */
  onAbandoned(method: MethodOf<CallName>, sent: boolean): void {
    if (method.name === 'confirm.select' && !sent) this.#confirming = false
    else if (method.name !== 'basic.consume') return
    else if (sent) this.#deliveries.disownConsumer(method.args.consumerTag)
    else this.#deliveries.removeConsumer(method.args.consumerTag)
  }

  /** Nothing of this life is sent any more. */
  get #isOver(): boolean {
    return this.#reason !== undefined || this.#connection === 'sealed'
  }

  #expectOpen(method: string): void {
    if (this.#state === 'open') return
    const reason = this.#reason ?? { by: 'client', text: 'it is closing' }
    throw new ChannelClosedError(reason, this.number, { ...this.#link.endpoint, cause: reason.error, method })
  }

  #handle(method: Method): void {
    switch (method.name) {
      case 'channel.close':
        return this.#receiveClose(method.args)
      case 'channel.close-ok':
        this.#end({ by: 'client' })
        return this.#link.release(this.number)
      case 'channel.flow':
        this.#lane.flowActive = method.args.active
        this.#append({ name: 'channel.flow-ok', args: method.args })
        return this.advance()
      case 'basic.deliver':
      case 'basic.get-ok':
      case 'basic.return':
        return this.#assembler.begin(method)
      case 'basic.ack':
        this.#publisher.settle(method.args.deliveryTag, method.args.multiple, true)
        return this.advance()
      case 'basic.nack':
        this.#publisher.settle(method.args.deliveryTag, method.args.multiple, false)
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
      const { call, method } = answered
      if (method.name === 'basic.cancel')
        this.#deliveries.endConsumer(method.args.consumerTag, { by: 'client' })
      else if (method.name === 'basic.recover') this.#deliveries.endRecovery()
      if (call.abandoned) this.#undoAbandoned(method)
      else if (reply.name === 'basic.get-empty')
        this.#link.emit({ type: 'got', token: call.token, delivery: undefined })
      else this.#link.emit({ type: 'replied', token: call.token, reply })
    }
    this.advance()
  }

  /** Nobody waits for the reply any more. A consumer that nobody has must not swallow messages. */
  #undoAbandoned(method: MethodOf<CallName>): void {
    if (method.name !== 'basic.consume') return
    this.#append({ name: 'basic.cancel', args: { consumerTag: method.args.consumerTag, noWait: true } })
  }

  #receiveContent({ method, content }: Assembled<MethodOf<ContentMethodName>>): void {
    if (this.#state === 'closing' || this.#state === 'closed') return
    if (content === undefined) return this.#refuseOversized()
    if (method.name === 'basic.deliver') this.#deliveries.deliver(this, method.args, content)
    else if (method.name === 'basic.get-ok') this.#receiveGetOk(method, content)
    else if (method.name === 'basic.return') this.#receiveReturn(method.args, content)
  }

  #receiveGetOk(reply: MethodOf<'basic.get-ok'>, content: Content): void {
    // Before the call is taken as answered: if this ends the connection, whoever made it must hear of that.
    this.#deliveries.expectInOrder(reply.args.deliveryTag)
    const answered = this.#lane.takeReply(reply)
    if (answered?.method.name !== 'basic.get') return
    const { call, method } = answered
    const { noAck } = method.args
    const delivery = this.#deliveries.accept({ life: this, content, noAck, consumerTag: '', ...reply.args })
    if (!call.abandoned) this.#link.emit({ type: 'got', token: call.token, delivery })
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
    this.#deliveries.endConsumer(consumerTag, { by: 'server', text, method: 'basic.cancel' })
    // RabbitMQ never wants the reply.
    if (!noWait) this.#append({ name: 'basic.cancel-ok', args: { consumerTag } })
  }

  #receiveClose({ replyCode, replyText, classId, methodId }: MethodArgs<'channel.close'>): void {
    this.#append({ name: 'channel.close-ok', args: {} })
    const ids = classId === 0 ? {} : { classId, methodId, method: methodNameOf(classId, methodId) }
    this.#end(this.#withError({ by: 'server', code: replyCode, text: replyText, ...ids }))
    // In a collision our own close is still answered; only then is the number free.
    if (this.#state === 'closed') this.#link.release(this.number)
  }

  #giveUpClosing(): void {
    const text = `not closed within ${this.#link.limits.closeTimeoutMs} ms; ${this.unconfirmed} publishes unconfirmed`
    const error = new CloseTimeoutError(`channel ${this.number} ${text}`, this.#link.endpoint)
    this.#refuse({ by: 'client', text, error }, ReplyCode.ReplySuccess)
  }

  #refuseOversized(): void {
    const text = `message body above the limit of ${this.#link.limits.maxMessageSize} octets`
    this.#refuse(
      this.#withError({ by: 'protocol', code: ReplyCode.ContentTooLarge, text }),
      ReplyCode.ContentTooLarge,
    )
  }

  /** Ends the life on our side; the number stays taken until the server has answered the close. */
  #refuse(reason: CloseReason, replyCode: number): void {
    if (this.#state !== 'closing') this.#sendClose('gaveUp', replyCode, reason.text ?? '')
    this.#end(reason)
  }

  #sendClose(trigger: ChannelTrigger, replyCode: number, replyText: string): void {
    this.#enter(trigger)
    this.#appendClose(replyCode, replyText)
  }

  #appendClose(replyCode: number, replyText: string): void {
    const args = { replyCode, replyText: cutReplyText(replyText), classId: 0, methodId: 0 }
    this.#append({ name: 'channel.close', args })
    this.#deliveries.stopSettling()
  }

  #append(method: Method): void {
    this.#link.outbound.append(this.number, encodeMethodFrame, method)
  }

  /** Moves to the state the trigger leads to; false when it leads to none. */
  #enter(trigger: ChannelTrigger): boolean {
    const next = nextChannelState(this.#state, trigger)
    if (next === 'violation' || next === 'discard') return false
    this.#state = next
    return true
  }

  #withError(reason: CloseReason): CloseReason {
    return { ...reason, error: new ChannelClosedError(reason, this.number, this.#link.endpoint) }
  }

  /** Everything that waits fails, the consumers end, and then the channel. Once. */
  #end(reason: CloseReason, connectionLost = false): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    const { endpoint } = this.#link
    const cause = reason.error ?? new ChannelClosedError(reason, this.number, endpoint)
    const details = {
      ...endpoint,
      cause,
      replyCode: reason.code,
      replyText: reason.text,
      method: reason.method,
    }
    this.#publisher.end(reason, details, connectionLost)
    this.#lane.end(reason, details)
    this.#deliveries.end(reason)
    this.#link.emit({ type: 'channelClosed', channel: this.owner, reason })
  }
}
