// The receiving half of a channel life: its consumers, which of its deliveries are unsettled, and what settles them.

import type { ChannelLink } from './channel-link.js'
import type { CloseReason } from './close-reason.js'
import { ConsumerRegistry, type RegisteredConsumer } from './consumer-registry.js'
import { DeliveryLedger, type DeliveryState } from './delivery-ledger.js'
import type { IncomingDelivery, Settlement } from './events.js'
import { encodeMethodFrame } from './frame-writers.js'
import type { Method } from './method-types.js'
import { ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

export class ChannelDeliveries {
  readonly #link: ChannelLink
  readonly #channelNumber: number
  readonly #consumers = new ConsumerRegistry()
  readonly #ledger = new DeliveryLedger()
  #lastDeliveryTag = 0

  constructor(link: ChannelLink, channelNumber: number) {
    this.#link = link
    this.#channelNumber = channelNumber
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

  hasConsumer(consumerTag: string): boolean {
    return this.#consumers.has(consumerTag)
  }

  /** The consumer a delivery is for. */
  consumerOf(consumerTag: string): RegisteredConsumer {
    const consumer = this.#consumers.get(consumerTag)
    if (consumer !== undefined) return consumer
    throw new Violation(
      ReplyCode.CommandInvalid,
      'delivery to a consumer that does not exist',
      'basic.deliver',
    )
  }

  /** Takes a delivery into the ledger. Tags count up on a channel; one that does not is a corrupted octet. */
  accept(delivery: IncomingDelivery): IncomingDelivery {
    if (delivery.deliveryTag <= this.#lastDeliveryTag) {
      throw new Violation(
        ReplyCode.SyntaxError,
        `delivery tag ${delivery.deliveryTag} out of order`,
        'basic.deliver',
      )
    }
    this.#lastDeliveryTag = delivery.deliveryTag
    if (!delivery.noAck) this.#ledger.add(delivery.deliveryTag)
    return delivery
  }

  /** Sends a settlement if the delivery waits for one. */
  settle(deliveryTag: number, settlement: Settlement): boolean {
    if (!this.#ledger.settle(deliveryTag, settlement.kind !== 'reject' && settlement.multiple)) return false
    this.#link.outbound.append(
      this.#channelNumber,
      encodeMethodFrame,
      settlementMethod(deliveryTag, settlement),
    )
    return true
  }

  /** basic.recover is being sent: what the broker takes back it delivers again, under new tags. */
  forgetUnsettled(): void {
    this.#ledger.settleAll()
  }

  endConsumer(consumerTag: string, reason: CloseReason): void {
    const registered = this.#consumers.remove(consumerTag)
    if (registered !== undefined)
      this.#link.emit({ type: 'consumerEnded', consumer: registered.consumer, reason })
  }

  /** The channel is gone: its consumers end, and what is unsettled is stale. */
  end(reason: CloseReason): void {
    this.#ledger.end()
    for (const { consumer } of this.#consumers.drain())
      this.#link.emit({ type: 'consumerEnded', consumer, reason })
  }
}

function settlementMethod(deliveryTag: number, settlement: Settlement): Method {
  if (settlement.kind === 'ack')
    return { name: 'basic.ack', args: { deliveryTag, multiple: settlement.multiple } }
  const { requeue } = settlement
  if (settlement.kind === 'reject') return { name: 'basic.reject', args: { deliveryTag, requeue } }
  return { name: 'basic.nack', args: { deliveryTag, multiple: settlement.multiple, requeue } }
}
