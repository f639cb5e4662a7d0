// @ts-check
// Every call takes a `timeout` (ms) and a `signal`. What has not been sent when they end the wait is never sent; what has been
// sent takes effect, and its answer is ignored. A call that passes its `timeout` closes its channel, a signal does not.

import { connect, UnconfirmedError } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost', {
  signal: AbortSignal.timeout(5000), // for connecting only
})
const channel = await connection.openChannel({ confirm: true, maxUnconfirmed: 1, timeout: 5000 })
const { queue } = await channel.queueDeclare('', { timeout: 5000 })

// One signal may end any number of publishes. Here the first is handed over at once; the others wait for its confirm, as only
// one at a time may be unconfirmed, and are taken back.
const stop = new AbortController()
const publishes = ['a', 'b', 'c'].map(body => channel.publish('', queue, body, { signal: stop.signal }))
stop.abort(new Error('changed my mind'))

for (const result of await Promise.allSettled(publishes)) {
  if (result.status === 'fulfilled') continue
  const { reason } = result
  if (!(reason instanceof UnconfirmedError)) throw reason
  console.log(reason.outcome, String(reason.cause))
}
// prints: unknown Error: changed my mind
// prints: not-sent Error: changed my mind
// prints: not-sent Error: changed my mind

await channel.publish('', queue, 'd')
console.log((await connection.checkQueue(queue))?.messageCount) // prints: 2

// With a signal that was aborted before nothing is sent at all.
const purge = channel.queuePurge(queue, { signal: AbortSignal.abort(new Error('never mind')) })
console.log(String(await purge.catch(error => error))) // prints: Error: never mind
console.log(channel.state) // prints: open

await connection.close()
