// What can be asked of the benchmark on the command line.

import { parseArgs } from 'node:util'
import { BODY_SIZES, CLIENTS, type ClientName, WORKLOADS, type Workload } from './cases.js'

export const USAGE = `npm run bench -- [options]

  --only WORD       only this workload (${WORKLOADS.join(', ')}), body size (${BODY_SIZES.join(', ')})
                    or client (${CLIENTS.join(', ')}); any number of times
  --runs N          how often each case is measured; medians are shown. Default 3
  --seconds S       how long one measurement takes, and its warm-up before it. Default 1
  --messages N      how many messages one measurement takes, instead
  --json            JSON instead of a table, every run included
  --profile DIR     CPU profiles of the clients (node --cpu-prof) into DIR
`

export interface BenchOptions {
  readonly workloads: readonly Workload[]
  readonly bodySizes: readonly number[]
  readonly clients: readonly ClientName[]
  readonly runs: number
  readonly seconds: number
  readonly messages: number | undefined
  readonly json: boolean
  readonly profile: string | undefined
}

/** Throws an Error with one sentence when they cannot be understood. Undefined when help is wanted. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true, default: [] },
      runs: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '1' },
      messages: { type: 'string' },
      json: { type: 'boolean', default: false },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const unknown = values.only.find(word => ![WORKLOADS, BODY_SIZES, CLIENTS].some(all => includes(all, word)))
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there is no such workload, size or client`)
  return {
    workloads: chosen(WORKLOADS, values.only),
    bodySizes: chosen(BODY_SIZES, values.only),
    clients: chosen(CLIENTS, values.only),
    runs: Math.ceil(positive('runs', values.runs)),
    seconds: positive('seconds', values.seconds),
    messages: values.messages === undefined ? undefined : positive('messages', values.messages),
    json: values.json,
    profile: values.profile,
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
