// @ts-check
// TLS with a private authority: whom to trust is asked each time a connection is dialled; and what it looks like when the
// server cannot be trusted.

import { readFileSync } from 'node:fs'
import { ConnectError, connect } from 'thump'

const url = process.env.AMQPS_URL ?? 'amqps://localhost'

// A client certificate would be `cert` and `key` beside it.
const tls = () => ({ ca: readFileSync(process.env.CA_FILE ?? 'ca.pem') })

const connection = await connect(url, { tls })
const channel = await connection.openChannel({ confirm: true })
const { queue } = await channel.queueDeclare()
await channel.publish('', queue, 'for your eyes only')
console.log((await channel.get(queue, { noAck: true }))?.body.toString()) // prints: for your eyes only
await connection.close()

// Without the authority, and with a name that the certificate is not for.
for (const wrong of [{}, { ...tls(), servername: 'elsewhere.example' }]) {
  try {
    await connect(url, { tls: wrong })
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error
    const { code } = /** @type {NodeJS.ErrnoException} */ (error.cause)
    console.log(error.phase, code)
    // prints: tls SELF_SIGNED_CERT_IN_CHAIN
    // prints: tls ERR_TLS_CERT_ALTNAME_INVALID
  }
}
