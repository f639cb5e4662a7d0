// The open channels of a connection by number, what waits on them, and when one of them wants to look at the clock.

import type { OctetKeeper } from '../frames/index.js'
import type { ChannelLimits, ChannelLink } from './channel-link.js'
import { ChannelNumbers } from './channel-numbers.js'
import { ChannelProtocol } from './channel-protocol.js'
import type { CloseReason } from './close-reason.js'
import { ChannelLimitError, type Endpoint } from './errors.js'
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
  emit(event: ProtocolEvent): void
}

/** What the server cannot have had on its way when it closed a channel: they are about the next one of that number. */
const NEVER_LATE: ReadonlySet<MethodName> = new Set<MethodName>([
  'channel.open-ok',
  'channel.close',
  'channel.close-ok',
])

export class ChannelDirectory implements ChannelLink {
  blocked: string | undefined
  readonly #owner: DirectoryOwner
  readonly #channels = new Map<number, ChannelProtocol>()
  /** The one that was looked for last: frames of a channel mostly come one behind the other. */
  #latest: ChannelProtocol | undefined
  #numbers = new ChannelNumbers(0)
  #channelMax = 0
  /** Numbers of channels that the server has closed, up to its answer to the next opening. */
  readonly #closedByServer = new Set<number>()
  /** Channels with commands that wait; the one that has waited longest since it was last served comes first. */
  readonly #waiting = new Set<number>()
  /** Channels that want to hear when their octets have left. */
  readonly #departing = new Set<number>()
  /** Terms of publishes whose time has not begun. */
  #issued: PublishTerms[] = []
  #queuedOctets = 0
  #wakeAt = Number.POSITIVE_INFINITY

  constructor(owner: DirectoryOwner) {
    this.#owner = owner
  }

  get outbound(): Outbound {
    return this.#owner.outbound
  }

  get endpoint(): Endpoint {
    return this.#owner.endpoint
  }

  get limits(): ChannelLimits {
    return this.#owner.limits
  }

  get bodies(): OctetKeeper {
    return this.#owner.bodies
  }

  get buffered(): number {
    const { size, inFlight } = this.#owner.outbound
    return this.#queuedOctets + size + inFlight
  }

  /** May come early, never late. */
  get nextDeadline(): number {
    return this.#wakeAt
  }

  /** Nothing waits on any channel, neither to be sent nor to be answered. */
  get isIdle(): boolean {
    if (this.#owner.outbound.hasJobs) return false
    for (const channel of this.#channels.values()) {
      if (!channel.isIdle) return false
    }
    return true
  }

  /** Publishes without an answer, over all channels. */
  get unconfirmed(): number {
    let unconfirmed = 0
    for (const channel of this.#channels.values()) unconfirmed += channel.unconfirmed
    return unconfirmed
  }

  set channelMax(channelMax: number) {
    this.#channelMax = channelMax
    this.#numbers = new ChannelNumbers(channelMax)
  }

  /**
   * The channel that a method is for. Undefined when it is to be dropped: RabbitMQ's queues go on delivering to a channel that it
   * has closed, until it reads our Close-Ok (measured, 3.10). All of that comes before the answer to the next opening.
   */
  expect(channelNumber: number, method: MethodName): ChannelProtocol | undefined {
    if (this.#closedByServer.size > 0) {
      if (NEVER_LATE.has(method)) this.#closedByServer.delete(channelNumber)
      if (this.#closedByServer.has(channelNumber)) return undefined
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
    if (this.#closedByServer.size > 0 && this.#closedByServer.has(channelNumber)) return undefined
    const channel = this.#find(channelNumber)
    if (channel !== undefined) return channel
    throw new Violation(
      ReplyCode.UnexpectedFrame,
      `content frame on channel ${channelNumber}, which is not open`,
    )
  }

  /** A channel under a free number. It still has to be opened. */
  open(owner: object, maxUnconfirmed: number): ChannelProtocol {
    const channelNumber = this.#numbers.take()
    if (channelNumber === undefined) {
      const text = `all ${this.#channelMax} channels of the connection are in use (channelMax)`
      throw new ChannelLimitError(text, this.endpoint)
    }
    const channel = new ChannelProtocol(channelNumber, this, owner, maxUnconfirmed)
    this.#channels.set(channelNumber, channel)
    return channel
  }

  /** Lets waiting commands go, as far as there is room, the channels in turn. */
  advanceWaiting(): void {
    if (this.#queuedOctets === 0) return
    for (const channelNumber of [...this.#waiting]) {
      const channel = this.#channels.get(channelNumber)
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
    if (this.#departing.size === 0) return
    const watching = [...this.#departing]
    this.#departing.clear()
    for (const channelNumber of watching) this.#channels.get(channelNumber)?.noteDeparture()
  }

  handleTurnEnd(now: number): void {
    for (const terms of this.#issued) terms.begin(now)
    this.#issued = []
  }

  handleTimeout(now: number): void {
    if (now < this.#wakeAt) return
    this.#wakeAt = Number.POSITIVE_INFINITY
    for (const channel of this.#channels.values()) {
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
    for (const channel of this.#channels.values()) channel.quiesce()
  }

  /** The connection's Close is being sent: nothing may follow it. */
  seal(): void {
    for (const channel of this.#channels.values()) channel.seal()
  }

  /** The broker reads again. */
  unblock(now: number): void {
    this.blocked = undefined
    for (const channel of this.#channels.values()) channel.noteUnblocked(now)
  }

  /** The connection is ending: so are its channels. */
  lose(reason: CloseReason): void {
    for (const channel of this.#channels.values()) channel.lose(reason)
    this.#channels.clear()
    this.#latest = undefined
    this.#waiting.clear()
    this.#departing.clear()
    this.#wakeAt = Number.POSITIVE_INFINITY
  }

  noteQueued(channelNumber: number, octets: number): void {
    this.#queuedOctets += octets
    if (octets > 0) this.#waiting.add(channelNumber)
  }

  watchDeparture(channelNumber: number): void {
    this.#departing.add(channelNumber)
  }

  noteIssued(terms: PublishTerms): void {
    this.#issued.push(terms)
  }

  emit(event: ProtocolEvent): void {
    this.#owner.emit(event)
  }

  wakeBy(deadline: number): void {
    if (deadline < this.#wakeAt) this.#wakeAt = deadline
  }

  release(channelNumber: number, byServer = false): void {
    if (byServer) this.#closedByServer.add(channelNumber)
    this.#channels.delete(channelNumber)
    this.#latest = undefined
    this.#numbers.release(channelNumber)
  }

  #find(channelNumber: number): ChannelProtocol | undefined {
    if (this.#latest?.number !== channelNumber) this.#latest = this.#channels.get(channelNumber)
    return this.#latest
  }
}
