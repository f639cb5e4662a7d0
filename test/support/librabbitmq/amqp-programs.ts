// The programs that come with librabbitmq, amqp-publish and its kin: each a connection of its own that does one thing.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { within } from '../rabbitmq/deadline.js'

const PROGRAM_TIMEOUT_MS = 15_000

export interface ProgramEnd {
  readonly code: number | null
  readonly output: Buffer
  /** What it complained of. */
  readonly complaints: string
}

export class AmqpPrograms {
  readonly #directory: string
  readonly #url: string

  /** `directory`: where the programs are. */
  constructor(directory: string, url: string) {
    this.#directory = directory
    // The options of a query are thump's and amqplib's.
    this.#url = url.replace(/\?.*$/, '')
  }

  /** Runs a program, `input` on its standard input; resolves with its output, rejects unless it ends with 0. */
  async run(name: string, parameters: readonly string[], input: string | Buffer = ''): Promise<Buffer> {
    const { code, output, complaints } = await this.end(name, parameters, input)
    if (code !== 0) throw new Error(`${name} ended with ${code}: ${complaints.trim()}`)
    return output
  }

  /** Runs a program; resolves with how it ended. */
  async end(name: string, parameters: readonly string[], input: string | Buffer = ''): Promise<ProgramEnd> {
    const child = spawn(join(this.#directory, name), [`--url=${this.#url}`, ...parameters])
    const output: Buffer[] = []
    const complaints: Buffer[] = []
    child.stdout.on('data', chunk => output.push(chunk))
    child.stderr.on('data', chunk => complaints.push(chunk))
    // A program that does not read its input ends before all of it is written.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    try {
      const [code] = await within(PROGRAM_TIMEOUT_MS, `the end of ${name}`, once(child, 'close'))
      return { code, output: Buffer.concat(output), complaints: Buffer.concat(complaints).toString() }
    } finally {
      child.kill('SIGKILL')
    }
  }
}
