// The receiving half of a channel life: its consumers, which of its deliveries are unsettled, and what settles them.

import type { ChannelLink } from './channel-link.js'
import type { CloseReason } from './close-reason.js'
import { ConsumerRegistry, type RegisteredConsumer } from './consumer-registry.js'
import type { Content } from './content.js'
import { DeliveryLedger, type DeliveryState } from './delivery-ledger.js'
import type { ChannelLife, IncomingDelivery, Settlement } from './events.js'
import type { Method, MethodArgs } from './method-types.js'
import { ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

export class ChannelDeliveries {
  readonly #link: ChannelLink
  readonly #send: (settlement: Method) => void
  readonly #consumers = new ConsumerRegistry()
  readonly #ledger = new DeliveryLedger()
  #lastDeliveryTag = 0
  #recovering = false

  constructor(link: ChannelLink, send: (settlement: Method) => void) {
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

  /** Tags count up on a channel; one that does not is a corrupted octet. */
  expectInOrder(deliveryTag: number): void {
    if (deliveryTag > this.#lastDeliveryTag) return
    throw new Violation(ReplyCode.SyntaxError, `delivery tag ${deliveryTag} out of order`, 'basic.deliver')
  }

  /** Takes a delivery into the ledger. */
  accept(delivery: IncomingDelivery): IncomingDelivery {
    this.expectInOrder(delivery.deliveryTag)
    this.#lastDeliveryTag = delivery.deliveryTag
    if (!delivery.noAck && !this.#recovering) this.#ledger.add(delivery.deliveryTag)
    return delivery
  }

  /** Nobody is there for the delivery any more: somebody else may have it. */
  giveBack({ deliveryTag, noAck }: IncomingDelivery): void {
    if (!noAck) this.settle(deliveryTag, { kind: 'nack', multiple: false, requeue: true })
  }

  /** Sends a settlement if the delivery waits for one. */
  settle(deliveryTag: number, settlement: Settlement): boolean {
    if (this.#ledger.stateOf(deliveryTag) !== 'unsettled') return false
    // What cannot be sent, because another command is just being encoded, is not settled either.
    this.#send(settlementMethod(deliveryTag, settlement))
    return this.#ledger.settle(deliveryTag, settlement.kind !== 'reject' && settlement.multiple)
  }

  /**
   * basic.recover is being sent: what the broker takes back it delivers again, under new tags. It takes back also what it has
   * sent and we have not seen yet, so until recover-ok nothing is to be settled.
   */
  beginRecovery(): void {
    this.#ledger.settleAll()
    this.#recovering = true
  }

  endRecovery(): void {
    this.#recovering = false
  }

  endConsumer(consumerTag: string, reason: CloseReason): void {
    const registered = this.#consumers.remove(consumerTag)
    if (registered !== undefined) this.#tellEnd(registered, reason)
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

function settlementMethod(deliveryTag: number, settlement: Settlement): Method {
  if (settlement.kind === 'ack')
    return { name: 'basic.ack', args: { deliveryTag, multiple: settlement.multiple } }
  const { requeue } = settlement
  if (settlement.kind === 'reject') return { name: 'basic.reject', args: { deliveryTag, requeue } }
  return { name: 'basic.nack', args: { deliveryTag, multiple: settlement.multiple, requeue } }
}
