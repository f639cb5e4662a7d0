// Measures each case so many times, each time in a fresh process and in turn with the other clients.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { measureC } from './c-client.js'
import { type Case, isSameWork, MANY_CONNECTIONS, nameOf } from './cases.js'
import type { MeasurementOptions, Sample, Wanted } from './measurement.js'
import type { Server } from './servers.js'

/** All runs of one case. */
export interface Series extends Case {
  readonly samples: Sample[]
}

export interface RunOptions {
  readonly runs: number
  readonly seconds: number
  readonly messages: number | undefined
  readonly profile: string | undefined
}

const MEASUREMENT = fileURLToPath(new URL('measurement.js', import.meta.url))

/** A measurement hangs when it takes so many times as long as it was told to, and this much on top. */
const PATIENCE = 60
const BASE_PATIENCE_MS = 60_000
/** To open a connection on a machine where others work, and to close it. */
const PATIENCE_PER_CONNECTION_MS = 30

/** `warmUpUrl` is that of the null broker: on a RabbitMQ a client would have to wait too much to be compiled. */
export async function runAll(
  all: readonly Series[],
  server: Server,
  warmUpUrl: string,
  options: RunOptions,
): Promise<void> {
  for (let run = 0; run < options.runs; run++) {
    for (const series of inTurn(all, run)) {
      if (run > 0 && series.workload === 'idle' && series.size === MANY_CONNECTIONS) continue
      process.stderr.write(`run ${run + 1}: ${nameOf(series)}\n`)
      series.samples.push(await measure(series, server, warmUpUrl, options))
    }
  }
}

/** The clients of each case begin in turn: what one leaves to the next is not always left to the same. */
function inTurn(all: readonly Series[], run: number): Series[] {
  const works = all.filter((series, index) => all.findIndex(other => isSameWork(series, other)) === index)
  return works.flatMap(work => {
    const clients = all.filter(series => isSameWork(series, work))
    const first = run % clients.length
    return [...clients.slice(first), ...clients.slice(0, first)]
  })
}

async function measure(which: Case, server: Server, warmUpUrl: string, options: RunOptions): Promise<Sample> {
  const { seconds, messages, profile } = options
  const { workload, size, client } = which
  const { url } = server
  const measurement: MeasurementOptions = {
    server: server.name,
    workload,
    size,
    client,
    url,
    warmUpUrl,
    seconds,
    messages,
  }
  const connections = workload === 'idle' ? size : 0
  const patienceMs = BASE_PATIENCE_MS + PATIENCE * 1000 * seconds + PATIENCE_PER_CONNECTION_MS * connections
  try {
    if (client === 'librabbitmq') return await measureC(measurement, patienceMs)
    const execArgv = workload === 'idle' ? ['--expose-gc'] : []
    if (profile !== undefined) {
      const name = `${nameOf(which).replaceAll(' ', '-')}.cpuprofile`
      execArgv.push('--cpu-prof', `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${name}`)
    }
    return await sampleOf(fork(MEASUREMENT, [JSON.stringify(measurement)], { execArgv }), server, patienceMs)
  } catch (error) {
    throw new Error(`${nameOf(which)}: ${(error as Error).message}`)
  }
}

/** What a child measures, when it has ended. Rejects when it ends without, or when it takes too long. */
async function sampleOf(child: ChildProcess, server: Server, patienceMs: number): Promise<Sample> {
  const ended = once(child, 'exit')
  const late = new AbortController()
  const timer = setTimeout(() => {
    late.abort()
    child.kill()
  }, patienceMs)
  let sample: Sample | undefined
  let failure: unknown
  child.on('message', async (message: { sample?: Sample; wanted?: Wanted }) => {
    sample ??= message.sample
    if (message.wanted === undefined) return
    try {
      await server.prepare(message.wanted.queue)
      child.send('ready')
    } catch (error) {
      failure = error
      child.kill()
    }
  })
  const [code, signal] = await ended
  clearTimeout(timer)
  if (failure !== undefined) throw failure
  if (late.signal.aborted) throw new Error(`nothing for ${patienceMs} ms`)
  if (sample === undefined || code !== 0) throw new Error(`the process ended with ${signal ?? code}`)
  return sample
}
