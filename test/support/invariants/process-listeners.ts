// Listeners that a test leaves on the process object: each keeps its closure for ever, and a signal's keeps the process
// from dying of it. Watched through `newListener`, which tells at the moment, in the context that registers.

import { isKept } from './keep.js'
import { Origin } from './origin.js'
import type { Remainder } from './remainder.js'
import type { Owner } from './resource-tracker.js'

type Listener = (...parameters: unknown[]) => void

export class ProcessListeners {
  #added: ProcessListener[] = []
  owner: Owner

  constructor(owner: Owner) {
    this.owner = owner
  }

  enable() {
    process.on('newListener', this.#note)
  }

  disable() {
    process.off('newListener', this.#note)
  }

  /** What `owner` registered and did not take away. */
  remaining(owner?: Owner | undefined): readonly ProcessListener[] {
    this.#added = this.#added.filter(one => one.isThere)
    return this.#added.filter(one => (owner === undefined || one.madeBy === owner) && !one.isForeign)
  }

  readonly #note = (event: string | symbol, listener: Listener) => {
    if (isKept()) return
    this.#added.push(new ProcessListener(this.owner, event, listener, new Origin(this.#note)))
  }
}

class ProcessListener implements Remainder {
  readonly mayBelongToSuite = false
  readonly mayBeGoing = false
  readonly madeBy: Owner
  readonly #event: string | symbol
  readonly #listener: Listener
  readonly #origin: Origin

  constructor(owner: Owner, event: string | symbol, listener: Listener, origin: Origin) {
    this.madeBy = owner
    this.#event = event
    this.#listener = listener
    this.#origin = origin
  }

  get owner(): string {
    return this.madeBy.title
  }

  get isThere(): boolean {
    return process.listeners(this.#event as NodeJS.Signals).includes(this.#listener)
  }

  /** The runner's own, and Node's: nobody's code asked for it. */
  get isForeign(): boolean {
    return this.#origin.isRunner || this.#origin.frames.length === 0
  }

  describe(): string {
    return `left behind: a listener of the process for '${String(this.#event)}', added ${this.#origin}`
  }

  release() {
    process.off(this.#event, this.#listener)
  }
}
