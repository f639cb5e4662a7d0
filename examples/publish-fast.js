// @ts-check
// Many messages, each confirmed, without a round trip for each and without filling memory: some hundred publishes are under
// way at a time, and every so many are awaited together. `waitForConfirms` also tells how many failed, and why the first did.

import { connect, PublishesFailedError } from 'thump'

const MESSAGES = 20_000
const BATCH = 500

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel({ confirm: true })
const { queue } = await channel.queueDeclare()
const body = Buffer.alloc(200)

const begunAt = performance.now()
for (let sent = 0; sent < MESSAGES; sent += BATCH) {
  for (let n = 0; n < BATCH; n++) channel.publish('', queue, body, { messageId: `${sent + n}` })
  try {
    await channel.waitForConfirms()
  } catch (error) {
    if (!(error instanceof PublishesFailedError)) throw error
    console.log(`${error.failed} of this batch failed, the first with ${error.cause}`)
  }
}
const seconds = (performance.now() - begunAt) / 1000
console.log(`${Math.round(MESSAGES / seconds)} messages per second, all confirmed`)

const { messageCount } = await channel.queueDeclare(queue, { passive: true })
console.log(messageCount) // prints: 20000
await connection.close()
