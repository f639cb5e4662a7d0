// Publisher confirms (RabbitMQ's extension, confirm.select): a ring of publishes by delivery tag. The broker
// acknowledges single tags or all up to one, in any order; each publish is settled once, and a tag that is not
// outstanding is ignored.
//
// An entry stays until the broker has answered: also an abandoned one (deadline, signal), because a broker that does not
// answer must not be sent more and more. But not in the ring, once it is the oldest there: the broker may never answer it (a
// quorum queue without a majority) and millions after it, each of which would take a place behind it.

import { DeadlineOrder, type Timed } from './deadline-order.js'

/** A publish that waits for its confirmation. */
export interface UnconfirmedPublish extends Timed {
  /** The caller's correlation token. */
  readonly token: object
  readonly exchange: string
  readonly routingKey: string
  /** Where its first octet stands in the outbound order. */
  readonly position: number
  /** Its promise is settled already; a late confirmation is ignored. */
  abandoned: boolean
}

export class PublisherConfirms<T extends UnconfirmedPublish> {
  #slots: (T | undefined)[] = []
  /** Index in `#slots` of the oldest publish that somebody waits for, and its tag. */
  #head = 0
  #headTag = 1
  /** By tag: the abandoned ones before it, oldest first. */
  readonly #overdue = new Map<number, T>()
  #outstanding = 0
  #awaited = 0
  readonly #order = new DeadlineOrder()

  /** Publishes not yet confirmed or refused, abandoned ones included. */
  get outstanding(): number {
    return this.#outstanding
  }

  /** Those of them that somebody waits for. */
  get awaited(): number {
    return this.#awaited
  }

  /** The oldest tag that somebody waits for; all before it are settled or abandoned. */
  get oldestTag(): number {
    return this.#headTag
  }

  /** The tag the broker will give to the next publish. */
  get nextTag(): number {
    return this.#headTag + this.#slots.length - this.#head
  }

  add(publish: T): void {
    if (this.#head === this.#slots.length) this.#order.restart()
    this.#order.add(publish)
    this.#slots.push(publish)
    this.#outstanding++
    this.#awaited++
  }

  /** Removes what an ack or nack covers and returns it, oldest first. Tag 0 with `multiple` covers everything. */
  settle(deliveryTag: number, multiple: boolean): T[] {
    const last = deliveryTag === 0 && multiple ? this.nextTag - 1 : deliveryTag
    if (last >= this.nextTag) return []
    const settled = this.#settleOverdue(last, multiple)
    for (let tag = multiple ? this.#headTag : last; tag <= last; tag++) {
      const publish = this.#remove(tag)
      if (publish !== undefined) settled.push(publish)
    }
    this.#advance()
    return settled
  }

  /** Abandons every publish whose deadline has passed and returns those that were not abandoned before. */
  expire(now: number): T[] {
    return this.#abandon(publish => publish.deadline <= now, this.#order.isKept)
  }

  /** Abandons what is published under these tokens, and returns it. */
  withdraw(tokens: Pick<ReadonlySet<object>, 'has'>): T[] {
    return this.#abandon(publish => tokens.has(publish.token), false)
  }

  /** When the next publish expires. */
  get nextDeadline(): number {
    let deadline = Number.POSITIVE_INFINITY
    for (let index = this.#head; index < this.#slots.length; index++) {
      const publish = this.#slots[index]
      if (publish === undefined || publish.abandoned) continue
      if (this.#order.isKept) return publish.deadline
      deadline = Math.min(deadline, publish.deadline)
    }
    return deadline
  }

  /** Removes and returns everything, oldest first: the channel is gone. */
  drain(): T[] {
    const inRing = this.#slots.slice(this.#head).filter(publish => publish !== undefined)
    const rest = [...this.#overdue.values(), ...inRing]
    this.#headTag = this.nextTag
    this.#overdue.clear()
    this.#slots = []
    this.#head = 0
    this.#outstanding = 0
    this.#awaited = 0
    return rest
  }

  /** `endsAtFirst`: none is to be abandoned behind the first that is not. */
  #abandon(isToGo: (publish: T) => boolean, endsAtFirst: boolean): T[] {
    const abandoned: T[] = []
    for (let index = this.#head; index < this.#slots.length; index++) {
      const publish = this.#slots[index]
      if (publish === undefined || publish.abandoned) continue
      if (isToGo(publish)) {
        publish.abandoned = true
        abandoned.push(publish)
      } else if (endsAtFirst) break
    }
    this.#awaited -= abandoned.length
    this.#advance()
    return abandoned
  }

  #settleOverdue(last: number, multiple: boolean): T[] {
    const settled: T[] = []
    for (const tag of multiple ? this.#overdue.keys() : [last]) {
      const publish = tag <= last ? this.#overdue.get(tag) : undefined
      if (publish === undefined) break
      this.#overdue.delete(tag)
      this.#outstanding--
      settled.push(publish)
    }
    return settled
  }

  #remove(tag: number): T | undefined {
    const index = this.#head + tag - this.#headTag
    const publish = this.#slots[index]
    if (publish === undefined || tag < this.#headTag) return undefined
    this.#slots[index] = undefined
    this.#outstanding--
    if (!publish.abandoned) this.#awaited--
    return publish
  }

  #advance(): void {
    const { length } = this.#slots
    while (this.#head < length && this.#slots[this.#head]?.abandoned !== false) {
      const abandoned = this.#slots[this.#head]
      if (abandoned !== undefined) this.#overdue.set(this.#headTag, abandoned)
      this.#head++
      this.#headTag++
    }
    if (this.#head * 2 > length && this.#head > 64) {
      this.#slots = this.#slots.slice(this.#head)
      this.#head = 0
    }
  }
}
