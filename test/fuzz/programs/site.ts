// Where programs run: the broker, and before it proxies that cut the octets into pieces.

import { runLive } from '../../model/live/live-program.js'
import type { Tallies } from '../../model/world/tallies.js'
import { FaultProxy } from '../../support/fault-proxy.js'
import { CHUNKS, type Program } from './program.js'

export class Site {
  readonly #url: string
  readonly #proxies: ReadonlyMap<number, FaultProxy>
  #runs = 0

  static async open(url: string): Promise<Site> {
    const { port, hostname } = new URL(url)
    const proxies = new Map<number, FaultProxy>()
    for (const chunkOctets of CHUNKS) {
      const proxy = await FaultProxy.start({ target: { port: Number(port || 5672), host: hostname } })
      proxy.chunk(chunkOctets)
      proxies.set(chunkOctets, proxy)
    }
    return new Site(url, proxies)
  }

  private constructor(url: string, proxies: ReadonlyMap<number, FaultProxy>) {
    this.#url = url
    this.#proxies = proxies
  }

  /** Throws what was found. Resolves with the number of operations. */
  run({ seed, commands, chunkOctets }: Program, tallies: Tallies): Promise<number> {
    const proxy = chunkOctets === undefined ? undefined : this.#proxies.get(chunkOctets)
    const url = proxy?.url(this.#url) ?? this.#url
    const prefix = `thump-program-${seed}-${process.pid}-${this.#runs++}-`
    return runLive({ url, directUrl: this.#url, prefix, commands, tallies })
  }

  async close(): Promise<void> {
    for (const proxy of this.#proxies.values()) await proxy.close()
  }
}
