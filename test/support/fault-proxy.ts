// A TCP proxy that does to a connection what networks and dying hosts do: silence, loss, delay, resets, half-closed
// streams, flipped octets. It stands on a loopback port in front of a broker or of a scripted peer. Each accepted
// connection is a link; faults are set for one link, or at the proxy for all links, the present and the later ones.
//
// The faults: fault-proxy/fault-controls.ts (their words), lane.ts (how they are done), frame-scanner.ts (frames).

import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import {
  type Corruption,
  DIRECTIONS,
  type Direction,
  FaultControls,
  type LaneFaults,
  NO_FAULTS,
} from './fault-proxy/fault-controls.js'
import { Link, type OctetCount } from './fault-proxy/link.js'
import { within } from './rabbitmq/deadline.js'
import { freePort } from './rabbitmq/free-port.js'

export type { Corruption, Direction } from './fault-proxy/fault-controls.js'
export type { Link, OctetCount } from './fault-proxy/link.js'

/** Where the proxy connects to. */
export interface ProxyTarget {
  readonly port: number
  /** 127.0.0.1 by default. */
  readonly host?: string | undefined
}

export class FaultProxy extends FaultControls {
  readonly port: number
  readonly #target: ProxyTarget
  readonly #links: Link[] = []
  readonly #arrivals: ((link: Link) => void)[] = []
  readonly #faults: Record<Direction, LaneFaults> = { toServer: NO_FAULTS, toClient: NO_FAULTS }
  #server: Server | undefined

  /** Resolves when the proxy listens. */
  static async start(options: { readonly target: ProxyTarget }): Promise<FaultProxy> {
    const proxy = new FaultProxy(options.target, await freePort())
    await proxy.accept()
    return proxy
  }

  private constructor(target: ProxyTarget, port: number) {
    super()
    this.#target = target
    this.port = port
  }

  /** `base` with the proxy's host and port in the place of its own. */
  url(base: string): string {
    const url = new URL(base)
    url.hostname = '127.0.0.1'
    url.port = String(this.port)
    return url.href
  }

  /** Every connection accepted so far, closed ones too, oldest first. */
  get links(): readonly Link[] {
    return this.#links
  }

  /** Octets both ways, of all links together. */
  get octets(): Readonly<Record<Direction, OctetCount>> {
    const sum = (direction: Direction, field: keyof OctetCount) =>
      this.#links.reduce((total, link) => total + link.octets[direction][field], 0)
    return {
      toServer: { received: sum('toServer', 'received'), forwarded: sum('toServer', 'forwarded') },
      toClient: { received: sum('toClient', 'received'), forwarded: sum('toClient', 'forwarded') },
    }
  }

  /** Resolves with the next link to be accepted. */
  nextLink(timeoutMs = 5_000): Promise<Link> {
    return within(
      timeoutMs,
      'a connection to the proxy',
      new Promise(resolve => this.#arrivals.push(resolve)),
    )
  }

  /** Stops listening: new connections are refused (ECONNREFUSED); links go on. */
  async refuse(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    // A server stops listening at once; its "close" waits for the connections it accepted.
    server?.close()
  }

  /** Listens again, on the same port. */
  async accept(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer({ allowHalfOpen: true }, client => this.#connect(client))
    server.listen(this.port, '127.0.0.1')
    await once(server, 'listening')
    this.#server = server
  }

  /** Sends RST on every link. */
  reset(direction: Direction | 'both' = 'both'): void {
    for (const link of this.#links) link.reset(direction)
  }

  /** Sends FIN in one direction of every link. */
  halfClose(direction: Direction): void {
    for (const link of this.#links) link.halfClose(direction)
  }

  /** Flips an octet of every link; throws a RangeError when it has passed in one of them. */
  corrupt(corruption: Corruption): void {
    for (const link of this.#links) link.corrupt(corruption)
  }

  /** Stops listening and drops every link; resolves when all sockets are closed. */
  async close(): Promise<void> {
    await this.refuse()
    for (const link of this.#links) link.destroy()
    await Promise.all(this.#links.map(link => link.closed))
  }

  change(direction: Direction | 'both', faults: Partial<LaneFaults>): void {
    for (const each of DIRECTIONS) {
      if (direction === 'both' || direction === each)
        this.#faults[each] = { ...this.#faults[each], ...faults }
    }
    for (const link of this.#links) link.change(direction, faults)
  }

  #connect(client: Socket): void {
    const server = connect({
      port: this.#target.port,
      host: this.#target.host ?? '127.0.0.1',
      allowHalfOpen: true,
    })
    const link = new Link(client, server, this.#faults)
    this.#links.push(link)
    for (const arrive of this.#arrivals.splice(0)) arrive(link)
  }
}
