// A channel as the application sees it: what it holds, what waits on it, and how it may end.

import type { Settlement } from '../../../src/protocol/index.js'
import type { ConsumerAccount } from './consumer-account.js'
import { type Effect, Effects } from './effects.js'
import { expectThat } from './finding.js'
import type { HeldDelivery } from './held-delivery.js'
import type { Operation } from './operation.js'
import type { PublishAccount } from './publish-account.js'
import { SeenTags } from './seen-tags.js'

/** Deliveries of a channel that has ended, to be settled too late. */
const KEPT_WHEN_CLOSED = 3
/** From here on what is settled is forgotten, but for the last of it. */
const HELD_AT_MOST = 64
const KEPT_SETTLED = 16

export class ChannelAccount {
  readonly index: number
  state: 'opening' | 'open' | 'closing' | 'closed' = 'opening'
  /** confirm.select was asked for. */
  confirms = false
  /** The code that the broker must close it with, for a mistake that was made on purpose. */
  expectedCode: number | undefined
  /** Its connection closes. */
  isSealed = false
  readonly effects = new Effects()
  readonly consumers = new Set<ConsumerAccount>()
  /** The last tag that a settlement with `multiple` has covered. */
  coveredTag = 0
  /** There were some that the application had not seen. */
  hasCoveredUnseen = false
  /** In the order of their tags; those that are settled fall out now and then. */
  readonly held: HeldDelivery[] = []
  /** Not settled yet. */
  readonly operations = new Set<Operation>()
  /** In the order of publishing. */
  readonly published: PublishAccount[] = []
  /** Those of them that are calls. */
  calls = 0
  /** Transaction methods and recovers among these. */
  reordering = 0
  readonly #seenTags = new SeenTags()

  constructor(index: number) {
    this.index = index
  }

  get isUsable(): boolean {
    return this.state === 'open' && this.expectedCode === undefined
  }

  get isClosed(): boolean {
    return this.state === 'closed'
  }

  /** It will not be there for long. */
  get isEnding(): boolean {
    return this.state === 'closing' || this.isClosed || this.isSealed || this.expectedCode !== undefined
  }

  /** What it holds may be the broker's again without anybody's settling it. */
  get mayLose(): boolean {
    return this.isEnding || this.reordering > 0
  }

  /** What it has settled may be the broker's again. */
  get mayRollBack(): boolean {
    return this.transacts && this.mayLose
  }

  get transacts(): boolean {
    return this.effects.kind !== 'at once'
  }

  /** Whether something without acknowledgements is under way, which is lost when the channel ends. */
  get risksLoss(): boolean {
    return [...this.consumers].some(({ flags }) => flags.noAck)
  }

  proveUpTo({ id }: { readonly id: number }): void {
    this.effects.proveUpTo(id)
  }

  /** Settles a delivery, as far as the client accepts that, and says whether it does. */
  settle(held: HeldDelivery, settlement: Settlement, id: number): boolean {
    const expected = held.received.state() === 'unsettled'
    const covered = this.#coveredBy(held, settlement)
    const accepted = held.received.settle(settlement)
    expectThat(accepted === expected, () => `settling is ${accepted} and the state said ${expected}`)
    expectThat(!accepted || held.state !== 'settled', () => `${held.entry.publish} was settled twice`)
    expectThat(!accepted || !this.isClosed, () => `${held.entry.publish} was settled on a closed ${this}`)
    const mustBe = held.state === 'unsettled' && this.state === 'open' && !this.isEnding
    expectThat(accepted || !mustBe || this.isAmbiguous, () => `${held.entry.publish} cannot be settled`)
    if (!accepted) return false
    if (settlement.kind !== 'reject' && settlement.multiple) this.#noteCovered(held.received.deliveryTag)
    const requeue = settlement.kind !== 'ack' && settlement.requeue
    for (const each of covered) this.#settleOne(each, requeue, id)
    return true
  }

  /** Something has come with this tag. */
  noteTag(deliveryTag: number): void {
    this.#seenTags.add(deliveryTag)
  }

  hold(held: HeldDelivery): void {
    held.entry.holder = held
    this.held.push(held)
    held.consumer?.noteUnsettled()
    if (this.held.length > HELD_AT_MOST && !this.transacts) this.#forgetSettled()
  }

  /** It will end, and what it is sent until then nobody sees. */
  beginEnd(): void {
    for (const { queue } of this.consumers) queue.mayHaveDelivered = true
  }

  /**
   * basic.recover was issued: some time the broker has it all back. When it is answered, it has what came meanwhile, up to what
   * came behind the answer.
   */
  recover(isAnswered: boolean): void {
    for (const held of this.held) {
      held.queue.noteDisturbance()
      held.queue.mayHaveDelivered = true
      if (!held.isUnsettled || (isAnswered && held.received.state() === 'unsettled')) continue
      this.#end(held, 'unknown')
    }
    for (const { queue } of this.consumers) queue.mayHaveDelivered = true
  }

  /** It has ended. What it held is the broker's again. */
  release(): void {
    for (const held of this.held) {
      held.queue.noteDisturbance()
      held.queue.mayHaveDelivered = true
      held.queue.isUncounted = true
      held.release()
    }
    this.held.splice(0, this.held.length - KEPT_WHEN_CLOSED)
    for (const { queue } of this.consumers) queue.isUncounted = true
  }

  /** A settlement may come to the broker in an order that is not known here. */
  get isAmbiguous(): boolean {
    return this.reordering > 0 || this.effects.kind === 'unknown'
  }

  toString(): string {
    return `channel ${this.index}`
  }

  /** All up to this tag are settled, also what the application has not got to see: it waits to be read, or goes back. */
  #noteCovered(deliveryTag: number): void {
    this.coveredTag = Math.max(this.coveredTag, deliveryTag)
    this.hasCoveredUnseen ||= this.#seenTags.lowestMissing <= deliveryTag
    if (!this.hasCoveredUnseen) return
    for (const { queue, isRunning } of this.consumers) {
      queue.mayHaveDelivered = true
      if (!isRunning) queue.noteBlindness(true)
    }
  }

  #coveredBy(held: HeldDelivery, settlement: Settlement): readonly HeldDelivery[] {
    if (settlement.kind === 'reject' || !settlement.multiple) return [held]
    const before = this.held.filter(({ received }) => received.deliveryTag <= held.received.deliveryTag)
    // What a transaction that is being rolled back has settled may be among them.
    if (this.transacts && this.isAmbiguous) return before
    return before.filter(({ received }) => received.state() === 'unsettled')
  }

  #settleOne(held: HeldDelivery, requeue: boolean, id: number): void {
    const { queue, entry } = held
    queue.noteTaker(this)
    // It overtakes calls that wait, and in a transaction it waits itself.
    if (this.transacts || (requeue && this.calls > 0)) queue.noteDisturbance()
    if (this.transacts && this.isAmbiguous) {
      // Into which transaction it falls is not known here.
      if (held.isUnsettled) this.#end(held, 'unknown')
      held.state = 'unknown'
      return queue.suspect(entry.publish)
    }
    if (held.isUnsettled) this.#end(held, 'settled')
    queue.isUncounted = true
    if (!requeue) {
      queue.beginLeaving(entry, held)
      this.effects.add(new Removal(id, held))
    } else if (this.transacts) this.effects.add(new Requeueing(id, held))
  }

  #end(held: HeldDelivery, state: 'settled' | 'unknown'): void {
    held.state = state
    held.release()
    if (held.consumer !== undefined) held.consumer.unsettled--
  }

  #forgetSettled(): void {
    const kept = this.held.filter(
      ({ state }, index) => state !== 'settled' || index >= this.held.length - KEPT_SETTLED,
    )
    this.held.splice(0, this.held.length, ...kept)
  }
}

/** A delivery that was settled and leaves its queue. */
class Removal implements Effect {
  readonly id: number
  protected readonly held: HeldDelivery

  constructor(id: number, held: HeldDelivery) {
    this.id = id
    this.held = held
  }

  prove(): void {
    this.held.queue.remove(this.held.entry.publish.id)
  }

  drop(): void {
    // Another settlement, behind the rollback, may cover it by now.
    if (this.held.state === 'unknown') return this.held.queue.suspect(this.held.entry.publish)
    this.held.queue.restore(this.held)
    // With its channel it goes back to its queue, and may be somebody else's by now.
    if (!this.held.channel.isEnding) this.held.restore()
  }

  doubt(): void {
    this.held.queue.doubt(this.held.entry.publish)
  }
}

/** A delivery that goes back when its transaction is committed. */
class Requeueing extends Removal {
  constructor(id: number, held: HeldDelivery) {
    super(id, held)
    held.entry.isAside = true
  }

  override prove(): void {
    this.held.entry.isAside = false
  }

  override drop(): void {
    this.prove()
    super.drop()
  }

  override doubt(): void {
    this.prove()
  }
}
