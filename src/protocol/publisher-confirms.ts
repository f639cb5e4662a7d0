// Publisher confirms (RabbitMQ's extension, confirm.select): a ring of publishes by delivery tag. The broker
// acknowledges single tags or all up to one, in any order; each publish is settled once, and a tag that is not
// outstanding is ignored.
//
// An entry stays until the broker has answered, or until it has fallen behind every outstanding one: an abandoned
// publish (deadline, signal) keeps its place, because the tags of those after it depend on it.

/** A publish that waits for its confirmation. */
export interface UnconfirmedPublish {
  /** The caller's correlation token. */
  readonly token: object
  readonly exchange: string
  readonly routingKey: string
  /** Where its first octet stands in the outbound order. */
  readonly position: number
  /** When to stop waiting. */
  readonly deadline: number
  /** Its promise is settled already; a late confirmation is ignored. */
  abandoned: boolean
}

export class PublisherConfirms<T extends UnconfirmedPublish> {
  #slots: (T | undefined)[] = []
  /** Index in `#slots` of the oldest outstanding publish. */
  #head = 0
  #headTag = 1
  #outstanding = 0

  /** Publishes not yet confirmed or refused, abandoned ones included. */
  get outstanding(): number {
    return this.#outstanding
  }

  /** The tag the broker will give to the next publish. */
  get nextTag(): number {
    return this.#headTag + this.#slots.length - this.#head
  }

  add(publish: T): void {
    this.#slots.push(publish)
    this.#outstanding++
  }

  /** Removes what an ack or nack covers and returns it, oldest first. Tag 0 with `multiple` covers everything. */
  settle(deliveryTag: number, multiple: boolean): T[] {
    const last = deliveryTag === 0 && multiple ? this.nextTag - 1 : deliveryTag
    if (last >= this.nextTag) return []
    const settled: T[] = []
    for (let tag = multiple ? this.#headTag : last; tag <= last; tag++) {
      const publish = this.#remove(tag)
      if (publish !== undefined) settled.push(publish)
    }
    this.#advance()
    return settled
  }

  /** Abandons every publish whose deadline has passed and returns those that were not abandoned before. */
  expire(now: number): T[] {
    const expired: T[] = []
    for (let index = this.#head; index < this.#slots.length; index++) {
      const publish = this.#slots[index]
      if (publish === undefined || publish.abandoned) continue
      // Deadlines of one channel are given in order; nothing behind this one has passed.
      if (publish.deadline > now) break
      publish.abandoned = true
      expired.push(publish)
    }
    this.#advance()
    return expired
  }

  /** When the next publish expires. */
  get nextDeadline(): number {
    for (let index = this.#head; index < this.#slots.length; index++) {
      const publish = this.#slots[index]
      if (publish !== undefined && !publish.abandoned) return publish.deadline
    }
    return Number.POSITIVE_INFINITY
  }

  /** Removes and returns everything, oldest first: the channel is gone. */
  drain(): T[] {
    const rest = this.#slots.slice(this.#head).filter(publish => publish !== undefined)
    this.#headTag = this.nextTag
    this.#slots = []
    this.#head = 0
    this.#outstanding = 0
    return rest
  }

  #remove(tag: number): T | undefined {
    const index = this.#head + tag - this.#headTag
    const publish = this.#slots[index]
    if (publish === undefined || tag < this.#headTag) return undefined
    this.#slots[index] = undefined
    this.#outstanding--
    return publish
  }

  #advance(): void {
    while (this.#head < this.#slots.length && this.#mayPass(this.#slots[this.#head])) {
      if (this.#slots[this.#head] !== undefined) this.#outstanding--
      this.#slots[this.#head] = undefined
      this.#head++
      this.#headTag++
    }
    if (this.#head * 2 > this.#slots.length && this.#head > 64) {
      this.#slots = this.#slots.slice(this.#head)
      this.#head = 0
    }
  }

  #mayPass(publish: T | undefined): boolean {
    return publish === undefined || publish.abandoned
  }
}
