// A socket that speaks as much AMQP as it takes to open a channel and call a method on it, and counts what comes else: the
// part of the raw client that is no floor yet.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { FrameScanner } from '../frame-scanner.js'
import {
  FRAME_MAX,
  long,
  longstr,
  MethodId,
  method,
  octet,
  PROTOCOL_HEADER,
  short,
  shortstr,
} from '../wire.js'

export const CHANNEL = 1
export const RESERVED_SHORT: Buffer = short(0)
export const EMPTY_TABLE: Buffer = long(0)
export const NO_FLAGS: Buffer = octet(0)
const DURABLE = octet(0x02)

export class RawConnection {
  /** By the last basic.ack. */
  confirmed = 0
  delivered = 0
  readonly #bodySize: number
  #socket!: Socket
  #bodyLeft = 0
  /** The last method other than a delivery or a confirm. */
  #reply: { id: number; octets: Buffer } = { id: 0, octets: Buffer.alloc(0) }
  #wake: (() => void) | undefined

  /** Of the bodies that will come: others are refused. */
  constructor(bodySize: number) {
    this.#bodySize = bodySize
  }

  async open(url: string, heartbeatSeconds = 0): Promise<void> {
    const scanner = this.#scanner()
    this.#socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), noDelay: true })
    // In memory of its own, chunk by chunk: whoever gives a body to an application needs that, in one way or another.
    this.#socket.on('data', chunk => {
      scanner.scan(chunk)
      this.#wake?.()
    })
    await once(this.#socket, 'connect')
    const credentials = [EMPTY_TABLE, shortstr('PLAIN'), longstr('\0guest\0guest'), shortstr('en_US')]
    const tune = [short(2047), long(FRAME_MAX), short(heartbeatSeconds)]
    await this.call(MethodId.ConnectionStart, PROTOCOL_HEADER)
    await this.call(MethodId.ConnectionTune, method(0, MethodId.ConnectionStartOk, ...credentials))
    const open = method(0, MethodId.ConnectionOpen, shortstr('/'), NO_FLAGS, NO_FLAGS)
    const both = Buffer.concat([method(0, MethodId.ConnectionTuneOk, ...tune), open])
    await this.call(MethodId.ConnectionOpenOk, both)
  }

  async openChannel(confirm: boolean): Promise<void> {
    await this.call(MethodId.ChannelOpenOk, method(CHANNEL, MethodId.ChannelOpen, NO_FLAGS))
    if (confirm) await this.call(MethodId.ConfirmSelectOk, method(CHANNEL, MethodId.ConfirmSelect, NO_FLAGS))
  }

  /** Declares a durable queue; resolves with its message count. */
  async ask(queue: string): Promise<number> {
    const args = [RESERVED_SHORT, shortstr(queue), DURABLE, EMPTY_TABLE]
    const reply = await this.call(MethodId.QueueDeclareOk, method(CHANNEL, MethodId.QueueDeclare, ...args))
    return reply.readUInt32BE(4 + 1 + queue.length)
  }

  async close(): Promise<void> {
    const args = [short(200), shortstr(''), short(0), short(0)]
    await this.call(MethodId.ConnectionCloseOk, method(0, MethodId.ConnectionClose, ...args))
    this.#socket.destroy()
  }

  /** False when one had better wait for {@link drained}. */
  write(octets: Buffer): boolean {
    return this.#socket.write(octets)
  }

  async drained(): Promise<void> {
    await once(this.#socket, 'drain')
  }

  /** Sends a method and resolves with the payload of its reply. */
  async call(replyId: number, octets: Buffer): Promise<Buffer> {
    this.#socket.write(octets)
    while (this.#reply.id !== replyId) await this.nextChunk()
    this.#reply.id = 0
    return this.#reply.octets
  }

  /** Resolves when more has been received. */
  nextChunk(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  #scanner(): FrameScanner {
    return new FrameScanner({
      receiveMethod: (octets, at) => {
        const id = octets.readUInt32BE(at)
        // Tags ascend: the null broker confirms whole batches, and RabbitMQ what it has taken in its order.
        if (id === MethodId.BasicAck) this.confirmed = octets.readUInt32BE(at + 8)
        else if (id !== MethodId.BasicDeliver) this.#reply = { id, octets: Buffer.from(octets.subarray(at)) }
      },
      receiveHeader: (octets, at) => {
        this.#bodyLeft = octets.readUInt32BE(at + 8)
        if (this.#bodyLeft !== this.#bodySize) throw new Error(`a body of ${this.#bodyLeft} octets`)
      },
      receiveBody: size => {
        this.#bodyLeft -= size
        if (this.#bodyLeft === 0) this.delivered++
      },
    })
  }
}
