// The invariants' door for tests: `keep`, `watch`, `expectWarning` and `grows`. They work, without checking anything, also
// where the harness is not installed, so that one test file can be run by itself.

import { type GrowthOptions, grows as measureGrowth } from './growth.js'
import { Invariants } from './invariants.js'

export { keep } from './keep.js'
export { invariantHooks } from './mocha-hooks.js'

/** The one account of this process. */
export const invariants = new Invariants()

/** Reports the promise when it still pends at the end of the test. */
export function watch<T>(promise: Promise<T>, what: string): Promise<T> {
  return invariants.watch(promise, what)
}

/** One process warning that matches is part of this test; it must come before the test's end. */
export function expectWarning(pattern: RegExp): void {
  invariants.strays.expectWarning(pattern)
}

/**
 * Runs the action over and over and rejects when it leaves more than `maxOctets` behind in every round, or a listener on
 * one of `emitters`.
 */
export async function grows(action: () => unknown, options: GrowthOptions): Promise<number> {
  return await measureGrowth(async () => {
    await action()
    invariants.sweep()
  }, options)
}
