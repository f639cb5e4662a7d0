// The publishing side of a channel of the model broker: routes, returns, holds back in a transaction, and confirms when it
// is told to, singly or up to a tag, in any order.

import type { BrokerObserver } from './broker-observer.js'
import type { Message } from './broker-queue.js'
import { Refusal } from './refusal.js'
import type { ReplySender } from './reply-sender.js'
import type { VirtualHost } from './virtual-host.js'

interface Taken {
  readonly message: Message
  readonly mandatory: boolean
  readonly targets: readonly string[]
}

interface Unconfirmed {
  readonly tag: number
  readonly message: Message
  readonly accepted: boolean
}

export class ChannelPublishes {
  readonly #host: VirtualHost
  readonly #sender: ReplySender
  readonly #observer: BrokerObserver
  #confirms = false
  #lastTag = 0
  #unconfirmed: Unconfirmed[] = []
  #aside: Taken[] = []

  constructor(host: VirtualHost, sender: ReplySender, observer: BrokerObserver) {
    this.#host = host
    this.#sender = sender
    this.#observer = observer
  }

  get confirms(): boolean {
    return this.#confirms
  }

  get unconfirmed(): number {
    return this.#unconfirmed.length
  }

  beginConfirms(): void {
    this.#confirms = true
  }

  /** In a transaction it takes effect when that is committed, but is routed now. */
  take(message: Message, mandatory: boolean, transacts: boolean): void {
    const taken = { message, mandatory, targets: this.#host.targets(message) }
    if (transacts) this.#aside.push(taken)
    else this.#settle(taken)
  }

  /** Throws when one of them is refused: there is no other way to say so. */
  commit(): void {
    const rejected = this.#aside.splice(0).filter(taken => this.#settle(taken))
    if (rejected.length > 0) throw new Refusal(406, 'partial tx completion')
  }

  rollback(): void {
    this.#aside = []
  }

  /** The channel is closing: nothing is confirmed any more. */
  end(): void {
    this.#unconfirmed = []
    this.#aside = []
  }

  /**
   * Confirms one of what is not confirmed yet, and with `multiple` all before it that have the same answer. False when there is
   * nothing.
   */
  confirm(pick: number, multiple: boolean): boolean {
    const last = this.#unconfirmed[pick % (this.#unconfirmed.length || 1)]
    if (last === undefined) return false
    const before = this.#unconfirmed.filter(({ tag }) => tag <= last.tag)
    const isMultiple = multiple && before.every(({ accepted }) => accepted === last.accepted)
    const covered = isMultiple ? before : [last]
    this.#unconfirmed = this.#unconfirmed.filter(each => !covered.includes(each))
    for (const { message, accepted } of covered) this.#observer.onConfirmed(message, accepted)
    const args = { deliveryTag: last.tag, multiple: isMultiple }
    if (last.accepted) this.#sender.send({ name: 'basic.ack', args })
    else this.#sender.send({ name: 'basic.nack', args: { ...args, requeue: true } })
    return true
  }

  /** Whether it was refused. */
  #settle({ message, mandatory, targets }: Taken): boolean {
    const { queues, isRejected } = this.#host.enqueue(message, targets)
    const names = queues.map(({ name }) => name)
    this.#observer.onRouted(message, names, isRejected)
    if (targets.length === 0 && mandatory) this.#return(message)
    if (this.#confirms) this.#unconfirmed.push({ tag: ++this.#lastTag, message, accepted: !isRejected })
    return isRejected
  }

  #return(message: Message): void {
    const { exchange, routingKey } = message
    this.#observer.onReturned(message)
    const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange, routingKey }
    this.#sender.send({ name: 'basic.return', args }, message)
  }
}
