// A TCP proxy for one client that changes nothing and keeps all octets of both directions, frame by frame in the order in
// which each frame was complete.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { FrameCutter } from './frame-cutter.js'
import type { PacketDirection } from './pcap.js'

/** A frame, or the protocol header. */
export interface KeptFrame {
  readonly direction: PacketDirection
  readonly octets: Buffer
}

export class OctetTap {
  readonly frames: KeptFrame[] = []
  readonly #server: Server
  readonly #sockets: Socket[] = []

  /** In front of the broker of that URL. */
  static async start(url: string): Promise<OctetTap> {
    const { hostname, port } = new URL(url)
    const tap = new OctetTap({ host: hostname, port: Number(port || 5672) })
    tap.#server.listen(0, '127.0.0.1')
    await once(tap.#server, 'listening')
    return tap
  }

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#server = createServer(client => {
      const broker = connect({ ...target, noDelay: true })
      this.#sockets.push(client, broker)
      for (const socket of [client, broker]) socket.setNoDelay().on('error', () => {})
      this.#keep('toServer', client)
      this.#keep('toClient', broker)
      client.pipe(broker).pipe(client)
    })
  }

  /** `base` with the tap's host and port in the place of its own. */
  url(base: string): string {
    const url = new URL(base)
    url.hostname = '127.0.0.1'
    url.port = String((this.#server.address() as AddressInfo).port)
    return url.href
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #keep(direction: PacketDirection, source: Socket): void {
    const cutter = new FrameCutter()
    source.on('data', (chunk: Buffer) => {
      for (const octets of cutter.push(chunk)) this.frames.push({ direction, octets })
    })
  }
}
