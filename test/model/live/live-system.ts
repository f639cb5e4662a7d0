// The system on a live broker: the public API of a connection. What an operation comes to is told the world when its promise settles;
// what the world finds is kept until somebody looks, because user code of thump has nobody to throw at.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Channel, Connection, ConsumeOptions, Consumer } from '../../../src/index.js'
import type { CallName, MethodOf } from '../../../src/protocol/index.js'
import { until, within } from '../../support/rabbitmq/deadline.js'
import type { ChannelAccount } from '../world/channel-account.js'
import type { ConsumerAccount } from '../world/consumer-account.js'
import { expectThat, Finding } from '../world/finding.js'
import type { Operation, Outcome } from '../world/operation.js'
import type { PublishAccount } from '../world/publish-account.js'
import type { QueueAccount } from '../world/queue-account.js'
import type { PlainCallName, System } from '../world/system.js'
import type { World } from '../world/world.js'
import { answerOf, callOn, receivedOf } from './live-calls.js'

/** Operations under way before the program waits for the oldest. */
const WINDOW = 40
/** Commands before it lets others have a turn. */
const TURN = 16
/** Every so many operations can be withdrawn. */
const SIGNAL_EVERY = 6
/** Nothing takes so long that is not lost. */
const ANSWER_WITHIN_MS = 30_000
const RETURN_WITHIN_MS = 5_000
/** Those whose loss leaves certain what the broker has done. */
const WITHDRAWABLE: ReadonlySet<CallName> = new Set<CallName>(['basic.get', 'basic.qos', 'queue.declare'])

export class LiveSystem implements System {
  readonly #world: World
  readonly #connection: Connection
  readonly #channels = new Map<ChannelAccount, Channel>()
  readonly #consumers = new Map<ConsumerAccount, Consumer>()
  readonly #signals = new Map<Operation, AbortController>()
  /** What settles an operation, oldest first. */
  readonly #settling = new Map<Operation, Promise<void>>()
  /** The ends of channels and consumers that were opened. */
  readonly #ends = new Map<ChannelAccount, Set<Promise<void>>>()
  readonly #closings = new Set<Promise<void>>()
  #finding: Error | undefined
  #given = 0

  constructor(world: World, connection: Connection) {
    this.#world = world
    this.#connection = connection
    void connection.closed.then(reason => this.#guard(() => world.noteClosed(reason)))
  }

  /** Throws what was found, if anything was. */
  look(): void {
    if (this.#finding !== undefined) throw this.#finding
  }

  /** After a command: not too many are under way at a time. */
  async pace(): Promise<void> {
    this.look()
    if (++this.#given % TURN === 0) await nextTurn()
    while (this.#settling.size > WINDOW) await this.#awaitOldest()
    this.look()
  }

  openChannel(channel: ChannelAccount, operation: Operation): void {
    this.#track(operation, this.#connection.openChannel(), opened => {
      this.#channels.set(channel, opened)
      this.#ends.set(channel, new Set())
      opened.on('returned', message => this.#guard(() => this.#world.noteReturned(message)))
      this.#watchEnd(channel, opened)
      return { kind: 'replied' }
    })
  }

  call(channel: ChannelAccount, method: MethodOf<PlainCallName>, operation: Operation): void {
    const signal = WITHDRAWABLE.has(method.name) ? this.#signalFor(operation) : undefined
    const promise = callOn(this.#channel(channel), method, { signal })
    this.#track<unknown>(operation, promise, result => answerOf(method, result))
  }

  consume(consumer: ConsumerAccount, operation: Operation): void {
    const { channel, queue, flags } = consumer
    const { noAck, noWait, prefetch } = flags
    // Without acknowledgements there is no limit, so nothing waits here.
    const limit = noAck ? { prefetch: 0 } : prefetch === undefined ? {} : { prefetch }
    const options: ConsumeOptions = {
      noAck,
      noWait,
      ...limit,
      autoSettle: false,
      signal: this.#signalFor(operation),
    }
    const iterates = !noAck && operation.issuedAt % 2 === 0
    const handler = iterates
      ? undefined
      : (delivery: Parameters<typeof receivedOf>[0]) =>
          this.#guard(() => this.#world.deliver(consumer, receivedOf(delivery)))
    this.#track(operation, this.#channel(channel).consume(queue.name, options, handler), started => {
      this.#consumers.set(consumer, started)
      this.#keepEnd(channel, this.#watchConsumer(consumer, started, iterates))
      return { kind: 'replied' }
    })
  }

  cancel(consumer: ConsumerAccount, noWait: boolean, operation: Operation): void {
    const started = this.#consumers.get(consumer)
    // Nobody has it before its start is answered: it is cancelled then.
    const promise: Promise<unknown> = started?.cancel({ noWait }) ?? this.#cancelLater(consumer, noWait)
    this.#track(operation, promise, () => ({ kind: 'replied' }))
  }

  publish(publish: PublishAccount, operation: Operation | undefined): void {
    const { exchange, routingKey, body, mandatory, properties } = publish.message
    const { channel } = publish
    const signal = operation === undefined ? undefined : this.#signalFor(operation)
    const promise = this.#channel(channel).publish(exchange, routingKey, body, {
      ...properties,
      mandatory,
      signal,
    })
    const kind = channel.confirms ? 'confirmed' : 'replied'
    if (operation !== undefined) return this.#track(operation, promise, () => ({ kind }))
    promise.catch(error => {
      this.#guard(() => expectThat(channel.isEnding, () => `${publish} was refused: ${error}`))
    })
  }

  awaitConfirms(channel: ChannelAccount, operation: Operation): void {
    const promise = this.#channel(channel).waitForConfirms({ signal: this.#signalFor(operation) })
    this.#track(operation, promise, () => ({ kind: 'replied' }))
  }

  withdraw(operations: readonly Operation[]): void {
    for (const operation of operations) {
      const controller = this.#signals.get(operation)
      if (controller === undefined) continue
      operation.isWithdrawn = true
      controller.abort()
    }
  }

  closeChannel(channel: ChannelAccount): void {
    const closing = this.#channel(channel).close()
    this.#closings.add(closing.then(() => {}))
  }

  updateSecret(operation: Operation): void {
    const promise = this.#connection.updateSecret('guest', 'rotation', { signal: this.#signalFor(operation) })
    this.#track(operation, promise, () => ({ kind: 'replied' }))
  }

  async whenQuiet(action: () => void): Promise<void> {
    await this.quiesce()
    action()
    await this.quiesce()
  }

  /** Until all is answered, and the broker has worked on all that wants no answer. */
  async quiesce(): Promise<void> {
    while (this.#settling.size > 0) await this.#awaitOldest()
    const syncs = this.#world.channels
      .filter(channel => channel.state === 'open' && channel.expectedCode === undefined)
      .map(channel => this.#channel(channel).exchangeDeclare('amq.direct', 'direct', { passive: true }))
    await within(ANSWER_WITHIN_MS, 'a round trip on every channel', Promise.all(syncs))
    await within(ANSWER_WITHIN_MS, 'the end of channels that close', this.#awaitEndings())
    this.look()
    if (this.#settling.size > 0) return this.quiesce()
    for (const queue of this.#world.queues.values()) if (queue.isUncounted) await this.#awaitCount(queue)
    if (this.#settling.size > 0) return this.quiesce()
    this.#guard(() => this.#world.noteQuiet())
    this.look()
  }

  /** The consumer of an operation that was withdrawn or has failed is nobody's. */
  async #cancelLater(consumer: ConsumerAccount, noWait: boolean): Promise<void> {
    await Promise.all([...this.#settling.values()])
    await this.#consumers.get(consumer)?.cancel({ noWait })
  }

  async #awaitOldest(): Promise<void> {
    const [oldest] = this.#settling
    if (oldest === undefined) return
    const [operation, settled] = oldest
    await within(ANSWER_WITHIN_MS, String(operation), settled)
    this.look()
  }

  async #awaitEndings(): Promise<void> {
    await Promise.all(this.#closings)
    this.#closings.clear()
    for (const channel of this.#world.channels) {
      if (!channel.isEnding || channel.isClosed) continue
      await this.#channels.get(channel)?.closed
      while (!channel.isClosed && this.#finding === undefined) await nextTurn()
    }
  }

  /** Until the queue has what is on its way to it, and what comes back from a channel that has ended. */
  async #awaitCount(queue: QueueAccount): Promise<void> {
    if (queue.consumers.size > 0) return
    const channel = await this.#anyChannel()
    const has = async (): Promise<boolean> =>
      (await channel.queueDeclare(queue.name, { passive: true })).messageCount >= queue.certain.length
    await until(RETURN_WITHIN_MS, '', has).catch(() => this.#reportLoss(queue, channel))
  }

  /** Which messages it is that have not come to their queue. */
  async #reportLoss(queue: QueueAccount, channel: Channel): Promise<never> {
    const there = new Set<number>()
    for (;;) {
      const delivery = await channel.get(queue.name, { noAck: true })
      if (delivery === undefined) break
      there.add(Number(delivery.properties.messageId))
    }
    const lost = queue.certain.filter(({ id }) => !there.has(id))
    throw new Finding(`${lost.join(', ')} not in ${queue} within ${RETURN_WITHIN_MS} ms`)
  }

  async #anyChannel(): Promise<Channel> {
    const usable = this.#world.channels.find(({ isUsable }) => isUsable)
    return usable === undefined ? this.#connection.openChannel() : this.#channel(usable)
  }

  #track<T>(operation: Operation, promise: Promise<T>, outcomeOf: (result: T) => Outcome): void {
    const settled = promise.then(
      result => this.#settle(operation, () => outcomeOf(result)),
      error => this.#settle(operation, () => ({ kind: 'failed', error })),
    )
    this.#settling.set(operation, settled)
  }

  #settle(operation: Operation, outcome: () => Outcome): void {
    this.#settling.delete(operation)
    this.#signals.delete(operation)
    this.#guard(() => this.#world.settle(operation, outcome()))
  }

  #watchEnd(channel: ChannelAccount, opened: Channel): void {
    void opened.closed.then(async reason => {
      const own = [...this.#settling].filter(([operation]) => operation.channel === channel)
      await Promise.all([...own.map(([, settled]) => settled), ...(this.#ends.get(channel) ?? [])])
      this.#guard(() => this.#world.noteChannelClosed(channel, reason))
    })
  }

  async #watchConsumer(consumer: ConsumerAccount, started: Consumer, iterates: boolean): Promise<void> {
    try {
      if (iterates)
        for await (const delivery of started)
          this.#guard(() => this.#world.deliver(consumer, receivedOf(delivery)))
    } catch {
      // Why it has ended stands in `closed`.
    }
    const reason = await started.closed
    if (consumer.state !== 'ended') this.#guard(() => this.#world.noteConsumerEnd(consumer, reason))
  }

  #keepEnd(channel: ChannelAccount, end: Promise<void>): void {
    const ends = this.#ends.get(channel)
    ends?.add(end)
    void end.then(() => ends?.delete(end))
  }

  #signalFor(operation: Operation): AbortSignal | undefined {
    // A mistake must be made: its channel is waited for.
    const isMistake = operation.channel?.expectedCode !== undefined
    if (isMistake || operation.issuedAt % SIGNAL_EVERY !== 0) return undefined
    const controller = new AbortController()
    this.#signals.set(operation, controller)
    return controller.signal
  }

  #channel(channel: ChannelAccount): Channel {
    return this.#channels.get(channel) as Channel
  }

  #guard(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#finding ??= error as Error
    }
  }
}
