// A virtual clock that counts the timers that are set: what sets one again and again at no time, or at hardly any, would let a
// test run for ever. Beyond a limit it sets none any more, and says so.

import type { Timer } from '../../../src/index.js'
import { VirtualClock } from '../../support/virtual-clock.js'

/** Several times what the longest session needs. */
const TIMERS_MAX = 20_000

export class CountingClock extends VirtualClock {
  #started = 0

  /** Whether so many timers were set that nothing else explains it than a loop. */
  get isLivelocked(): boolean {
    return this.#started > TIMERS_MAX
  }

  override startTimer(callback: () => void, delayMs: number): Timer {
    this.#started++
    return this.isLivelocked ? { cancel: () => {} } : super.startTimer(callback, delayMs)
  }
}
