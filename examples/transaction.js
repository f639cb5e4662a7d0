// @ts-check
// A transaction: publishes and settlements of one channel that take effect together. Here a message is moved from one queue to
// another. One rarely wants it: see docs/publishing.md. A channel has transactions or confirms, never both.

import { connect } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel()
const { queue: from } = await channel.queueDeclare()
const { queue: to } = await channel.queueDeclare()
await channel.publish('', from, 'parcel')

const count = async (/** @type {string} */ queue) => (await connection.checkQueue(queue))?.messageCount

await channel.txSelect() // no way back, for this channel
const delivery = await channel.get(from)
if (delivery === undefined) throw new Error('the queue is empty')

// Resolves when there is room for more. That it was done is what txCommit tells.
await channel.publish('', to, delivery.body)
console.log(delivery.ack(), delivery.state) // prints: true settled

await channel.txRollback()
console.log(await count(to), delivery.state) // prints: 0 unsettled

await channel.publish('', to, delivery.body)
delivery.ack()
await channel.txCommit()
console.log(await count(to), delivery.state) // prints: 1 settled

await channel.close() // not committed would mean not done
console.log(await count(from)) // prints: 0
await connection.close()
