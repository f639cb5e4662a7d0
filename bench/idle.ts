// What connections cost that do nothing: opened, left alone until they beat evenly, and then watched. All of them have to
// be alive at the end, by the word of the broker.

import { setTimeout as delay } from 'node:timers/promises'
import { HEARTBEAT, Tally } from './cases.js'
import { RawConnection } from './clients/raw-connection.js'
import type { Cost, Meter } from './meter.js'
import type { Client } from './session.js'

export interface IdleCost {
  readonly heapOctetsPerConnection: number
  readonly rssOctetsPerConnection: number
}

export interface IdleOptions {
  readonly url: string
  /** Of connections. */
  readonly size: number
  readonly seconds: number
}

/** Connections that open at the same time. */
const AT_A_TIME = 50
/** Files that a process has open besides. */
const OTHER_FILES = 100
/** Times the length of a measurement of messages: a heartbeat is rare. */
const LONGER = 10
/** Intervals of the heartbeat before the watch begins. */
const SETTLING = 1

export async function measureIdle(
  client: Client,
  meter: Meter,
  { url, size: connections, seconds }: IdleOptions,
): Promise<Cost & IdleCost & { messages: number }> {
  const beatingUrl = `${url}?heartbeat=${HEARTBEAT}`
  // Code is compiled and loaded by the first few; they stay to the end.
  const closes = await open(client, beatingUrl, AT_A_TIME)
  const before = memory()
  closes.push(...(await open(client, beatingUrl, connections - AT_A_TIME)))
  await delay(1000 * SETTLING * HEARTBEAT)
  const after = memory()
  const cost = await meter.measure(async () => {
    await delay(1000 * LONGER * seconds)
  })
  await expectAlive(url, connections)
  for (const close of closes) await close()
  return {
    ...cost,
    messages: cost.wallMs / 1000,
    heapOctetsPerConnection: (after.heapUsed - before.heapUsed) / (connections - AT_A_TIME),
    rssOctetsPerConnection: (after.rss - before.rss) / (connections - AT_A_TIME),
  }
}

/** Whether a process may have so many sockets; Node.js has raised its limit as far as it may. */
export function mayOpen(connections: number): boolean {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft: string } } }
  const limit = Number(userLimits?.open_files?.soft ?? 'unlimited')
  return Number.isNaN(limit) || limit > connections + OTHER_FILES
}

async function open(client: Client, url: string, connections: number): Promise<(() => Promise<void>)[]> {
  const closes: (() => Promise<void>)[] = []
  while (closes.length < connections) {
    const count = Math.min(AT_A_TIME, connections - closes.length)
    closes.push(...(await Promise.all(Array.from({ length: count }, () => client.hold(url)))))
  }
  return closes
}

/** Twice: what the first collection leaves to finalizers, the second takes. */
function memory(): NodeJS.MemoryUsage {
  const collect = globalThis.gc
  if (collect === undefined) throw new Error('it takes node --expose-gc')
  collect()
  collect()
  return process.memoryUsage()
}

async function expectAlive(url: string, connections: number): Promise<void> {
  const connection = new RawConnection(0)
  await connection.open(url)
  await connection.openChannel(false)
  // This one is alive as well.
  const alive = (await connection.ask(Tally.Alive)) - 1
  await connection.close()
  if (alive !== connections) throw new Error(`${alive} of ${connections} connections are alive`)
}
