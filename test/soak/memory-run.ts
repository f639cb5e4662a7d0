// A short run of every workload with the server at the other end of a stream in memory, in a process of its own: what the tests'
// harness keeps would be counted otherwise. Prints one line of JSON for each.

import { type ConnectOptions, connect } from '../../src/index.js'
import { MemoryStream } from '../support/peer/memory-stream.js'
import { LIFE_WORKLOADS } from './life-workloads.js'
import { MESSAGE_WORKLOADS } from './message-workloads.js'
import { SoakPeer } from './soak-peer.js'
import { type Place, run, type Workload } from './workload.js'

/** Of each, so much. */
const UNITS: Readonly<Record<string, number>> = {
  confirmed: 60_000,
  plain: 60_000,
  handled: 40_000,
  iterated: 20_000,
  fetched: 20_000,
  channels: 2_000,
  connections: 60,
}
const CHECKPOINTS = 4

function place(): Place {
  const { signal } = new AbortController()
  const stream = (): MemoryStream => {
    const [client, server] = MemoryStream.pair({ bufferOctets: 65_536 })
    new SoakPeer(server)
    // They remember every write, for tests that look at them.
    server.on('data', () => {
      client.writes.length = 0
      server.writes.length = 0
    })
    return client
  }
  return { signal, connect: (options?: ConnectOptions) => connect({ heartbeat: 0, ...options, stream }) }
}

/** Keeps a message of every twenty, on purpose. */
function leaking(workload: Workload): Workload {
  const kept: Buffer[] = []
  return {
    ...workload,
    name: 'leaking',
    begin: async where => {
      const { step, ...running } = await workload.begin(where)
      return {
        ...running,
        step: async units => {
          await step(units)
          for (let count = 0; count < units / 20; count++) kept.push(Buffer.alloc(2_048, kept.length))
        },
      }
    },
  }
}

for (const workload of [...MESSAGE_WORKLOADS, ...LIFE_WORKLOADS]) {
  const units = UNITS[workload.name] ?? 0
  const checkpoints = await run(workload, place(), { units, checkpoints: CHECKPOINTS })
  process.stdout.write(`${JSON.stringify({ name: workload.name, checkpoints })}\n`)
}
const [fetched] = MESSAGE_WORKLOADS.filter(({ name }) => name === 'fetched')
const checkpoints = await run(leaking(fetched as Workload), place(), {
  units: 20_000,
  checkpoints: CHECKPOINTS,
})
process.stdout.write(`${JSON.stringify({ name: 'leaking', checkpoints })}\n`)
