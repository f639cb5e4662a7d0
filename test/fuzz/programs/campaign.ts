// Fuzzer: arbitrary programs of channel operations, legal ones, on a live broker. A program has a connection of its own with up to four
// channels on which operations are issued without waiting for one another; every answer, every delivery and at the end every queue is
// held against the account of a model (test/model). A case is one operation. Many programs run at a time, some of them through a
// proxy that cuts the octets into small pieces.

import { Worker } from 'node:worker_threads'
import { Tallies } from '../../model/world/tallies.js'
import { keep } from '../../support/invariants/keep.js'
import { sharedBroker } from '../../support/rabbitmq/index.js'
import { type Campaign, type Effort, ENOUGH_FINDINGS, type Report } from '../campaign.js'
import type { Histogram } from '../histogram.js'
import type { Assignment, Progress } from './worker.js'

/** Told every so many operations. */
const PROGRESS_EVERY = 50_000
const SHORT_RUN = 5_000
const DOMINANT = 0.6
/** What a few thousand operations come to, the rarer ones too. */
const OUTCOMES = [
  'replied',
  'confirmed',
  'delivered',
  'redelivered',
  'got',
  'got nothing',
  'settled before',
  'returned by itself',
  'left in a queue',
  'closed by client',
  'AMQP_RETURNED',
  'AMQP_PUBLISHES_FAILED',
] as const

export const programsCampaign: Campaign = {
  name: 'programs',
  title: 'programs of channel operations on a live broker, against a model',
  unit: 'operations',
  shortRun: SHORT_RUN,

  async run({ seed, cases, progress }: Effort): Promise<Report> {
    const { url } = await sharedBroker()
    const { all: histograms } = new Tallies()
    const findings: string[] = []
    let given = 0
    let programs = 0
    let told = 0
    const note = (news: Progress): void => {
      given += news.operations
      programs += news.programs
      findings.push(...news.findings)
      histograms.forEach((histogram, index) => {
        for (const [name, count] of news.counts[index] ?? []) histogram.count(name, count)
      })
      if (progress === undefined || given - told < PROGRESS_EVERY) return
      told = given
      progress(`${given} operations in ${programs} programs, ${findings.length} findings`)
    }
    const assignment: Assignment = { url, seed, cases, findingsMax: ENOUGH_FINDINGS }
    await keep('the thread of the programs', () => runThread(assignment, note, findings))
    if (cases >= SHORT_RUN && findings.length === 0) findings.push(...monotony(histograms))
    return { cases: given, histograms, findings }
  },
}

/** What makes a run worthless: one thing nearly always, or another never. */
export function monotony(histograms: readonly Histogram[]): string[] {
  const dominated = histograms.filter(({ dominance }) => dominance >= DOMINANT)
  const outcomes = histograms.find(({ title }) => title === 'outcomes')
  const missing = OUTCOMES.filter(name => outcomes?.share(name) === 0)
  return [...dominated.map(histogram => `monotonous: ${histogram}`), ...missing.map(name => `never: ${name}`)]
}

async function runThread(
  assignment: Assignment,
  note: (news: Progress) => void,
  findings: string[],
): Promise<void> {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: assignment })
  worker.on('message', note)
  worker.on('error', error => findings.push(`the thread broke: ${error.stack}`))
  await new Promise(resolve => worker.on('exit', resolve))
}
