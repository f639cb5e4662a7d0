// What a piece of work costs its process. Counting writes is the same small burden for every client.

import { Socket } from 'node:net'

export interface Cost {
  readonly wallMs: number
  /** User and system time of the whole process, garbage collector and compiler threads included. */
  readonly cpuUs: number
  /** Calls of write or writev on sockets: a system call each, as long as the kernel takes all of it. */
  readonly writes: number
  readonly octetsWritten: number
  /** Resident set at the end. */
  readonly rssOctets: number
}

export class Meter {
  #writes = 0
  #octets = 0

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
  }

  async measure(work: () => Promise<void>): Promise<Cost> {
    const writes = this.#writes
    const octets = this.#octets
    const cpu = process.cpuUsage()
    const begin = performance.now()
    await work()
    const wallMs = performance.now() - begin
    const { user, system } = process.cpuUsage(cpu)
    return {
      wallMs,
      cpuUs: user + system,
      writes: this.#writes - writes,
      octetsWritten: this.#octets - octets,
      rssOctets: process.memoryUsage.rss(),
    }
  }
}
