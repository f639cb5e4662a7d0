// The decoder and the state machines, with octets that a broker and its client really sent, changed. In rounds: fast, looking
// only at what comes of each input (Signatures), and beside it in another thread slowly, looking which code runs (Explorer);
// what shows something new is kept, and others are made from it.

import { setImmediate } from 'node:timers/promises'
import { EXPECTED_METHODS } from '../../protocol/method-table.expected.js'
import type { Campaign, Effort, Report } from '../campaign.js'
import { Histogram } from '../histogram.js'
import { Random } from '../random.js'
import { Corpus } from './corpus.js'
import { CorpusFolder } from './corpus-folder.js'
import { type Exploration, explore } from './exploration.js'
import { Findings } from './findings.js'
import { Mutator } from './mutator.js'
import { seeds } from './seeds.js'
import { Signatures } from './signature.js'
import { Tally } from './tally.js'
import { TRIALS, type TrialName, Trials } from './trials.js'

const ROUND = 25_000_000
/** Of a round, the part that is explored: that is a hundred times as slow. */
const EXPLORED_SHARE = 0.0002
const LEAST_EXPLORED = 1_000
/** Which inputs are tried in the costlier ways too, beside all that came to something new: one of so many. */
const OFTEN = { chunks: 8, values: 8, machine: 100 }
/** The same in a run of more than this, which has enough of them all the same. */
const LONG_RUN = 5_000_000
const SELDOM = { chunks: 32, values: 64, machine: 250 }
/** What cannot be decoded ends every state machine in the same way: so much more seldom one gets it. */
const BROKEN_FACTOR = 10
/** Nothing may take longer; what did is tried again, because it may have been the garbage collector or another process. */
const LONGEST_MS = 250
/** So often the event loop has its turn. */
const SLICE = 50_000
const PROGRESS_EVERY = 5_000_000
/** A run of so many must have come to every method. */
const MANY = 100_000
/** Of what exploring complains of; it is much the same. */
const MOST_COMPLAINTS = 100
/** Of all inputs, those that must get past a frame header. */
const LEAST_PAST_HEADER = 0.5

const SOURCES = ['frames', 'protocol'].map(folder => new URL(`../../../src/${folder}/`, import.meta.url).href)
const { THUMP_FUZZ_CORPUS } = process.env

class DecoderRun {
  readonly #effort: Effort
  readonly #random: Random
  readonly #every: typeof OFTEN
  readonly #trials = new Trials()
  readonly #findings = new Findings(this.#trials)
  readonly #tried = new Tally('trials, beside those of exploring', TRIALS)
  readonly #signatures = new Signatures()
  readonly #folder = THUMP_FUZZ_CORPUS === undefined ? undefined : new CorpusFolder(THUMP_FUZZ_CORPUS)
  readonly #corpus: Corpus
  readonly #mutator: Mutator
  #done = 0
  #explored: Exploration | undefined

  constructor(effort: Effort) {
    this.#effort = effort
    this.#every = effort.cases > LONG_RUN ? SELDOM : OFTEN
    this.#random = new Random(effort.seed)
    this.#corpus = new Corpus(seeds(), this.#random)
    for (const octets of this.#folder?.read() ?? []) this.#corpus.add(octets)
    this.#mutator = new Mutator(this.#corpus, this.#random)
  }

  async run(): Promise<Report> {
    const { cases } = this.#effort
    while (this.#done < cases && !this.#findings.areEnough) {
      const size = Math.min(cases - this.#done, ROUND)
      const explored = Math.min(size, Math.max(LEAST_EXPLORED, Math.round(size * EXPLORED_SHARE)))
      const end = this.#done + size
      // What is found there comes in at a fixed place, not when it is found: the same seed does the same, unless V8 counts
      // otherwise, which it seldom does.
      const exploring = this.#explore(explored)
      // Whether it has failed is asked later.
      exploring.catch(() => {})
      await this.#hurry(end - explored - Math.round((size - explored) / 2))
      this.#take(await exploring)
      this.#done += explored
      await this.#hurry(end)
      this.#folder?.add(this.#corpus.found)
    }
    if (cases >= MANY && !this.#findings.areEnough) this.#judgeReach()
    return { cases: this.#done, histograms: this.#histograms(), findings: this.#findings.texts }
  }

  #explore(inputs: number): Promise<Exploration> {
    const target = new URL('./trials.js', import.meta.url).href
    const seed = this.#random.below(2 ** 32)
    return explore({ target, folders: SOURCES, stems: this.#corpus.all, seed, inputs })
  }

  #take(exploration: Exploration): void {
    this.#explored = exploration
    for (const octets of exploration.found) this.#corpus.add(octets)
    for (const { octets, plan, what } of exploration.complaints.slice(0, MOST_COMPLAINTS)) {
      const name = TRIALS.find(trial => what.startsWith(trial)) as TrialName
      this.#findings.add(name, octets, plan, `explored with seed ${this.#effort.seed}`)
    }
  }

  /** As fast as it goes, up to input number `end`. */
  async #hurry(end: number): Promise<void> {
    // No stack is looked at, and telling it is most of what an error costs.
    const { stackTraceLimit } = Error
    while (this.#done < end && !this.#findings.areEnough) {
      Reflect.deleteProperty(Error, 'stackTraceLimit')
      const before = this.#done
      try {
        this.#trySlice(Math.min(end, before + SLICE))
      } finally {
        Error.stackTraceLimit = stackTraceLimit
      }
      if (Math.floor(before / PROGRESS_EVERY) < Math.floor(this.#done / PROGRESS_EVERY)) this.#tellProgress()
      await setImmediate()
    }
  }

  #trySlice(end: number): void {
    let begin = performance.now()
    for (; this.#done < end && !this.#findings.areEnough; this.#done++) {
      const octets = this.#mutator.next()
      const plan = this.#random.below(2 ** 32)
      this.#tryOne(octets, plan)
      const now = performance.now()
      if (now - begin > LONGEST_MS) this.#judgeTime(octets, plan)
      begin = now
    }
  }

  #tryOne(octets: Buffer, plan: number): void {
    this.#try('decoding', octets, plan)
    let isNew = this.#signatures.add(this.#trials.decoding.signature)
    const { chunks, values, machine } = this.#every
    if (isNew || plan % chunks === 0) this.#try('chunks', octets, plan)
    if (isNew || plan % values === 1) this.#try('values', octets, plan)
    const machineEvery = this.#trials.decoding.isGood ? machine : machine * BROKEN_FACTOR
    if (isNew || plan % machineEvery === 2) {
      this.#try('machine', octets, plan)
      isNew = this.#signatures.add(this.#trials.machine.signature) || isNew
    }
    if (isNew) this.#corpus.add(octets)
  }

  #try(name: TrialName, octets: Buffer, plan: number): void {
    const complaint = this.#trials.judge(name, octets, plan)
    this.#tried.count(TRIALS.indexOf(name))
    if (complaint === undefined) return
    const copy = Buffer.from(octets)
    this.#findings.add(name, copy, plan, `input ${this.#done} of seed ${this.#effort.seed}`)
  }

  /** The shortest of a few times that it takes, in time of the processor. */
  #judgeTime(octets: Buffer, plan: number): void {
    const times = [1, 2, 3].map(() => {
      const before = process.cpuUsage()
      for (const name of TRIALS) this.#trials.judge(name, octets, plan)
      return process.cpuUsage(before).user / 1000
    })
    const milliseconds = Math.min(...times)
    if (milliseconds > LONGEST_MS)
      this.#findings.note(`takes ${milliseconds} ms, plan ${plan}: ${octets.toString('hex')}`)
  }

  /** A fuzzer that comes nowhere finds nothing. */
  #judgeReach(): void {
    const { depth, methods } = this.#trials.decoding
    const past = 1 - depth.histogram().share('no frame header')
    if (past < LEAST_PAST_HEADER) this.#findings.note(`only ${past} of all inputs got past a frame header`)
    const missed = EXPECTED_METHODS.filter(({ name }) => methods.of(name) === 0)
    if (missed.length > 0) this.#findings.note(`never decoded: ${missed.map(({ name }) => name)}`)
  }

  #tellProgress(): void {
    const { size } = this.#corpus
    this.#effort.progress?.(
      `${this.#done} inputs, ${size} in the corpus, ${this.#findings.texts.length} findings`,
    )
  }

  #histograms(): Histogram[] {
    const { decoding, machine } = this.#trials
    const { reached = 0, known = 0 } = this.#explored ?? {}
    const kept = new Histogram(`inputs that others are made from (${this.#signatures.size} signatures)`)
    kept.count('of the beginning', this.#corpus.size - this.#corpus.found.length)
    kept.count('found', this.#corpus.found.length)
    const blocks = new Histogram('blocks of src/frames and src/protocol, when exploring ended')
    blocks.count('reached', reached)
    blocks.count('not reached', known - reached)
    const tallies = [
      ...[this.#mutator.kinds, decoding.depth, decoding.ends, decoding.frames, decoding.methods],
      ...[machine.stages, machine.states, machine.ends],
    ]
    return [this.#tried.histogram(), kept, blocks, ...tallies.map(tally => tally.histogram())]
  }
}

export const decoderCampaign: Campaign = {
  name: 'decoder',
  title: 'the decoder and the state machines, with what a broker sent, changed',
  unit: 'inputs',
  shortRun: 320_000,
  run: effort => new DecoderRun(effort).run(),
}
