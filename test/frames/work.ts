// What decoding costs, counted: octets of memory asked for, and whether the time grows with the input or faster. Both are for
// peers who would have us work.

import { expect } from 'chai'

/** Octets of all buffers that are made while it acts, whether they are kept or not. */
export function octetsAllocated(act: () => void): number {
  const { allocUnsafe, allocUnsafeSlow, from } = Buffer
  let octets = 0
  const counting =
    <P extends unknown[], B extends Buffer>(make: (...parameters: P) => B) =>
    (...parameters: P): B => {
      const made = make(...parameters)
      octets += made.length
      return made
    }
  Buffer.allocUnsafe = counting(allocUnsafe)
  Buffer.allocUnsafeSlow = counting(allocUnsafeSlow)
  Buffer.from = counting(from as (...parameters: unknown[]) => Buffer) as typeof from
  try {
    act()
  } finally {
    Object.assign(Buffer, { allocUnsafe, allocUnsafeSlow, from })
  }
  return octets
}

const TIMES = 8
// In the middle between the eight of what is linear and the sixty-four of what is quadratic.
const TIMES_AS_LONG = 24
const TRIES = 15
/** Microseconds; the clock of the processor may have no finer ticks. */
const TICK = 1_000

/**
 * Fails when eight times as much to do takes far more than eight times as long, in the best of many tries. It is time of the
 * processor, so that other processes do not count; those of the engine (its compiler, its collector) cannot fall into every try.
 */
export function expectLinear(workOf: (size: number) => () => void, size: number): void {
  const [small, large] = [workOf(size), workOf(TIMES * size)]
  let [once, many] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let count = 0; count < TRIES; count++) {
    once = Math.min(once, microsecondsOf(small))
    many = Math.min(many, microsecondsOf(large))
    if (count > 0 && many < TIMES_AS_LONG * once + TICK) return
  }
  expect.fail(`${many} microseconds, when an eighth of it takes ${once}`)
}

function microsecondsOf(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}
