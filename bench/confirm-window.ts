// How many publishes are on their way: publishing waits while there are too many. The same for every client.

import { CONFIRM_WINDOW } from './cases.js'

export class ConfirmWindow {
  #open = 0
  #limit = 0
  #wake: (() => void) | undefined

  get isFull(): boolean {
    return this.#open >= CONFIRM_WINDOW
  }

  notePublished(): void {
    this.#open++
  }

  /** For clients that call back, too: they pass what went wrong, or nothing. */
  readonly noteConfirmed = (error?: unknown): void => {
    if (error) throw error
    this.#open--
    if (this.#wake === undefined || this.#open >= this.#limit) return
    this.#wake()
    this.#wake = undefined
  }

  /** Resolves when one more may be published. */
  room(): Promise<void> {
    return this.#below(CONFIRM_WINDOW)
  }

  /** Resolves when all are confirmed. */
  drained(): Promise<void> {
    return this.#open === 0 ? Promise.resolve() : this.#below(1)
  }

  #below(limit: number): Promise<void> {
    this.#limit = limit
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }
}

/** The same for clients that give a promise for each publish: they are awaited in their order. */
export class PromiseWindow {
  readonly #ring: Promise<unknown>[] = []
  #next = 0

  /** Takes the promise of one more publish; gives, while the window is full, the one that has to be awaited first. */
  push(publish: Promise<unknown>): Promise<unknown> | undefined {
    const at = this.#next++ % CONFIRM_WINDOW
    this.#ring[at] = publish
    return this.#ring[this.#next % CONFIRM_WINDOW]
  }

  /** Resolves when all are confirmed. */
  async drained(): Promise<void> {
    await Promise.all(this.#ring)
  }
}
