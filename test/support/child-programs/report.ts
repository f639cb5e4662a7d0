// What a child program tells the test that started it: one line of JSON on its standard output for each thing, with the
// program's own time, so that the test measures the program and not its pipes. It writes at once: a process that exits
// loses nothing.

import { writeSync } from 'node:fs'

export interface Report {
  readonly what: string
  /** Milliseconds on the program's own clock. */
  readonly at: number
  readonly [detail: string]: unknown
}

export function report(what: string, details: Record<string, unknown> = {}): void {
  writeSync(1, `${JSON.stringify({ what, at: performance.now(), ...details })}\n`)
}

/** Tells when the event loop has nothing left and the process goes by itself. */
export function reportExit(): void {
  process.on('exit', code => report('exit', { code }))
}
