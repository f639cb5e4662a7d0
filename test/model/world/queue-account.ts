// What a queue must hold, as far as that can be known from the client's side: a message is on its way, in the queue, about to
// leave it, or perhaps there. Nobody sees the queue itself; what is delivered, counted and left over at the end is held against
// this account.

import type { ChannelAccount } from './channel-account.js'
import type { ConsumerAccount } from './consumer-account.js'
import { expectThat, Finding } from './finding.js'
import type { HeldDelivery } from './held-delivery.js'
import type { Received } from './operation.js'
import type { PublishAccount } from './publish-account.js'

/**
 * `coming`: published, and nothing proves yet that it has arrived. `in`: there, or delivered and not settled. `leaving`: settled,
 * and nothing proves yet that the broker has heard of it. `maybe`: nobody can know.
 */
type Presence = 'coming' | 'in' | 'leaving' | 'maybe'

export interface QueueEntry {
  readonly publish: PublishAccount
  presence: Presence
  /** When it was proved to be in the queue. */
  provenAt: number
  /** Its queue has it for certain, in its own eyes: it was confirmed, or all was quiet since. */
  isCounted: boolean
  /** Who has it unsettled. */
  holder: HeldDelivery | undefined
  /** Who has settled it. */
  settler: HeldDelivery | undefined
  /** Whether it was delivered before, which makes the next time a redelivery. */
  seen: 'no' | 'maybe' | 'yes'
  /** It goes back when a transaction is committed. */
  isAside: boolean
}

export class QueueAccount {
  readonly name: string
  /** It refuses what would make it longer. */
  readonly isBounded: boolean
  readonly consumers = new Set<ConsumerAccount>()
  /** More than one party takes from it or gives back: in which order is not known. Until all is quiet. */
  isDisturbed = false
  /** Something may have been delivered that nobody saw. Until all is quiet. */
  mayHaveDelivered = false
  /** Messages are on their way to it, or back: a channel that ends lets go of what it holds some time after. */
  isUncounted = false
  readonly #now: () => number
  readonly #entries = new Map<number, QueueEntry>()
  /** Acknowledged or taken for good. */
  readonly #gone = new Set<number>()
  #taker: ChannelAccount | undefined
  #loses = false
  /** By receiver, a consumer or a channel that fetches, and publisher: the last message that came for the first time. */
  readonly #freshest = new Map<object, Map<ChannelAccount, number>>()

  constructor(name: string, isBounded: boolean, now: () => number) {
    this.name = name
    this.isBounded = isBounded
    this.#now = now
  }

  /** Messages that must be ready when nothing is under way. */
  get certain(): readonly PublishAccount[] {
    if (this.#loses) return []
    const isThere = ({ presence, holder, isAside }: QueueEntry): boolean =>
      presence === 'in' && !isAside && holder === undefined
    return this.entries.filter(isThere).map(({ publish }) => publish)
  }

  get entries(): readonly QueueEntry[] {
    return [...this.#entries.values()]
  }

  expect(publish: PublishAccount): void {
    const nobody = { holder: undefined, settler: undefined }
    const entry = { publish, presence: 'coming', provenAt: 0, seen: 'no', ...nobody } as const
    this.#entries.set(publish.id, { ...entry, isAside: false, isCounted: false })
    this.isUncounted = true
  }

  prove(publish: PublishAccount): void {
    const entry = this.#entries.get(publish.id)
    if (entry === undefined || (entry.presence !== 'coming' && entry.presence !== 'maybe')) return
    entry.presence = this.isBounded ? 'maybe' : 'in'
    entry.provenAt = this.#now()
  }

  /** It was confirmed: even a queue that may refuse has it, or had it. */
  confirm(publish: PublishAccount): void {
    const entry = this.#entries.get(publish.id)
    if (entry === undefined) return
    // What was in doubt for another reason is in doubt still: it may have been delivered and be gone.
    const isUntouched = entry.seen === 'no' && !this.mayHaveDelivered
    if (entry.presence === 'coming' || (entry.presence === 'maybe' && isUntouched)) entry.presence = 'in'
    entry.isCounted = entry.seen === 'no'
  }

  drop(publish: PublishAccount): void {
    this.#entries.delete(publish.id)
  }

  doubt(publish: PublishAccount): void {
    const entry = this.#entries.get(publish.id)
    if (entry?.presence === 'coming' || entry?.presence === 'leaving') entry.presence = 'maybe'
  }

  /** Settled without a requeue: it leaves, once the broker hears of it. */
  beginLeaving({ publish }: QueueEntry, settler: HeldDelivery): void {
    const entry = this.#entries.get(publish.id)
    if (entry === undefined) return
    entry.presence = 'leaving'
    entry.holder = undefined
    entry.settler = settler
  }

  /** Its settlement was rolled back. */
  restore(settler: HeldDelivery): void {
    const { entry } = settler
    if (entry.presence === 'leaving' && entry.settler === settler) entry.presence = 'in'
  }

  /** It was settled, or its settlement comes too late. */
  suspect({ id }: PublishAccount): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.presence = 'maybe'
  }

  /** The broker has heard of it. */
  remove(id: number): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined && entry.presence !== 'leaving') return
    this.#take(id)
  }

  /** Something is delivered that nobody sees, until all is quiet; without acknowledgements it is lost. */
  noteBlindness(loses: boolean): void {
    this.mayHaveDelivered = true
    this.#loses ||= loses
    this.noteDisturbance()
    if (loses) this.#doubtAll()
  }

  #doubtAll(): void {
    for (const entry of this.#entries.values()) {
      if (entry.holder === undefined && entry.presence === 'in') entry.presence = 'maybe'
    }
  }

  /** A purge took what was ready: all that is known to be, if nothing else was under way. */
  purge(isCertain: boolean): void {
    const tookAll = isCertain && !this.isDisturbed && this.consumers.size === 0
    for (const { publish, holder, presence, isAside } of this.entries) {
      if (holder !== undefined || isAside) continue
      if (tookAll && presence === 'in') this.#take(publish.id)
      else this.suspect(publish)
    }
  }

  noteTaker(channel: ChannelAccount): void {
    if (this.#taker !== undefined && this.#taker !== channel) this.isDisturbed = true
    this.#taker = channel
  }

  noteDisturbance(): void {
    this.isDisturbed = true
  }

  /** Nothing is under way. */
  noteQuiet(): void {
    if (this.mayHaveDelivered) {
      for (const entry of this.#entries.values()) if (entry.seen === 'no') entry.seen = 'maybe'
    }
    if (this.#loses) this.#doubtAll()
    this.#loses = false
    this.mayHaveDelivered = false
    this.isDisturbed = this.consumers.size > 0
    for (const entry of this.#entries.values()) entry.isCounted = entry.holder === undefined
    this.isUncounted = false
    this.#taker = undefined
  }

  /** A message has come out of it. Throws when it cannot be that one. */
  receive(
    receiver: ChannelAccount | ConsumerAccount,
    received: Received,
    publish: PublishAccount,
    since: number,
  ): QueueEntry {
    const entry = this.#entries.get(publish.id)
    if (entry === undefined) throw new Finding(`${publish} came from ${this}: ${this.#whyNot(publish)}`)
    const { presence, holder, settler } = entry
    // What was settled in a transaction comes back when its channel ends.
    const isLeaving = presence === 'leaving' && settler?.channel.mayRollBack !== true
    expectThat(!isLeaving, () => `${publish} came from ${this} again, though it was settled`)
    const isHeld = holder?.isUnsettled === true && !holder.channel.mayLose
    expectThat(
      !isHeld,
      () => `${publish} came from ${this} to two at a time: ${receiver} and ${holder?.channel}`,
    )
    this.#expectFlag(entry, received)
    this.#expectOrder(entry, receiver, received)
    if (since > 0) this.#expectFirst(entry, since)
    publish.channel.proveUpTo(publish)
    publish.prove()
    entry.presence = 'in'
    entry.seen = 'yes'
    entry.isCounted = false
    return entry
  }

  /** It came to somebody who may not settle it any more; `isCovered`: who has settled it unseen. */
  noteLate({ id }: PublishAccount, isCovered: boolean): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.seen = 'yes'
    if (entry !== undefined && isCovered) entry.presence = 'maybe'
    this.mayHaveDelivered = true
    this.noteDisturbance()
  }

  /** It was delivered to somebody who acknowledges nothing. */
  takeForGood(entry: QueueEntry): void {
    this.#take(entry.publish.id)
  }

  /**
   * Throws when so many messages cannot be ready, as queue.declare-ok says. RabbitMQ's queues answer that before they look at messages
   * that are on their way to them, so only those count that surely were not.
   */
  expectDeclared(messageCount: number, since: number): void {
    const counted = this.#certain(since, undefined).filter(({ isCounted }) => isCounted)
    this.#expectCount(messageCount, counted.length)
  }

  /** Throws when so many messages cannot be ready, for a question that was asked at that time and answered in its turn. */
  expectCount(messageCount: number, since: number, asker: ChannelAccount): void {
    this.#expectCount(messageCount, this.#certain(since, asker).length)
  }

  #expectCount(messageCount: number, least: number): void {
    const most = this.entries.filter(
      ({ holder }) => holder?.isUnsettled !== true || holder.channel.mayLose,
    ).length
    // Deliveries that were on their way when it was asked may have come back meanwhile.
    if (this.isDisturbed || this.consumers.size > 0) return
    expectThat(messageCount <= most, () => `${this} has ${messageCount} messages, more than ${most}`)
    expectThat(messageCount >= least, () => `${this} has ${messageCount} messages, fewer than ${least}`)
  }

  /** Throws when it cannot be empty. */
  expectEmpty(since: number, asker: ChannelAccount): void {
    this.expectCount(0, since, asker)
  }

  toString(): string {
    return `queue '${this.name}'`
  }

  /** Ready since before that time, or by the asker's own doing. */
  #certain(since: number, asker: ChannelAccount | undefined): QueueEntry[] {
    return this.entries.filter(({ presence, holder, provenAt, publish, isAside }) => {
      const isEarly = provenAt < since || (publish.channel === asker && publish.id < since)
      return presence === 'in' && holder === undefined && !isAside && isEarly
    })
  }

  #expectFlag({ seen, publish }: QueueEntry, { redelivered }: Received): void {
    expectThat(redelivered || seen !== 'yes', () => `${publish} came again and is not marked as redelivered`)
    if (this.mayHaveDelivered) return
    expectThat(
      !redelivered || seen !== 'no',
      () => `${publish} is marked as redelivered and came never before`,
    )
  }

  /** What comes for the first time comes in the order of each publisher. */
  #expectOrder({ publish }: QueueEntry, receiver: object, { redelivered }: Received): void {
    if (redelivered) return
    const freshest = this.#freshest.get(receiver) ?? new Map<ChannelAccount, number>()
    this.#freshest.set(receiver, freshest)
    const last = freshest.get(publish.channel) ?? -1
    expectThat(last < publish.id, () => `${publish} came from ${this} after message ${last}`)
    freshest.set(publish.channel, publish.id)
  }

  /** What is fetched is the first of its publisher's. */
  #expectFirst({ publish }: QueueEntry, since: number): void {
    if (this.isDisturbed || this.consumers.size > 0) return
    const earlier = this.#certain(since, publish.channel).find(
      entry => entry.publish.channel === publish.channel && entry.publish.id < publish.id,
    )
    expectThat(earlier === undefined, () => `${publish} was fetched from ${this} before ${earlier?.publish}`)
  }

  #take(id: number): void {
    this.#entries.delete(id)
    this.#gone.add(id)
  }

  #whyNot({ id }: PublishAccount): string {
    return this.#gone.has(id) ? 'it was taken from there for good' : 'it never went there'
  }
}
