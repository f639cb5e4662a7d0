// `npm run bench`: measures what was asked for, and shows it. Nothing is shown when one of the messages was not accounted
// for: that ends everything.

import {
  type Baseline,
  baselineOf,
  compare,
  comparisonTable,
  isWorse,
  readBaseline,
  writeBaseline,
} from './baseline.js'
import { buildCClient } from './c-client.js'
import {
  BASELINES,
  type Case,
  isMeasured,
  isSameWork,
  MANY_CONNECTIONS,
  nameOf,
  type ServerName,
  SIZES,
} from './cases.js'
import { describeEffort, describeMachine, describeVersions } from './circumstances.js'
import { mayOpen } from './idle.js'
import { type BenchOptions, parseOptions, RUNS, USAGE } from './options.js'
import { writeReport } from './report.js'
import { Results } from './results.js'
import { runAll, type Series } from './runner.js'
import { expectSameWork } from './same-work.js'
import { startNullBroker, startRabbitMq } from './servers.js'
import { tablesOf } from './table.js'
import { targetsOf } from './targets.js'

async function main(options: BenchOptions): Promise<void> {
  const machine = describeMachine()
  const baseline = options.check ? readBaseline() : undefined
  const hasC =
    options.clients.includes('librabbitmq') && (await buildCClient(options.named.includes('librabbitmq')))
  const cases = options.servers
    .flatMap(server => casesOf(options, server))
    .filter(({ client }) => hasC || client !== 'librabbitmq')
  if (cases.length === 0) throw new Error('there is no such combination of workload, size and client')
  const { results, servers } = await measureAll(cases, options)
  expectSameWork(results)
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ machine, series: results.series }, undefined, 2)}\n`)
  } else {
    const parts = [machine, ...tablesOf(results), targetsOf(results)]
    process.stdout.write(`${parts.filter(part => part !== '').join('\n\n')}\n`)
  }
  if (baseline !== undefined) await check(results, baseline, options)
  if (options.save) {
    writeBaseline(baselineOf(results, machine))
    writeReport(results, { machine, versions: describeVersions(servers), effort: describeEffort(options) })
  }
}

/** Server by server. */
async function measureAll(
  cases: readonly Case[],
  options: BenchOptions,
): Promise<{ results: Results; servers: string[] }> {
  const all: Series[] = cases.map(which => ({ ...which, samples: [] }))
  const servers: string[] = []
  const nullBroker = await startNullBroker()
  try {
    for (const name of new Set(cases.map(({ server }) => server))) {
      const server = name === 'null' ? nullBroker : await startRabbitMq()
      servers.push(server.description)
      const series = all.filter(each => each.server === name)
      try {
        await runAll(series, server, nullBroker.url, { ...options, runs: options.runs ?? RUNS[name] })
      } finally {
        if (server !== nullBroker) await server.stop()
      }
    }
  } finally {
    await nullBroker.stop()
  }
  return { results: new Results(all), servers }
}

/** What looks worse is measured once more, for longer: it is when it is worse both times. */
async function check(results: Results, baseline: Baseline, options: BenchOptions): Promise<void> {
  const comparisons = compare(results, baseline)
  process.stdout.write(`\nbeside ${baseline.machine}\n\n${comparisonTable(comparisons)}\n`)
  const suspects = comparisons.filter(isWorse).map(({ work }) => work)
  if (suspects.length === 0) return
  const again = results.series
    .filter(series => suspects.some(work => isSameWork(series, work)))
    .filter(({ client }) => client === 'thump' || BASELINES.some(name => name === client))
  const runs = 2 * (options.runs ?? RUNS.null)
  const second = await measureAll(again, { ...options, runs })
  const worse = compare(second.results, baseline)
  process.stdout.write(`\nonce more, ${runs} runs of what looks worse\n\n${comparisonTable(worse)}\n`)
  if (worse.some(isWorse)) process.exitCode = 1
}

function casesOf({ workloads, sizes, clients, quick }: BenchOptions, server: ServerName): Case[] {
  return workloads.flatMap(workload =>
    SIZES[workload]
      .filter(size => size === 0 || (sizes?.includes(size) ?? !(quick && size === MANY_CONNECTIONS)))
      .flatMap(size => clients.map(client => ({ server, workload, size, client })))
      .filter(isMeasured)
      .filter(isPossible),
  )
}

function isPossible(which: Case): boolean {
  if (which.workload !== 'idle' || mayOpen(which.size)) return true
  process.stderr.write(`left out: ${nameOf(which)}: a process may not open as many files (ulimit -n)\n`)
  return false
}

const options = readOptions()
if (options !== undefined) {
  await main(options).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  })
}

function readOptions(): BenchOptions | undefined {
  try {
    const options = parseOptions(process.argv.slice(2))
    if (options === undefined) process.stdout.write(USAGE)
    return options
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}`)
    process.exitCode = 2
    return undefined
  }
}
