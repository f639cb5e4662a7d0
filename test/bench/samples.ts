// Series of samples, made up: what a test does not care for is the same in all of them.

import type { Case } from '../../bench/cases.js'
import type { Sample } from '../../bench/measurement.js'
import { Results } from '../../bench/results.js'

const SAMPLE: Sample = {
  messages: 1000,
  wallMs: 1000,
  cpuUs: 1000,
  systemUs: 100,
  gcMs: 10,
  writes: 10,
  octetsWritten: 100_000,
  rssOctets: 50 * 2 ** 20,
}

/** One sample for each of `runs`. */
export function series(which: Partial<Case>, ...runs: Partial<Sample>[]) {
  const { server = 'null', workload = 'publish', size = 16, client = 'thump' } = which
  return { server, workload, size, client, samples: runs.map(run => ({ ...SAMPLE, ...run })) }
}

export function results(...all: ReturnType<typeof series>[]): Results {
  return new Results(all)
}
