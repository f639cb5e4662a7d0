// One case in a fresh process, started with fork(): warms up, measures one round, and sends its Sample to the parent. A
// round counts when the broker has counted the same. Before each round the parent is asked for the messages that a
// consumer will get from a RabbitMQ; the null broker makes them as it goes.

import { once } from 'node:events'
import {
  type Case,
  type ClientName,
  CONFIRM_BATCH,
  CONFIRM_EACH,
  isConsuming,
  isRich,
  sourceQueue,
  TALLIES,
  type Workload,
} from './cases.js'
import { type IdleCost, measureIdle } from './idle.js'
import { Latencies, type Quantiles } from './latencies.js'
import { type Cost, Meter } from './meter.js'
import type { Client, Session } from './session.js'

export interface MeasurementOptions extends Case {
  readonly url: string
  /** Of the null broker. */
  readonly warmUpUrl: string
  /** How long the measured round is to take, by the pace of the warm-up. */
  readonly seconds: number
  /** Messages of the measured round instead. */
  readonly messages: number | undefined
}

/** What the parent is asked for, and answers with a message of any kind. */
export interface Wanted {
  readonly queue: string
}

export interface Sample extends Cost, Partial<Quantiles>, Partial<IdleCost> {
  /** Or replies, or connections; of idle connections seconds. */
  readonly messages: number
}

const CLIENT_MODULES: Readonly<Record<Exclude<ClientName, 'librabbitmq'>, string>> = Object.freeze({
  thump: './clients/thump.js',
  amqplib: './clients/amqplib.js',
  'rabbitmq-client': './clients/rabbitmq-client.js',
  cloudamqp: './clients/cloudamqp.js',
  raw: './clients/raw.js',
})

/** Messages in the first round of the warm-up; none is shorter than the one before, nor more than so many times as long. */
const FIRST_ROUND = 5000
/** Of what is done one at a time. */
const FIRST_STEPS = 20
const FIRST_ROUND_OCTETS = 64 * 2 ** 20
const GROWTH = 5
/**
 * CPU time that warming up takes at least, s: what a program has compiled that has run for long. After half a second the
 * requests and replies of a large client cost five times what they cost after three.
 */
const WARM_UP = 0.8
/** What is done one at a time passes by the same code less often. */
const WARM_UP_STEPS = 2
/** Who waits more than it works is not warmed up for ever: times the time of the warm-up. */
const PATIENCE = 4
const PATIENCE_STEPS = 2
/** What a RabbitMQ is to keep for a consumer at a time. */
const SOURCE_OCTETS = 512 * 2 ** 20

const ONE_AT_A_TIME: readonly Workload[] = ['confirm-one', 'rpc', 'connect']

async function main(options: MeasurementOptions): Promise<void> {
  if (options.client === 'librabbitmq') throw new Error('librabbitmq is no module')
  const meter = new Meter()
  const { client } = (await import(CLIENT_MODULES[options.client])) as { client: Client }
  const sample =
    options.workload === 'idle'
      ? await measureIdle(client, meter, options)
      : await measureRounds(client, meter, options)
  process.send?.({ sample })
  process.disconnect()
}

async function measureRounds(client: Client, meter: Meter, options: MeasurementOptions): Promise<Sample> {
  const { url, warmUpUrl, seconds } = options
  const isLive = url !== warmUpUrl
  if (isLive) {
    const elsewhere: MeasurementOptions = { ...options, server: 'null', url: warmUpUrl }
    await withSession(client, meter, elsewhere, rounds => warmUp(rounds, elsewhere, warmUpSeconds(options)))
  }
  return withSession(client, meter, options, async rounds => {
    // With a RabbitMQ what is left to find out is the pace.
    const pace = await warmUp(rounds, options, isLive ? seconds / 2 : warmUpSeconds(options))
    return rounds.run(wholeRound(options, options.messages ?? pace * seconds))
  })
}

function warmUpSeconds({ workload, client, seconds }: MeasurementOptions): number {
  // Of the floor there is little to compile.
  if (client === 'raw') return seconds
  return Math.max(seconds, ONE_AT_A_TIME.includes(workload) ? WARM_UP_STEPS : WARM_UP)
}

async function withSession<Result>(
  client: Client,
  meter: Meter,
  options: MeasurementOptions,
  work: (rounds: Rounds) => Promise<Result>,
): Promise<Result> {
  const { url, workload, size: bodySize } = options
  const session = await client.open({ url, workload, bodySize })
  const rounds = new Rounds(session, meter, options)
  await rounds.begin()
  const result = await work(rounds)
  await session.close()
  return result
}

/**
 * Compiles code and fills pools, for so many seconds of CPU time: on a busy machine the compiler's threads wait for a
 * processor. Returns the pace at the end, in messages per second.
 */
async function warmUp(rounds: Rounds, options: MeasurementOptions, seconds: number): Promise<number> {
  let messages = wholeRound(options, firstRound(options))
  let left = seconds
  let patience = (ONE_AT_A_TIME.includes(options.workload) ? PATIENCE_STEPS : PATIENCE) * seconds
  for (;;) {
    const { wallMs, cpuUs } = await rounds.run(messages)
    const pace = (1000 * messages) / wallMs
    left -= cpuUs / 1e6
    patience -= wallMs / 1000
    if (left <= 0 || patience <= 0) return pace
    const next = Math.min(GROWTH * messages, pace * Math.min(left, patience))
    messages = wholeRound(options, Math.max(messages, next))
  }
}

function firstRound({ workload, size }: Case): number {
  if (ONE_AT_A_TIME.includes(workload)) return FIRST_STEPS
  return Math.min(FIRST_ROUND, FIRST_ROUND_OCTETS / size)
}

/** The null broker confirms nothing less than a batch, and a RabbitMQ keeps no more than it has room for. */
function wholeRound({ server, workload, size }: Case, messages: number): number {
  if (workload === 'confirm') return Math.max(1, Math.round(messages / CONFIRM_BATCH)) * CONFIRM_BATCH
  const most = server === 'live' && isConsuming(workload) ? SOURCE_OCTETS / size : Number.POSITIVE_INFINITY
  return Math.max(1, Math.round(Math.min(messages, most)))
}

class Rounds {
  readonly #session: Session
  readonly #meter: Meter
  readonly #options: MeasurementOptions
  readonly #latencies = new Latencies()
  /** What the broker has counted before, and what it must have counted since. */
  readonly #counted = new Map<string, number>()
  #total = 0
  #rounds = 0

  constructor(session: Session, meter: Meter, options: MeasurementOptions) {
    this.#session = session
    this.#meter = meter
    this.#options = options
  }

  async begin(): Promise<void> {
    const { workload } = this.#options
    if (ONE_AT_A_TIME.includes(workload)) await this.#session.ask(CONFIRM_EACH)
    for (const tally of TALLIES[workload]) this.#counted.set(tally, await this.#session.ask(tally))
  }

  /** The broker's word belongs to the round: what was published is not done before it has arrived. */
  async run(messages: number): Promise<Sample> {
    const { server, workload, size } = this.#options
    // Names differ from round to round, and from process to process.
    const queue = sourceQueue(messages, size, isRich(workload), `${process.pid}.${this.#rounds++}`)
    if (isConsuming(workload) && server === 'live') await prepare({ queue })
    this.#total += messages
    const cost = await this.#meter.measure(async () => {
      await this.#session.run({ messages, queue, latencies: this.#latencies })
      for (const [tally, before] of this.#counted) {
        const counted = (await this.#session.ask(tally)) - before
        // A RabbitMQ counts nothing, but it answers when it has done all that came before.
        if (counted !== this.#total && server === 'null') {
          throw new Error(`${tally}: ${counted} instead of ${this.#total}`)
        }
      }
    })
    return { ...cost, ...this.#latencies.take(), messages }
  }
}

async function prepare(wanted: Wanted): Promise<void> {
  const ready = once(process, 'message')
  process.send?.({ wanted })
  await ready
}

await main(JSON.parse(process.argv[2] ?? '{}') as MeasurementOptions)
