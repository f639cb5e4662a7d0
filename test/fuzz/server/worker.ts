// A thread that runs sessions, one after the other, and tells what came of them. It is alone with them: what is thrown from
// nowhere is theirs, and so is what they leave behind.

import { parentPort, workerData } from 'node:worker_threads'
import { heldOctets } from '../../support/invariants/growth.js'
import { describeStray, Strays } from '../../support/invariants/strays.js'
import { judge } from './judge.js'
import { Session } from './session.js'
import { type Counts, Tally } from './tally.js'

/** Which sessions a thread runs. */
export interface Assignment {
  /** Of the first session; the others have those behind it. */
  readonly seed: number
  /** Number of its first session, and of how many one is its own. */
  readonly first: number
  readonly step: number
  readonly cases: number
  /** Where it writes which session it is at. */
  readonly at: Int32Array
}

/** What it tells, now and then. */
export interface Progress {
  /** Since it was told last. */
  readonly tried: number
  readonly counts: Counts
  readonly findings: readonly string[]
}

const TELL_EVERY = 50
/** From here on what a session leaves behind is no cache that fills, nor code that is compiled. */
const WARM_AFTER = 1_000
/** Sessions that are enough to tell a leak, and what all of them together, and each, may leave. */
const GROWTH_AFTER = 4_000
const GROWTH_MAX = 4 * 1024 * 1024
const GROWTH_PER_SESSION_MAX = 100

class Thread {
  readonly #assignment: Assignment
  readonly #strays = new Strays()
  #tally = new Tally()
  #tried = 0
  #findings: string[] = []

  constructor(assignment: Assignment) {
    this.#assignment = assignment
  }

  async run(): Promise<void> {
    const { seed, first, step, cases, at } = this.#assignment
    this.#strays.enable()
    process.on('uncaughtException', error => this.#strays.noteException(error))
    let heldBefore = 0
    let sessions = 0
    for (let number = first; number < cases; number += step) {
      Atomics.store(at, 0, number)
      await this.#try(seed + number)
      sessions++
      if (sessions === WARM_AFTER) heldBefore = await heldOctets()
      if (this.#tried === TELL_EVERY) this.#tell()
    }
    if (sessions >= GROWTH_AFTER) this.#expectNoGrowth((await heldOctets()) - heldBefore, sessions)
    this.#tell()
  }

  async #try(seed: number): Promise<void> {
    const session = new Session(seed)
    await session.run()
    this.#tried++
    this.#tally.note(session)
    const faults = new Set([...judge(session), ...this.#strays.take().map(describeStray)])
    if (faults.size === 0) return
    const { mischiefs, states } = session
    const what = `${mischiefs.join(', ') || 'a good server'} at ${states.join(', ') || 'no time'}`
    this.#findings.push(`--seed ${seed} --cases 1 (${what}): ${[...faults].join('; ')}`)
  }

  #expectNoGrowth(grown: number, sessions: number): void {
    if (grown > GROWTH_MAX + sessions * GROWTH_PER_SESSION_MAX)
      this.#findings.push(`${sessions} sessions leave ${grown} octets behind`)
  }

  #tell(): void {
    const progress: Progress = { tried: this.#tried, counts: this.#tally.counts, findings: this.#findings }
    parentPort?.postMessage(progress)
    this.#tried = 0
    this.#tally = new Tally()
    this.#findings = []
  }
}

await new Thread(workerData as Assignment).run()
