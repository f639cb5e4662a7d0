// Sessions of the client with a server that turns bad. Each has a seed of its own, the run's and its number, so that one that failed
// can be run alone. Time is virtual and octets stay in memory: hundreds of sessions a second. They run in threads, a few at
// a time: there nothing else slows them down, and one that never gives the thread back can be named and ended.

import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { type Campaign, type Effort, ENOUGH_FINDINGS, type Report } from '../campaign.js'
import { Tally } from './tally.js'
import type { Assignment, Progress } from './worker.js'

const SHORT_RUN = 1_200
/** More would leave nothing for those who share the machine. */
const THREADS_MAX = 4
const PROGRESS_EVERY = 5_000
/** A session takes milliseconds. */
const STUCK_AFTER_MS = 15_000
const LOOK_EVERY_MS = 1_000

export const serverCampaign: Campaign = {
  name: 'server',
  title: 'the client against a server that turns bad',
  unit: 'sessions',
  shortRun: SHORT_RUN,
  run: effort => new ServerRun(effort).run(),
}

class ServerRun {
  readonly #effort: Effort
  readonly #tally = new Tally()
  readonly #findings: string[] = []
  readonly #workers: Worker[] = []
  #tried = 0

  constructor(effort: Effort) {
    this.#effort = effort
  }

  async run(): Promise<Report> {
    const { cases } = this.#effort
    const threads = Math.min(availableParallelism(), THREADS_MAX, cases)
    await Promise.all(Array.from({ length: threads }, (_, first) => this.#runThread(first, threads)))
    if (cases >= SHORT_RUN && this.#findings.length === 0) this.#findings.push(...this.#tally.gaps)
    return { cases: this.#tried, histograms: this.#tally.histograms, findings: this.#findings }
  }

  /** Resolves when the thread has ended, by itself or not. */
  async #runThread(first: number, step: number): Promise<void> {
    const { seed, cases } = this.#effort
    const at = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
    const assignment: Assignment = { seed, first, step, cases, at }
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: assignment })
    this.#workers.push(worker)
    worker.on('message', (progress: Progress) => this.#note(progress))
    worker.on('error', error => this.#findings.push(`a thread broke: ${error.stack}`))
    const watch = this.#watch(worker, at)
    await new Promise(resolve => worker.on('exit', resolve))
    clearInterval(watch)
  }

  #note({ tried, counts, findings }: Progress): void {
    const before = Math.floor(this.#tried / PROGRESS_EVERY)
    this.#tried += tried
    this.#tally.add(counts)
    this.#findings.push(...findings)
    if (Math.floor(this.#tried / PROGRESS_EVERY) > before)
      this.#effort.progress?.(`${this.#tried} sessions, ${this.#findings.length} findings`)
    if (this.#findings.length < ENOUGH_FINDINGS) return
    for (const worker of this.#workers) void worker.terminate()
  }

  /** A thread that is at the same session for long is in a loop that no time ends. */
  #watch(worker: Worker, at: Int32Array): NodeJS.Timeout {
    let last = -1
    let since = performance.now()
    return setInterval(() => {
      const number = Atomics.load(at, 0)
      const now = performance.now()
      if (number !== last) since = now
      last = number
      if (now - since < STUCK_AFTER_MS) return
      this.#findings.push(`--seed ${this.#effort.seed + number} --cases 1: the session does not end`)
      void worker.terminate()
    }, LOOK_EVERY_MS)
  }
}
