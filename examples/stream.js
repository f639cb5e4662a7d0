// @ts-check
// A stream keeps its messages: any number of readers, each from where it wants. Acknowledging removes nothing, it only makes
// room in the prefetch; where a reader was is its own to remember.

import { connect } from 'thump'

const LINES = 10

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel({ confirm: true })
await channel.queueDeclare('example.log', { type: 'stream', maxAge: '7D', maxLengthBytes: 1_000_000_000 })
for (let n = 0; n < LINES; n++) channel.publish('', 'example.log', `line ${n}`)
await channel.waitForConfirms()

/**
 * Reads to the last line.
 *
 * @param {import('thump').StreamOffset} streamOffset
 */
async function read(streamOffset) {
  const consumer = await channel.consume('example.log', { streamOffset, prefetch: 100 })
  for await (const delivery of consumer) {
    delivery.ack() // never nack or reject: a stream takes nothing back
    const offset = Number(delivery.properties.headers?.['x-stream-offset'])
    // Chunks come whole: lines before the one that was asked for may come first.
    if (typeof streamOffset === 'number' && offset < streamOffset) continue
    console.log(`${offset}: ${delivery.body}`)
    if (offset === LINES - 1) break
  }
}

await read('first') // prints: 0: line 0
await read(8) // prints: 8: line 8

await channel.queueDelete('example.log')
await connection.close()
