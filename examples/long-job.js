// @ts-check
// A job that takes longer than RabbitMQ waits for an acknowledgement (`consumer_timeout`, 30 minutes by default), cut into
// steps: each is a message, and its handler publishes the next before its own is acknowledged. A crash repeats one step only.

import { setTimeout as work } from 'node:timers/promises'
import { connect } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel({ confirm: true })
// The limit can be a property of the queue, in ms; RabbitMQ 3.12 and later heed it.
const { queue } = await channel.queueDeclare('', { consumerTimeout: 3_600_000 })

// One at a time: what waits behind a long job in the same prefetch grows old with it.
const consumer = await channel.consume(queue, { prefetch: 1 }, async delivery => {
  const { job, step, steps } = JSON.parse(delivery.body.toString())
  await work(100)
  console.log(`${job}: step ${step} of ${steps}`)
  if (step === steps) return void (await consumer.cancel())
  // Delivery is at least once: a step whose acknowledgement was lost comes again. The id tells.
  const next = { job, step: step + 1, steps }
  const messageId = `${job}/${next.step}`
  await channel.publish('', queue, JSON.stringify(next), { messageId, mandatory: true })
})

const first = { job: 'report', step: 1, steps: 3 }
await channel.publish('', queue, JSON.stringify(first), { messageId: 'report/1', mandatory: true })
// prints: report: step 1 of 3
// prints: report: step 2 of 3
// prints: report: step 3 of 3

// What happens to a delivery that grew too old: until RabbitMQ 4.2 the broker closes the channel, from 4.3 on it cancels the
// consumer (quorum queues only). Either way the message is delivered again.
const reason = await consumer.closed
if (reason.by === 'server' && reason.code === 406) console.error('acknowledged too late:', reason.text)
else if (reason.by === 'server') console.error('cancelled by the broker:', reason)

await connection.close()
