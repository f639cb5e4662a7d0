// @ts-check
// RabbitMQ keeps most properties of a queue in a table of `x-` arguments, under names that nothing checks and with types that
// it is particular about. Here they are options: checked before anything is sent, with completion in the editor.

import { ArgumentError, connect } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel()

await channel.queueDeclare('example.jobs.failed', { type: 'quorum' })
await channel.queueDeclare('example.jobs', {
  type: 'quorum', // x-queue-type
  deliveryLimit: 5, // x-delivery-limit: after so many it is dead-lettered
  deadLetterExchange: '', // x-dead-letter-exchange: the default exchange
  deadLetterRoutingKey: 'example.jobs.failed', // x-dead-letter-routing-key
  maxLength: 100_000, // x-max-length
  overflow: 'reject-publish', // x-overflow: a publish is nacked when the queue is full
})

// What no option stands for goes into `arguments`; an option and its argument together are refused.
await channel.queueDeclare('example.flags', {
  expires: 60_000, // x-expires: ms without use
  messageTtl: 10_000, // x-message-ttl: ms
  arguments: { 'x-queue-mode': 'lazy' },
})

try {
  // @ts-expect-error TypeScript refuses it, and so does thump where there is no TypeScript.
  await channel.queueDeclare('example.wrong', { messageTTL: 10_000 })
} catch (error) {
  if (!(error instanceof ArgumentError)) throw error
  console.log(error.path) // prints: options.messageTTL
}
console.log(channel.state) // prints: open

for (const queue of ['example.jobs', 'example.jobs.failed', 'example.flags']) {
  await channel.queueDelete(queue)
}
await connection.close()
