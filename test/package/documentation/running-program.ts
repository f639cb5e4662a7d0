// A program while it runs: what it has printed, and how it ends.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { until, within } from '../../support/rabbitmq/deadline.js'

export interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
}

export class RunningProgram {
  readonly #child: ChildProcess
  readonly #file: string
  readonly #end: Promise<unknown>
  #output = ''

  /** `variables` are set in its environment, beside those of this process. */
  constructor(file: string, directory: string, variables: Readonly<Record<string, string>> = {}) {
    this.#file = file
    const { NODE_OPTIONS: _, ...inherited } = process.env
    const env = { ...inherited, ...variables }
    const warnings = '--disable-warning=ExperimentalWarning'
    this.#child = spawn(process.execPath, [warnings, file], {
      cwd: directory,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', chunk => {
        this.#output += chunk
      })
    }
    this.#end = once(this.#child, 'close')
  }

  get output(): string {
    return this.#output
  }

  /** Resolves when it has printed what matches. */
  async printed(pattern: RegExp, timeoutMs: number): Promise<void> {
    await until(timeoutMs, `${this.#file} prints ${pattern}`, () => pattern.test(this.#output))
  }

  /** SIGTERM: to be asked to end. */
  terminate(): void {
    this.#child.kill('SIGTERM')
  }

  /** SIGKILL, if it runs still. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#end
  }

  /** Whether it ends by itself within this time. */
  async endsWithin(timeoutMs: number): Promise<boolean> {
    return await within(timeoutMs, this.#file, this.#end).then(
      () => true,
      () => false,
    )
  }

  /** Resolves with how it ended; rejects with what it has printed when it does not. */
  async outcome(timeoutMs: number): Promise<Outcome> {
    if (!(await this.endsWithin(timeoutMs))) {
      throw new Error(`${this.#file} does not end within ${timeoutMs} ms; it printed:\n${this.#output}`)
    }
    return { code: this.#child.exitCode, signal: this.#child.signalCode, output: this.#output }
  }
}
