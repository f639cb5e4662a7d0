// A program of this folder, run as a process of its own: there nothing that the tests hold keeps the process alive, and
// nobody listens to what is thrown from nowhere.

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { until, within } from '../rabbitmq/deadline.js'
import type { Report } from './report.js'

/** Starting Node takes a few hundred milliseconds, and more on a busy machine. */
const REPORT_DEADLINE_MS = 15_000

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** What Node had to say: a stray rejection or exception, or a warning. Empty when all was well. */
  readonly complaints: string
}

export class ChildProgram {
  /** Everything it has told so far. */
  readonly reports: Report[] = []
  readonly #name: string
  readonly #process: ChildProcess
  readonly #exit: Promise<Exit>
  #complaints = ''

  constructor(name: string, ...parameters: string[]) {
    this.#name = name
    // Writing the coverage of the child would be part of its exit.
    const { NODE_V8_COVERAGE, ...env } = process.env
    const file = fileURLToPath(new URL(`./${name}.js`, import.meta.url))
    const child = spawn(process.execPath, [file, ...parameters], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = child
    createInterface({ input: child.stdout }).on('line', line => this.reports.push(JSON.parse(line)))
    child.stderr.setEncoding('utf8').on('data', text => {
      this.#complaints += text
    })
    this.#exit = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve({ code, signal, complaints: this.#complaints }))
    })
  }

  /** The first report of that kind. */
  async report(what: string, deadlineMs = REPORT_DEADLINE_MS): Promise<Report> {
    const found = (): Report | undefined => this.reports.find(each => each.what === what)
    let ended: Exit | undefined
    void this.#exit.then(exit => {
      ended = exit
    })
    await until(
      deadlineMs,
      `'${what}' from ${this.#name}`,
      () => found() !== undefined || ended !== undefined,
    )
    const told = found()
    if (told === undefined) throw new Error(`${this.#name} ended before '${what}': ${JSON.stringify(ended)}`)
    return told
  }

  /** Its end, by itself. */
  exit(deadlineMs = REPORT_DEADLINE_MS): Promise<Exit> {
    return within(deadlineMs, `the exit of ${this.#name}`, this.#exit)
  }

  /** For the end of a test: it is over in any case. */
  async end(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#exit
  }
}
