// `npm run bench`: measures what was asked for, and shows it. Nothing is shown when one of the messages was not accounted
// for: that ends everything.

import { buildCClient } from './c-client.js'
import { isMeasured, type ServerName, SIZES } from './cases.js'
import { describeMachine } from './machine.js'
import { type BenchOptions, parseOptions, USAGE } from './options.js'
import { Results } from './results.js'
import { runAll, type Series } from './runner.js'
import { expectSameWork } from './same-work.js'
import { START_SERVER } from './servers.js'
import { tablesOf } from './table.js'
import { targetsOf } from './targets.js'

/** Unless something else was asked for. */
const RUNS: Readonly<Record<ServerName, number>> = Object.freeze({ null: 3, live: 2 })

async function main(options: BenchOptions): Promise<void> {
  const machine = describeMachine()
  const hasC =
    options.clients.includes('librabbitmq') && (await buildCClient(options.named.includes('librabbitmq')))
  const all: Series[] = []
  for (const name of options.servers) {
    const series = seriesOf(options, name).filter(({ client }) => hasC || client !== 'librabbitmq')
    all.push(...series)
    const server = await START_SERVER[name]()
    try {
      await runAll(series, server, { ...options, runs: options.runs ?? RUNS[name] })
    } finally {
      await server.stop()
    }
  }
  const results = new Results(all)
  expectSameWork(results)
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ machine, series: all }, undefined, 2)}\n`)
  } else {
    const parts = [machine, ...tablesOf(results), targetsOf(results)]
    process.stdout.write(`${parts.filter(part => part !== '').join('\n\n')}\n`)
  }
}

function seriesOf({ workloads, sizes, clients }: BenchOptions, server: ServerName): Series[] {
  return workloads.flatMap(workload =>
    SIZES[workload]
      .filter(size => sizes === undefined || size === 0 || sizes.includes(size))
      .flatMap(size => clients.map(client => ({ server, workload, size, client, samples: [] })))
      .filter(isMeasured),
  )
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
