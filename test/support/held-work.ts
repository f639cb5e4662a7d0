// A handler whose calls go on until the test ends them, for tests of what happens meanwhile. It knows deliveries by their
// bodies only.

interface HasBody {
  readonly body: Buffer
}

export class HeldWork {
  /** Bodies of the deliveries it was called with, in order. */
  readonly begun: string[] = []
  readonly #ends = new Map<string, { resolve: () => void; reject: (error: Error) => void }>()

  /** The handler. */
  readonly handle = (delivery: HasBody): Promise<void> => {
    const body = String(delivery.body)
    this.begun.push(body)
    return new Promise<void>((resolve, reject) => this.#ends.set(body, { resolve, reject }))
  }

  end(...bodies: string[]): void {
    for (const body of bodies) this.#ends.get(body)?.resolve()
  }

  endAll(): void {
    this.end(...this.begun)
  }

  fail(body: string): void {
    this.#ends.get(body)?.reject(new Error(`${body} failed`))
  }
}
