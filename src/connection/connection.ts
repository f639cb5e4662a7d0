// The object users hold for a connection. It hands commands to the link it lives on, and events to whoever asked; it keeps
// no protocol state of its own.

import {
  type CloseReason,
  ConnectionClosedError,
  type FieldTable,
  type ProtocolEvent,
} from '../protocol/index.js'
import { Announcer } from './announcer.js'
import { checkOptions, isBoolean, isInteger } from './arguments.js'
import { Channel } from './channel.js'
import type { Consumer } from './consumer.js'
import { Deferred, handled } from './deferred.js'
import type { Link } from './link.js'
import type { Settings } from './options.js'
import { PendingCall, type PendingGet } from './pending-call.js'
import { PublishGate } from './publish-gate.js'
import { ReceiveBudget } from './receive-budget.js'
import type { ConnectionStats } from './stats.js'

/** What a connection is doing. `recovering` is reserved for connections that reconnect. */
export type ConnectionState = 'open' | 'recovering' | 'closing' | 'closed'

/** Events of a connection. None needs a listener. */
export interface ConnectionEvents {
  /** The broker takes no more publishes, for this reason, until `unblocked` (RabbitMQ's memory or disk alarm). */
  blocked: [reason: string]
  unblocked: []
  /** The event loop was blocked for so many milliseconds, more than half a heartbeat interval. */
  stalled: [lagMs: number]
}

/** Options of {@link Connection.openChannel}. */
export interface ChannelOptions {
  /** Publishes are confirmed by the broker (RabbitMQ's confirm.select). Default false. */
  confirm?: boolean | undefined
  /** Publishes that may be unconfirmed at a time; more wait. Default 1000. */
  maxUnconfirmed?: number | undefined
}

const CHANNEL_OPTION_CHECKS = { confirm: isBoolean, maxUnconfirmed: isInteger(1, Number.MAX_SAFE_INTEGER) }

/** An open connection, made by `connect()`. */
export class Connection extends Announcer<ConnectionEvents> {
  readonly #link: Link
  readonly #closed = new Deferred<CloseReason>()
  readonly #publishGate: PublishGate
  readonly #receiveBudget: ReceiveBudget
  readonly #connectionName: string | undefined

  /** @internal */
  constructor(link: Link, settings: Settings) {
    super()
    this.#link = link
    this.#connectionName = settings.connectionName
    this.#publishGate = new PublishGate(() => link.driver.protocol.unsent < settings.highWaterMark)
    this.#receiveBudget = new ReceiveBudget(settings.maxReceiveBuffered, link.driver)
    link.attach(event => this.#receive(event))
    link.driver.onRoom = () => this.#publishGate.noteRoom()
  }

  /**
   * Resolves once, when the connection has ended, with the reason; it never rejects. The socket is destroyed by then, all
   * that was pending is settled, and nothing of thump keeps the process alive.
   */
  get closed(): Promise<CloseReason> {
    return this.#closed.promise
  }

  get state(): ConnectionState {
    const { state } = this.#link.driver.protocol
    if (state === 'open' || state === 'closed') return state
    return 'closing'
  }

  /** Why the broker takes no publishes at the moment; undefined when it does. */
  get blocked(): string | undefined {
    return this.#link.driver.protocol.blocked
  }

  /** The heartbeat interval agreed on, in seconds; 0 when there is none. */
  get heartbeat(): number {
    return this.#link.driver.protocol.tune?.heartbeat ?? 0
  }

  /** The largest frame agreed on, in octets. */
  get frameMax(): number {
    return this.#link.driver.protocol.tune?.frameMax ?? 0
  }

  /** Channels that may be open at a time. */
  get channelMax(): number {
    return this.#link.driver.protocol.tune?.channelMax ?? 0
  }

  /** What the server tells about itself: `product`, `version`, `capabilities`, … */
  get serverProperties(): FieldTable {
    return this.#link.driver.protocol.serverProperties
  }

  /** The `connectionName` option. */
  get name(): string | undefined {
    return this.#connectionName
  }

  get stats(): ConnectionStats {
    const { driver } = this.#link
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
      const { driver, endpoint } = this.#link
      const host = {
        endpoint,
        publishGate: this.#publishGate,
        receiveBudget: this.#receiveBudget,
        now: () => driver.now(),
        appended: () => driver.protocol.appended,
        flush: () => driver.flush(),
      }
      const opened = new PendingCall<void>(() => undefined)
      const channel = new Channel(host, owner =>
        driver.protocol.openChannel(owner, options.maxUnconfirmed ?? 1000, opened, driver.now()),
      )
      driver.flush()
      try {
        await opened.promise
        if (options.confirm === true) await channel.confirmSelect()
      } catch (error) {
        // Nobody else could: while the broker blocks, a call that is given up does not end its channel.
        channel.close()
        throw error
      }
      return channel
    })
  }

  /** Sends a heartbeat now; the timer sends them anyway. Returns false once the connection is closed. */
  sendHeartbeat(): boolean {
    const sent = this.#link.driver.protocol.sendHeartbeat()
    if (sent) this.#link.driver.flush()
    return sent
  }

  /**
   * Closes (AMQP 0-9-1, 1.4.2.7): what was published before goes out, outstanding confirms are waited for, then
   * connection.close is sent. Settles within `closeTimeout` whatever the broker does; what was given up then is said in the
   * reason. Safe to call in any state and any number of times.
   */
  close(): Promise<CloseReason> {
    const { driver } = this.#link
    driver.protocol.close(driver.now())
    this.#receiveBudget.lift()
    driver.flush()
    return this.#closed.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #end(reason: CloseReason): void {
    const lost = reason.error !== undefined
    this.#publishGate.end(lost ? new ConnectionClosedError(reason, this.#link.endpoint) : undefined)
    this.#closed.resolve(reason)
  }

  #receive(event: ProtocolEvent): void {
    switch (event.type) {
      case 'replied':
        return (event.token as PendingCall<unknown>).answer(event.reply)
      case 'got':
        return (event.token as PendingGet<unknown>).answer(event.delivery)
      case 'failed':
        return (event.token as Deferred<unknown>).reject(event.error)
      case 'confirmed':
        for (const token of event.tokens) (token as Deferred<void>).resolve()
        return
      case 'delivered':
        return (event.consumer as Consumer).receive(event.delivery)
      case 'consumerEnded':
        return (event.consumer as Consumer).end(event.reason)
      case 'drained':
      case 'returned':
      case 'channelClosed':
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
