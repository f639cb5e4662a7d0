// TLS in front of a broker that has none, so that a page's recipe for TLS can be run. The certificate is for localhost, made
// for this alone, and its own authority; its key protects nothing.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer, type Server } from 'node:tls'
import { projectRoot } from '../../support/rabbitmq/project-root.js'

const DIRECTORY = join(projectRoot(), 'test', 'package', 'documentation')

export const CERTIFICATE = readFileSync(join(DIRECTORY, 'tls-certificate.pem'))

export class TlsFront {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  /** Listens on a port of loopback's, and passes on to this port of it. */
  static async start(brokerPort: number): Promise<TlsFront> {
    const front = new TlsFront(brokerPort)
    front.#server.listen(0, 'localhost')
    await once(front.#server, 'listening')
    return front
  }

  private constructor(brokerPort: number) {
    const key = readFileSync(join(DIRECTORY, 'tls-key.pem'))
    this.#server = createServer({ key, cert: CERTIFICATE }, client => {
      const broker = connect({ host: '127.0.0.1', port: brokerPort })
      for (const socket of [client, broker]) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => {
          client.destroy()
          broker.destroy()
          this.#sockets.delete(socket)
        })
      }
      client.pipe(broker).pipe(client)
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
