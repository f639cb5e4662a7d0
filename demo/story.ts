// What happens, step by step, and what must have come of each step before the next. A step that does not happen in its
// time ends the demo with an error that names it.

import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Channel,
  type CloseReason,
  type Connection,
  connect,
  describeReason,
  HeartbeatError,
} from '../src/index.js'
import type { Broker } from './broker.js'
import { Ledger } from './ledger.js'
import { Lifeline } from './lifeline.js'
import { readMessages } from './lines.js'
import { Publisher } from './publisher.js'
import { type Snapshot, seconds, type View } from './view.js'

/** Seconds: short, to be watched. Below 5 a busy machine may raise a false alarm; the default is 20. */
const HEARTBEAT = 2
/** A broker that accepts and stays silent costs an attempt to connect this long; the default is 10 s. */
const CONNECT_TIMEOUT_MS = 2000
const QUIET_MS = 2500 * HEARTBEAT
const PACE_MS = 40
const FAST_PACE_MS = 5
/** What is allowed to a timer on a busy machine. */
const TOLERANCE_MS = 1000

const QUEUE_OPTIONS = {
  // An interrupted demo cannot delete its queue; the broker does, when nobody has used it for a minute.
  arguments: { 'x-expires': 60_000 },
}

export class Story {
  readonly #broker: Broker
  readonly #view: View
  readonly #signal: AbortSignal
  readonly #queue = `thump-demo-${randomUUID()}`
  readonly #ledger = new Ledger(readMessages())
  readonly #publisher = new Publisher(this.#ledger, this.#queue)
  readonly #lifeline: Lifeline
  #lives = 0
  #isFrozen = false
  #losses: CloseReason[] = []
  #failures = 0
  #fatal: unknown

  constructor(broker: Broker, view: View, signal: AbortSignal) {
    this.#broker = broker
    this.#view = view
    this.#signal = signal
    const options = {
      heartbeat: HEARTBEAT,
      connectTimeout: CONNECT_TIMEOUT_MS,
      connectionName: 'thump-demo',
    }
    this.#lifeline = new Lifeline(broker.url, options, {
      live: connection => this.#live(connection),
      noteLost: reason => this.#noteLost(reason),
      noteFailed: error => this.#noteFailed(error),
    })
  }

  /** Tells the whole story. Resolves with whether nothing that was confirmed is missing. */
  async run(): Promise<boolean> {
    this.#lifeline.run().catch(error => {
      this.#fatal = error
    })
    await this.#until('the first connection', 10_000, () => this.#lives === 1)
    await this.#traffic()
    await this.#quiet()
    await this.#death()
    await this.#return()
    await this.#drain()
    return this.#verdict()
  }

  /** Ends the connection, in whatever state the story is, and removes the queue. */
  async end(): Promise<void> {
    this.#publisher.stop()
    await this.#lifeline.stop()
    await this.#removeQueue().catch(() => {})
  }

  snapshot(): Snapshot {
    return {
      broker: this.#broker.description,
      isFrozen: this.#isFrozen,
      connection: this.#lifeline.connection,
      lives: this.#lives,
      counts: this.#ledger.counts,
    }
  }

  /** What is made anew on every connection. The life is over when any of the three is. */
  async #live(connection: Connection): Promise<CloseReason> {
    const channel = await connection.openChannel({ confirm: true })
    await channel.queueDeclare(this.#queue, QUEUE_OPTIONS)
    const consumer = await channel.consume(this.#queue, delivery => {
      const id = delivery.properties.messageId ?? ''
      this.#ledger.receive({ id, text: delivery.body.toString() }, delivery.redelivered)
    })
    this.#noteLife(connection, channel)
    return await Promise.race([connection.closed, channel.closed, consumer.closed])
  }

  async #traffic(): Promise<void> {
    this.#view.tell(`traffic: a line every ${PACE_MS} ms, confirmed, consumed, acknowledged`, 'step')
    this.#publisher.start(PACE_MS)
    await this.#until('50 lines confirmed and consumed', 15_000, () => {
      const { confirmed, consumed } = this.#ledger.counts
      return confirmed >= 50 && consumed >= 50
    })
    this.#publisher.stop()
  }

  async #quiet(): Promise<void> {
    this.#view.tell(`quiet: for ${seconds(QUIET_MS)} only heartbeats keep the connection alive`, 'step')
    const before = this.#beats()
    await delay(QUIET_MS, undefined, { signal: this.#signal })
    const after = this.#beats()
    const [sent, received] = [after.sent - before.sent, after.received - before.received]
    this.#expect('two heartbeats each way', sent >= 2 && received >= 2)
    this.#view.tell(`${sent} heartbeats sent, ${received} received: alive`, 'good')
  }

  async #death(): Promise<void> {
    this.#publisher.start(PACE_MS)
    await this.#until('traffic again', 5_000, () => this.#ledger.counts.confirmed >= 60)
    // What was negotiated, which may be less than what was asked for.
    const intervalMs = 1000 * (this.#lifeline.connection?.heartbeat ?? 0)
    await this.#broker.freeze()
    this.#isFrozen = true
    const frozenAt = performance.now()
    const [least, most] = [seconds(intervalMs), seconds(2 * intervalMs)]
    this.#view.tell(`the broker is frozen: ${this.#broker.freezing}`, 'step')
    this.#view.tell('its sockets stay open and take octets, but none come any more')
    this.#view.tell(`silence of 2 intervals is death: in more than ${least}, at most ${most}`)
    await this.#until('the end of the connection', 20_000, () => this.#losses.length > 0)
    const elapsed = performance.now() - frozenAt
    const isInTime = elapsed > intervalMs && elapsed <= 2 * intervalMs + TOLERANCE_MS
    this.#view.tell(`noticed ${seconds(elapsed)} after the freeze`, isInTime ? 'good' : 'bad')
    this.#expect('death noticed in time', isInTime)
    this.#expect('the heartbeat as the reason', this.#losses[0]?.by === 'heartbeat')
  }

  async #return(): Promise<void> {
    const { unknown, 'not-sent': notSent } = this.#ledger.rejected
    this.#view.tell(`publishes rejected: ${unknown} with outcome 'unknown', ${notSent} with 'not-sent'`)
    this.#view.tell('connecting again, by hand', 'step')
    await this.#until('an attempt that fails', 10_000, () => this.#failures > 0)
    await this.#broker.thaw()
    this.#isFrozen = false
    this.#view.tell('the broker is thawed', 'step')
    await this.#until('the next connection', 20_000, () => this.#lives === 2)
  }

  async #drain(): Promise<void> {
    this.#view.tell('what was not confirmed goes again, under the same messageId')
    this.#publisher.start(FAST_PACE_MS)
    await this.#until('every line confirmed', 20_000, () => {
      const { confirmed, messages } = this.#ledger.counts
      return confirmed === messages
    })
    await this.#until('every confirmed line consumed', 10_000, () => this.#ledger.missing.length === 0)
    this.#publisher.stop()
    await this.#lifeline.stop()
  }

  #verdict(): boolean {
    const { messages, confirmed, publishedAgain, duplicates, redelivered } = this.#ledger.counts
    const { missing, changed } = this.#ledger
    const isWhole = missing.length === 0 && changed === 0
    this.#view.tell(`${messages} lines, ${confirmed} confirmed, ${publishedAgain} published again`, 'step')
    this.#view.tell(`${duplicates} came twice, as at-least-once allows; the messageId tells:`)
    this.#view.tell(
      `  ${duplicates - redelivered} had arrived, but their confirm was lost with the connection`,
    )
    this.#view.tell(`  ${redelivered} were delivered again, because their acknowledgement was lost`)
    this.#view.tell(
      `${missing.length} confirmed lines missing, ${changed} changed on the way`,
      isWhole ? 'good' : 'bad',
    )
    return isWhole
  }

  #noteLife(connection: Connection, channel: Channel): void {
    this.#publisher.use(channel)
    this.#lives++
    const heartbeat = `asked for a heartbeat of ${HEARTBEAT} s, negotiated ${connection.heartbeat} s`
    this.#view.tell(`connected, life ${this.#lives}: ${heartbeat}`, 'good')
  }

  #noteLost(reason: CloseReason): void {
    this.#losses.push(reason)
    this.#view.tell(describeReason(reason), 'bad')
    this.#view.tell(`reason.by '${reason.by}', text '${reason.text}'`)
    const { error } = reason
    if (!(error instanceof HeartbeatError)) return
    this.#view.tell(`reason.error ${error.name}, code ${error.code}, localPort ${error.localPort}`)
    this.#view.tell(`  intervalMs ${error.intervalMs}, silenceMs ${Math.round(error.silenceMs)}`)
    this.#view.tell(
      `  queuedOctets ${error.queuedOctets}, eventLoopLagMs ${Math.round(error.eventLoopLagMs)}`,
    )
  }

  #noteFailed(error: unknown): void {
    this.#failures++
    this.#view.tell(`${error instanceof Error ? error.message : error}`, 'bad')
  }

  #beats(): { readonly sent: number; readonly received: number } {
    const stats = this.#lifeline.connection?.stats
    return { sent: stats?.heartbeatsSent ?? 0, received: stats?.heartbeatsReceived ?? 0 }
  }

  async #removeQueue(): Promise<void> {
    const connection = await connect(this.#broker.url)
    try {
      const channel = await connection.openChannel()
      await channel.queueDelete(this.#queue)
    } finally {
      await connection.close()
    }
  }

  async #until(what: string, timeoutMs: number, probe: () => boolean): Promise<void> {
    const deadline = performance.now() + timeoutMs
    while (!probe()) {
      if (this.#fatal !== undefined) throw this.#fatal
      if (performance.now() >= deadline) throw new Error(`${what}: not within ${seconds(timeoutMs)}`)
      await delay(10, undefined, { signal: this.#signal })
    }
  }

  #expect(what: string, isSo: boolean): void {
    if (!isSo) throw new Error(`did not happen: ${what}`)
  }
}
