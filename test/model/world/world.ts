// The world as it must be, from the client's side of the wire: channels, consumers, what was asked and is not answered, what each
// queue must hold. Commands tell it what they ask for, a system what came of it; whatever cannot be is thrown, as a Finding.
// It does not know whether the broker is a real one.

import {
  AmqpError,
  ArgumentError,
  BackpressureError,
  ChannelClosedError,
  type CloseReason,
  NackedError,
  PublishesFailedError,
  ReturnedError,
  UnconfirmedError,
} from '../../../src/protocol/index.js'
import { type QueueFlags, Topology } from '../broker/topology.js'
import { ChannelAccount } from './channel-account.js'
import type { ConsumerAccount } from './consumer-account.js'
import { expectThat, Finding } from './finding.js'
import { HeldDelivery } from './held-delivery.js'
import { type Arrived, Operation, type Outcome, type Received } from './operation.js'
import { type Message, PublishAccount } from './publish-account.js'
import { QueueAccount } from './queue-account.js'
import { Tallies } from './tallies.js'

/** What may go wrong for reasons that are nobody's fault. */
export interface Weather {
  /** The broker, or the link, may fail, or time run out. If not, everything that fails must have been expected to. */
  readonly isRough: boolean
}

/** What is special about a call. */
export interface CallTraits {
  /** A recover, or a method of a transaction. */
  readonly reorders?: boolean
  readonly noWait?: boolean
}

/** Who has received something. */
interface Receiver {
  readonly channel: ChannelAccount
  /** Undefined for what was fetched. */
  readonly consumer: ConsumerAccount | undefined
  readonly queue: QueueAccount
  readonly noAck: boolean
  /** When it was asked for; 0 for what came by itself. */
  readonly since: number
}

export class World {
  readonly topology = new Topology()
  readonly channels: ChannelAccount[] = []
  readonly queues = new Map<string, QueueAccount>()
  readonly operations = new Set<Operation>()
  /** By id. */
  readonly publishes = new Map<number, PublishAccount>()
  readonly tallies: Tallies
  readonly isRough: boolean
  /** What the names of its queues and exchanges begin with. */
  readonly prefix: string
  /** The connection has ended, and why. */
  reason: CloseReason | undefined
  #clock = 0
  #isClosing = false

  constructor({ isRough, prefix = '' }: Weather & { readonly prefix?: string }, tallies = new Tallies()) {
    this.isRough = isRough
    this.prefix = prefix
    this.tallies = tallies
  }

  get isOver(): boolean {
    return this.reason !== undefined
  }

  /** Counts everything that is issued. */
  tick(): number {
    return ++this.#clock
  }

  usable(pick: number): ChannelAccount | undefined {
    const usable = this.channels.filter(({ isUsable }) => isUsable)
    return this.isOver || this.#isClosing ? undefined : usable[pick % (usable.length || 1)]
  }

  queue(pick: number): QueueAccount | undefined {
    const queues = [...this.queues.values()]
    return queues[pick % (queues.length || 1)]
  }

  /** What is held, or was on a channel that has ended. Not what the broker would hear of behind a mistake, in good weather. */
  held(pick: number): HeldDelivery | undefined {
    const isCertain = ({ expectedCode, isClosed }: ChannelAccount) => expectedCode === undefined || isClosed
    const channels = this.channels.filter(channel => this.isRough || isCertain(channel))
    const held = channels.flatMap(channel => (this.isOver ? [] : channel.held))
    return held[pick % (held.length || 1)]
  }

  addChannel(): ChannelAccount {
    const channel = new ChannelAccount(this.channels.length)
    this.channels.push(channel)
    return channel
  }

  addQueue(name: string, flags: QueueFlags): QueueAccount {
    this.topology.addNamed(name, flags)
    const queue = new QueueAccount(name, flags.maxLength !== undefined, () => this.#clock)
    this.queues.set(name, queue)
    return queue
  }

  /** It was deleted, with all that was in it. */
  removeQueue(queue: QueueAccount): void {
    this.topology.deleteQueue(queue.name)
    this.queues.delete(queue.name)
  }

  /** A message that is published now. */
  addPublish(channel: ChannelAccount, message: Message): PublishAccount {
    const names = this.topology.route(message.exchange, message.routingKey)
    const targets = [...names].map(name => this.queues.get(name)).filter(queue => queue !== undefined)
    const publish = new PublishAccount(this.tick(), channel, message, targets)
    this.publishes.set(publish.id, publish)
    for (const queue of targets) queue.expect(publish)
    channel.published.push(publish)
    channel.effects.add(publish)
    return publish
  }

  /** An operation that is issued now. */
  begin(what: string, channel: ChannelAccount | undefined, then?: (outcome: Outcome) => void): Operation {
    const operation = new Operation(what, channel, this.tick(), then)
    this.operations.add(operation)
    channel?.operations.add(operation)
    return operation
  }

  /** A call: its answer proves what came before it on its channel, unless it wants none. */
  beginCall(
    what: string,
    channel: ChannelAccount,
    then: (outcome: Outcome, operation: Operation) => void = () => {},
    { reorders = false, noWait = false }: CallTraits = {},
  ): Operation {
    channel.calls++
    if (reorders) channel.reordering++
    const operation: Operation = this.begin(what, channel, outcome => {
      channel.calls--
      if (reorders) channel.reordering--
      if (outcome.kind !== 'failed' && !noWait) channel.proveUpTo({ id: operation.issuedAt })
      this.tallies.outcomes.count(nameOf(outcome))
      then(outcome, operation)
    })
    return operation
  }

  /** A publish that will be told of. */
  beginPublish(publish: PublishAccount): Operation {
    const operation = this.begin(`the publish of ${publish}`, publish.channel, outcome => {
      this.#judge(publish, outcome)
      this.tallies.outcomes.count(nameOf(outcome))
    })
    operation.publish = publish
    return operation
  }

  /** A wait for confirms: all that was published before must be settled when it is answered. */
  beginWait(channel: ChannelAccount): Operation {
    const before = [...channel.operations].filter(({ publish }) => publish !== undefined)
    return this.begin('a wait for confirms', channel, outcome => {
      this.tallies.outcomes.count(nameOf(outcome))
      if (outcome.kind === 'failed' && !(outcome.error instanceof PublishesFailedError)) return
      const open = before.find(operation => operation.outcome === undefined)
      expectThat(open === undefined, () => `${open} outlives a wait for its confirm`)
    })
  }

  /** A publish was refused where it was issued, and nobody asks after it. */
  noteRefused(publish: PublishAccount): void {
    publish.channel.effects.remove(publish)
    publish.drop()
  }

  settle(operation: Operation, outcome: Outcome): void {
    const { channel, outcome: earlier } = operation
    expectThat(earlier === undefined, () => `${operation} was settled twice`)
    expectThat(!this.isOver, () => `${operation} was settled after the end of the connection`)
    expectThat(
      channel?.isClosed !== true || isRefusal(outcome),
      () => `${operation} was settled after its channel`,
    )
    if (outcome.kind === 'failed') this.#expectExplained(operation, outcome.error)
    this.operations.delete(operation)
    channel?.operations.delete(operation)
    operation.settle(outcome)
  }

  noteOpen(channel: ChannelAccount): void {
    if (channel.state === 'opening') channel.state = 'open'
  }

  /** A delivery has come to a consumer. */
  deliver(consumer: ConsumerAccount, received: Received): void {
    consumer.noteDelivery()
    const { channel, queue, flags } = consumer
    this.tallies.outcomes.count(received.redelivered ? 'redelivered' : 'delivered')
    this.#receive({ channel, consumer, queue, noAck: flags.noAck, since: 0 }, received)
  }

  /** A message was fetched; undefined when the queue was empty. */
  fetch(
    queue: QueueAccount,
    noAck: boolean,
    received: Received | undefined,
    { channel, issuedAt }: Operation,
  ): void {
    if (channel === undefined) return
    if (received === undefined) return queue.expectEmpty(issuedAt, channel)
    this.#receive({ channel, consumer: undefined, queue, noAck, since: issuedAt }, received)
  }

  /** A message has come back that belongs to no publish that is waited for. */
  noteReturned(arrived: Arrived): void {
    const publish = this.identify(arrived)
    const { channel } = publish
    expectThat(publish.isReturned, () => `${publish} came back, which had a queue`)
    expectThat(++publish.returns === 1, () => `${publish} came back twice`)
    expectThat(
      !channel.confirms || publish.isAbandoned || this.isRough,
      () => `${publish} came back beside its publish`,
    )
    this.tallies.outcomes.count('returned by itself')
  }

  noteConsumerEnd(consumer: ConsumerAccount, { by, method }: CloseReason): void {
    consumer.end(by === 'server' && method === 'basic.cancel')
  }

  noteChannelClosed(channel: ChannelAccount, reason: CloseReason): void {
    expectThat(!channel.isClosed, () => `${channel} was closed twice`)
    const { expectedCode, state } = channel
    for (const operation of channel.operations) throw new Finding(`${operation} outlives its channel`)
    const isOurs = reason.by === 'client' && reason.error === undefined
    if (!this.isRough) {
      const isMeant = isOurs ? state === 'closing' : reason.code === expectedCode && reason.by === 'server'
      const isExpected = channel.isSealed || isMeant
      expectThat(isExpected, () => `${channel} was closed: ${reason.by} ${reason.code} ${reason.text}`)
    }
    // What was issued before an expected mistake was worked on; nothing was issued after it.
    const isOrderly = isOurs || (expectedCode !== undefined && reason.code === expectedCode && !this.isRough)
    channel.state = 'closed'
    if (channel.effects.kind === 'transaction') channel.effects.dropAll()
    else if (isOrderly) channel.effects.proveUpTo(Number.POSITIVE_INFINITY)
    channel.effects.doubtAll()
    channel.release()
    this.tallies.outcomes.count(reason.by === 'server' ? `closed: ${reason.code}` : `closed by ${reason.by}`)
  }

  noteClosed(reason: CloseReason): void {
    expectThat(!this.isOver, () => 'the connection was closed twice')
    expectThat(
      this.isRough || this.#isClosing,
      () => `the connection was closed: ${reason.by} ${reason.text}`,
    )
    this.reason = reason
  }

  /** The application closes the connection. */
  noteClosing(): void {
    this.#isClosing = true
    for (const channel of this.channels) channel.isSealed = true
  }

  /** Nothing is under way any more. */
  noteQuiet(): void {
    for (const channel of this.channels) {
      if (channel.state !== 'open') continue
      channel.effects.proveUpTo(Number.POSITIVE_INFINITY)
      for (const publish of channel.published.splice(0)) this.#expectReturned(publish)
    }
    for (const queue of this.queues.values()) queue.noteQuiet()
  }

  /** The message that something which came says it is. Throws when it is not that, or nobody published it. */
  identify(arrived: Arrived): PublishAccount {
    const publish = this.publishes.get(Number(arrived.properties.messageId))
    if (publish === undefined) throw new Finding(`nobody published message ${arrived.properties.messageId}`)
    publish.expectSame(arrived)
    return publish
  }

  #receive({ channel, consumer, queue, noAck, since }: Receiver, received: Received): void {
    const publish = this.identify(received)
    const state = received.state()
    channel.noteTag(received.deliveryTag)
    if (state === 'settled' || state === 'stale') {
      // A recover, the end of the channel or a settlement with `multiple` was faster than whoever reads.
      const isCovered = received.deliveryTag <= channel.coveredTag
      const isLost = this.isRough && state === 'stale'
      const isExpected = channel.isEnding || channel.isAmbiguous || isCovered || isLost
      expectThat(isExpected, () => `${publish} came and is ${state}`)
      return queue.noteLate(publish, isCovered)
    }
    const entry = queue.receive(consumer ?? channel, received, publish, since)
    if (noAck) queue.takeForGood(entry)
    else channel.hold(new HeldDelivery(channel, consumer, queue, entry, received))
    if (received.messageCount !== undefined) queue.expectCount(received.messageCount, since, channel)
  }

  #expectReturned(publish: PublishAccount): void {
    const { channel, isReturned, returns } = publish
    if (this.isRough || channel.confirms || channel.transacts || publish.isLost) return
    expectThat(returns === (isReturned ? 1 : 0), () => `${publish} came back ${returns} times`)
  }

  /** What became of a publish, against where it had to go. */
  #judge(publish: PublishAccount, outcome: Outcome): void {
    const { channel, isReturned, targets } = publish
    const error = outcome.kind === 'failed' ? outcome.error : undefined
    publish.isAbandoned = error instanceof UnconfirmedError
    if (outcome.kind === 'confirmed') {
      expectThat(!isReturned, () => `${publish} was confirmed, and had no queue`)
      channel.proveUpTo(publish)
      for (const queue of targets) queue.confirm(publish)
    } else if (error instanceof ReturnedError) {
      expectThat(isReturned, () => `${publish} was returned, and had a queue`)
      publish.expectSame(error.returned)
      publish.prove()
    } else if (error instanceof NackedError) {
      expectThat(
        targets.some(({ isBounded }) => isBounded),
        () => `${publish} was refused, and no queue is full`,
      )
      channel.proveUpTo(publish)
    } else if (
      error !== undefined &&
      (!(error instanceof UnconfirmedError) || error.outcome === 'not-sent')
    ) {
      this.noteRefused(publish)
    }
  }

  #expectExplained(operation: Operation, error: Error): void {
    const { channel, isWithdrawn } = operation
    const isOfOurs = error instanceof AmqpError || error instanceof ArgumentError
    expectThat(isOfOurs || isWithdrawn, () => `${operation} failed with ${error}`)
    if (this.isRough || isWithdrawn || channel === undefined || channel.isEnding) return
    const kinds = [ReturnedError, NackedError, PublishesFailedError, BackpressureError]
    const isOutcome = kinds.some(kind => error instanceof kind)
    expectThat(isOutcome, () => `${operation} failed with ${error}`)
  }
}

/** A command that was refused where it was given. */
function isRefusal(outcome: Outcome): boolean {
  return outcome.kind === 'failed' && outcome.error instanceof ChannelClosedError
}

function nameOf(outcome: Outcome): string {
  if (outcome.kind === 'got') return outcome.received === undefined ? 'got nothing' : 'got'
  if (outcome.kind !== 'failed') return outcome.kind
  const { error } = outcome
  const name = error instanceof AmqpError ? error.code : error.name
  return error instanceof UnconfirmedError ? `${name} ${error.outcome}` : name
}
