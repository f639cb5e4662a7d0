// Long runs by hand (`npm run soak`): the names of workloads, and how much of each. The table of every run goes to standard
// output; the status is 1 when something has grown.
//
// The rule: what is held after a collection at the last of ten points may be a mebibyte above that at the second, and neither
// listeners nor handles may be more.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { connect } from '../../src/index.js'
import { sharedBroker, stopSharedBroker } from '../support/rabbitmq/index.js'
import { complaintsAbout, slopeOf, tableOf } from './checkpoints.js'
import { LIFE_WORKLOADS, liveConnections } from './life-workloads.js'
import { MESSAGE_WORKLOADS } from './message-workloads.js'
import { type Place, run, type Workload } from './workload.js'

const CHECKPOINTS = 10
const ALLOWED_OCTETS = 1024 * 1024

const WORKLOADS: readonly Workload[] = [...MESSAGE_WORKLOADS, ...LIFE_WORKLOADS, liveConnections]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { factor: { type: 'string', default: '1' } },
})
const factor = Number(values.factor)
const unknown = positionals.find(name => !WORKLOADS.some(workload => workload.name === name))

if (unknown !== undefined || !(factor > 0)) {
  const names = WORKLOADS.map(({ name }) => name).join(' | ')
  process.stderr.write(`npm run soak -- [${names}] [--factor F]\n`)
  process.exitCode = 2
} else {
  await main(WORKLOADS.filter(({ name }) => positionals.length === 0 || positionals.includes(name)))
}

async function main(workloads: readonly Workload[]): Promise<void> {
  const peer = fork(join(import.meta.dirname, 'soak-peer-process.js'))
  const [port] = (await once(peer, 'message')) as [number]
  try {
    for (const workload of workloads) {
      const url =
        workload === liveConnections ? (await sharedBroker()).url : `amqp://guest:guest@127.0.0.1:${port}`
      await report(workload, url)
    }
  } finally {
    peer.disconnect()
    await stopSharedBroker()
  }
}

async function report(workload: Workload, url: string): Promise<void> {
  const { signal } = new AbortController()
  const place: Place = { signal, connect: options => connect(url, { heartbeat: 0, ...options }) }
  const units = Math.max(CHECKPOINTS, Math.round(workload.units * factor))
  print(`\n== ${workload.name}: ${units} ${workload.title}`)
  const begin = performance.now()
  const checkpoints = await run(workload, place, { units, checkpoints: CHECKPOINTS })
  const seconds = ((performance.now() - begin) / 1000).toFixed(1)
  print(tableOf(checkpoints))
  const complaints = complaintsAbout(checkpoints, ALLOWED_OCTETS)
  for (const complaint of complaints) print(`grows: ${complaint}`)
  const slope = slopeOf(checkpoints).toFixed(3)
  print(`-- ${workload.name}: ${slope} octets each, ${complaints.length} complaints, ${seconds} s`)
  if (complaints.length > 0) process.exitCode = 1
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
