// Which deliveries of one channel life still wait to be settled (spec 1.8.3.12-14). RabbitMQ closes the channel (406)
// on a tag it does not know, so an acknowledgement that is stale, double or not wanted must never be sent.
//
// Tags count up from 1 over all consumers and gets of a channel.
//
// In a transaction (spec 1.9) settling is provisional: the broker keeps what was settled aside, and a rollback puts it back
// among what is unsettled, without delivering it again. A settlement that has to wait for a transaction method before it is
// `reserved`: the application has had its say, the broker has not heard of it.

import { TagSet } from './tag-set.js'

/**
 * What a delivery is to its channel: waiting to be settled; settled already; not to be settled (`noAck`); or delivered
 * in a life of the channel that has ended (`stale`): the broker has it back.
 */
export type DeliveryState = 'unsettled' | 'settled' | 'noAck' | 'stale'

/** A settlement that waits. */
interface Reservation {
  readonly deliveryTag: number
  readonly multiple: boolean
  /** What it covers. Nothing any more after a recovery: the broker has these back. */
  tags: number[]
}

export class DeliveryLedger {
  readonly #unsettled = new TagSet()
  /** Oldest first. */
  #reserved: Reservation[] = []
  /** Settled in the transaction that is under way; undefined on a channel without transactions. */
  #provisional: number[] | undefined
  /** Given back in a transaction, on behalf of nobody: a rollback does not make them the application's again. */
  readonly #givenBack = new Set<number>()
  #ended = false

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
    if (!multiple && this.#provisional === undefined) return this.#unsettled.delete(deliveryTag)
    this.#keepAside(this.#take(deliveryTag, multiple))
    return true
  }

  /** As {@link settle}, by a settlement that has to wait. */
  reserve(deliveryTag: number, multiple: boolean): boolean {
    if (this.stateOf(deliveryTag) !== 'unsettled') return false
    this.#reserved.push({ deliveryTag, multiple, tags: this.#take(deliveryTag, multiple) })
    return true
  }

  /**
   * The oldest settlement that had to wait, of which there is one, is about to be sent. False when the broker has taken its delivery
   * back.
   */
  settleReserved(): boolean {
    const { tags } = this.#reserved.shift() as Reservation
    this.#keepAside(tags)
    return tags.length > 0
  }

  /** tx.select: from now on settling is provisional. */
  beginTransactions(): void {
    this.#provisional ??= []
  }

  /** A delivery was settled, or its settlement reserved, that nobody has any more. */
  noteGivenBack(deliveryTag: number): void {
    if (this.#provisional !== undefined || this.#reserved.length > 0) this.#givenBack.add(deliveryTag)
  }

  /** tx.commit-ok: what was settled in the transaction is settled. */
  commit(): void {
    for (const tag of this.#provisional ?? []) this.#givenBack.delete(tag)
    this.#provisional = []
  }

  /**
   * tx.rollback-ok: what was settled in the transaction waits again, unless a settlement that waits behind it covers that.
   * Returns what is to be given back again.
   */
  rollback(): number[] {
    const restored: number[] = []
    for (const tag of this.#provisional ?? []) {
      const covering = this.#reserved.find(reservation => covers(reservation, tag))
      const where = covering?.tags ?? restored
      where.push(tag)
    }
    this.#unsettled.restore(restored)
    this.#provisional = []
    return [...this.#givenBack].filter(tag => this.#unsettled.has(tag))
  }

  /**
   * basic.recover: the broker has taken everything back that it knows as unsettled; what it delivers again comes with new
   * tags. What was settled provisionally it still keeps aside.
   */
  takeBack(): void {
    this.#unsettled.clear()
    for (const reservation of this.#reserved) {
      for (const tag of reservation.tags) this.#givenBack.delete(tag)
      reservation.tags = []
    }
  }

  /** The life of the channel is over: what was unsettled is stale. */
  end(): void {
    this.#ended = true
  }

  #keepAside(deliveryTags: readonly number[]): void {
    for (const tag of deliveryTags) this.#provisional?.push(tag)
  }

  /** Removes a delivery that waits, and with `multiple` all before it. */
  #take(deliveryTag: number, multiple: boolean): number[] {
    if (multiple) return this.#unsettled.takeUpTo(deliveryTag)
    this.#unsettled.delete(deliveryTag)
    return [deliveryTag]
  }
}

function covers({ deliveryTag, multiple, tags }: Reservation, tag: number): boolean {
  return multiple && tag <= deliveryTag && tags.length > 0
}
