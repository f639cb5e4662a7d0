// Couples one stream to one ConnectionProtocol: octets in, batches out, the one timer, and events handed on. It decides
// nothing about AMQP. Everything ends when the protocol says `closed`: the stream is destroyed and the timer gone before
// anybody hears of it.

import type { Duplex } from 'node:stream'
import type { ConnectionProtocol, ProtocolEvent } from '../protocol/index.js'
import { warnOfThrow } from './announcer.js'
import { AwakeTime, type Clock, LONGEST_TIMER_MS, type Timer } from './clock.js'

export class Driver {
  readonly protocol: ConnectionProtocol
  /** Called when octets may have left, or ceased to wait: there may be room for more. */
  onRoom: (() => void) | undefined
  /** Where events go. */
  onEvent: (event: ProtocolEvent) => void
  readonly #stream: Duplex
  readonly #clock: Clock
  readonly #time: AwakeTime
  /** A socket has done with what it is given when it calls back; a stream of the application's may keep it. */
  readonly #copies: boolean
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #writing = false
  #flushScheduled = false
  #moreFollow = false
  #turnTime: number | undefined
  /** Jumps of the wall clock that the protocol knows of. */
  #jumps: number
  #dispatching = false
  #paused = false
  #ended = false
  #lagMs = 0

  constructor(
    stream: Duplex,
    clock: Clock,
    createProtocol: (now: number) => ConnectionProtocol,
    onEvent: (event: ProtocolEvent) => void,
    isForeign: boolean,
  ) {
    this.#stream = stream
    this.#copies = isForeign
    this.#clock = clock
    this.#time = AwakeTime.of(clock)
    this.onEvent = onEvent
    this.protocol = createProtocol(this.#time.now())
    this.#jumps = this.#time.jumps
    // 'close' comes with a boolean: whether there was an error, which was told before.
    const onEnd = (error?: Error | boolean): void => this.#end(typeof error === 'object' ? error : undefined)
    stream.on('error', onEnd).on('end', onEnd).on('close', onEnd)
  }

  /** Sends what the protocol begins with. Before, nobody would be there to hear of what comes back. */
  start(): void {
    this.#pump(this.now())
  }

  /** Milliseconds; a jump of the wall clock is noticed here, so that no deadline is reckoned from before a sleep. */
  now(): number {
    const now = this.#time.now()
    this.#noticeJump(now)
    return now
  }

  /**
   * The time at which it was first asked for in this turn of the event loop: for what is issued in large numbers, and counts from
   * the end of the turn. Whoever asks has to {@link flush}.
   */
  turnTime(): number {
    this.#turnTime ??= this.now()
    return this.#turnTime
  }

  /** By how many milliseconds the timer was late the last time it ran. */
  get eventLoopLagMs(): number {
    return this.#lagMs
  }

  /**
   * Octets came. The chunk is borrowed. When more of them are about to come in this turn of the event loop, what is sent in
   * answer goes together when they have.
   */
  receive(chunk: Buffer, moreFollow = false): void {
    if (this.#ended) return
    const now = this.now()
    try {
      this.protocol.receiveData(chunk, now)
      // A close, and the answer to one, wait for nothing.
      this.#moreFollow = moreFollow && this.protocol.state === 'open'
      if (this.#moreFollow) this.flush()
      this.#pump(now)
    } catch (error) {
      // A mistake of ours. The socket would go on reading into memory that may be the application's by now.
      this.#stream.destroy()
      throw error
    } finally {
      this.#moreFollow = false
    }
  }

  /** Where the octets that come next may be put; undefined: anywhere. */
  get place(): Buffer | undefined {
    return this.#ended ? undefined : this.protocol.place
  }

  /** A command was given: what it produced leaves at the end of this turn, or now when there is enough of it. */
  flush(): void {
    // While a batch is with the socket this is asked for each message: no look at the clock for nothing.
    if (!this.#writing && this.protocol.hasBatch) this.#transmit(this.now())
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    if (this.#moreFollow) this.#clock.afterPoll(() => this.#endTurn())
    else process.nextTick(Driver.#endTurnOf, this)
  }

  /** Stops reading: the application has more than it can take. */
  pauseReading(): void {
    if (this.#paused) return
    this.#paused = true
    this.#stream.pause()
    this.protocol.pauseReceiving()
  }

  resumeReading(): void {
    if (!this.#paused) return
    this.#paused = false
    this.protocol.resumeReceiving(this.now())
    this.#stream.resume()
  }

  // Here and below: an idle connection has no function of its own but the one that its timer calls.
  static readonly #endTurnOf = (driver: Driver): void => driver.#endTurn()

  #endTurn(): void {
    const now = this.now()
    this.#flushScheduled = false
    if (this.#turnTime !== undefined) this.protocol.handleTurnEnd(now)
    this.#turnTime = undefined
    this.#pump(now)
  }

  #pump(now: number): void {
    if (!this.#moreFollow) this.#transmit(now)
    this.#arm(now)
    this.#dispatch()
    this.onRoom?.()
  }

  #transmit(now: number): void {
    if (this.#writing || this.#ended) return
    const batch = this.protocol.pollTransmit(now)
    if (batch === undefined) return
    this.#writing = true
    const last = batch.length - 1
    try {
      if (last > 0) this.#stream.cork()
      for (const [index, octets] of batch.entries()) {
        const given = this.#copies ? Buffer.from(octets) : octets
        this.#stream.write(given, index === last ? error => this.#afterWrite(error) : undefined)
      }
      if (last > 0) this.#stream.uncork()
    } catch (error) {
      // Node's own streams do not throw here; one of the application's may.
      this.#end(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #afterWrite(error: Error | null | undefined): void {
    this.#writing = false
    // A failed write is followed by 'error' and 'close', which know more.
    if (error || this.#ended) return
    const now = this.now()
    this.protocol.handleWritten(now)
    this.#pump(now)
  }

  #arm(now: number): void {
    const deadline = this.protocol.nextDeadline()
    // Deadlines move with every octet; a timer that runs too early only looks and is set again.
    if (this.#ended || deadline >= this.#timerAt) return
    this.#timer?.cancel()
    this.#timerAt = deadline
    const delayMs = deadline - now
    if (delayMs <= 0) this.#lookAfterPoll()
    else
      this.#timer = this.#clock.startTimer(
        () => this.#onTimer(),
        Math.min(Math.ceil(delayMs), LONGEST_TIMER_MS),
      )
  }

  #lookAfterPoll(): void {
    this.#timer = this.#clock.afterPoll(() => this.#handleTimeout(this.now()))
  }

  #onTimer(): void {
    const now = this.#time.now()
    if (this.#noticeJump(now)) return
    this.#lagMs = Math.max(0, now - this.#timerAt)
    if (this.#lagMs <= LATE_MS) return this.#handleTimeout(now)
    // Node runs timers before it reads sockets. After a stall what everybody waits for may have come long ago.
    this.#lookAfterPoll()
    this.#timerAt = Number.NEGATIVE_INFINITY
  }

  #handleTimeout(now: number): void {
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    this.protocol.handleTimeout(now)
    this.#pump(now)
  }

  #noticeJump(now: number): boolean {
    if (this.#jumps === this.#time.jumps) return false
    this.#jumps = this.#time.jumps
    this.protocol.handleSuspension(now)
    // It was set for a moment that the sleep has carried away.
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#arm(now)
    return true
  }

  #dispatch(): void {
    if (this.#dispatching) return
    this.#dispatching = true
    try {
      for (let event = this.protocol.pollEvent(); event !== undefined; event = this.protocol.pollEvent()) {
        if (event.type === 'closed') this.#release()
        this.onEvent(event)
      }
    } finally {
      this.#dispatching = false
    }
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return
    const now = this.now()
    // What was to go with more that would follow.
    this.#transmit(now)
    this.protocol.receiveEnd(now, error)
    this.#pump(now)
  }

  /** Destroyed and never ended: on a dead peer an end would wait for ever, and the last octets have left already. */
  #release(): void {
    this.#ended = true
    this.#timer?.cancel()
    this.#timer = undefined
    try {
      this.#stream.destroy()
    } catch (error) {
      warnOfThrow("the stream's destroy", error)
    }
  }
}

/** A timer that is later than this was held up; ordinary jitter stays below. */
const LATE_MS = 50
