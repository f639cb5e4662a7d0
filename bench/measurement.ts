// One case in a fresh process, started with fork(): warms up, measures one round, and sends its Sample to the parent. A
// round counts when the broker has counted the same.

import { type ClientName, CONFIRM_BATCH, TALLIES, type Workload } from './cases.js'
import { openAmqplib } from './clients/amqplib.js'
import { openRaw } from './clients/raw.js'
import { openThump } from './clients/thump.js'
import { type Cost, Meter } from './meter.js'
import type { Session, SessionOptions } from './session.js'

export interface Case {
  readonly workload: Workload
  /** Octets. */
  readonly bodySize: number
  readonly client: ClientName
}

export interface MeasurementOptions extends Case {
  readonly port: number
  /** How long the measured round is to take, by the pace of the warm-up, and the CPU time that the warm-up takes. */
  readonly seconds: number
  /** Messages of the measured round instead. */
  readonly messages: number | undefined
}

export interface Sample extends Cost {
  readonly messages: number
}

const OPEN: Record<ClientName, (options: SessionOptions) => Promise<Session>> = {
  thump: openThump,
  amqplib: openAmqplib,
  raw: openRaw,
}

/** Messages in the first round of the warm-up; none is shorter than the one before, nor more than so many times as long. */
const FIRST_ROUND = 5000
const GROWTH = 5

async function main(options: MeasurementOptions): Promise<void> {
  const meter = new Meter()
  const session = await OPEN[options.client](options)
  const rounds = new Rounds(session, options.workload, meter)
  const pace = await warmUp(rounds, options.seconds)
  const messages = wholeBatches(options.messages ?? pace * options.seconds)
  const cost = await rounds.run(messages)
  const sample: Sample = { ...cost, messages }
  process.send?.(sample)
  await session.close()
  process.disconnect()
}

/**
 * Compiles code and fills pools, for as long as it is measured later: in CPU time, as on a busy machine the compiler's
 * threads wait for a processor. Returns the pace at the end, in messages per second.
 */
async function warmUp(rounds: Rounds, seconds: number): Promise<number> {
  let messages = FIRST_ROUND
  let left = seconds
  for (;;) {
    const { wallMs, cpuUs } = await rounds.run(messages)
    const pace = (1000 * messages) / wallMs
    left -= cpuUs / 1e6
    if (left <= 0) return pace
    messages = wholeBatches(Math.max(messages, Math.min(GROWTH * messages, pace * left)))
  }
}

/** The broker confirms nothing less than a batch. */
function wholeBatches(messages: number): number {
  return Math.max(1, Math.round(messages / CONFIRM_BATCH)) * CONFIRM_BATCH
}

class Rounds {
  readonly #session: Session
  readonly #workload: Workload
  readonly #meter: Meter
  #total = 0

  constructor(session: Session, workload: Workload, meter: Meter) {
    this.#session = session
    this.#workload = workload
    this.#meter = meter
  }

  /** The broker's word belongs to the round: what was published is not done before it has arrived. */
  async run(messages: number): Promise<Cost> {
    this.#total += messages
    return this.#meter.measure(async () => {
      await this.#session.run(messages)
      for (const tally of TALLIES[this.#workload]) {
        const counted = await this.#session.ask(tally)
        if (counted !== this.#total) throw new Error(`${tally}: ${counted} instead of ${this.#total}`)
      }
    })
  }
}

await main(JSON.parse(process.argv[2] ?? '{}') as MeasurementOptions)
