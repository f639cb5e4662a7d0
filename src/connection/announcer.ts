// Events for people who want to listen. Nothing depends on somebody doing so: there is no event called `error`, and a
// listener that throws harms neither the connection nor the other listeners; it becomes a process warning.

import { EventEmitter } from 'node:events'

export class Announcer<Events extends Record<keyof Events, unknown[]>> extends EventEmitter<Events> {
  /** Calls the listeners of an event in order. */
  protected announce<K extends keyof Events & string>(event: K, ...args: Events[K]): void {
    for (const listener of this.rawListeners(event as never)) {
      try {
        Reflect.apply(listener, this, args)
      } catch (error) {
        warnOfThrow(`a listener of '${event}'`, error)
      }
    }
  }
}

/** Tells about an error in the application's code that has no other way to anybody. */
export function warnOfThrow(who: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.emitWarning(`${who} threw: ${text}`, { type: 'ThumpWarning', code: 'THUMP_LISTENER' })
}
