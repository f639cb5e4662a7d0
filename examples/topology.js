// @ts-check
// Exchanges, queues and bindings: declare, bind, unbind, purge, delete. Declaring again what is there already is no error, and
// neither is taking away what is not there.

import { connect } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel({ confirm: true })

// orders --order.#--> audit --> queue, and what no binding matches goes to lost --> lost queue
await channel.exchangeDeclare('example.lost', 'fanout')
await channel.exchangeDeclare('example.orders', 'topic', { alternateExchange: 'example.lost' })
await channel.exchangeDeclare('example.audit', 'fanout', { internal: true })
await channel.exchangeBind('example.audit', 'example.orders', 'order.#') // destination, source
const { queue } = await channel.queueDeclare()
await channel.queueBind(queue, 'example.audit')
const { queue: lost } = await channel.queueDeclare()
await channel.queueBind(lost, 'example.lost')

const count = async (/** @type {string} */ name) => (await connection.checkQueue(name))?.messageCount

await channel.publish('example.orders', 'order.created', '1')
await channel.publish('example.orders', 'no.such.key', '2')
console.log(await count(queue), await count(lost)) // prints: 1 1

// Headers instead of a routing key: the arguments of a binding are its condition.
await channel.queueBind(queue, 'amq.headers', '', { 'x-match': 'all', country: 'SE', urgent: true })
await channel.publish('amq.headers', '', '3', { headers: { country: 'SE', urgent: true } })
console.log(await count(queue)) // prints: 2

// A binding is taken away by everything that made it.
await channel.queueUnbind(queue, 'amq.headers', '', { 'x-match': 'all', country: 'SE', urgent: true })
await channel.exchangeUnbind('example.audit', 'example.orders', 'order.#')
await channel.publish('example.orders', 'order.created', '4')
console.log(await count(queue), await count(lost)) // prints: 2 2

console.log(await channel.queuePurge(lost)) // prints: 2
console.log(await channel.queueDelete(queue)) // prints: 2
for (const exchange of ['example.orders', 'example.audit', 'example.lost']) {
  await channel.exchangeDelete(exchange)
}
await connection.close()
