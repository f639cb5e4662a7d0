// @ts-check
// Asks a server and waits for its reply, at most so long. Start rpc-server.js before. No queue is declared for the replies:
// RabbitMQ's direct reply-to brings them to the channel that asked.

import { connect, openRpcClient, RequestTimeoutError, ReturnedError, RpcError } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const client = await openRpcClient(connection, { timeout: 5000 })

/**
 * @param {string} queue
 * @param {string} question
 */
async function ask(queue, question) {
  try {
    const reply = await client.request('', queue, question)
    return reply.body.toString()
  } catch (error) {
    if (error instanceof RpcError) return `the server says: ${error.message}`
    if (error instanceof ReturnedError) return 'there is no such server'
    // Whether the request was handled is not known then: ask again only what may be done twice.
    if (error instanceof RequestTimeoutError) return `no answer; in the queue: ${error.confirmed}`
    throw error
  }
}

// Requests may overlap: each reply finds its own.
console.log(await Promise.all(['2', '3', '12'].map(n => ask('example.square', n)))) // prints: [ '4', '9', '144' ]
console.log(await ask('example.square', 'twelve')) // prints: the server says: that is not a number
console.log(await ask('example.nowhere', '12')) // prints: there is no such server

await client.close()
await connection.close()
