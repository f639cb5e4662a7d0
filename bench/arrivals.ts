// Counts the deliveries of one run, and checks that every body is there.

export class Arrivals {
  /** Resolves when the last has come. */
  readonly complete: Promise<void>
  readonly #bodySize: number
  #missing: number
  #resolve!: () => void

  constructor(messages: number, bodySize: number) {
    this.#missing = messages
    this.#bodySize = bodySize
    this.complete = new Promise(resolve => {
      this.#resolve = resolve
    })
  }

  note(bodyLength: number): void {
    if (bodyLength !== this.#bodySize) throw new Error(`a body of ${bodyLength} octets`)
    this.#missing--
    if (this.#missing === 0) this.#resolve()
    else if (this.#missing < 0) throw new Error('more deliveries than there were messages')
  }
}
