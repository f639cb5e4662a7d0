// The receiving half of a channel life: its consumers, which of its deliveries are unsettled, and what settles them.

import type { WholeContent } from '../frames/index.js'
import type { Departure } from './channel-commands.js'
import type { ChannelLink } from './channel-link.js'
import type { CloseReason } from './close-reason.js'
import { ConsumerRegistry, type RegisteredConsumer } from './consumer-registry.js'
import { Content } from './content.js'
import { DeliveryLedger, type DeliveryState } from './delivery-ledger.js'
import { DeliveryReader } from './delivery-reader.js'
import type { ChannelLife, IncomingDelivery, Settlement } from './events.js'
import type { SettlementMethod } from './frame-writers.js'
import type { MethodArgs } from './method-types.js'
import type { MethodName } from './methods.js'
import { ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

const GIVE_BACK: Settlement = Object.freeze({ kind: 'nack', multiple: false, requeue: true })

export class ChannelDeliveries {
  readonly #link: ChannelLink
  readonly #send: (settlement: SettlementMethod) => Departure
  readonly #consumers = new ConsumerRegistry()
  readonly #ledger = new DeliveryLedger()
  readonly #reader = new DeliveryReader()
  /** The consumer whose cancel is outstanding. */
  #cancelling: RegisteredConsumer | undefined
  #lastDeliveryTag = 0
  #recovering = false

  constructor(link: ChannelLink, send: (settlement: SettlementMethod) => Departure) {
    this.#link = link
    this.#send = send
  }

  stateOf(deliveryTag: number): DeliveryState {
    return this.#ledger.stateOf(deliveryTag)
  }

  /** The tag given, or one that is made. */
  addConsumer(consumerTag: string, consumer: object, noAck: boolean): string {
    const tag = consumerTag === '' ? this.#consumers.generateTag() : consumerTag
    this.#consumers.add({ consumerTag: tag, consumer, noAck })
    return tag
  }

  /** The consumer was never started. */
  removeConsumer(consumerTag: string): void {
    this.#consumers.remove(consumerTag)
  }

  /** Nobody waits for the start of the consumer any more. What it is sent goes back. */
  disownConsumer(consumerTag: string): void {
    this.#consumers.disown(consumerTag)
  }

  hasConsumer(consumerTag: string): boolean {
    return this.#consumers.has(consumerTag)
  }

  /** A delivery to a consumer has come. */
  deliver(life: ChannelLife, args: MethodArgs<'basic.deliver'>, content: Content): void {
    const { consumerTag, deliveryTag, redelivered, exchange, routingKey } = args
    const { consumer, noAck } = this.#consumerOf(consumerTag)
    const incoming = { life, consumerTag, deliveryTag, redelivered, exchange, routingKey, noAck, content }
    const delivery = this.accept(incoming)
    if (consumer === undefined) this.giveBack(delivery)
    else this.#link.emit({ type: 'delivered', consumer, delivery })
  }

  /** A content that came whole. False, and nothing has happened, when it is not a delivery such as is expected. */
  deliverWhole(life: ChannelLife, chunk: Buffer, place: WholeContent): boolean {
    if (place.bodyEnd - place.bodyStart > this.#link.limits.maxMessageSize) return false
    if (!this.#reader.read(chunk, place)) return false
    const { consumerTag, deliveryTag, redelivered, exchange, routingKey, propertyOctets } = this.#reader
    const registered = this.#consumers.get(consumerTag)
    if (registered?.consumer === undefined || deliveryTag <= this.#lastDeliveryTag) return false
    const { consumer, noAck } = registered
    const content = new Content(propertyOctets, this.#link.bodies.keep(chunk, place.bodyStart, place.bodyEnd))
    const incoming = { life, consumerTag, deliveryTag, redelivered, exchange, routingKey, noAck, content }
    this.#link.emit({ type: 'delivered', consumer, delivery: this.accept(incoming) })
    return true
  }

  /** Tags count up on a channel; one that does not is a corrupted octet. */
  expectInOrder(deliveryTag: number, method: MethodName = 'basic.deliver'): void {
    if (deliveryTag > this.#lastDeliveryTag) return
    throw new Violation(ReplyCode.SyntaxError, `delivery tag ${deliveryTag} out of order`, method)
  }

  /** Takes a delivery into the ledger. */
  accept(delivery: IncomingDelivery): IncomingDelivery {
    this.expectInOrder(delivery.deliveryTag)
    // RabbitMQ gives a direct reply the tag of the next delivery without counting it: there a tag comes again.
    if (!delivery.noAck) this.#lastDeliveryTag = delivery.deliveryTag
    if (!delivery.noAck && !this.#recovering) this.#ledger.add(delivery.deliveryTag)
    return delivery
  }

  /** Nobody is there for the delivery any more: somebody else may have it. */
  giveBack({ deliveryTag, noAck, content }: IncomingDelivery): void {
    if (noAck || content.isFromStream) return
    if (this.settle(deliveryTag, GIVE_BACK)) this.#ledger.noteGivenBack(deliveryTag)
  }

  /** Sends a settlement if the delivery waits for one. */
  settle(deliveryTag: number, settlement: Settlement): boolean {
    if (this.#ledger.stateOf(deliveryTag) !== 'unsettled') return false
    const multiple = settlement.kind !== 'reject' && settlement.multiple
    // What cannot be sent, because another command is just being encoded, is not settled either.
    const sent = this.#send(settlementMethod(deliveryTag, settlement))
    return sent === 'sent'
      ? this.#ledger.settle(deliveryTag, multiple)
      : this.#ledger.reserve(deliveryTag, multiple)
  }

  /** A settlement that had to wait has its turn. False when it must not be sent any more. */
  settleReserved(): boolean {
    return this.#ledger.settleReserved()
  }

  /** tx.select is being sent: settling is provisional from there on. */
  beginTransactions(): void {
    this.#ledger.beginTransactions()
  }

  commit(): void {
    this.#ledger.commit()
  }

  /** What was given back in the transaction nobody has: it goes back again, in the next one. */
  rollback(): void {
    for (const deliveryTag of this.#ledger.rollback()) this.settle(deliveryTag, GIVE_BACK)
  }

  /**
   * basic.recover is being sent: what the broker takes back it delivers again, under new tags. It takes back also what it has
   * sent and we have not seen yet, so until recover-ok nothing is to be settled.
   */
  beginRecovery(): void {
    this.#ledger.takeBack()
    this.#recovering = true
  }

  endRecovery(): void {
    this.#recovering = false
  }

  /**
   * A cancel is being sent. One that nobody waits for ends the consumer now, and what comes for it until cancel-ok goes back.
   */
  beginCancel(consumerTag: string, isWaitedFor: boolean): void {
    const registered = isWaitedFor ? undefined : this.#consumers.disown(consumerTag)
    if (registered !== undefined) this.#tellEnd(registered, { by: 'client' })
    this.#cancelling = this.#consumers.get(consumerTag)
  }

  /** cancel-ok. Whoever has the tag by now, because the server cancelled first, is another consumer. */
  endCancel(consumerTag: string): void {
    if (this.#consumers.get(consumerTag) === this.#cancelling) this.endConsumer(consumerTag, { by: 'client' })
  }

  /** False when the channel has no such consumer. */
  endConsumer(consumerTag: string, reason: CloseReason): boolean {
    const registered = this.#consumers.remove(consumerTag)
    if (registered !== undefined) this.#tellEnd(registered, reason)
    return registered !== undefined
  }

  /** A Close is being sent, which nothing may follow: what is unsettled is stale. */
  stopSettling(): void {
    this.#ledger.end()
  }

  /** The channel is gone: its consumers end, and what is unsettled is stale. */
  end(reason: CloseReason): void {
    this.stopSettling()
    for (const registered of this.#consumers.drain()) this.#tellEnd(registered, reason)
  }

  #tellEnd({ consumer }: RegisteredConsumer, reason: CloseReason): void {
    if (consumer !== undefined) this.#link.emit({ type: 'consumerEnded', consumer, reason })
  }

  #consumerOf(consumerTag: string): RegisteredConsumer {
    const consumer = this.#consumers.get(consumerTag)
    if (consumer !== undefined) return consumer
    throw new Violation(
      ReplyCode.CommandInvalid,
      'delivery to a consumer that does not exist',
      'basic.deliver',
    )
  }
}

function settlementMethod(deliveryTag: number, settlement: Settlement): SettlementMethod {
  if (settlement.kind === 'ack')
    return { name: 'basic.ack', args: { deliveryTag, multiple: settlement.multiple } }
  const { requeue } = settlement
  if (settlement.kind === 'reject') return { name: 'basic.reject', args: { deliveryTag, requeue } }
  return { name: 'basic.nack', args: { deliveryTag, multiple: settlement.multiple, requeue } }
}
