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
  /** Calls back once after `delayMs`. */
  startTimer(callback: () => void, delayMs: number): Timer
  /** Calls back once, after the event loop has looked at its sockets. */
  afterPoll(callback: () => void): Timer
}

// Classes, and no closures: every connection has a timer that runs.

class SystemTimer implements Timer {
  readonly #timeout: NodeJS.Timeout

  constructor(callback: () => void, delayMs: number) {
    this.#timeout = setTimeout(callback, delayMs)
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
 * peer's does not.
 */
export class AwakeTime {
  readonly #clock: Clock
  #slept = 0
  #drift: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#drift = clock.wallTime() - clock.now()
  }

  /** Milliseconds, all sleep that {@link noticeJump} has noticed included. */
  now(): number {
    return this.#clock.now() + this.#slept
  }

  /** Whether the wall clock has jumped forward since this was asked last. */
  noticeJump(): boolean {
    const drift = this.#clock.wallTime() - this.#clock.now()
    const jump = drift - this.#drift
    this.#drift = drift
    if (jump < JUMP_MS) return false
    this.#slept += jump
    return true
  }
}
