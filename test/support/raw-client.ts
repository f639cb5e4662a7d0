// A client of a broker that says the octets it is told, and hears frames, in hexadecimal digits; it knows nothing else. (scripts/capture has one that keeps a transcript, for the captures.)

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { FrameCutter } from './frame-cutter.js'
import { toHex } from './hex.js'
import { within } from './rabbitmq/deadline.js'

const FRAME_WITHIN_MS = 5_000

export class RawClient {
  /** Resolves when the broker has ended the connection, by FIN or, as RabbitMQ does, by RST. */
  readonly ended: Promise<void>
  readonly #socket: Socket
  /** Frames that nobody has heard yet. */
  readonly #frames: Buffer[] = []
  readonly #cutter = new FrameCutter()
  #isEnded = false

  static async connect(url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port || 5672), noDelay: true })
    await within(FRAME_WITHIN_MS, 'a TCP connection', once(socket, 'connect'))
    return new RawClient(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('error', () => {})
    this.ended = new Promise(resolve => {
      socket.on('close', () => {
        this.#isEnded = true
        socket.emit('frame')
        resolve()
      })
    })
  }

  say(...octets: Buffer[]): void {
    this.#socket.write(Buffer.concat(octets))
  }

  /** Says the octets and resolves with the next frame, in hexadecimal digits. */
  ask(...octets: Buffer[]): Promise<string> {
    this.say(...octets)
    return this.hear()
  }

  /** The next frame, in hexadecimal digits; rejects when the connection ends before it. */
  async hear(): Promise<string> {
    if (this.#frames.length === 0 && !this.#isEnded) {
      await within(FRAME_WITHIN_MS, 'a frame of the broker', once(this.#socket, 'frame'))
    }
    const frame = this.#frames.shift()
    if (frame === undefined) throw new Error('the broker has ended the connection')
    return toHex(frame)
  }

  /** The next so many frames. */
  async hearAll(count: number): Promise<string[]> {
    const frames: string[] = []
    while (frames.length < count) frames.push(await this.hear())
    return frames
  }

  /** Frames that have come and that nobody has heard. */
  get unheard(): number {
    return this.#frames.length
  }

  async close(): Promise<void> {
    this.#socket.destroy()
    await this.ended
  }

  #receive(chunk: Buffer): void {
    const frames = this.#cutter.push(chunk)
    this.#frames.push(...frames)
    if (frames.length > 0) this.#socket.emit('frame')
  }
}
