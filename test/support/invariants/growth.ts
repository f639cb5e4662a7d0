// Whether something grows without bound: memory after a garbage collection, and the listeners of emitters. What is
// allocated once (caches, compiled code, a pool that fills up) grows in the first rounds and then no more, so the verdict
// is on the smallest of a few rounds; a leak shows in every one.

import type { EventEmitter } from 'node:events'
import { setImmediate as immediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface GrowthOptions {
  /** How often the action runs in one round; there are up to three rounds, and a tenth of one to warm up. */
  readonly times: number
  /** What one round may leave behind: heap plus external memory (buffers), in octets. */
  readonly maxOctets: number
  /** Their listeners must be as many after a round as before. */
  readonly emitters?: readonly EventEmitter[] | undefined
}

const ROUNDS = 3

/**
 * Runs the action many times and measures what it leaves behind. Resolves with the octets of the best round.
 *
 * @throws {Error} when every round left more than `maxOctets`, or a listener on one of the emitters
 */
export async function grows(action: () => unknown, options: GrowthOptions): Promise<number> {
  const { times, maxOctets, emitters = [] } = options
  await repeat(action, Math.ceil(times / 10))
  const listeners = emitters.map(listenerCounts)
  const octets: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = await heldOctets()
    await repeat(action, times)
    octets.push((await heldOctets()) - before)
    if (Math.min(...octets) <= maxOctets) break
  }
  const left = emitters.flatMap((emitter, index) => addedListeners(emitter, listeners[index] ?? new Map()))
  if (left.length > 0) throw new Error(`grows without bound: ${left.join(', ')}`)
  const best = Math.min(...octets)
  if (best <= maxOctets) return best
  throw new Error(
    `grows without bound: ${times} times left ${best} octets behind (${Math.round(best / times)} each time), ` +
      `at most ${maxOctets} are allowed; by round: ${octets.join(', ')}`,
  )
}

async function repeat(action: () => unknown, times: number) {
  for (let done = 0; done < times; done += 1) await action()
}

/** Octets held after garbage collection: the heap, and what lies outside it. */
export async function heldOctets(): Promise<number> {
  // Two turns of the event loop: finalizers run between collections, and closed handles let go of their memory.
  for (let turn = 0; turn < 2; turn += 1) {
    await immediate()
    collectGarbage()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** The collector's own function appears only in contexts made after the flag is set; no flag of the command is needed. */
const collectGarbage: () => void = (() => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
})()

function listenerCounts(emitter: EventEmitter): ReadonlyMap<string | symbol, number> {
  return new Map(emitter.eventNames().map(name => [name, emitter.listenerCount(name)]))
}

function addedListeners(emitter: EventEmitter, before: ReadonlyMap<string | symbol, number>): string[] {
  const now = [...listenerCounts(emitter)]
  const added = now.filter(([name, count]) => count > (before.get(name) ?? 0))
  return added.map(
    ([name, count]) => `'${String(name)}' has ${count} listeners, had ${before.get(name) ?? 0}`,
  )
}
