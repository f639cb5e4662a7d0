// What RabbitMQ knows of the deliveries of one channel, by brute force: lists of tags that are looked through. It does as
// rabbit_channel does: what is settled in a transaction is kept aside, a rollback puts it back among the unsettled, sorted by
// tag and without delivering it again, and a recover takes back what is unsettled, not what is kept aside.

import type { Method } from '../../src/protocol/method-types.js'

export class NaiveSettling {
  /** Delivered and not settled, in ascending order. */
  unacked: number[] = []
  /** Settled in the transaction that is under way; undefined on a channel without transactions. */
  aside: number[] | undefined

  copy(): NaiveSettling {
    const copy = new NaiveSettling()
    copy.unacked = [...this.unacked]
    copy.aside = this.aside === undefined ? undefined : [...this.aside]
    return copy
  }

  /** Takes a method of the client. Undefined, or why the broker closes the channel for it (406). */
  take(method: Method): string | undefined {
    switch (method.name) {
      case 'basic.ack':
      case 'basic.nack':
        return this.#settle(method.args.deliveryTag, method.args.multiple)
      case 'basic.reject':
        return this.#settle(method.args.deliveryTag, false)
      case 'basic.recover':
        this.unacked = []
        return undefined
      case 'tx.select':
        this.aside ??= []
        return undefined
      case 'tx.commit':
      case 'tx.rollback':
        return this.#endTransaction(method.name)
      default:
        return undefined
    }
  }

  #settle(deliveryTag: number, multiple: boolean): string | undefined {
    if (!this.unacked.includes(deliveryTag)) return `unknown delivery tag ${deliveryTag}`
    const isCovered = (tag: number): boolean => (multiple ? tag <= deliveryTag : tag === deliveryTag)
    this.aside?.push(...this.unacked.filter(isCovered))
    this.unacked = this.unacked.filter(tag => !isCovered(tag))
    return undefined
  }

  #endTransaction(how: 'tx.commit' | 'tx.rollback'): string | undefined {
    if (this.aside === undefined) return 'channel is not transactional'
    if (how === 'tx.rollback') this.unacked = [...this.unacked, ...this.aside].sort((a, b) => a - b)
    this.aside = []
    return undefined
  }
}
