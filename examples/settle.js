// @ts-check
// Fetching single messages, and all the ways to settle one. A delivery can be settled once, on the channel that it came on;
// everything else sends nothing and returns false, and `state` says why.

import { connect } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel({ confirm: true })
const { queue } = await channel.queueDeclare()
for (const body of ['a', 'b', 'c', 'd', 'e', 'f']) await channel.publish('', queue, body)

const fetch = async () => {
  const delivery = await channel.get(queue)
  if (delivery === undefined) throw new Error('the queue is empty')
  return delivery
}

const a = await fetch()
console.log(a.state, a.ack(), a.state) // prints: unsettled true settled
console.log(a.ack()) // prints: false

const b = await fetch()
const c = await fetch()
console.log(c.ack({ multiple: true }), b.state) // prints: true settled

const d = await fetch()
d.nack({ requeue: true }) // back to its place in the queue
const again = await fetch()
console.log(again.body.toString(), again.redelivered) // prints: d true
channel.reject(again) // dropped, or dead-lettered: neither nack nor reject requeues unless it is told to

const e = await fetch()
await channel.recover() // gives back everything that this channel has not settled
console.log(e.state) // prints: settled
console.log((await fetch()).body.toString()) // prints: e

const f = await channel.get(queue, { noAck: true })
console.log(f?.state, f?.ack()) // prints: noAck false
console.log(await channel.get(queue)) // prints: undefined

await connection.close() // what was not settled goes back, were the queue not this connection's own
