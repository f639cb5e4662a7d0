// What belongs to the whole run, not to the test that happened to be the first to need it: the shared broker's process,
// its pipes and timers. The mark travels with the asynchronous context, so everything that the action creates, now
// or later, is covered, and nothing that merely uses its result. It knows nothing of tests or of what is tracked.

import { AsyncLocalStorage } from 'node:async_hooks'

const keptBy = new AsyncLocalStorage<string>()

/**
 * Runs `action` and exempts what it creates, directly or in its callbacks and continuations, from being reported as
 * left behind. `what` says why, for the reader.
 */
export function keep<T>(what: string, action: () => T): T {
  return keptBy.run(what, action)
}

/** Whether the code that runs now runs inside `keep`. */
export function isKept(): boolean {
  return keptBy.getStore() !== undefined
}
