// @ts-check
// The first message: declare a queue, publish to it, wait until the broker has confirmed, fetch the message, close.

import { connect } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel({ confirm: true })

// Without a name the server makes one, and the queue goes with this connection.
const { queue } = await channel.queueDeclare()
await channel.publish('', queue, 'hello')

const delivery = await channel.get(queue, { noAck: true })
console.log(delivery?.body.toString()) // prints: hello

const reason = await connection.close()
console.log(reason.by) // prints: client
