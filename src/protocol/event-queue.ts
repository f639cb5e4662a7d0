// Events on their way to the caller, in order. An idle connection has none, and no memory for them.

import type { ProtocolEvent } from './events.js'

export class EventQueue {
  #events: ProtocolEvent[] | undefined
  #next = 0

  push(event: ProtocolEvent): void {
    this.#events ??= []
    this.#events.push(event)
  }

  /** The oldest, or undefined when there is none. */
  shift(): ProtocolEvent | undefined {
    const event = this.#events?.[this.#next++]
    if (event !== undefined) return event
    this.#events = undefined
    this.#next = 0
    return undefined
  }
}
