// The thread in which programs run: alone with its promises, of which there are many. The tests' own look at each of them
// would take most of the time.

import { parentPort, workerData } from 'node:worker_threads'
import { Tallies } from '../../model/world/tallies.js'
import { explain } from './finding-report.js'
import { programOf } from './program.js'
import { Site } from './site.js'

/** What a thread is to do. */
export interface Assignment {
  readonly url: string
  /** Of the first program; the others have those behind it. */
  readonly seed: number
  /** Operations. */
  readonly cases: number
  /** It stops at so many findings. */
  readonly findingsMax: number
}

/** What it tells, now and then, since it told last. */
export interface Progress {
  readonly operations: number
  readonly programs: number
  readonly findings: readonly string[]
  /** By histogram, what was counted there. */
  readonly counts: readonly (readonly (readonly [name: string, count: number])[])[]
}

/** A broker and a client on two cores are busy with so many. */
const AT_A_TIME = 16
const TELL_EVERY = 1_000
/** Of the commands of a program, about. */
const LEGAL_SHARE = 0.9

class Thread {
  readonly #assignment: Assignment
  #tallies = new Tallies()
  #next = 0
  #given = 0
  /** Commands of the programs that run. */
  #begun = 0
  #told = 0
  #programs = 0
  #found = 0
  #findings: string[] = []

  constructor(assignment: Assignment) {
    this.#assignment = assignment
  }

  async run(): Promise<void> {
    const site = await Site.open(this.#assignment.url)
    try {
      await Promise.all(Array.from({ length: AT_A_TIME }, () => this.#work(site)))
    } finally {
      await site.close()
    }
    this.#tell()
  }

  async #work(site: Site): Promise<void> {
    const { seed, cases, findingsMax } = this.#assignment
    while (this.#given + this.#begun * LEGAL_SHARE < cases && this.#found < findingsMax) {
      const number = this.#next++
      const program = programOf(seed + number)
      this.#begun += program.commands.length
      try {
        const tallies = new Tallies()
        const operations = await site.run(program, tallies)
        this.#given += operations
        this.#tallies.add(tallies)
      } catch (error) {
        this.#found++
        this.#given += program.commands.length
        this.#findings.push(await explain(error, program, `--seed ${seed + number} --cases 1`, site))
      }
      this.#begun -= program.commands.length
      this.#programs++
      if (this.#given - this.#told >= TELL_EVERY) this.#tell()
    }
  }

  #tell(): void {
    const operations = this.#given - this.#told
    const counts = this.#tallies.all.map(histogram => histogram.counts)
    const progress: Progress = { operations, programs: this.#programs, findings: this.#findings, counts }
    parentPort?.postMessage(progress)
    this.#told = this.#given
    this.#tallies = new Tallies()
    this.#programs = 0
    this.#findings = []
  }
}

await new Thread(workerData as Assignment).run()
