// The sans-IO root: one connection to one peer, for one attempt. Octets, commands and the time go in; octets, events and a
// deadline come out. Four kinds of method, in this order: A getters, B inputs, C commands, D outputs. After every call of
// kind B or C the outputs are polled: pollTransmit until it is empty, nextDeadline, pollEvent until it is empty.
//
// `now` is in milliseconds, monotonic, and the caller's. A deadline that is not later than `now` means: let the event loop
// read what is waiting, then call handleTimeout again.
//
// receiveData never throws. Whatever the octets, the result is events and, if the peer broke the protocol, the close that
// says so. This is the only place where a FrameError or a Violation is caught.

import { type FieldTable, INITIAL_FRAME_MAX, OctetKeeper } from '../frames/index.js'
import type { Causes } from './channel-commands.js'
import { ChannelDirectory } from './channel-directory.js'
import type { ChannelLimits } from './channel-link.js'
import type { ChannelProtocol } from './channel-protocol.js'
import type { CloseReason } from './close-reason.js'
import { closedByServer, closedForViolation, lostTransport, missedHeartbeat } from './connection-end.js'
import { ConnectionLife } from './connection-life.js'
import type { ConnectionState } from './connection-state.js'
import { ConnectError, ConnectionClosedError, type ConnectPhase, type Endpoint } from './errors.js'
import { EventQueue } from './event-queue.js'
import type { ProtocolEvent } from './events.js'
import { FrameRouter } from './frame-router.js'
import { encodeMethodFrame, encodeProtocolHeader } from './frame-writers.js'
import { explainGreeting } from './greeting.js'
import { Handshake, type HandshakeOptions } from './handshake.js'
import { Heartbeat } from './heartbeat.js'
import { Inbound } from './inbound.js'
import type { Method, MethodArgs } from './method-types.js'
import { Outbound } from './outbound.js'
import { sharedProperties } from './server-properties.js'
import { countTraffic, type TrafficCounts } from './traffic-counts.js'
import type { TuneParameters } from './tune.js'

export interface ProtocolOptions {
  readonly endpoint: Endpoint
  readonly handshake: HandshakeOptions
  readonly limits: ChannelLimits
  /** Where bodies are kept. */
  readonly bodies?: OctetKeeper | undefined
}

export class ConnectionProtocol {
  readonly #endpoint: Endpoint
  /** Up to Open-Ok. */
  #handshake: Handshake | undefined
  #serverProperties: FieldTable = {}
  readonly #inbound: Inbound
  readonly #outbound: Outbound
  readonly #events = new EventQueue()
  readonly #channels: ChannelDirectory
  readonly #life: ConnectionLife
  #heartbeat: Heartbeat | undefined
  #now: number

  constructor({ endpoint, handshake, limits, bodies = new OctetKeeper() }: ProtocolOptions, now: number) {
    this.#now = now
    this.#endpoint = endpoint
    this.#handshake = new Handshake(handshake, now)
    this.#outbound = new Outbound(handshake.initialFrameMax ?? INITIAL_FRAME_MAX)
    const [outbound, events] = [this.#outbound, this.#events]
    this.#channels = new ChannelDirectory({ outbound, endpoint, limits, bodies, events })
    this.#life = new ConnectionLife(this.#channels)
    const receiveMethod = (method: Method): void => this.#handle(method)
    this.#inbound = new Inbound(new FrameRouter(this.#life, this.#channels, receiveMethod))
    this.#outbound.append(0, encodeProtocolHeader, undefined)
  }

  // A. getters

  get state(): ConnectionState {
    return this.#life.state
  }

  /** Why it ended, or is ending. */
  get reason(): CloseReason | undefined {
    return this.#life.reason
  }

  /** What the handshake is waiting for. */
  get phase(): ConnectPhase {
    return this.#handshake?.phase ?? 'open'
  }

  /** The limits agreed on; undefined before Tune. */
  get tune(): TuneParameters | undefined {
    if (this.#heartbeat === undefined) return undefined
    const heartbeat = this.#heartbeat.intervalMs / 1000
    return { channelMax: this.#channels.channelMax, frameMax: this.#outbound.frameMax, heartbeat }
  }

  /** Frozen, as other connections may have the same; without them before Start. */
  get serverProperties(): FieldTable {
    return this.#serverProperties
  }

  /** Why the broker takes no publishes at the moment. */
  get blocked(): string | undefined {
    return this.#channels.blocked
  }

  /** Where the octets that come next may be put before they are received; undefined: anywhere. */
  get place(): Buffer | undefined {
    return this.#inbound.place
  }

  /** Octets that wait: for their turn, to be handed over by pollTransmit, or for the socket to take them. */
  get buffered(): number {
    return this.#channels.buffered
  }

  /** Octets accepted for sending so far, sent or not. */
  get appended(): number {
    return this.#outbound.appended
  }

  /** Octets that wait to be handed over, or for the socket to take them. */
  get unsent(): number {
    return this.#outbound.size + this.#outbound.inFlight
  }

  /** Whether so much waits that it pays to call pollTransmit before the turn ends. */
  get hasBatch(): boolean {
    return this.#outbound.isFull
  }

  get counts(): TrafficCounts {
    return countTraffic(this.#inbound, this.#outbound)
  }

  /** Milliseconds since the last octet came; undefined before Tune. */
  receivedAgo(now: number): number | undefined {
    return this.#heartbeat?.silenceAt(now)
  }

  /** Milliseconds since the last octet went; undefined before Tune. */
  sentAgo(now: number): number | undefined {
    return this.#heartbeat?.idleAt(now)
  }

  // B. inputs

  /** Octets came. The chunk is borrowed: nothing refers to it when this returns. */
  receiveData(chunk: Buffer, now: number): void {
    this.#now = now
    if (!this.#life.reads) return
    const framesBefore = this.#inbound.frames
    try {
      this.#inbound.receive(chunk)
      if (this.#inbound.isForeign) throw this.#explainForeigner('', now)
      this.#channels.expectReader()
    } catch (error) {
      this.#refusePeer(error)
    }
    this.#heartbeat?.noteReceived(now, this.#inbound.midFrame, this.#inbound.frames > framesBefore)
    this.#advance()
  }

  /** The transport ended (FIN), or failed with an error. */
  receiveEnd(now: number, error?: Error): void {
    this.#now = now
    if (this.state === 'closed') return
    this.#noteStall()
    this.#life.finish(this.#lostTransport(error))
  }

  /** The socket has taken everything that pollTransmit gave. */
  handleWritten(now: number): void {
    this.#now = now
    const returned = this.#outbound.noteWritten()
    for (const channelNumber of returned) this.#channels.peek(channelNumber)?.advance()
    this.#heartbeat?.noteWritten(now)
    if (this.#outbound.size === 0) this.#life.noteFlushed()
    this.#advance()
  }

  /** The turn of the event loop is over in which publishes were issued: their time begins. */
  handleTurnEnd(now: number): void {
    this.#channels.handleTurnEnd(now)
  }

  handleTimeout(now: number): void {
    this.#now = now
    this.#life.expire(now)
    if (this.state === 'closed') return
    if (this.#heartbeat !== undefined && now >= this.#heartbeat.nextDeadline) this.#beat(this.#heartbeat)
    this.#channels.handleTimeout(now)
    this.#life.secretUpdates?.expire(now)
    this.#advance()
  }

  /** The clock has jumped forward: the process did not run. Silence until now was not the peer's. */
  handleSuspension(now: number): void {
    this.#heartbeat?.noteSuspension(now)
  }

  /** The caller stops reading: silence does not count until {@link resumeReceiving}. */
  pauseReceiving(): void {
    this.#heartbeat?.pauseReceiving()
  }

  resumeReceiving(now: number): void {
    this.#heartbeat?.resumeReceiving(now)
  }

  // C. commands

  /** Opens a channel: `replied` or `failed` follows. Throws when the connection is not open or no number is free. */
  openChannel(
    owner: object,
    maxUnconfirmed: number,
    token: object,
    now: number,
    timeoutMs?: number,
  ): ChannelProtocol {
    this.#expectOpen()
    const channel = this.#channels.open(owner, maxUnconfirmed)
    channel.open(token, now, timeoutMs)
    return channel
  }

  /** Gives the server a new secret for this connection (RabbitMQ): `replied` or `failed` follows. */
  updateSecret(newSecret: Buffer, reason: string, token: object, now: number, timeoutMs?: number): void {
    this.#expectOpen()
    this.#life.beginSecretUpdates().request({ newSecret, reason }, token, now, timeoutMs)
  }

  /** Nobody wants to wait any more for what the connection was asked under these tokens: each fails with its cause. */
  withdraw(causes: Causes): void {
    this.#life.secretUpdates?.withdraw(causes)
  }

  /** Puts a heartbeat in front of what goes next. False once the connection is closed, or not yet open. */
  sendHeartbeat(): boolean {
    if (!this.#life.opened || !this.#life.reads) return false
    this.#outbound.leadWithHeartbeat()
    return true
  }

  /** Closes: what was published before goes out and is confirmed first. `closed` follows within `timeoutMs`. */
  close(now: number, timeoutMs?: number): void {
    this.#life.requestClose(now, timeoutMs)
  }

  /** Ends at once, without a word to the peer. */
  abort(reason: CloseReason): void {
    this.#life.finish(reason)
  }

  /** What the handshake has to say about not getting on: its phase, and what usually explains it. */
  explainStandstill(what: string, now: number, cause?: Error): ConnectError {
    const saidNothing = (this.#inbound.greeting?.length ?? 0) === 0
    if (saidNothing) return this.#opening.failed(what, now, { ...this.#endpoint, cause })
    return this.#explainForeigner(`${what}; `, now, cause)
  }

  // D. outputs

  /** The next octets for the socket, whole frames, or undefined. Ask again when they are written. */
  pollTransmit(now: number): Buffer[] | undefined {
    if (this.state === 'closed') return undefined
    // In front of what else there is: after a stall of the event loop the peer waits for a sign of life.
    if (this.#heartbeat?.isDue(now) === true) this.#outbound.leadWithHeartbeat()
    const batch = this.#life.takeOutbound()
    if (batch === undefined) return undefined
    this.#heartbeat?.noteHandedOver(now)
    this.#advance()
    return batch
  }

  /** When handleTimeout is wanted; Infinity when nothing is being waited for. */
  nextDeadline(): number {
    if (this.state === 'closed') return Number.POSITIVE_INFINITY
    const beat = this.#heartbeat?.nextDeadline ?? Number.POSITIVE_INFINITY
    const secret = this.#life.secretUpdates?.nextDeadline ?? Number.POSITIVE_INFINITY
    return Math.min(beat, this.#life.nextDeadline, this.#channels.nextDeadline, secret)
  }

  pollEvent(): ProtocolEvent | undefined {
    return this.#events.shift()
  }

  #handle(method: Method): void {
    switch (method.name) {
      case 'connection.start':
        this.#serverProperties = sharedProperties(method.args.serverProperties)
        return this.#append(this.#opening.answerStart(method.args, this.#now, this.#endpoint))
      case 'connection.secure':
        return this.#append(this.#opening.answerSecure(method.args, this.#now, this.#endpoint))
      case 'connection.tune':
        return this.#receiveTune(method.args)
      case 'connection.open-ok':
        this.#heartbeat?.resumeReceiving(this.#now)
        this.#handshake?.forgetSecrets()
        this.#handshake = undefined
        return this.#events.push({ type: 'opened' })
      case 'connection.close':
        return this.#receiveClose(method.args)
      case 'connection.close-ok':
        return this.#life.finish({ by: 'client' })
      case 'connection.blocked':
        this.#channels.blocked = method.args.reason
        return this.#events.push({ type: 'blocked', reason: method.args.reason })
      case 'connection.unblocked':
        this.#channels.unblock(this.#now)
        return this.#events.push({ type: 'unblocked' })
      case 'connection.update-secret-ok':
        return this.#life.beginSecretUpdates().takeReply()
    }
  }

  #expectOpen(): void {
    if (this.state === 'open') return
    const reason = this.reason ?? { by: 'client', text: 'it is closing' }
    throw new ConnectionClosedError(reason, { ...this.#endpoint, cause: reason.error })
  }

  #receiveTune(proposal: MethodArgs<'connection.tune'>): void {
    const { tune, answers } = this.#opening.answerTune(proposal)
    this.#inbound.frameMax = tune.frameMax
    this.#outbound.frameMax = tune.frameMax
    this.#channels.channelMax = tune.channelMax
    this.#heartbeat = new Heartbeat(tune.heartbeat, this.#now)
    // Up to Open-Ok the connect timeout judges: RabbitMQ refuses by silence first, and the phase is what explains it.
    this.#heartbeat.pauseReceiving()
    for (const answer of answers) this.#append(answer)
  }

  /** RabbitMQ waits for Close-Ok and then resets. What was not sent never will be. */
  #receiveClose(args: MethodArgs<'connection.close'>): void {
    const { replyCode, replyText } = args
    const told = closedByServer(args, this.#endpoint)
    const reason = this.#life.opened
      ? told
      : { ...told, error: this.#opening.refused(replyCode, replyText, this.#now, this.#endpoint) }
    this.#life.endWith(reason, { name: 'connection.close-ok', args: {} }, this.#now)
  }

  #explainForeigner(before: string, now: number, cause?: Error): ConnectError {
    const { what, hint } = explainGreeting(this.#inbound.greeting as Buffer)
    return this.#opening.broken(`${before}${what}`, hint, now, { ...this.#endpoint, cause })
  }

  /** The peer broke the protocol, or is no AMQP server at all. */
  #refusePeer(error: unknown): void {
    const { close, reason } = closedForViolation(error, this.#endpoint)
    if (this.#life.violate()) {
      this.#life.endWith(reason, { name: 'connection.close', args: close }, this.#now)
    } else if (error instanceof ConnectError) {
      this.#life.finish({ by: 'protocol', text: error.message, error })
    } else if (this.#life.opened) this.#life.finish(reason)
    else {
      // Nobody answers a close during the handshake.
      const what = `the peer broke the protocol (${close.replyCode}): ${reason.text}`
      this.#life.finish({
        ...reason,
        error: this.#opening.broken(what, undefined, this.#now, this.#endpoint),
      })
    }
  }

  #advance(): void {
    this.#channels.advanceWaiting()
    this.#life.advance()
  }

  #beat(heartbeat: Heartbeat): void {
    this.#noteStall()
    if (heartbeat.tick(this.#now) !== 'dead') return
    this.#life.finish(missedHeartbeat(heartbeat, this.#now, this.buffered, this.#endpoint))
  }

  /** A stall of the event loop is told before what came of it. */
  #noteStall(): void {
    const stall = this.#heartbeat?.noteStall(this.#now)
    if (stall !== undefined) this.#events.push({ type: 'stalled', lagMs: stall.lagMs })
  }

  #lostTransport(error: Error | undefined): CloseReason {
    const told = lostTransport(error, this.#heartbeat?.recentStall(this.#now), this.#endpoint)
    if (this.#life.opened) return told
    return {
      ...told,
      error: this.explainStandstill(error?.message ?? 'the peer ended the connection', this.#now, error),
    }
  }

  #append(method: Method): void {
    this.#outbound.append(0, encodeMethodFrame, method)
  }

  /** Only before Open-Ok. */
  get #opening(): Handshake {
    return this.#handshake as Handshake
  }
}
