// A server for long runs: answers what the workloads ask at next to no cost and keeps nothing, on any stream. It delivers as many
// empty-handed copies of one message as the prefetch allows, confirms what is published, and breaks a connection or channel
// when a queue with a name for that is declared.

import type { Duplex } from 'node:stream'
import { FrameScanner } from '../../bench/frame-scanner.js'
import {
  content,
  FRAME_HEADER,
  FrameType,
  frame,
  HEARTBEAT,
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
} from '../../bench/wire.js'

/** Declared, it does to the connection or channel what its name says. */
export const Trouble = Object.freeze({
  /** The socket is reset. */
  Cut: 'cut',
  /** Octets that are no frame. */
  Violate: 'violate',
  /** connection.close (320). */
  Shutdown: 'shutdown',
  /** channel.close (406). */
  Refuse: 'refuse',
} as const)

export const BODY_SIZE = 100

const REJECT = 0x003c_005a
const NACK = 0x003c_0078
const GET = 0x003c_0046
const GET_OK = 0x003c_0047
const QUEUE_DELETE = 0x0032_0028
const QUEUE_DELETE_OK = 0x0032_0029
const MULTIPLE = octet(1)
const NO_ACK = 0x02
/** Nobody's prefetch is a promise to send as many at once. */
const BURST = 500

interface PeerChannel {
  confirms: boolean
  published: number
  confirmed: number
  prefetch: number
  lastTag: number
  /** A delivery to its consumer, and where in it the tag stands. */
  message: Buffer | undefined
  tagAt: number
}

export class SoakPeer {
  readonly #stream: Duplex
  readonly #scanner = new FrameScanner({
    receiveMethod: (octets, at) => this.#receiveMethod(octets, at),
    receiveHeader: () => undefined,
    receiveBody: () => undefined,
  })
  readonly #channels = new Map<number, PeerChannel>()
  #greeted = false
  #out: Buffer[] = []

  constructor(stream: Duplex) {
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.on('error', () => stream.destroy())
    stream.on('end', () => stream.destroy())
  }

  #receive(chunk: Buffer): void {
    if (!this.#greeted) {
      if (!chunk.equals(PROTOCOL_HEADER)) throw new Error('that is not the protocol header of AMQP 0-9-1')
      this.#greeted = true
      const lists = [longstr('PLAIN'), longstr('en_US')]
      this.#out.push(method(0, MethodId.ConnectionStart, octet(0), octet(9), long(0), ...lists))
    } else {
      this.#scanner.scan(chunk)
      this.#confirm()
    }
    const out = Buffer.concat(this.#out.splice(0))
    if (out.length > 0 && !this.#stream.destroyed) this.#stream.write(out)
  }

  #confirm(): void {
    for (const [number, channel] of this.#channels) {
      if (!channel.confirms || channel.confirmed === channel.published) continue
      channel.confirmed = channel.published
      this.#out.push(method(number, MethodId.BasicAck, longlong(channel.confirmed), MULTIPLE))
    }
  }

  #receiveMethod(octets: Buffer, at: number): void {
    const number = octets.readUInt16BE(at - FRAME_HEADER + 1)
    const id = octets.readUInt32BE(at)
    if (number === 0) return this.#answerConnection(id)
    const channel = this.#channels.get(number)
    if (channel === undefined) return this.#openChannel(number)
    if (id === MethodId.BasicPublish) channel.published++
    else if (id === MethodId.BasicAck) this.#deliver(channel, 1)
    else this.#answer(number, channel, id, octets, at + 4)
  }

  #answerConnection(id: number): void {
    if (id === MethodId.ConnectionStartOk)
      this.#out.push(method(0, MethodId.ConnectionTune, short(2047), long(131_072), short(60)))
    else if (id === MethodId.ConnectionOpen)
      this.#out.push(method(0, MethodId.ConnectionOpenOk, shortstr('')))
    else if (id === MethodId.ConnectionClose) this.#out.push(method(0, MethodId.ConnectionCloseOk))
    else if (id === MethodId.ConnectionCloseOk) this.#stream.end()
    else if (id !== MethodId.ConnectionTuneOk) throw new Error(`no answer to method ${id.toString(16)}`)
  }

  #openChannel(number: number): void {
    const counts = { published: 0, confirmed: 0, prefetch: 0, lastTag: 0 }
    this.#channels.set(number, { ...counts, confirms: false, message: undefined, tagAt: 0 })
    this.#out.push(method(number, MethodId.ChannelOpenOk, long(0)))
  }

  #answer(number: number, channel: PeerChannel, id: number, octets: Buffer, at: number): void {
    switch (id) {
      case MethodId.ConfirmSelect:
        channel.confirms = true
        return this.#reply(number, MethodId.ConfirmSelectOk)
      case MethodId.ChannelClose:
        this.#channels.delete(number)
        return this.#reply(number, MethodId.ChannelCloseOk)
      case MethodId.ChannelCloseOk:
        return void this.#channels.delete(number)
      case MethodId.BasicQos:
        channel.prefetch = octets.readUInt16BE(at + 4)
        return this.#reply(number, MethodId.BasicQosOk)
      case MethodId.BasicConsume:
        return this.#consume(number, channel, octets, at + 2)
      case MethodId.BasicCancel:
        channel.message = undefined
        return this.#reply(number, MethodId.BasicCancelOk, shortstr(readShortstr(octets, at)))
      case MethodId.QueueDeclare:
        return this.#declare(number, channel, readShortstr(octets, at + 2))
      case QUEUE_DELETE:
        return this.#reply(number, QUEUE_DELETE_OK, long(0))
      // What goes back is not delivered again: its consumer is on its way out.
      case NACK:
      case REJECT:
        return
      case GET:
        return this.#get(number, channel)
      default:
        throw new Error(`no answer to method ${id.toString(16)}`)
    }
  }

  #declare(number: number, channel: PeerChannel, queue: string): void {
    switch (queue) {
      case Trouble.Cut:
        return void cut(this.#stream)
      case Trouble.Violate:
        return void this.#out.push(frame(FrameType.Body, number, Buffer.from('nobody asked')), HEARTBEAT)
      case Trouble.Shutdown:
        return this.#reply(0, MethodId.ConnectionClose, short(320), shortstr('CONNECTION_FORCED'), long(0))
      case Trouble.Refuse:
        // Nothing may follow a close.
        channel.message = undefined
        return this.#reply(
          number,
          MethodId.ChannelClose,
          short(406),
          shortstr('PRECONDITION_FAILED'),
          long(0),
        )
      default:
        return this.#reply(number, MethodId.QueueDeclareOk, shortstr(queue), long(0), long(0))
    }
  }

  #consume(number: number, channel: PeerChannel, octets: Buffer, at: number): void {
    const queue = readShortstr(octets, at)
    const consumerTag = readShortstr(octets, at + 1 + queue.length)
    const flags = octets[at + 2 + queue.length + consumerTag.length] as number
    const args = [shortstr(consumerTag), longlong(0), octet(0), shortstr(''), shortstr(queue)]
    channel.message = content(number, method(number, MethodId.BasicDeliver, ...args), BODY_SIZE)
    channel.tagAt = FRAME_HEADER + 4 + 1 + consumerTag.length
    this.#reply(number, MethodId.BasicConsumeOk, shortstr(consumerTag))
    this.#deliver(channel, (flags & NO_ACK) === 0 ? Math.min(channel.prefetch, BURST) : BURST)
  }

  #deliver(channel: PeerChannel, count: number): void {
    const { message, tagAt, lastTag } = channel
    if (message === undefined) return
    const octets = repeat(message, count)
    stampTags(octets, tagAt, message.length, lastTag + 1, count)
    channel.lastTag += count
    this.#out.push(octets)
  }

  #get(number: number, channel: PeerChannel): void {
    const args = [longlong(++channel.lastTag), octet(0), shortstr(''), shortstr('q'), long(0)]
    this.#out.push(content(number, method(number, GET_OK, ...args), BODY_SIZE))
  }

  #reply(number: number, id: number, ...args: Buffer[]): void {
    this.#out.push(method(number, id, ...args))
  }
}

/** As a host that is gone: a socket's RST, or the end of a stream in memory. */
function cut(stream: Duplex & { resetAndDestroy?: () => void; reset?: () => void }): void {
  if (stream.resetAndDestroy !== undefined) stream.resetAndDestroy()
  else stream.reset?.()
}

/** Names are ASCII here. */
function readShortstr(octets: Buffer, at: number): string {
  const length = octets[at] as number
  return octets.toString('latin1', at + 1, at + 1 + length)
}
