// @ts-check
// A worker that can be stopped at any time: on SIGTERM it takes no new work, finishes what it has begun, acknowledges it, and
// gives back the rest. A delivery is acknowledged when its handler is done.

import { setTimeout as work } from 'node:timers/promises'
import { connect } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel()
const { queue } = await channel.queueDeclare() // a queue for earnest work has a name and a deadLetterExchange
for (let n = 1; n <= 100; n++) channel.publish('', queue, `job ${n}`)

let begun = 0
let done = 0
const consumer = await channel.consume(queue, { prefetch: 20, concurrency: 5 }, async delivery => {
  begun++
  await work(250)
  done++
  if (done === 5) console.log(delivery.body.toString(), 'is done') // prints: is done
})

// The message of a handler that throws goes back once, and is rejected the second time: dead-lettered where the queue has a
// dead letter exchange (retry.js, docs/consuming.md), and dropped where it has none, as here.
channel.on('handlerError', (error, delivery) => console.error(delivery.body.toString(), error))

process.once('SIGTERM', async () => {
  // As long as the platform waits before it kills (Kubernetes: 30 s), and a little less. Handlers have all of it but 2 s.
  const reason = await connection.close({ drain: true, timeout: 25_000 })
  console.log(reason) // prints: { by: 'client' }
  console.log(begun === done ? 'nothing is left half done' : 'cut short') // prints: nothing is left half done
})

// The broker may end it too: the queue is deleted, the connection is lost. Then another life has to begin.
const reason = await consumer.closed
if (reason.by !== 'client') {
  console.error('the consumer has ended:', reason)
  await connection.close()
  process.exitCode = 1
}
