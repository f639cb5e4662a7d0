// The object users hold for a connection. It hands commands to the link it lives on, and events to whoever asked; it keeps
// no protocol state of its own.

import {
  type CloseReason,
  ConnectionClosedError,
  type Endpoint,
  type FieldTable,
  type IncomingDelivery,
  type ProtocolEvent,
  type SecretRefreshError,
} from '../protocol/index.js'
import { AbortWatch, expectNotAborted } from './abort-watch.js'
import { Announcer } from './announcer.js'
import { type Checks, checkOptions, isBoolean, isInteger, isSecret } from './arguments.js'
import { CALL_CHECKS, type CallOptions } from './call-options.js'
import { Channel } from './channel.js'
import type { ChannelHost } from './channel-host.js'
import type { Clock } from './clock.js'
import { CLOSE_CHECKS, type CloseOptions } from './close-options.js'
import type { Consumer } from './consumer.js'
import { askCredentials } from './credentials.js'
import { Deferred, handled } from './deferred.js'
import type { Driver } from './driver.js'
import { GracefulClose } from './graceful-close.js'
import type { Link } from './link.js'
import type { Settings } from './options.js'
import { type ChannelSource, checkExchange, checkQueue } from './passive-checks.js'
import { nothing, PendingCall } from './pending-call.js'
import { PublishGate } from './publish-gate.js'
import type { QueueDeclared } from './queue-methods.js'
import { ReceiveBudget } from './receive-budget.js'
import { SecretRefresh } from './secret-refresh.js'
import type { ConnectionStats } from './stats.js'
import { TurnShare } from './turn-share.js'
import { leftOf } from './wait-limit.js'

/** What a connection is doing. `recovering` is reserved for connections that reconnect. */
export type ConnectionState = 'open' | 'recovering' | 'closing' | 'closed'

/** Events of a connection. None needs a listener. */
export interface ConnectionEvents {
  /** The broker takes no more publishes, for this reason, until `unblocked` (RabbitMQ's memory or disk alarm). */
  blocked: [reason: string]
  unblocked: []
  /** The event loop was blocked for so many milliseconds, more than half a heartbeat interval. */
  stalled: [lagMs: number]
  /**
   * The `credentials` function gave no new password before the old one expires, or the broker has not taken it. It is tried
   * again in `retryInMs` milliseconds; undefined when there is no time left for that.
   */
  secretRefreshFailed: [error: SecretRefreshError, retryInMs: number | undefined]
}

/** Options of {@link Connection.openChannel}. `timeout` covers all of it. */
export interface ChannelOptions extends CallOptions {
  /** Publishes are confirmed by the broker (RabbitMQ's confirm.select). Default false. */
  confirm?: boolean | undefined
  /** Publishes that may be unconfirmed at a time; more wait. Default 1000. */
  maxUnconfirmed?: number | undefined
}

const CHANNEL_OPTION_CHECKS = {
  ...CALL_CHECKS,
  confirm: isBoolean,
  maxUnconfirmed: isInteger(1, Number.MAX_SAFE_INTEGER),
} satisfies Checks<ChannelOptions>

/** An open connection, made by `connect()`. */
export class Connection extends Announcer<ConnectionEvents> {
  readonly #driver: Driver
  readonly #endpoint: Endpoint
  readonly #clock: Clock
  readonly #closeTimeout: number
  readonly #highWaterMark: number
  readonly #maxReceiveBuffered: number
  /** Only for a password that expires. */
  readonly #secretRefresh: SecretRefresh | undefined
  // An idle connection is cheap: what it may never need is made when it is needed first.
  #closed: Deferred<CloseReason> | undefined
  /** Once it has ended. */
  #reason: CloseReason | undefined
  #host: ChannelHost | undefined
  #channels: Set<Channel> | undefined
  #graceful: GracefulClose | undefined
  #aborts: AbortWatch | undefined

  /** @internal */
  constructor(link: Link, settings: Settings) {
    super()
    this.#driver = link.driver
    this.#endpoint = link.endpoint
    this.#clock = settings.clock
    this.#closeTimeout = settings.closeTimeout
    this.#highWaterMark = settings.highWaterMark
    this.#maxReceiveBuffered = settings.maxReceiveBuffered
    this.#secretRefresh = this.#createSecretRefresh(link, settings)
    link.attach(event => this.#receive(event))
  }

  /**
   * Resolves once, when the connection has ended, with the reason; it never rejects. The socket is destroyed by then, all
   * that was pending is settled, and nothing of thump keeps the process alive.
   */
  get closed(): Promise<CloseReason> {
    if (this.#closed === undefined) {
      this.#closed = new Deferred()
      if (this.#reason !== undefined) this.#closed.resolve(this.#reason)
    }
    return this.#closed.promise
  }

  get state(): ConnectionState {
    const { state } = this.#driver.protocol
    if (state === 'closed') return state
    return state === 'open' && !this.#isDraining ? 'open' : 'closing'
  }

  /** Why the broker takes no publishes at the moment; undefined when it does. */
  get blocked(): string | undefined {
    return this.#driver.protocol.blocked
  }

  /** The heartbeat interval agreed on, in seconds; 0 when there is none. */
  get heartbeat(): number {
    return this.#driver.protocol.tune?.heartbeat ?? 0
  }

  /** The largest frame agreed on, in octets. */
  get frameMax(): number {
    return this.#driver.protocol.tune?.frameMax ?? 0
  }

  /** Channels that may be open at a time. */
  get channelMax(): number {
    return this.#driver.protocol.tune?.channelMax ?? 0
  }

  /** What the server tells about itself: `product`, `version`, `capabilities`, … Frozen: other connections share it. */
  get serverProperties(): FieldTable {
    return this.#driver.protocol.serverProperties
  }

  /** The `connectionName` option. */
  get name(): string | undefined {
    return this.#endpoint.connectionName
  }

  get stats(): ConnectionStats {
    const driver = this.#driver
    const now = driver.now()
    return {
      ...driver.protocol.counts,
      lastReceivedMs: driver.protocol.receivedAgo(now) ?? 0,
      lastSentMs: driver.protocol.sentAgo(now) ?? 0,
      eventLoopLagMs: driver.eventLoopLagMs,
      bufferedOctets: driver.protocol.buffered,
    }
  }

  /**
   * Opens a channel (AMQP 0-9-1, 1.5.2.1). Rejects with a {@link ChannelLimitError} when all `channelMax` are open, before
   * anything is sent, and with a {@link ConnectionClosedError} when the connection is closing or closed.
   */
  openChannel(options: ChannelOptions = {}): Promise<Channel> {
    return handled(async () => {
      checkOptions(options, CHANNEL_OPTION_CHECKS, 'options')
      const driver = this.#driver
      if (this.#isDraining)
        throw new ConnectionClosedError({ by: 'client', text: 'it is closing' }, this.#endpoint)
      this.#host ??= this.#createHost()
      const { confirm = false, maxUnconfirmed = 1000, signal, timeout } = options
      expectNotAborted(signal)
      const opened = new PendingCall<void>(nothing)
      const begunAt = driver.now()
      const channel = new Channel(this.#host, owner =>
        driver.protocol.openChannel(owner, maxUnconfirmed, opened, begunAt, timeout),
      )
      this.#channels ??= new Set()
      this.#channels.add(channel)
      driver.flush()
      channel.aborts.watch(signal, opened)
      try {
        await opened.promise
        if (confirm) await channel.confirmSelect({ signal, timeout: leftOf(timeout, driver.now() - begunAt) })
      } catch (error) {
        // Nobody else could: while the broker blocks, a call that is given up does not end its channel.
        channel.close()
        throw error
      }
      return channel
    })
  }

  /**
   * Asks for a queue, without the risk that a question has on a channel in use: it is asked on a channel of its own, which
   * goes again (AMQP 0-9-1, 1.7.2.1, passive). Resolves with what a declaration tells, and with undefined when there is no such
   * queue. Rejects with a {@link ChannelClosedError} when the broker does not say (403, 405: somebody else's exclusive queue).
   */
  checkQueue(queue: string, options: CallOptions = {}): Promise<QueueDeclared | undefined> {
    return handled(() => checkQueue(this.#channelSource, queue, options))
  }

  /** Asks whether there is an exchange, as {@link checkQueue} does (AMQP 0-9-1, 1.6.2.1, passive). */
  checkExchange(exchange: string, options: CallOptions = {}): Promise<boolean> {
    return handled(() => checkExchange(this.#channelSource, exchange, options))
  }

  /**
   * Gives the broker a new secret for this connection, a password or token, before the old one expires (RabbitMQ's
   * connection.update-secret). `reason` is for its log. A secret that it refuses ends the connection (530). Rejects with a
   * {@link BackpressureError} when more than `maxBuffered` octets of calls to this wait.
   */
  updateSecret(secret: string | Uint8Array, reason = '', options: CallOptions = {}): Promise<void> {
    const call = new PendingCall<void>(nothing)
    try {
      isSecret(secret, 'secret')
      checkOptions(options, CALL_CHECKS, 'options')
      expectNotAborted(options.signal)
      const driver = this.#driver
      driver.protocol.updateSecret(Buffer.from(secret), reason, call, driver.now(), options.timeout)
      driver.flush()
      this.#aborts ??= new AbortWatch(causes => {
        driver.protocol.withdraw(causes)
        driver.flush()
      })
      this.#aborts.watch(options.signal, call)
    } catch (error) {
      call.reject(error as Error)
    }
    return call.promise
  }

  /** Sends a heartbeat now; the timer sends them anyway. Returns false once the connection is closed. */
  sendHeartbeat(): boolean {
    const sent = this.#driver.protocol.sendHeartbeat()
    if (sent) this.#driver.flush()
    return sent
  }

  /**
   * Closes (AMQP 0-9-1, 1.4.2.7): what was published before goes out, outstanding confirms are waited for, then
   * connection.close is sent.
   *
   * With `drain` all consumers are cancelled before that, what they have not started goes back, and the handlers that run are
   * waited for. Until they are done they may publish, call and settle as before; new channels and consumers are refused. A later
   * call without `drain` ends that wait at once. A handler may call and await it, and is not waited for itself, but its own
   * delivery goes back unless it settles it before (see {@link Channel.close}).
   *
   * Settles within `timeout` whatever the broker does, of which handlers have all but a fifth, or two seconds; what was given up is said in
   * the reason. Safe to call in any state and any number of times; the time of the first call counts.
   */
  close(options: CloseOptions = {}): Promise<CloseReason> {
    return handled(async () => {
      checkOptions(options, CLOSE_CHECKS, 'options')
      const { drain = false, timeout = this.#closeTimeout } = options
      this.#graceful ??= this.#createGracefulClose()
      if (drain) this.#graceful.drain(timeout)
      else this.#graceful.close(timeout)
      return this.closed
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get #channelSource(): ChannelSource {
    return { now: () => this.#driver.now(), openChannel: options => this.openChannel(options) }
  }

  get #isDraining(): boolean {
    return this.#graceful?.isDraining === true
  }

  #createHost(): ChannelHost {
    const driver = this.#driver
    const publishGate = new PublishGate(() => driver.protocol.unsent < this.#highWaterMark)
    driver.onRoom = () => publishGate.noteRoom()
    return {
      endpoint: this.#endpoint,
      publishGate,
      receiveBudget: new ReceiveBudget(this.#maxReceiveBuffered, driver),
      turnShare: new TurnShare(this.#clock),
      clock: this.#clock,
      closeTimeout: this.#closeTimeout,
      now: () => driver.now(),
      turnTime: () => driver.turnTime(),
      appended: () => driver.protocol.appended,
      flush: () => driver.flush(),
    }
  }

  #createGracefulClose(): GracefulClose {
    const driver = this.#driver
    const channels = (): Channel[] => [...(this.#channels ?? [])]
    return new GracefulClose({
      clock: this.#clock,
      endpoint: this.#endpoint,
      now: () => driver.now(),
      consumers: () => channels().flatMap(channel => [...channel.consumers]),
      retireConsumers: () => {
        for (const channel of channels()) channel.consumers.retire()
      },
      close: timeoutMs => {
        driver.protocol.close(driver.now(), timeoutMs)
        for (const channel of channels()) channel.consumers.stop()
        this.#host?.receiveBudget.lift()
        driver.flush()
      },
    })
  }

  #createSecretRefresh(link: Link, settings: Settings): SecretRefresh | undefined {
    const { clock, connectTimeout, login } = settings
    const { credentials } = login
    const { endpoint, secretExpiresAt } = link
    if (credentials === undefined || secretExpiresAt === undefined) return undefined
    const refresh = new SecretRefresh({
      clock,
      endpoint,
      askTimeoutMs: connectTimeout,
      ask: owner => askCredentials(credentials, () => clock.wallTime(), owner),
      update: secret => this.updateSecret(secret, 'the old one expires'),
      tell: (error, retryInMs) => this.announce('secretRefreshFailed', error, retryInMs),
    })
    refresh.start(secretExpiresAt)
    return refresh
  }

  #end(reason: CloseReason): void {
    this.#secretRefresh?.end()
    const lost = reason.error !== undefined
    this.#host?.publishGate.end(lost ? new ConnectionClosedError(reason, this.#endpoint) : undefined)
    this.#reason = this.#told(reason)
    this.#closed?.resolve(this.#reason)
  }

  /** The reason of an end, with what was given up if it is the connection's own end. */
  #told(reason: CloseReason): CloseReason {
    if (reason !== this.#driver.protocol.reason) return reason
    return this.#graceful?.explain(reason, 'connection') ?? reason
  }

  #receive(event: ProtocolEvent): void {
    switch (event.type) {
      case 'replied':
        return (event.token as PendingCall<unknown>).answer(event.reply)
      case 'got':
        return (event.token as PendingCall<unknown, IncomingDelivery | undefined>).answer(event.delivery)
      case 'failed':
        return (event.token as Deferred<unknown>).reject(event.error)
      case 'confirmed':
        for (const token of event.tokens) (token as Deferred<void>).resolve()
        return
      case 'delivered':
        return (event.consumer as Consumer).receive(event.delivery)
      case 'consumerEnded':
        return (event.consumer as Consumer).end(this.#told(event.reason))
      case 'channelClosed':
        this.#channels?.delete(event.channel as Channel)
        return (event.channel as Channel).receive({ ...event, reason: this.#told(event.reason) })
      case 'drained':
      case 'returned':
      case 'takenBack':
        return (event.channel as Channel).receive(event)
      case 'blocked':
        return this.announce('blocked', event.reason)
      case 'unblocked':
        return this.announce('unblocked')
      case 'stalled':
        return this.announce('stalled', event.lagMs)
      case 'closed':
        return this.#end(event.reason)
    }
  }
}
