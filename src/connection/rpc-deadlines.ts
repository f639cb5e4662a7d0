// When requests have waited too long. One timer for all of a client: most are answered long before, and a timer of its own
// costs each of them a tenth of what it costs in all.

import { DeadlineOrder } from '../protocol/index.js'
import type { Clock, Timer } from './clock.js'

/** Who waits until a deadline, on the clock's own time. */
export interface Deadlined {
  readonly deadline: number
  /** It has not settled by then. */
  expire(): void
}

export class RpcDeadlines {
  readonly #clock: Clock
  readonly #waiting: () => Iterable<Deadlined>
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY
  /** Those who have the same time wait in the order of their deadlines. */
  readonly #order = new DeadlineOrder()

  /** @param waiting those who wait now, in the order in which they began to */
  constructor(clock: Clock, waiting: () => Iterable<Deadlined>) {
    this.#clock = clock
    this.#waiting = waiting
  }

  /** One more waits. The timer is not stopped when nobody does any more: then it only looks. */
  add(waiting: Deadlined): void {
    this.#order.add(waiting)
    this.#arm(waiting.deadline)
  }

  #arm(deadline: number): void {
    if (deadline >= this.#timerAt) return
    this.#timer?.cancel()
    this.#timerAt = deadline
    this.#timer = this.#clock.startTimer(this.#onTimer, Math.max(0, deadline - this.#clock.now()))
  }

  /** Nobody waits any more, nor will. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAt = Number.NEGATIVE_INFINITY
  }

  /** What is waited for may have come while the event loop was blocked: it is read first. */
  readonly #onTimer = (): void => {
    this.#timer = this.#clock.afterPoll(this.#look)
  }

  readonly #look = (): void => {
    this.#timerAt = Number.POSITIVE_INFINITY
    const now = this.#clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const each of this.#waiting()) {
      if (each.deadline <= now) each.expire()
      else {
        next = Math.min(next, each.deadline)
        // Hundreds of thousands that expire one by one must not be looked through each time.
        if (this.#order.isKept) break
      }
    }
    if (next !== Number.POSITIVE_INFINITY) this.#arm(next)
    else this.#order.restart()
  }
}
