// What is thrown from nowhere: exceptions nobody caught, rejections nobody handled or handled too late, and process
// warnings nobody expects. It listens and remembers; the runner decides what an exception does to a running test.

import { inspect } from 'node:util'

/** Node's notice that a feature of its own is young says nothing about us. */
const IGNORED_WARNINGS: ReadonlySet<string> = new Set(['ExperimentalWarning'])

export class Strays {
  readonly #seen: Stray[] = []
  readonly #rejections = new Map<Promise<unknown>, Stray>()
  #expected: RegExp[] = []

  enable() {
    process.on('unhandledRejection', this.#noteRejection)
    process.on('rejectionHandled', this.#noteLateHandling)
    process.on('warning', this.#noteWarning)
  }

  disable() {
    process.off('unhandledRejection', this.#noteRejection)
    process.off('rejectionHandled', this.#noteLateHandling)
    process.off('warning', this.#noteWarning)
  }

  /** For one who listens to `uncaughtException`: whoever listens keeps the process alive, so only one should. */
  noteException(error: unknown) {
    this.#seen.push({ what: 'an exception that nobody caught', error, note: '' })
  }

  /** One warning whose text matches is part of this test; that it does not come is a violation too. */
  expectWarning(pattern: RegExp) {
    this.#expected.push(pattern)
  }

  /** What was seen since the last time, and what was expected in vain. */
  take(): readonly Stray[] {
    const missing = this.#expected.map(pattern => ({
      what: `no warning matched ${pattern}`,
      error: undefined,
      note: '',
    }))
    this.#expected = []
    this.#rejections.clear()
    return [...this.#seen.splice(0), ...missing]
  }

  /** mocha tells a rejection a second time, to all but itself. */
  readonly #noteRejection = (reason: unknown, promise: Promise<unknown>) => {
    if (this.#rejections.has(promise)) return
    const stray = { what: 'a rejection that nobody handled', error: reason, note: '' }
    this.#rejections.set(promise, stray)
    this.#seen.push(stray)
  }

  readonly #noteLateHandling = (promise: Promise<unknown>) => {
    const stray = this.#rejections.get(promise)
    if (stray !== undefined) stray.note = ' (handled, but only after Node had called it unhandled)'
  }

  readonly #noteWarning = (warning: Error) => {
    if (IGNORED_WARNINGS.has(warning.name)) return
    const index = this.#expected.findIndex(pattern => pattern.test(`${warning.name}: ${warning.message}`))
    if (index === -1) this.#seen.push({ what: 'a warning that nobody expected', error: warning, note: '' })
    else this.#expected.splice(index, 1)
  }
}

/** Something that came from nowhere. */
export interface Stray {
  readonly what: string
  readonly error: unknown
  note: string
}

/** For a message: what it was and, where there is one, its stack. */
export function describeStray(stray: Stray): string {
  if (stray.error === undefined) return `${stray.what}${stray.note}`
  const shown =
    stray.error instanceof Error ? (stray.error.stack ?? stray.error.message) : inspect(stray.error)
  return `${stray.what}${stray.note}: ${shown}`
}
