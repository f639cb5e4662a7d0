// A TCP proxy for one connection that changes what the server says, and nothing of what the client says. Where to do it is told in
// parts of frames: what a broker says is never twice the same to an octet, and offsets learned from one session would hit
// bodies in the next. So frames are passed on whole, when it is known what they are.

import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { WireScanner } from '../wire.js'
import { type Change, type Mutation, Mutator } from './mutation.js'
import { type Part, StreamMap } from './stream-map.js'

/** What is to be done, and where: at the octet with that index of all octets of a part. */
export interface Attack {
  readonly part: Part
  readonly index: number
  readonly change: Change
}

export class MutatingProxy {
  readonly #server: Server
  readonly #target: { readonly host: string; readonly port: number }
  readonly #sockets = new Set<Socket>()
  readonly #attacks: readonly Attack[]
  readonly #mutator = new Mutator([])
  readonly #scanner = new WireScanner()
  readonly #said: Buffer[] = []
  /** Of what the server has said, as it said it. */
  readonly map = new StreamMap()
  /** What has been done. */
  readonly mutations: Mutation[] = []

  private constructor(target: { host: string; port: number }, attacks: readonly Attack[]) {
    this.#target = target
    this.#attacks = attacks
    this.#server = createServer(client => this.#join(client))
  }

  /** Resolves when it listens. */
  static async start(
    target: { host: string; port: number },
    attacks: readonly Attack[],
  ): Promise<MutatingProxy> {
    const proxy = new MutatingProxy(target, attacks)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** All octets of the server, as it sent them. */
  get said(): Buffer {
    return Buffer.concat(this.#said)
  }

  /** Stops listening and drops every connection. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #join(client: Socket): void {
    const server = connect(this.#target)
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
    server.on('data', chunk => {
      const octets = this.#change(chunk)
      if (octets.length > 0) client.write(octets)
      if (this.#mutator.hasEnded) client.end()
    })
    client.on('end', () => server.end())
    server.on('end', () => client.end())
  }

  /** What is passed on of a chunk: the frames that it completes, changed where they are to be. */
  #change(chunk: Buffer): Buffer {
    this.#said.push(chunk)
    const passed: Buffer[] = []
    for (const frame of this.#scanner.push(chunk)) {
      const before = new Map(this.#attacks.map(({ part }) => [part, this.map.octetsOf(part)]))
      this.map.add(frame)
      for (const { part, index, change } of this.#attacks) {
        const offset = this.map.offsetOf(part, index)
        if (offset === undefined || index < (before.get(part) ?? 0)) continue
        const mutation = { ...change, offset }
        this.mutations.push(mutation)
        this.#mutator.add(mutation)
      }
      passed.push(this.#mutator.mutate(frame.octets))
    }
    return Buffer.concat(passed)
  }
}
