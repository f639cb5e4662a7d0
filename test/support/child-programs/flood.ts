// An application that publishes far faster than anybody reads, and awaits nothing: messages of 1 KiB, a million at most,
// through a proxy of its own that takes no octet any more, until the connection is dead and a moment longer. It tells how
// much was held in memory meanwhile, what became of the publishes, and how the connection ended; then it has nothing left
// to do. Parameters: the broker's URL, `plain` or `confirm`, and the option maxBuffered if it is not to be the default.

import { setImmediate as turn } from 'node:timers/promises'
import { connect } from '../../../src/index.js'
import { FaultProxy } from '../fault-proxy.js'
import { report, reportExit } from './report.js'

const COUNT = 1_000_000
/** Publishes in one turn of the event loop. */
const BURST = 1_000
const WINDOW = 2_000

reportExit()
// A stack for each of so many errors takes longer than all the rest.
Error.stackTraceLimit = 0
const [broker = '', mode, limit] = process.argv.slice(2)
const { hostname: host, port } = new URL(broker)
const proxy = await FaultProxy.start({ target: { host, port: Number(port) } })
const maxBuffered = limit === undefined ? undefined : Number(limit)
const connection = await connect(proxy.url(broker), { heartbeat: 1, maxBuffered })
const channel = await connection.openChannel({ confirm: mode === 'confirm', maxUnconfirmed: WINDOW })
const { queue } = await channel.queueDeclare('')
proxy.freeze()

/** By the error's name and outcome; `resolved` when there was none. */
const fates: Record<string, number> = {}
const note = (fate: string): void => {
  fates[fate] = (fates[fate] ?? 0) + 1
}
const noteError = ({ name, outcome }: Error & { outcome?: string }): void =>
  note(outcome === undefined ? name : `${name} ${outcome}`)
const publish = (body: Buffer): void =>
  void channel.publish('', queue, body).then(() => note('resolved'), noteError)

const body = Buffer.alloc(1024, 'x')
const before = process.memoryUsage.rss()
let bufferedOctets = 0
let rss = 0
const look = (): void => {
  bufferedOctets = Math.max(bufferedOctets, connection.stats.bufferedOctets)
  rss = Math.max(rss, process.memoryUsage.rss())
}
let published = 0
const publishBurst = async (): Promise<void> => {
  for (let each = 0; each < BURST; each++) publish(body)
  published += BURST
  look()
  await turn()
}
while (connection.state === 'open' && published < COUNT) await publishBurst()
const { by } = await connection.closed
await publishBurst()
report('closed', { by, published, fates, bufferedOctets, rssGrowth: rss - before })
await proxy.close()
