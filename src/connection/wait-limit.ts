// A limit on a wait that the protocol layer keeps no time for, because nothing of AMQP happens when it ends.

import type { Wait } from './abort-watch.js'
import type { Clock, Timer } from './clock.js'

/** Gives up after so many milliseconds, unless that is cancelled. */
export function startLimit(clock: Clock, timeoutMs: number, giveUp: () => void): Timer {
  let timer = clock.startTimer(() => {
    // What is waited for may have come while the event loop was blocked: it is read first.
    timer = clock.afterPoll(giveUp)
  }, timeoutMs)
  return { cancel: () => timer.cancel() }
}

/** Gives up after so many milliseconds, unless the wait has settled by then. */
export function giveUpAfter(clock: Clock, timeoutMs: number, wait: Wait, giveUp: () => void): void {
  const limit = startLimit(clock, timeoutMs, giveUp)
  const stop = (): void => limit.cancel()
  wait.promise.then(stop, stop)
}

/** What is left of a time, at least a moment: for the second of two calls that share it. */
export function leftOf(timeoutMs: number | undefined, goneMs: number): number | undefined {
  return timeoutMs === undefined ? undefined : Math.max(1, Math.ceil(timeoutMs - goneMs))
}
