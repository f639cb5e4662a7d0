// @ts-check
// Answers requests until SIGTERM: what the handler returns is the reply, and the request is acknowledged when the reply has
// been confirmed. rpc-client.js asks.

import { connect, RpcError, serveRpc } from 'thump'

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const channel = await connection.openChannel({ confirm: true })
await channel.queueDeclare('example.square', { expires: 60_000 }) // ms without a server, then it goes

const server = await serveRpc(channel, 'example.square', { prefetch: 10 }, request => {
  const n = Number(request.body.toString())
  // The requester is told the message of an RpcError; of any other error only that there was one.
  if (Number.isNaN(n)) throw new RpcError('that is not a number')
  return { body: String(n * n), contentType: 'text/plain' } // a string or a Buffer will do as well
})
channel.on('handlerError', (error, request) => console.error(`${request.body}:`, String(error)))

process.once('SIGTERM', () => connection.close({ drain: true }))
console.log('ready') // prints: ready
console.log(await server.closed) // prints: { by: 'client' }
