// A promise and the means to settle it. What rejects is marked handled first: a promise that nobody awaits must not end
// the process, and one that somebody awaits throws all the same.

export class Deferred<T> {
  readonly promise: Promise<T>
  #resolve!: (value: T) => void
  #reject!: (error: Error) => void

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  resolve(value: T): void {
    this.#resolve(value)
  }

  reject(error: Error): void {
    this.promise.catch(ignore)
    this.#reject(error)
  }
}

/** Runs what may throw or reject, as a promise that is marked handled. */
export function handled<T>(run: () => Promise<T>): Promise<T> {
  const promise = (async () => run())()
  promise.catch(ignore)
  return promise
}

function ignore(): void {}
