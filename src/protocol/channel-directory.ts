// The open channels of a connection by number, what waits on them, and when one of them wants to look at the clock.

import type { OctetKeeper } from '../frames/index.js'
import type { ChannelLimits, ChannelLink } from './channel-link.js'
import { ChannelNumbers } from './channel-numbers.js'
import { ChannelProtocol } from './channel-protocol.js'
import type { CloseReason } from './close-reason.js'
import { ChannelLimitError, type Endpoint } from './errors.js'
import type { EventQueue } from './event-queue.js'
import type { ProtocolEvent } from './events.js'
import type { MethodName } from './methods.js'
import type { Outbound } from './outbound.js'
import type { PublishTerms } from './publish-terms.js'
import { ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

/** What the directory needs of the connection. */
export interface DirectoryOwner {
  readonly outbound: Outbound
  readonly endpoint: Endpoint
  readonly limits: ChannelLimits
  readonly bodies: OctetKeeper
  readonly events: EventQueue
}

/** What the server cannot have had on its way when it closed a channel: they are about the next one of that number. */
const NEVER_LATE: ReadonlySet<MethodName> = new Set<MethodName>([
  'channel.open-ok',
  'channel.close',
  'channel.close-ok',
])

const NOBODY: readonly ChannelProtocol[] = Object.freeze([])

export class ChannelDirectory implements ChannelLink {
  blocked: string | undefined
  readonly outbound: Outbound
  readonly endpoint: Endpoint
  readonly limits: ChannelLimits
  readonly bodies: OctetKeeper
  channelMax = 0
  readonly #events: EventQueue
  // Tables are there once something was in them: many connections never have a channel.
  #channels: Map<number, ChannelProtocol> | undefined
  /** The one that was looked for last: frames of a channel mostly come one behind the other. */
  #latest: ChannelProtocol | undefined
  #numbers: ChannelNumbers | undefined
  /** Numbers of channels that the server has closed, up to its answer to the next opening. */
  #closedByServer: Set<number> | undefined
  /** Channels with commands that wait; the one that has waited longest since it was last served comes first. */
  #waiting: Set<number> | undefined
  /** Channels that want to hear when their octets have left. */
  #departing: Set<number> | undefined
  /** Terms of publishes whose time has not begun. */
  #issued: PublishTerms[] | undefined
  #queuedOctets = 0
  #wakeAt = Number.POSITIVE_INFINITY

  constructor({ outbound, endpoint, limits, bodies, events }: DirectoryOwner) {
    this.outbound = outbound
    this.bodies = bodies
    this.endpoint = endpoint
    this.limits = limits
    this.#events = events
  }

  get buffered(): number {
    const { size, inFlight } = this.outbound
    return this.#queuedOctets + size + inFlight
  }

  /** May come early, never late. */
  get nextDeadline(): number {
    return this.#wakeAt
  }

  /** Nothing waits on any channel, neither to be sent nor to be answered. */
  get isIdle(): boolean {
    if (this.outbound.hasJobs) return false
    for (const channel of this.#all) {
      if (!channel.isIdle) return false
    }
    return true
  }

  /** Publishes without an answer, over all channels. */
  get unconfirmed(): number {
    let unconfirmed = 0
    for (const channel of this.#all) unconfirmed += channel.unconfirmed
    return unconfirmed
  }

  /**
   * The channel that a method is for. Undefined when it is to be dropped: RabbitMQ's queues go on delivering to a channel that it
   * has closed, until it reads our Close-Ok (measured, 3.10). All of that comes before the answer to the next opening.
   */
  expect(channelNumber: number, method: MethodName): ChannelProtocol | undefined {
    if (this.#closedByServer !== undefined) {
      if (NEVER_LATE.has(method)) this.#closedByServer.delete(channelNumber)
      if (this.#closedByServer.has(channelNumber)) return undefined
      if (this.#closedByServer.size === 0) this.#closedByServer = undefined
    }
    const channel = this.#find(channelNumber)
    if (channel !== undefined) return channel
    throw new Violation(
      ReplyCode.ChannelError,
      `${method} on channel ${channelNumber}, which is not open`,
      method,
    )
  }

  /** The channel of that number, if there is one. One that follows another which the server has closed may still be opening. */
  peek(channelNumber: number): ChannelProtocol | undefined {
    return this.#find(channelNumber)
  }

  /** The channel that a content frame is for; undefined when it is to be dropped like its method. */
  expectContent(channelNumber: number): ChannelProtocol | undefined {
    if (this.#closedByServer?.has(channelNumber) === true) return undefined
    const channel = this.#find(channelNumber)
    if (channel !== undefined) return channel
    throw new Violation(
      ReplyCode.UnexpectedFrame,
      `content frame on channel ${channelNumber}, which is not open`,
    )
  }

  /** A channel under a free number. It still has to be opened. */
  open(owner: object, maxUnconfirmed: number): ChannelProtocol {
    this.#numbers ??= new ChannelNumbers(this.channelMax)
    const channelNumber = this.#numbers.take()
    if (channelNumber === undefined) {
      const text = `all ${this.channelMax} channels of the connection are in use (channelMax)`
      throw new ChannelLimitError(text, this.endpoint)
    }
    const channel = new ChannelProtocol(channelNumber, this, owner, maxUnconfirmed)
    this.#channels ??= new Map()
    this.#channels.set(channelNumber, channel)
    return channel
  }

  /** Lets waiting commands go, as far as there is room, the channels in turn. */
  advanceWaiting(): void {
    if (this.#queuedOctets === 0 || this.#waiting === undefined) return
    for (const channelNumber of [...this.#waiting]) {
      const channel = this.#channels?.get(channelNumber)
      const queuedBefore = this.#queuedOctets
      channel?.advance()
      const waits = channel?.hasWaiting === true
      // Who was not served keeps its place.
      if (waits && this.#queuedOctets === queuedBefore) continue
      this.#waiting.delete(channelNumber)
      if (waits) this.#waiting.add(channelNumber)
    }
  }

  /** Octets have left. */
  noteDeparture(): void {
    const watching = this.#departing
    if (watching === undefined) return
    this.#departing = undefined
    for (const channelNumber of watching) this.#channels?.get(channelNumber)?.noteDeparture()
  }

  handleTurnEnd(now: number): void {
    const issued = this.#issued
    this.#issued = undefined
    for (const terms of issued ?? []) terms.begin(now)
  }

  handleTimeout(now: number): void {
    if (now < this.#wakeAt) return
    this.#wakeAt = Number.POSITIVE_INFINITY
    for (const channel of this.#all) {
      channel.handleTimeout(now)
      this.wakeBy(channel.nextDeadline)
    }
  }

  /** Who asks for replies must read them: they are the one thing that waits to be sent without the application's doing. */
  expectReader(): void {
    const { size, frameMax } = this.outbound
    if (size <= 2 * Math.max(this.limits.maxBuffered, frameMax)) return
    throw new Violation(ReplyCode.ResourceError, `the peer does not read: ${size} octets wait`)
  }

  /** Nothing new is taken from the application. */
  quiesce(): void {
    for (const channel of this.#all) channel.quiesce()
  }

  /** The connection's Close is being sent: nothing may follow it. */
  seal(): void {
    for (const channel of this.#all) channel.seal()
  }

  /** The broker reads again. */
  unblock(now: number): void {
    this.blocked = undefined
    for (const channel of this.#all) channel.noteUnblocked(now)
    // Now, and not when all that has come is read: it may say that the broker blocks again.
    this.advanceWaiting()
  }

  /** The connection is ending: so are its channels. */
  lose(reason: CloseReason): void {
    for (const channel of this.#all) channel.lose(reason)
    this.#channels = undefined
    this.#latest = undefined
    this.#waiting = undefined
    this.#departing = undefined
    this.#wakeAt = Number.POSITIVE_INFINITY
  }

  noteQueued(channelNumber: number, octets: number): void {
    this.#queuedOctets += octets
    if (octets <= 0) return
    this.#waiting ??= new Set()
    this.#waiting.add(channelNumber)
  }

  watchDeparture(channelNumber: number): void {
    this.#departing ??= new Set()
    this.#departing.add(channelNumber)
  }

  noteIssued(terms: PublishTerms): void {
    this.#issued ??= []
    this.#issued.push(terms)
  }

  emit(event: ProtocolEvent): void {
    this.#events.push(event)
  }

  wakeBy(deadline: number): void {
    if (deadline < this.#wakeAt) this.#wakeAt = deadline
  }

  release(channelNumber: number, byServer = false): void {
    if (byServer) {
      this.#closedByServer ??= new Set()
      this.#closedByServer.add(channelNumber)
    }
    this.#channels?.delete(channelNumber)
    this.#latest = undefined
    this.#numbers?.release(channelNumber)
  }

  get #all(): Iterable<ChannelProtocol> {
    return this.#channels?.values() ?? NOBODY
  }

  #find(channelNumber: number): ChannelProtocol | undefined {
    if (this.#latest?.number !== channelNumber) this.#latest = this.#channels?.get(channelNumber)
    return this.#latest
  }
}
