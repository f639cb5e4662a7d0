// @ts-check
// Is there such a queue? With which properties was it declared? AMQP answers a question after something that is not there by
// closing the channel; `connection.checkQueue` asks on a channel of its own.

import { ChannelClosedError, connect } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')

console.log(await connection.checkQueue('example.nowhere')) // prints: undefined
console.log(await connection.checkExchange('amq.topic')) // prints: true

const channel = await connection.openChannel({ confirm: true })
await channel.queueDeclare('example.check', { maxLength: 10, exclusive: true })
await channel.publish('', 'example.check', 'hello')
console.log((await connection.checkQueue('example.check'))?.messageCount) // prints: 1

// Declared otherwise: the channel is closed (406), and the error knows what differs.
const attempt = await connection.openChannel()
try {
  await attempt.queueDeclare('example.check', { maxLength: 20, exclusive: true })
} catch (error) {
  if (!(error instanceof ChannelClosedError)) throw error
  console.log(error.mismatch) // prints: { argument: 'x-max-length', received: '20', current: '10' }
}
console.log(attempt.state, channel.state) // prints: closed open

await connection.close()
