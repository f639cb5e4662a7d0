// How much of a turn of the event loop the application may take for the deliveries of a connection. What a handler does is the application's, a
// flood of deliveries calls it thousands of times, and meanwhile everything else in the process stands still: timers,
// other sockets, heartbeats. So after a while nothing more is begun in that turn; it goes on in the next one.
//
// Reading the clock costs a tenth of what a small delivery does, so it is looked at now and then: rarely as long as the work is
// quick, each time when it is not.

import type { Clock } from './clock.js'

/** Milliseconds: few enough for a timer that is due, many enough that going round the event loop costs nothing. */
const SHARE_MS = 20
/** Work that takes longer from one look to the next is looked at more closely. */
const QUICK_MS = 1
/** Deliveries from one look to the next, when they are quick. */
const STRIDE_MAX = 8

export class TurnShare {
  readonly #clock: Clock
  readonly #waiting: (() => void)[] = []
  #stride = 1
  #untilLook = 1
  /** When this turn was first looked at; undefined when it has not been. */
  #begunAt: number | undefined
  #lastLookAt = 0
  #spent = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Asked whenever a piece of work is done, or about to begin. True when what comes has to wait for the next turn. */
  isSpent(): boolean {
    if (this.#spent) return true
    this.#untilLook--
    if (this.#untilLook > 0) return false
    this.#look()
    return this.#spent
  }

  /** Calls back in the next turn, when others have been there; in the order of the calls. */
  onNextTurn(callback: () => void): void {
    this.#waiting.push(callback)
  }

  #look(): void {
    const now = this.#clock.now()
    if (this.#begunAt === undefined) {
      this.#begunAt = now
      this.#clock.afterPoll(this.#onTurn)
    } else {
      this.#stride = now - this.#lastLookAt > QUICK_MS ? 1 : Math.min(2 * this.#stride, STRIDE_MAX)
      this.#spent = now - this.#begunAt >= SHARE_MS
    }
    this.#lastLookAt = now
    this.#untilLook = this.#stride
  }

  readonly #onTurn = (): void => {
    this.#begunAt = undefined
    this.#spent = false
    this.#stride = 1
    this.#untilLook = 1
    for (const callback of this.#waiting.splice(0)) callback()
  }
}
