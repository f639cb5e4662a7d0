// Which deliveries of one channel life still wait to be settled (spec 1.8.3.12-14). RabbitMQ closes the channel (406)
// on a tag it does not know, so an acknowledgement that is stale, double or not wanted must never be sent.
//
// Tags count up from 1 over all consumers and gets of a channel, so a Set keeps them in ascending order.

/**
 * What a delivery is to its channel: waiting to be settled; settled already; not to be settled (`noAck`); or delivered
 * in a life of the channel that has ended (`stale`): the broker has it back.
 */
export type DeliveryState = 'unsettled' | 'settled' | 'noAck' | 'stale'

export class DeliveryLedger {
  readonly #unsettled = new Set<number>()
  #ended = false

  /** Deliveries that wait to be settled. */
  get size(): number {
    return this.#unsettled.size
  }

  /** A delivery that must be settled has come. */
  add(deliveryTag: number): void {
    this.#unsettled.add(deliveryTag)
  }

  /** State of a delivery that was not a no-ack one. */
  stateOf(deliveryTag: number): DeliveryState {
    if (this.#unsettled.has(deliveryTag)) return this.#ended ? 'stale' : 'unsettled'
    return 'settled'
  }

  /** Settles a delivery, and with `multiple` all before it. False when it is not waiting: nothing may be sent then. */
  settle(deliveryTag: number, multiple: boolean): boolean {
    if (this.stateOf(deliveryTag) !== 'unsettled') return false
    if (!multiple) {
      this.#unsettled.delete(deliveryTag)
      return true
    }
    for (const tag of this.#unsettled) {
      if (tag > deliveryTag) break
      this.#unsettled.delete(tag)
    }
    return true
  }

  /** The broker has taken everything back (basic.recover); what it delivers again comes with new tags. */
  settleAll(): void {
    this.#unsettled.clear()
  }

  /** The life of the channel is over: what was unsettled is stale. */
  end(): void {
    this.#ended = true
  }
}
