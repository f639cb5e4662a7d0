// What a piece of work costs its process. Counting writes and pauses is the same small burden for every client.

import { Socket } from 'node:net'
import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'

export interface Cost {
  readonly wallMs: number
  /** User and system time of the whole process, garbage collector and compiler threads included; no children. */
  readonly cpuUs: number
  /** Of that, what the kernel took. */
  readonly systemUs: number
  /** Pauses for the garbage collector on the main thread. */
  readonly gcMs: number
  /** Calls of write or writev on sockets: a system call each, as long as the kernel takes all of it. */
  readonly writes: number
  readonly octetsWritten: number
  /** The highest resident set so far. */
  readonly rssOctets: number
}

export class Meter {
  #writes = 0
  #octets = 0
  #gcMs = 0
  readonly #pauses = new PerformanceObserver(list => this.#notePauses(list.getEntries()))

  constructor() {
    const note = (octets: number): void => {
      this.#writes++
      this.#octets += octets
    }
    const { _write: write, _writev: writev } = Socket.prototype
    Socket.prototype._write = function (chunk: Buffer, encoding, callback) {
      note(chunk.length)
      write.call(this, chunk, encoding, callback)
    }
    Socket.prototype._writev = function (chunks, callback) {
      note(chunks.reduce((sum, { chunk }) => sum + (chunk as Buffer).length, 0))
      writev?.call(this, chunks, callback)
    }
    this.#pauses.observe({ entryTypes: ['gc'] })
  }

  async measure(work: () => Promise<void>): Promise<Cost> {
    this.#notePauses(this.#pauses.takeRecords())
    const writes = this.#writes
    const octets = this.#octets
    const gcMs = this.#gcMs
    const cpu = process.cpuUsage()
    const begin = performance.now()
    await work()
    const wallMs = performance.now() - begin
    const { user, system } = process.cpuUsage(cpu)
    this.#notePauses(this.#pauses.takeRecords())
    return {
      wallMs,
      cpuUs: user + system,
      systemUs: system,
      gcMs: this.#gcMs - gcMs,
      writes: this.#writes - writes,
      octetsWritten: this.#octets - octets,
      // Kilobytes.
      rssOctets: 1024 * process.resourceUsage().maxRSS,
    }
  }

  #notePauses(entries: readonly PerformanceEntry[]): void {
    for (const { duration } of entries) this.#gcMs += duration
  }
}
