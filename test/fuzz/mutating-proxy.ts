// A TCP proxy that changes what the server says, and nothing of what the client says. Each connection gets the mutations
// that were set for the next one.

import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { type Mutation, Mutator } from './mutation.js'

export class MutatingProxy {
  readonly #server: Server
  readonly #target: { readonly host: string; readonly port: number }
  readonly #sockets = new Set<Socket>()
  readonly #mutations: readonly Mutation[]

  private constructor(target: { host: string; port: number }, mutations: readonly Mutation[]) {
    this.#target = target
    this.#mutations = mutations
    this.#server = createServer(client => this.#join(client))
  }

  /** Resolves when it listens. */
  static async start(
    target: { host: string; port: number },
    mutations: readonly Mutation[],
  ): Promise<MutatingProxy> {
    const proxy = new MutatingProxy(target, mutations)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** Stops listening and drops every connection. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #join(client: Socket): void {
    const server = connect(this.#target)
    const mutator = new Mutator(this.#mutations)
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.end()
      })
    }
    client.on('data', chunk => server.write(chunk))
    server.on('data', chunk => client.write(mutator.mutate(chunk)))
    client.on('end', () => server.end())
    server.on('end', () => client.end())
  }
}
