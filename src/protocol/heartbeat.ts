// Heartbeats (spec 4.2.7) as a pure object on the caller's clock: when to send one, and when the peer is dead.
//
// Sending: half an interval after the last octet went to the socket, by timestamps and not by flags (a flag sampled by
// a periodic timer stretches the gap to a whole interval). A backlog on its way counts as traffic.
//
// Receiving: any octet is life, a trickle inside one frame too; our own writes never are. Two intervals of silence are
// death, which is what the specification asks for and RabbitMQ itself allows at least. A frame that has begun must end
// within eight intervals: a corrupted length would otherwise swallow the peer's heartbeats, and live on them, for ever.
//
// The event loop may stall, and Node runs expired timers before it reads sockets. So the first look at a silent peer
// only suspects; the driver lets one poll phase run and looks again.

/** What looking at the clock showed. */
export type Verdict = 'alive' | 'suspect' | 'dead'

/** The event loop was late: by how much, and when that was noticed. */
export interface Stall {
  readonly lagMs: number
  readonly at: number
}

/** Intervals of silence that are death. */
const DEATH_INTERVALS = 2
/** Intervals a frame may take from its first octet to its last. */
const FRAME_INTERVALS = 8

export class Heartbeat {
  /** Milliseconds; 0 is off. */
  readonly intervalMs: number
  #lastReceivedAt: number
  #lastSentAt: number
  #frameBegunAt: number | undefined
  #paused = false
  #backlog = false
  #suspected = false
  #stall: Stall | undefined
  #wakeAt: number

  /** Counts from Tune-Ok, as RabbitMQ does. */
  constructor(intervalSeconds: number, now: number) {
    this.intervalMs = intervalSeconds * 1000
    this.#lastReceivedAt = now
    this.#lastSentAt = now
    this.#wakeAt = this.intervalMs === 0 ? Number.POSITIVE_INFINITY : now + this.intervalMs / 2
  }

  /** When to call {@link tick} next. It may come early (traffic has moved the real deadline) but never late. */
  get nextDeadline(): number {
    return this.#wakeAt
  }

  /** Milliseconds since the last octet came. */
  silenceAt(now: number): number {
    return now - this.#lastReceivedAt
  }

  /** Milliseconds since the last octet went to the socket. */
  idleAt(now: number): number {
    return now - this.#lastSentAt
  }

  /** Octets came; `midFrame` says whether they ended inside a frame that has begun. */
  noteReceived(now: number, midFrame: boolean, framesCompleted: boolean): void {
    this.#lastReceivedAt = now
    if (!midFrame) this.#frameBegunAt = undefined
    else if (framesCompleted || this.#frameBegunAt === undefined) this.#frameBegunAt = now
  }

  /** Octets were handed to the socket; until {@link noteWritten} they are a backlog on its way. */
  noteHandedOver(now: number): void {
    this.#lastSentAt = now
    this.#backlog = true
  }

  /** The socket has taken everything that was handed to it. */
  noteWritten(now: number): void {
    this.#lastSentAt = now
    this.#backlog = false
  }

  /** Whether half an interval has passed without a write. */
  isDue(now: number): boolean {
    return this.intervalMs !== 0 && !this.#backlog && now - this.#lastSentAt >= this.intervalMs / 2
  }

  /**
   * The clock has jumped forward: the machine slept, or was stopped. The silence was not the peer's: it has one
   * interval left, enough for a live peer to beat twice.
   */
  noteSuspension(now: number): void {
    if (this.intervalMs === 0) return
    this.#lastReceivedAt = Math.max(this.#lastReceivedAt, now - (DEATH_INTERVALS - 1) * this.intervalMs)
    if (this.#frameBegunAt !== undefined) this.#frameBegunAt = now
    this.#wakeAt = now
  }

  /** Reading stops on our side, so silence says nothing. */
  pauseReceiving(): void {
    this.#paused = true
  }

  /** Reading goes on; the peer has two full intervals again. */
  resumeReceiving(now: number): void {
    this.#paused = false
    this.#lastReceivedAt = now
    if (this.#frameBegunAt !== undefined) this.#frameBegunAt = now
  }

  /** Milliseconds by which this look at the clock is late; what kept the event loop busy. */
  lagAt(now: number): number {
    return Math.max(0, now - this.#wakeAt)
  }

  /** Whether the deadline is so long past that the event loop must have been blocked; then this is remembered. */
  noteStall(now: number): Stall | undefined {
    const lagMs = this.lagAt(now)
    if (lagMs <= this.intervalMs / 2) return undefined
    this.#stall = { lagMs, at: now }
    return this.#stall
  }

  /** The last stall, if the peer may have taken it for our death. */
  recentStall(now: number): Stall | undefined {
    const stall = this.#stall
    return stall !== undefined && now - stall.at <= DEATH_INTERVALS * this.intervalMs ? stall : undefined
  }

  /**
   * Judges the peer and sets the next deadline. On `suspect` that deadline is now: look again after a poll phase. On
   * `dead` there is none.
   */
  tick(now: number): Verdict {
    if (this.intervalMs === 0) return 'alive'
    const verdict = this.#judge(now)
    this.#suspected = verdict === 'suspect'
    if (verdict === 'alive') this.#wakeAt = this.#earliestDeadline(now)
    else this.#wakeAt = verdict === 'suspect' ? now : Number.POSITIVE_INFINITY
    return verdict
  }

  /** Why the peer counts as dead, for people. */
  describeDeath(now: number): string {
    const interval = `${this.intervalMs / 1000} s`
    return this.#frameOverdue(now)
      ? `a frame that the peer began has not ended for ${FRAME_INTERVALS} heartbeat intervals of ${interval}`
      : `nothing received for ${Math.round(this.silenceAt(now))} ms, heartbeat interval ${interval}`
  }

  #judge(now: number): Verdict {
    if (this.#paused) return 'alive'
    const silent = this.silenceAt(now) >= DEATH_INTERVALS * this.intervalMs
    if (!silent && !this.#frameOverdue(now)) return 'alive'
    return this.#suspected ? 'dead' : 'suspect'
  }

  #frameOverdue(now: number): boolean {
    return this.#frameBegunAt !== undefined && now - this.#frameBegunAt >= FRAME_INTERVALS * this.intervalMs
  }

  #earliestDeadline(now: number): number {
    const send =
      this.#backlog || this.isDue(now) ? now + this.intervalMs / 2 : this.#lastSentAt + this.intervalMs / 2
    if (this.#paused) return send
    const death = this.#lastReceivedAt + DEATH_INTERVALS * this.intervalMs
    const frame =
      this.#frameBegunAt === undefined ? send : this.#frameBegunAt + FRAME_INTERVALS * this.intervalMs
    return Math.min(send, death, frame)
  }
}
