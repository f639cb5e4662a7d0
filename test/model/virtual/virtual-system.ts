// The system in virtual time: a ConnectionProtocol and a model broker, joined by two lanes. Octets take their time and come in pieces;
// faults are commands. Nothing happens by itself, so every sequence can be repeated, and a loop that waits for quiet has an end.

import type { ChannelProtocol } from '../../../src/protocol/channel-protocol.js'
import type { ConnectionProtocol } from '../../../src/protocol/connection-protocol.js'
import type { IncomingDelivery, MethodOf, ProtocolEvent } from '../../../src/protocol/index.js'
import { Random } from '../../fuzz/random.js'
import type { PeerCodec } from '../../support/peer/peer-codec.js'
import { ProtocolPair } from '../../support/peer/protocol-pair.js'
import { BrokerConnection } from '../broker/broker-connection.js'
import { VirtualHost } from '../broker/virtual-host.js'
import { CHANNEL_MAX } from '../commands/channel-commands.js'
import type { ChannelAccount } from '../world/channel-account.js'
import type { ConsumerAccount } from '../world/consumer-account.js'
import { expectThat, Finding } from '../world/finding.js'
import type { Operation, Received } from '../world/operation.js'
import type { PublishAccount } from '../world/publish-account.js'
import type { PlainCallName, System } from '../world/system.js'
import type { World } from '../world/world.js'
import { expectAccounts } from './accounts.js'
import { Lane } from './lane.js'
import { Truth } from './truth.js'

const KIB = 1024
const LIMITS = { maxBuffered: 400 * KIB, highWaterMark: 100 * KIB }
const MAX_UNCONFIRMED = 3
/** Many times what any sequence needs. */
const STEPS_AT_MOST = 20_000
const BEAT_EVERY_MS = 10_000
const ABORTED = new Error('aborted')

/** What the wire is like. */
export interface WireParts {
  readonly toBrokerMs: number
  readonly toClientMs: number
  readonly seed: number
}

export class VirtualSystem implements System {
  readonly broker: BrokerConnection
  readonly host = new VirtualHost()
  readonly toBroker: Lane
  readonly toClient: Lane
  readonly #world: World
  readonly #truth: Truth
  readonly #protocol: ConnectionProtocol
  readonly #codec: PeerCodec
  readonly #channels = new Map<ChannelAccount, ChannelProtocol>()
  readonly #tags = new Map<ConsumerAccount, string>()
  #now = 0
  #nextBeat = BEAT_EVERY_MS
  #isSilent = false
  /** The socket has not taken all of the last batch. */
  #isWriting = false

  constructor(world: World, { toBrokerMs, toClientMs, seed }: WireParts) {
    const pair = ProtocolPair.opened({ limits: LIMITS, channelMax: CHANNEL_MAX })
    const random = new Random(seed)
    this.#world = world
    this.#truth = new Truth(world)
    this.#protocol = pair.protocol
    this.#codec = pair.peer
    this.toBroker = new Lane(toBrokerMs, random)
    this.toClient = new Lane(toClientMs, random)
    const wire = { codec: this.#codec, write: (octets: Buffer) => this.sendOctets(octets) }
    this.broker = new BrokerConnection(this.host, wire, this.#truth, CHANNEL_MAX)
  }

  openChannel(channel: ChannelAccount, operation: Operation): void {
    this.#try(operation, () => {
      const life = this.#protocol.openChannel(channel, MAX_UNCONFIRMED, operation, this.#now)
      this.#channels.set(channel, life)
    })
    if (!this.#channels.has(channel)) channel.state = 'closed'
  }

  call(
    channel: ChannelAccount,
    method: MethodOf<PlainCallName>,
    operation: Operation,
    timeoutMs?: number | undefined,
  ): void {
    this.#try(operation, () => this.#life(channel).call(method, operation, this.#now, timeoutMs))
  }

  consume(consumer: ConsumerAccount, operation: Operation): void {
    const { queue, channel, flags } = consumer
    const command = {
      queue: queue.name,
      consumerTag: '',
      exclusive: false,
      arguments: {},
      ...flags,
      consumer,
    }
    this.#try(operation, () => {
      this.#tags.set(consumer, this.#life(channel).consume(command, operation, this.#now))
    })
  }

  cancel(consumer: ConsumerAccount, noWait: boolean, operation: Operation): void {
    const consumerTag = this.#tags.get(consumer) ?? ''
    const method = { name: 'basic.cancel', args: { consumerTag, noWait } } as const
    this.#try(operation, () => this.#life(consumer.channel).call(method, operation, this.#now))
  }

  publish(publish: PublishAccount, operation: Operation | undefined, timeoutMs?: number | undefined): void {
    const { channel, message } = publish
    const life = this.#life(channel)
    if (operation === undefined) {
      try {
        life.publish(message, undefined, this.#now)
      } catch {
        this.#world.noteRefused(publish)
      }
      return this.#react()
    }
    this.#try(operation, () => {
      const { confirming } = life
      const how = life.publish(message, operation, this.#now, timeoutMs)
      if (!confirming && how === 'sent') this.#settle(operation, { kind: 'replied' })
    })
  }

  awaitConfirms(channel: ChannelAccount, operation: Operation): void {
    this.#try(operation, () => this.#life(channel).awaitConfirms(operation, this.#now))
  }

  withdraw(operations: readonly Operation[]): void {
    for (const operation of operations) operation.isWithdrawn = true
    const causes = new Map(operations.map(operation => [operation, ABORTED]))
    this.#protocol.withdraw(causes)
    for (const life of this.#channels.values()) life.withdraw(causes)
    this.#react()
    // Once connection.close is sent all that waits has one end, which is near.
    if (this.#protocol.state === 'closing') return
    for (const operation of operations)
      expectThat(operation.outcome !== undefined, () => `${operation} was withdrawn and goes on`)
  }

  closeChannel(channel: ChannelAccount): void {
    this.#life(channel).close(this.#now)
    this.#react()
  }

  updateSecret(operation: Operation): void {
    this.#try(operation, () =>
      this.#protocol.updateSecret(Buffer.from('new'), 'rotation', operation, this.#now),
    )
  }

  whenQuiet(action: () => void): void {
    this.quiesce()
    action()
    this.#react()
    this.quiesce()
  }

  close(): void {
    this.#world.noteClosing()
    this.#protocol.close(this.#now)
    this.#react()
  }

  cut(): void {
    this.#protocol.receiveEnd(this.#now, new Error('read ECONNRESET'))
    this.#react()
  }

  beat(): void {
    this.#protocol.sendHeartbeat()
    this.#react()
  }

  /** The broker says nothing any more. */
  fallSilent(): void {
    this.#isSilent = true
    this.toClient.clear()
    this.toClient.stall(0)
  }

  sendOctets(octets: Buffer): void {
    this.toClient.push(octets, this.#now)
  }

  send(...[channelNumber, method]: Parameters<BrokerConnection['send']>): void {
    this.broker.send(channelNumber, method)
    this.#react()
  }

  /** Time passes, and the broker beats. */
  advance(milliseconds: number): void {
    const until = this.#now + milliseconds
    this.#react()
    for (let steps = 0; ; steps++) {
      if (steps > STEPS_AT_MOST) throw new Finding('livelock: the protocol never becomes idle')
      const next = Math.min(this.#nextEvent(), this.#protocol.nextDeadline(), this.#nextBeat)
      if (next > until) break
      this.#now = Math.max(this.#now, next)
      this.#beatIfDue()
      if (this.#protocol.nextDeadline() <= this.#now) this.#protocol.handleTimeout(this.#now)
      this.#react()
    }
    this.#now = until
  }

  /** Until nothing is under way: no octet on the wire, nothing that the broker has not done, no answer outstanding. */
  quiesce(): void {
    this.#lift()
    for (let steps = 0; !this.#world.isOver; steps++) {
      if (steps > STEPS_AT_MOST) throw new Finding('livelock: it never becomes quiet')
      this.#react()
      if (this.broker.workOff()) continue
      const next = this.#nextEvent()
      if (next === Number.POSITIVE_INFINITY) break
      this.#now = Math.max(this.#now, next)
    }
    if (this.#world.isOver) return
    for (const operation of this.#world.operations) throw new Finding(`${operation} is never answered`)
    this.#world.noteQuiet()
    expectAccounts(this.#world, this.host)
  }

  /** Whatever state it is in: quiet if it lives, and then its end. */
  end(): void {
    this.quiesce()
    this.#world.noteClosing()
    if (!this.#world.isOver) this.cut()
    expectThat(this.#world.isOver, () => 'the end of the transport is not the end of the connection')
    this.#truth.expectHonest()
    for (const channel of this.#world.channels)
      expectThat(channel.isClosed, () => `${channel} outlives the connection`)
    for (const operation of this.#world.operations) throw new Finding(`${operation} was never settled`)
    this.#expectSilence()
  }

  /** What must hold after every command. */
  look(): void {
    this.#react()
    const { buffered } = this.#protocol
    expectThat(buffered <= LIMITS.maxBuffered + 64 * KIB, () => `${buffered} octets are buffered`)
    const { unconfirmed } = this.broker
    expectThat(unconfirmed <= MAX_UNCONFIRMED, () => `${unconfirmed} publishes of a channel are unconfirmed`)
    const isClosed = this.#protocol.state === 'closed'
    expectThat(
      isClosed === this.#world.isOver,
      () => `the state is ${this.#protocol.state}, and nobody was told`,
    )
    if (isClosed) this.#expectSilence()
  }

  #expectSilence(): void {
    this.advance(120_000)
    const { buffered, unsent } = this.#protocol
    const isSilent =
      buffered === 0 && unsent === 0 && this.#protocol.nextDeadline() === Number.POSITIVE_INFINITY
    expectThat(isSilent, () => 'something waits after the end of the connection')
  }

  /** Every fault that lasts. */
  #lift(): void {
    this.toBroker.resume()
    if (!this.#isSilent) this.toClient.resume()
    this.broker.unblock()
  }

  #beatIfDue(): void {
    if (this.#now < this.#nextBeat) return
    this.#nextBeat += BEAT_EVERY_MS
    if (!this.#isSilent && !this.#world.isOver) this.sendOctets(this.#codec.heartbeat())
  }

  #nextEvent(): number {
    return Math.min(this.toBroker.nextDue, this.toClient.nextDue)
  }

  /** Passes on what has arrived and hears what is told, until nothing comes any more. */
  #react(): void {
    this.#protocol.handleTurnEnd(this.#now)
    for (let steps = 0; this.#pass() || this.#hear(); steps++)
      if (steps > STEPS_AT_MOST) throw new Finding('livelock: events and octets without an end')
  }

  #pass(): boolean {
    const batch = this.#isWriting ? undefined : this.#protocol.pollTransmit(this.#now)
    if (batch !== undefined) {
      this.toBroker.push(Buffer.concat(batch), this.#now)
      this.#isWriting = true
    }
    const sent = this.toBroker.take(this.#now)
    if (sent !== undefined) for (const received of this.#codec.receive(sent)) this.broker.receive(received)
    if (this.#isWriting && this.toBroker.isEmpty) {
      this.#isWriting = false
      this.#protocol.handleWritten(this.#now)
    }
    const came = this.toClient.take(this.#now)
    if (came !== undefined) this.#protocol.receiveData(came, this.#now)
    return batch !== undefined || sent !== undefined || came !== undefined
  }

  #hear(): boolean {
    const event = this.#protocol.pollEvent()
    if (event !== undefined) this.#tell(event)
    return event !== undefined
  }

  #tell(event: ProtocolEvent): void {
    const world = this.#world
    expectThat(!world.isOver, () => `${event.type} after the end`)
    switch (event.type) {
      case 'replied':
        return this.#settle(event.token as Operation, { kind: 'replied', ...event.reply?.args })
      case 'got': {
        const received = event.delivery === undefined ? undefined : receivedOf(event.delivery)
        return this.#settle(event.token as Operation, { kind: 'got', received })
      }
      case 'failed':
        return this.#settle(event.token as Operation, { kind: 'failed', error: event.error })
      case 'confirmed':
        for (const token of event.tokens) this.#settle(token as Operation, { kind: 'confirmed' })
        return
      case 'delivered':
        return world.deliver(event.consumer as ConsumerAccount, receivedOf(event.delivery))
      case 'returned':
        return world.noteReturned(event.message)
      case 'consumerEnded':
        return world.noteConsumerEnd(event.consumer as ConsumerAccount, event.reason)
      case 'channelClosed':
        return world.noteChannelClosed(event.channel as ChannelAccount, event.reason)
      case 'closed':
        world.noteClosed(event.reason)
        this.toBroker.clear()
        this.toClient.clear()
        return this.broker.end()
    }
  }

  #settle(operation: Operation, outcome: Parameters<World['settle']>[1]): void {
    if (operation.publish !== undefined) this.#truth.expectTold(operation.publish, outcome)
    this.#world.settle(operation, outcome)
  }

  /** A command may be refused; that is told where it was given. */
  #try(operation: Operation, command: () => void): void {
    try {
      command()
    } catch (error) {
      if (error instanceof Finding) throw error
      this.#settle(operation, { kind: 'failed', error: error as Error })
    }
    this.#react()
  }

  #life(channel: ChannelAccount): ChannelProtocol {
    return this.#channels.get(channel) as ChannelProtocol
  }
}

function receivedOf(delivery: IncomingDelivery): Received {
  const { life, deliveryTag, content, exchange, routingKey, redelivered, messageCount, noAck } = delivery
  const { properties, body } = content
  return {
    exchange,
    routingKey,
    properties,
    body,
    deliveryTag,
    redelivered,
    messageCount,
    state: () => (noAck ? 'noAck' : life.stateOf(deliveryTag)),
    settle: settlement => !noAck && life.settle(deliveryTag, settlement),
  }
}
