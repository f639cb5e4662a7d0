// How much of what was received waits for the application. With acknowledgements the prefetch bounds it; without them
// nothing would, so reading stops above a limit and goes on at half of it. While it stops the broker's silence is ours.

export class ReceiveBudget {
  readonly #limit: number
  readonly #reader: { pauseReading(): void; resumeReading(): void }
  #octets = 0
  #lifted = false

  constructor(limit: number, reader: { pauseReading(): void; resumeReading(): void }) {
    this.#limit = limit
    this.#reader = reader
  }

  /** A body begins to wait. */
  add(octets: number): void {
    this.#octets += octets
    if (this.#octets > this.#limit && !this.#lifted) this.#reader.pauseReading()
  }

  /** No limit any more: the connection closes, and what answers that must be read. */
  lift(): void {
    this.#lifted = true
    this.#reader.resumeReading()
  }

  /** A body was taken, or dropped. */
  remove(octets: number): void {
    this.#octets -= octets
    if (this.#octets <= this.#limit / 2) this.#reader.resumeReading()
  }
}
