// Time as the connection layer sees it, and the only file that asks Node for it. Tests inject another clock. (PublishGate
// counts turns of the event loop, which are no time.)

/** A running timer. */
export interface Timer {
  cancel(): void
}

/** The `clock` option: where thump takes time from. Absent, it is the system's. */
export interface Clock {
  /** Milliseconds on a clock that never goes back; it may stand still while the machine sleeps. */
  now(): number
  /** Milliseconds since 1970. */
  wallTime(): number
  /** Calls back once after `delayMs`, or a few milliseconds later. */
  startTimer(callback: () => void, delayMs: number): Timer
  /** Calls back once, after the event loop has looked at its sockets. */
  afterPoll(callback: () => void): Timer
}

/** Node's timers overflow beyond this and would run at once. */
export const LONGEST_TIMER_MS: number = 2 ** 31 - 1

/** Timers from this length on may be late by less than {@link WAKE_GRID_MS}: 2 %. */
const LONG_MS = 500
const WAKE_GRID_MS = 10

/**
 * The delay up to the next wake-up that long timers share: a process with a thousand connections would otherwise wake a
 * thousand times for their heartbeats. It also keeps Node's timers, which go by the time at which a turn of the event loop
 * began, from running too early for the deadline.
 */
export function sharedDelay(delayMs: number, now: number): number {
  if (delayMs < LONG_MS) return delayMs
  const shared = Math.ceil((now + delayMs) / WAKE_GRID_MS) * WAKE_GRID_MS - now
  return Math.min(shared, LONGEST_TIMER_MS)
}

// Classes, and no closures: every connection has a timer that runs.

class SystemTimer implements Timer {
  readonly #timeout: NodeJS.Timeout

  constructor(callback: () => void, delayMs: number) {
    this.#timeout = setTimeout(callback, Math.ceil(sharedDelay(delayMs, performance.now())))
  }

  cancel(): void {
    clearTimeout(this.#timeout)
  }
}

class SystemImmediate implements Timer {
  readonly #immediate: NodeJS.Immediate

  constructor(callback: () => void) {
    this.#immediate = setImmediate(callback)
  }

  cancel(): void {
    clearImmediate(this.#immediate)
  }
}

export const systemClock: Clock = Object.freeze({
  now: () => performance.now(),
  wallTime: () => Date.now(),
  startTimer: (callback: () => void, delayMs: number): Timer => new SystemTimer(callback, delayMs),
  afterPoll: (callback: () => void): Timer => new SystemImmediate(callback),
})

/** A wall clock that runs this much ahead at once was not adjusted: the machine slept, or the process was stopped. */
const JUMP_MS = 1000

/**
 * Monotonic time plus forward jumps of the wall clock: while a machine sleeps its monotonic clock stands still, and the
 * peer's does not. All connections that go by a clock share this: they sleep together.
 */
export class AwakeTime {
  static readonly #times = new WeakMap<Clock, AwakeTime>()

  /** How often the wall clock has jumped forward, as far as {@link now} has noticed. */
  jumps = 0
  readonly #clock: Clock
  #slept = 0
  #drift: number

  private constructor(clock: Clock) {
    this.#clock = clock
    this.#drift = clock.wallTime() - clock.now()
  }

  static of(clock: Clock): AwakeTime {
    const time = AwakeTime.#times.get(clock) ?? new AwakeTime(clock)
    AwakeTime.#times.set(clock, time)
    return time
  }

  /** Milliseconds, all sleep included: a jump since the last call is noticed now. */
  now(): number {
    const now = this.#clock.now()
    const drift = this.#clock.wallTime() - now
    const jump = drift - this.#drift
    this.#drift = drift
    if (jump >= JUMP_MS) {
      this.#slept += jump
      this.jumps++
    }
    return now + this.#slept
  }
}
