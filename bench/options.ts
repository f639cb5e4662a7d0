// What can be asked of the benchmark on the command line.

import { parseArgs } from 'node:util'
import {
  ALL_SIZES,
  BASELINES,
  CLIENTS,
  type ClientName,
  type ServerName,
  WORKLOADS,
  type Workload,
} from './cases.js'

/** Unless something else was asked for. */
export const RUNS: Readonly<Record<ServerName, number>> = Object.freeze({ null: 3, live: 2 })
const DEFAULT_SECONDS = 0.4
const QUICK_SECONDS = 0.25
/** Without the others it takes half the time. */
const QUICK_CLIENTS: readonly ClientName[] = ['thump', ...BASELINES]

export const USAGE = `npm run bench -- [options]

  --only WORD       only this workload (${WORKLOADS.slice(0, 5).join(', ')},
                    ${WORKLOADS.slice(5).join(', ')}),
                    size (${ALL_SIZES.filter(size => size > 0).join(', ')})
                    or client (${CLIENTS.join(', ')});
                    any number of times
  --live            with a private RabbitMQ instead of the null broker
  --quick           one short run of each case, by thump, amqplib and raw
  --runs N          how often each case is measured; medians are shown. Default ${RUNS.null}, with a RabbitMQ ${RUNS.live}
  --seconds S       how long one measurement takes, and at least its warm-up before it. Default ${DEFAULT_SECONDS}
  --messages N      how many messages one measurement takes, instead
  --check           compares the ratios with bench/baseline.json; ends with 1 when one has become worse
  --save            measures all with both servers, and writes bench/baseline.json and docs/performance.md
  --json            JSON instead of tables, every run included
  --profile DIR     CPU profiles of the clients (node --cpu-prof) into DIR
`

export interface BenchOptions {
  readonly servers: readonly ServerName[]
  readonly workloads: readonly Workload[]
  /** Undefined: all that the workload has. */
  readonly sizes: readonly number[] | undefined
  readonly clients: readonly ClientName[]
  /** Undefined: what the server's default is. */
  readonly runs: number | undefined
  readonly seconds: number
  readonly messages: number | undefined
  readonly quick: boolean
  readonly check: boolean
  readonly save: boolean
  readonly json: boolean
  readonly profile: string | undefined
  /** Clients that were asked for by name. */
  readonly named: readonly ClientName[]
}

/** Throws an Error with one sentence when they cannot be understood. Undefined when help is wanted. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true, default: [] },
      live: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      seconds: { type: 'string' },
      messages: { type: 'string' },
      check: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const { only, quick, live, save, check, messages, json, profile } = values
  const unknown = only.find(word => ![WORKLOADS, ALL_SIZES, CLIENTS].some(all => includes(all, word)))
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there is no such workload, size or client`)
  if (save && (only.length > 0 || quick || live || check || messages !== undefined)) {
    throw new Error('--save is for all there is: it goes with --runs and --seconds only')
  }
  if (check && live) throw new Error('--check is for the null broker: a RabbitMQ is no steady measure')
  const sizes = ALL_SIZES.filter(size => only.includes(String(size)))
  const named = CLIENTS.filter(client => only.includes(client))
  return {
    servers: save ? ['null', 'live'] : [live ? 'live' : 'null'],
    workloads: chosen(WORKLOADS, only),
    sizes: sizes.length === 0 ? undefined : sizes,
    clients: named.length > 0 ? named : quick ? QUICK_CLIENTS : CLIENTS,
    quick,
    runs: values.runs === undefined ? (quick ? 1 : undefined) : Math.ceil(positive('runs', values.runs)),
    seconds:
      values.seconds === undefined
        ? quick
          ? QUICK_SECONDS
          : DEFAULT_SECONDS
        : positive('seconds', values.seconds),
    messages: messages === undefined ? undefined : positive('messages', messages),
    check,
    save,
    json,
    profile,
    named,
  }
}

/** Those that are named, or all when none is. */
function chosen<T extends string | number>(all: readonly T[], words: readonly string[]): readonly T[] {
  const named = all.filter(each => words.includes(String(each)))
  return named.length === 0 ? all : named
}

function includes(all: readonly (string | number)[], word: string): boolean {
  return all.some(each => String(each) === word)
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  throw new Error(`--${name} must be a number above 0`)
}
