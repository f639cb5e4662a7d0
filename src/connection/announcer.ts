// Events for people who want to listen. Nothing depends on somebody doing so: there is no event called `error`, and a
// listener that throws or rejects harms neither the connection nor the other listeners; it becomes a process warning.

import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'

export class Announcer<Events extends Record<keyof Events, unknown[]>> extends EventEmitter<Events> {
  /** Calls the listeners of an event in order. */
  protected announce<K extends keyof Events & string>(event: K, ...args: Events[K]): void {
    for (const listener of this.rawListeners(event as never)) {
      const warn = (error: unknown): void => warnOfThrow(`a listener of '${event}'`, error)
      try {
        const result: unknown = Reflect.apply(listener, this, args)
        if (result instanceof Promise) result.catch(warn)
      } catch (error) {
        warn(error)
      }
    }
  }
}

/** Tells about an error in the application's code that has no other way to anybody. */
export function warnOfThrow(who: string, error: unknown): void {
  process.emitWarning(`${who} threw: ${textOf(error)}`, { type: 'ThumpWarning', code: 'THUMP_LISTENER' })
}

/** Anything can be thrown, also what throws when it is looked at. */
function textOf(error: unknown): string {
  try {
    return error instanceof Error ? (error.stack ?? error.message) : inspect(error)
  } catch {
    return 'something that cannot be printed'
  }
}
