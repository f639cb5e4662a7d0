// Measures every case so many times, each time in a fresh process and in turn with the other clients, against one null
// broker, and prints medians. Nothing is shown when one of the messages was not accounted for: that ends everything.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Case, MeasurementOptions, Sample } from './measurement.js'
import { type BenchOptions, parseOptions, USAGE } from './options.js'
import { type Row, rowsOf, type Series, tableOf } from './table.js'

const NULL_BROKER = fileURLToPath(new URL('null-broker.js', import.meta.url))
const MEASUREMENT = fileURLToPath(new URL('measurement.js', import.meta.url))

/** A measurement hangs when it takes so many times as long as it was told to, and this much on top. */
const PATIENCE = 20
const BASE_PATIENCE_MS = 60_000

/** The calls at the end of a round count as octets of its messages, and rounds differ in length. */
const TOLERANCE = 0.01

async function main(options: BenchOptions): Promise<void> {
  const machine = describeMachine()
  const broker = fork(NULL_BROKER)
  try {
    const port = (await messageOf(broker, BASE_PATIENCE_MS)) as number
    const all = seriesOf(options)
    for (let run = 0; run < options.runs; run++) {
      for (const series of inTurn(all, run)) {
        process.stderr.write(`run ${run + 1}: ${nameOf(series)}\n`)
        series.samples.push(await measure(series, port, options))
      }
    }
    const rows = rowsOf(all)
    expectSameWork(rows)
    const { runs, seconds, messages } = options
    if (options.json) {
      const settings = { runs, seconds, messages }
      process.stdout.write(`${JSON.stringify({ machine, settings, rows, series: all }, undefined, 2)}\n`)
    } else {
      const length = messages === undefined ? `${seconds} s` : `${messages} messages`
      process.stdout.write(`${machine}; medians of ${runs} runs of ${length}\n\n${tableOf(rows)}\n`)
    }
  } finally {
    broker.kill()
  }
}

function seriesOf({ workloads, bodySizes, clients }: BenchOptions): Series[] {
  return workloads.flatMap(workload =>
    bodySizes.flatMap(bodySize => clients.map(client => ({ workload, bodySize, client, samples: [] }))),
  )
}

/** The clients of each case begin in turn: what one leaves to the next is not always left to the same. */
function inTurn(all: readonly Series[], run: number): Series[] {
  const clients = new Set(all.map(series => series.client)).size
  return all.map((_, index) => {
    const place = index % clients
    return all[index - place + ((place + run) % clients)] as Series
  })
}

async function measure(which: Case, port: number, options: BenchOptions): Promise<Sample> {
  const { seconds, messages, profile } = options
  const { workload, bodySize, client } = which
  const measurement: MeasurementOptions = { workload, bodySize, client, port, seconds, messages }
  const profiling =
    profile === undefined
      ? []
      : ['--cpu-prof', `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${fileOf(which)}`]
  const child = fork(MEASUREMENT, [JSON.stringify(measurement)], { execArgv: profiling })
  const ended = once(child, 'exit')
  try {
    return (await messageOf(child, BASE_PATIENCE_MS + PATIENCE * 1000 * seconds)) as Sample
  } catch (error) {
    child.kill()
    throw new Error(`${nameOf(which)}: ${(error as Error).message}`)
  } finally {
    await ended
  }
}

/** The first message of a child. Rejects when it ends before, or when there is none in time. */
async function messageOf(child: ChildProcess, patienceMs: number): Promise<unknown> {
  const abort = new AbortController()
  const late = setTimeout(() => abort.abort(new Error(`nothing for ${patienceMs} ms`)), patienceMs)
  child.once('exit', (code, signal) => abort.abort(new Error(`the process ended with ${signal ?? code}`)))
  try {
    const [message] = await once(child, 'message', { signal: abort.signal })
    return message
  } catch (error) {
    throw abort.signal.aborted ? abort.signal.reason : error
  } finally {
    clearTimeout(late)
  }
}

/** `raw` writes what the messages take; whoever writes less has not published the same. */
function expectSameWork(rows: readonly Row[]): void {
  for (const row of rows.filter(({ workload }) => workload === 'publish' || workload === 'confirm')) {
    const floor = rows.find(
      ({ workload, bodySize, client }) =>
        client === 'raw' && workload === row.workload && bodySize === row.bodySize,
    )
    const octets = row.octetsWrittenPerMessage
    if (floor === undefined || octets >= (1 - TOLERANCE) * floor.octetsWrittenPerMessage) continue
    throw new Error(
      `${nameOf(row)} writes ${octets} octets for a message of ${floor.octetsWrittenPerMessage}`,
    )
  }
}

function describeMachine(): string {
  const [processor] = cpus()
  const load = loadavg()[0]?.toFixed(1)
  const when = new Date().toISOString().slice(0, 10)
  return `${when}, ${cpus().length} × ${processor?.model.trim()}, ${process.platform}, Node ${process.version}, load ${load}`
}

function nameOf({ workload, bodySize, client }: Case): string {
  return `${workload} ${bodySize} ${client}`
}

function fileOf(which: Case): string {
  return `${nameOf(which).replaceAll(' ', '-')}.cpuprofile`
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
