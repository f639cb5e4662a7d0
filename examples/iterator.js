// @ts-check
// Deliveries one after the other in a loop, settled by hand. The loop ends when the consumer is cancelled (here on SIGTERM,
// or by leaving it); it throws when somebody else has ended it.

import { connect } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel({ confirm: true })
const { queue } = await channel.queueDeclare()
for (const body of ['1', '2', 'not a number', '4', 'last']) await channel.publish('', queue, body)

await channel.prefetch(10) // of consumers started from now on; 100 by default
const consumer = await channel.consume(queue)
process.once('SIGTERM', () => channel.cancel(consumer)) // or consumer.cancel()

let sum = 0
for await (const delivery of consumer) {
  const text = delivery.body.toString()
  if (text === 'last') {
    delivery.ack()
    break // cancels the consumer; what it had not taken goes back
  }
  const n = Number(text)
  if (Number.isNaN(n)) {
    delivery.reject() // not requeued: dead-lettered, or dropped when the queue has no dead letter exchange
    continue
  }
  sum += n
  delivery.ack() // true; false when its channel is gone, and then it is delivered again
}
console.log(sum) // prints: 7
console.log((await consumer.closed).by) // prints: client

// Not before the loop is over: it settles on this connection.
await connection.close()
