// @ts-check
// What the promise of a publish tells on a confirm channel: taken over, reached no queue, refused, or not known. Only the
// last is worth a second attempt at once, with the same messageId: the message may have arrived.

import { randomUUID } from 'node:crypto'
import { AmqpError, connect, NackedError, ReturnedError } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel({ confirm: true })
const { queue } = await channel.queueDeclare('', { maxLength: 1, overflow: 'reject-publish' })

/**
 * @param {string} exchange
 * @param {string} routingKey
 */
async function publish(exchange, routingKey) {
  try {
    await channel.publish(exchange, routingKey, 'a message', { messageId: randomUUID(), mandatory: true })
    return 'the broker has it'
  } catch (error) {
    if (error instanceof ReturnedError) return `no queue took it: ${error.replyText}`
    if (error instanceof NackedError) return 'the broker refused it'
    if (error instanceof AmqpError && 'outcome' in error) return `${error.outcome}: ${error.cause}`
    throw error
  }
}

console.log(await publish('', queue)) // prints: the broker has it
console.log(await publish('', queue)) // prints: the broker refused it
console.log(await publish('', 'no-such-queue')) // prints: no queue took it: NO_ROUTE

// An exchange that is not there costs the channel, and says nothing of the other publishes under way.
console.log(await publish('no-such-exchange', queue)) // prints: unknown: ChannelClosedError: channel 1 closed by the server: 404
console.log(channel.state) // prints: closed

await connection.close()
