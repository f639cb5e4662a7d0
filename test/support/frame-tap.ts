// A TCP proxy that changes nothing and notes the frames that a client sends, as they are on the wire: on which channel, of
// which type, how large. With the scanner of the fault proxy, which is not the codec under test.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { FrameScanner, type Segment } from './fault-proxy/frame-scanner.js'

/** A frame that a client sent. */
export interface SeenFrame {
  readonly type: 'method' | 'header' | 'body' | 'heartbeat'
  readonly channelNumber: number
  /** Octets of its payload. */
  readonly size: number
  /** Octets that the client sent before it. */
  readonly position: number
}

const TYPES = { 1: 'method', 2: 'header', 3: 'body', 8: 'heartbeat' } as const

export class FrameTap {
  /** In order. */
  readonly frames: SeenFrame[] = []
  readonly #server: Server
  readonly #sockets: Socket[] = []

  /** For one client. */
  static async start(target: { readonly host: string; readonly port: number }): Promise<FrameTap> {
    const tap = new FrameTap(target)
    tap.#server.listen(0, '127.0.0.1')
    await once(tap.#server, 'listening')
    return tap
  }

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#server = createServer(client => {
      const broker = connect({ ...target, noDelay: true })
      this.#sockets.push(client, broker)
      for (const socket of [client, broker]) socket.setNoDelay().on('error', () => {})
      this.#watch(client)
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

  #watch(client: Socket): void {
    const scanner = new FrameScanner()
    let received = 0
    let frame = { octet: 0, channelNumber: 0, size: 0, position: 0 }
    const take = (chunk: Buffer, { part, start, end }: Segment): void => {
      const octets = chunk.subarray(start, end)
      if (part === 'type') {
        frame = { octet: octets.readUInt8(), channelNumber: 0, size: 0, position: received + start }
      } else if (part === 'channel') frame.channelNumber = append(frame.channelNumber, octets)
      else if (part === 'size') frame.size = append(frame.size, octets)
      else if (part === 'end') {
        const { octet, ...rest } = frame
        this.frames.push({ type: TYPES[octet as keyof typeof TYPES], ...rest })
      }
    }
    client.on('data', (chunk: Buffer) => {
      for (const segment of scanner.scan(chunk)) take(chunk, segment)
      received += chunk.length
    })
  }
}

/** A number whose octets may come one by one, the first ones first. */
function append(number: number, octets: Buffer): number {
  return octets.reduce((sum, octet) => sum * 256 + octet, number)
}
