// Whether an AMQP server answers: a TCP connection alone says little, since the kernel accepts it for a process that is
// stopped. The server is there when it answers the protocol header with the method frame Connection.Start.

import { connect } from 'node:net'
import { within } from './deadline.js'

/** AMQP 0-9-1 section 4.2.2. */
const PROTOCOL_HEADER = Buffer.from('414d515000000901', 'hex')

/** Frame type method on channel 0; the size is the server's; then class 10, method 10. */
const START_FRAME = /^010000.{8}000a000a/

const OCTETS_LOOKED_AT = 11

/** Resolves when the first octets of Connection.Start are in; rejects on anything else, or after `timeoutMs`. */
export async function awaitConnectionStart(port: number, timeoutMs: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' })
  const received: Buffer[] = []
  const answered = new Promise<string>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`port ${port} closed the connection`)))
    socket.on('data', chunk => {
      received.push(chunk)
      const octets = Buffer.concat(received)
      if (octets.length >= OCTETS_LOOKED_AT) resolve(octets.toString('hex', 0, OCTETS_LOOKED_AT))
    })
  })
  try {
    socket.write(PROTOCOL_HEADER)
    const octets = await within(timeoutMs, `Connection.Start from port ${port}`, answered)
    if (!START_FRAME.test(octets))
      throw new Error(`port ${port} answers with ${octets}, not Connection.Start`)
  } finally {
    socket.destroy()
  }
}
