// @ts-check
// Trying again later, a few times, and then not any more. What is rejected waits in a queue without consumers until it
// expires, and comes back: both queues dead-letter to each other. RabbitMQ counts in the header `x-death`.

import { connect } from 'thump'

const JOBS = 'example.retry'
const WAITING = 'example.retry.waiting'
const FAILED = 'example.retry.failed'
const ATTEMPTS = 3

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel({ confirm: true })
await channel.queueDeclare(JOBS, { deadLetterExchange: '', deadLetterRoutingKey: WAITING })
await channel.queueDeclare(WAITING, {
  messageTtl: 300, // the pause between two attempts: minutes rather, in earnest
  deadLetterExchange: '',
  deadLetterRoutingKey: JOBS,
})
await channel.queueDeclare(FAILED)

/** @param {import('thump').Delivery} delivery */
function failuresOf(delivery) {
  const deaths = /** @type {{ queue: string, count: number }[]} */ (
    delivery.properties.headers?.['x-death'] ?? []
  )
  return deaths.find(death => death.queue === JOBS)?.count ?? 0
}

/** @param {import('thump').Delivery} delivery */
async function work(delivery) {
  if (delivery.body.toString() === 'hopeless' || failuresOf(delivery) < 1) throw new Error('not today')
  console.log(`${delivery.body} is done after ${failuresOf(delivery)} failure`)
}

const consumer = await channel.consume(JOBS, { onError: 'reject' }, async delivery => {
  try {
    await work(delivery)
  } catch (error) {
    if (failuresOf(delivery) + 1 < ATTEMPTS) throw error // onError rejects it, and it waits
    // The last attempt: it goes where people look. Acknowledged only when the broker has confirmed that.
    const { headers, messageId } = delivery.properties
    await channel.publish('', FAILED, delivery.body, { headers, messageId, mandatory: true })
    console.log(`${delivery.body} is given up after ${ATTEMPTS} attempts: ${error}`)
    await consumer.cancel()
  }
})

await channel.publish('', JOBS, 'fragile') // prints: fragile is done after 1 failure
await channel.publish('', JOBS, 'hopeless') // prints: hopeless is given up after 3 attempts: Error: not today
await consumer.closed

console.log((await channel.get(FAILED, { noAck: true }))?.body.toString()) // prints: hopeless
for (const queue of [JOBS, WAITING, FAILED]) await channel.queueDelete(queue)
await connection.close()
