// How much of a turn of the event loop the application may take for the deliveries of a connection. What a handler does is
// the application's, a flood of deliveries calls it thousands of times, and meanwhile everything else in the process stands
// still: timers, other sockets, heartbeats. So after a while nothing more is begun in that turn; it goes on in the next one.
//
// Reading the clock costs a tenth of what a small delivery does, so it is looked at now and then: rarely as long as the work is
// quick, each time when it is not. To hear when a turn is over costs going round the event loop once more, which a
// broker that hands out a few deliveries at a time would make us do for each of them. So looks that follow closely are
// taken for one turn, until there have been enough of them to find out.

import type { Clock } from './clock.js'

/** Milliseconds: few enough for a timer that is due, many enough that going round the event loop costs nothing. */
const SHARE_MS = 20
/** From here on the end of the turn is waited for. */
const AWAIT_END_AFTER_MS = 2
/** Work that takes longer from one look to the next is looked at more closely. */
const QUICK_MS = 1
/** Deliveries from one look to the next, when they are quick. */
const STRIDE_MAX = 8

export class TurnShare {
  readonly #clock: Clock
  readonly #waiting: (() => void)[] = []
  #stride = 1
  #untilLook = 1
  #lastLookAt = Number.NEGATIVE_INFINITY
  /** When this turn was first looked at, or one before it of which nobody has noticed that it is over. */
  #begunAt: number | undefined
  /** The end of this turn will be noticed. */
  #endIsAwaited = false
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
    const isQuick = now - this.#lastLookAt <= QUICK_MS
    // As long as nobody hears of the end of a turn, what is left of a stride would count in the next one, whenever that is.
    const mayStride = this.#endIsAwaited && isQuick
    this.#stride = mayStride ? Math.min(2 * this.#stride, STRIDE_MAX) : 1
    this.#untilLook = this.#stride
    this.#lastLookAt = now
    // It may have been a slow piece of work, or turns that had nothing to do.
    if (!this.#endIsAwaited && !isQuick) this.#begunAt = now
    this.#begunAt ??= now
    const takenMs = now - this.#begunAt
    this.#spent = this.#endIsAwaited && takenMs >= SHARE_MS
    if (this.#endIsAwaited || (isQuick && takenMs < AWAIT_END_AFTER_MS)) return
    this.#endIsAwaited = true
    this.#clock.afterPoll(this.#onTurn)
  }

  readonly #onTurn = (): void => {
    this.#begunAt = undefined
    this.#endIsAwaited = false
    this.#spent = false
    this.#stride = 1
    this.#untilLook = 1
    for (const callback of this.#waiting.splice(0)) callback()
  }
}
