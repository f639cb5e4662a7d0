// How much of what was received waits for the application. With acknowledgements the prefetch bounds it; without them
// nothing would, so reading stops above a limit and goes on at half of it. While it stops the broker's silence is ours.

export class ReceiveBudget {
  readonly #limit: number
  readonly #reader: { pauseReading(): void; resumeReading(): void }
  #octets = 0

  constructor(limit: number, reader: { pauseReading(): void; resumeReading(): void }) {
    this.#limit = limit
    this.#reader = reader
  }

  /** A body begins to wait. */
  add(octets: number): void {
    this.#octets += octets
    if (this.#octets > this.#limit) this.#reader.pauseReading()
  }

  /** A body was taken, or dropped. */
  remove(octets: number): void {
    this.#octets -= octets
    if (this.#octets <= this.#limit / 2) this.#reader.resumeReading()
  }
}
