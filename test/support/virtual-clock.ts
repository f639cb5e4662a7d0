// A clock that stands still until a test moves it, in the shape of the `clock` option. It keeps Node's order: in each turn
// of the event loop the timers that are due come first, then the sockets are read, then what waits for that. So a test
// can block the event loop (time passes and nothing runs) or put the machine to sleep (the wall clock alone goes on).
//
// Only time is virtual: octets pass in real turns of the event loop, of which every step of the clock lets a few go by.
// It knows no connection.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock, Timer } from '../../src/index.js'

/** Turns of the real event loop in which octets in memory reach whoever they are for, and the answers come back. */
const TURNS_PER_POLL = 4
/** More turns than this without time passing are a loop that never becomes idle. */
const POLLS_MAX = 1000

interface VirtualTimer extends Timer {
  readonly callback: () => void
  readonly dueAt: number
}

export class VirtualClock implements Clock {
  #now = 1_000
  #wallAhead = Date.UTC(2026, 0, 1)
  readonly #timers = new Set<VirtualTimer>()
  #afterPoll = new Set<() => void>()
  /** How often somebody wanted to be called after a poll. */
  afterPolls = 0

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return this.#wallAhead + this.#now
  }

  startTimer(callback: () => void, delayMs: number): Timer {
    const timer: VirtualTimer = {
      callback,
      dueAt: this.#now + delayMs,
      cancel: () => void this.#timers.delete(timer),
    }
    this.#timers.add(timer)
    return timer
  }

  afterPoll(callback: () => void): Timer {
    this.afterPolls++
    const run = (): void => callback()
    this.#afterPoll.add(run)
    return { cancel: () => void this.#afterPoll.delete(run) }
  }

  /** Calls back every so many milliseconds, for the other side of a test. */
  every(intervalMs: number, callback: () => void): Timer {
    let timer = this.startTimer(again, intervalMs)
    const clock = this
    function again(): void {
      timer = clock.startTimer(again, intervalMs)
      callback()
    }
    return { cancel: () => timer.cancel() }
  }

  /** In how many milliseconds each running timer is due, soonest first. */
  get timers(): readonly number[] {
    return [...this.#timers].map(timer => timer.dueAt - this.#now).sort((a, b) => a - b)
  }

  /** Time passes, and everything happens when it is due. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds
    this.#runDue()
    await this.#settle()
    for (let next = this.#earliest(); next <= until; next = this.#earliest()) {
      this.#now = Math.max(this.#now, next)
      this.#runDue()
      await this.#settle()
    }
    this.#now = until
  }

  /** What is on its way arrives, at the same instant. */
  async settle(): Promise<void> {
    await this.advance(0)
  }

  /** The event loop is blocked: time passes and nothing runs. Timers that are overdue run in the next turn. */
  stall(milliseconds: number): void {
    this.#now += milliseconds
  }

  /** The machine sleeps: the wall clock goes on, the monotonic clock and the timers stand still. */
  sleep(milliseconds: number): void {
    this.#wallAhead += milliseconds
  }

  #earliest(): number {
    return Math.min(...[...this.#timers].map(timer => timer.dueAt))
  }

  #runDue(): void {
    for (const timer of [...this.#timers].sort((a, b) => a.dueAt - b.dueAt)) {
      if (timer.dueAt <= this.#now && this.#timers.delete(timer)) timer.callback()
    }
  }

  async #settle(): Promise<void> {
    for (let polls = 0; polls < POLLS_MAX; polls++) {
      for (let turn = 0; turn < TURNS_PER_POLL; turn++) await nextTurn()
      if (this.#afterPoll.size === 0) return
      for (const run of [...this.#afterPoll]) if (this.#afterPoll.delete(run)) run()
    }
    throw new Error(`something asks for another turn at ${this.#now} ms again and again`)
  }
}
