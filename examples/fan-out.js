// @ts-check
// Every program that listens gets each message: an exchange of the type fanout, and for each listener a queue of its own.
// A queue without a name is exclusive: nobody else can use it, and it goes with the connection.

import { connect } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel({ confirm: true })
await channel.exchangeDeclare('example.news', 'fanout')

/** @param {string} name */
async function listen(name) {
  const { queue } = await channel.queueDeclare()
  await channel.queueBind(queue, 'example.news')
  // Without acknowledgements: news that arrive while nobody listens are not wanted anyway.
  return channel.consume(queue, { noAck: true }, delivery => {
    console.log(name, 'hears', delivery.body.toString())
  })
}

const ears = [await listen('Ada'), await listen('Bob')]
await channel.publish('example.news', '', 'rain tomorrow') // prints: hears rain tomorrow
await channel.publish('example.news', '', 'sun on Sunday') // prints: hears sun on Sunday

for (const consumer of ears) await consumer.cancel()
await channel.exchangeDelete('example.news')
await connection.close()
