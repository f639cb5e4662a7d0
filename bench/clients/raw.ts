// The floor: a socket, blocks that were encoded beforehand, and a scan for frame boundaries. It keeps to the window and
// the prefetch and makes no object for a message; a client with an interface cannot be as cheap.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import {
  CONFIRM_WINDOW,
  CONSUMER_TAG,
  PREFETCH,
  ROUTING_KEY,
  sourceQueue,
  type Tally,
  type Workload,
} from '../cases.js'
import { FrameScanner } from '../frame-scanner.js'
import type { Session, SessionOptions } from '../session.js'
import {
  block,
  content,
  FRAME_HEADER,
  long,
  longlong,
  longstr,
  MethodId,
  method,
  octet,
  PROTOCOL_HEADER,
  repeat,
  short,
  shortstr,
  stampTags,
} from '../wire.js'

const CHANNEL = 1
const RESERVED_SHORT = short(0)
const EMPTY_TABLE = long(0)
const NO_FLAGS = octet(0)
const NO_ACK = octet(0x02)

const ACK = method(CHANNEL, MethodId.BasicAck, longlong(0), NO_FLAGS)
const ACKS = repeat(ACK, PREFETCH)
const ACK_TAG_AT = FRAME_HEADER + 4

export async function openRaw({ port, workload, bodySize }: SessionOptions): Promise<Session> {
  const client = new RawClient(bodySize)
  await client.open(port, workload === 'confirm')
  return {
    run: messages => RUNS[workload](client, messages),
    ask: tally => client.ask(tally),
    close: () => client.close(),
  }
}

const RUNS: Record<Workload, (client: RawClient, messages: number) => Promise<void>> = {
  publish: (client, messages) => client.publish(messages),
  confirm: (client, messages) => client.publishConfirmed(messages),
  consume: (client, messages) => client.consume(messages, true),
  ack: (client, messages) => client.consume(messages, false),
}

class RawClient {
  readonly #bodySize: number
  /** Publishes of one message, as many as make a write worth its while. */
  readonly #block: Buffer
  readonly #messageLength: number
  #socket!: Socket
  #confirmed = 0
  #published = 0
  #delivered = 0
  #acknowledged = 0
  /** The last method other than a delivery or a confirm. */
  #reply: { id: number; octets: Buffer } = { id: 0, octets: Buffer.alloc(0) }
  #wake: (() => void) | undefined

  constructor(bodySize: number) {
    const args = [RESERVED_SHORT, shortstr(''), shortstr(ROUTING_KEY), NO_FLAGS]
    const message = content(CHANNEL, method(CHANNEL, MethodId.BasicPublish, ...args), bodySize)
    this.#bodySize = bodySize
    this.#block = block(message)
    this.#messageLength = message.length
  }

  async open(port: number, confirm: boolean): Promise<void> {
    const scanner = this.#scanner()
    const callback = (length: number, buffer: Uint8Array): boolean => {
      scanner.scan((buffer as Buffer).subarray(0, length))
      this.#wake?.()
      return true
    }
    const onread = { buffer: Buffer.allocUnsafeSlow(64 * 1024), callback }
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread })
    await once(this.#socket, 'connect')
    const credentials = [EMPTY_TABLE, shortstr('PLAIN'), longstr('\0guest\0guest'), shortstr('en_US')]
    const tune = [short(2047), long(131_072), short(0)]
    await this.#call(MethodId.ConnectionStart, PROTOCOL_HEADER)
    await this.#call(MethodId.ConnectionTune, method(0, MethodId.ConnectionStartOk, ...credentials))
    this.#socket.write(method(0, MethodId.ConnectionTuneOk, ...tune))
    const open = method(0, MethodId.ConnectionOpen, shortstr('/'), NO_FLAGS, NO_FLAGS)
    await this.#call(MethodId.ConnectionOpenOk, open)
    await this.#call(MethodId.ChannelOpenOk, method(CHANNEL, MethodId.ChannelOpen, NO_FLAGS))
    if (confirm) await this.#call(MethodId.ConfirmSelectOk, method(CHANNEL, MethodId.ConfirmSelect, NO_FLAGS))
  }

  async publish(messages: number): Promise<void> {
    for (let left = messages; left > 0; ) {
      const count = Math.min(left, this.#block.length / this.#messageLength)
      left -= count
      if (!this.#write(count)) await once(this.#socket, 'drain')
    }
  }

  async publishConfirmed(messages: number): Promise<void> {
    const last = this.#published + messages
    while (this.#confirmed < last) {
      const room = Math.min(CONFIRM_WINDOW - (this.#published - this.#confirmed), last - this.#published)
      if (room === 0) await this.#nextChunk()
      else this.#write(Math.min(room, this.#block.length / this.#messageLength))
    }
  }

  async consume(messages: number, noAck: boolean): Promise<void> {
    const last = this.#delivered + messages
    const queue = shortstr(sourceQueue(this.#bodySize, messages))
    const tag = shortstr(CONSUMER_TAG)
    const args = [RESERVED_SHORT, queue, tag, noAck ? NO_ACK : NO_FLAGS, EMPTY_TABLE]
    const qos = method(CHANNEL, MethodId.BasicQos, long(0), short(PREFETCH), NO_FLAGS)
    if (!noAck) await this.#call(MethodId.BasicQosOk, qos)
    await this.#call(MethodId.BasicConsumeOk, method(CHANNEL, MethodId.BasicConsume, ...args))
    for (;;) {
      if (!noAck) this.#acknowledge()
      if (this.#delivered >= last) break
      await this.#nextChunk()
    }
    const cancel = method(CHANNEL, MethodId.BasicCancel, tag, NO_FLAGS)
    await this.#call(MethodId.BasicCancelOk, cancel)
  }

  async ask(tally: Tally): Promise<number> {
    const args = [RESERVED_SHORT, shortstr(tally), NO_FLAGS, EMPTY_TABLE]
    const reply = await this.#call(MethodId.QueueDeclareOk, method(CHANNEL, MethodId.QueueDeclare, ...args))
    return reply.readUInt32BE(4 + 1 + tally.length)
  }

  async close(): Promise<void> {
    const args = [short(200), shortstr(''), short(0), short(0)]
    await this.#call(MethodId.ConnectionCloseOk, method(0, MethodId.ConnectionClose, ...args))
    this.#socket.destroy()
  }

  #write(messages: number): boolean {
    this.#published += messages
    return this.#socket.write(this.#block.subarray(0, messages * this.#messageLength))
  }

  #acknowledge(): void {
    const count = this.#delivered - this.#acknowledged
    if (count === 0) return
    // The socket may hold it for a while: it is not to be written again.
    const acks = Buffer.from(ACKS.subarray(0, count * ACK.length))
    stampTags(acks, ACK_TAG_AT, ACK.length, this.#acknowledged + 1, count)
    this.#acknowledged += count
    this.#socket.write(acks)
  }

  #scanner(): FrameScanner {
    return new FrameScanner({
      receiveMethod: (octets, at) => {
        const id = octets.readUInt32BE(at)
        // The broker confirms nothing but whole batches.
        if (id === MethodId.BasicAck) this.#confirmed = octets.readUInt32BE(at + 8)
        else if (id !== MethodId.BasicDeliver) this.#reply = { id, octets: Buffer.from(octets.subarray(at)) }
      },
      receiveHeader: () => {},
      receiveBody: size => {
        if (size !== this.#bodySize) throw new Error(`a body of ${size} octets`)
        this.#delivered++
      },
    })
  }

  /** Sends a method and resolves with the payload of its reply. */
  async #call(replyId: number, octets: Buffer): Promise<Buffer> {
    this.#socket.write(octets)
    while (this.#reply.id !== replyId) await this.#nextChunk()
    this.#reply.id = 0
    return this.#reply.octets
  }

  /** Resolves when more has been received. */
  #nextChunk(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }
}
