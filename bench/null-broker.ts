// A broker that costs next to nothing, in a process of its own, so that what is measured is the client. It answers what
// the clients of this benchmark ask, delivers from blocks that were encoded beforehand, and looks at no more of what it
// receives than it takes to count. The counts are told when a tally queue is declared; anything it does not expect ends
// the process, and with it the measurement.
//
// Started with fork(): sends the port it listens on, and ends with its parent.

import { type AddressInfo, createServer, type Socket } from 'node:net'
import { CONFIRM_BATCH, Tally } from './cases.js'
import { DeliverySource } from './delivery-source.js'
import { FrameScanner } from './frame-scanner.js'
import {
  HEARTBEAT,
  long,
  longlong,
  longstr,
  MethodId,
  method,
  octet,
  PROTOCOL_HEADER,
  short,
  shortstr,
} from './wire.js'

/** A publisher hears nothing else, and is not to take the broker for dead when it measures for long. */
const HEARTBEAT_EVERY_MS = 5000
const CHANNEL_MAX = 2047
const FRAME_MAX = 131_072
const HEARTBEAT_SECONDS = 60

const MULTIPLE = octet(1)
const NO_ACK = 0x02
const EMPTY_LONGSTR = long(0)

const CAPABILITIES = ['publisher_confirms', 'basic.nack', 'consumer_cancel_notify', 'connection.blocked']

/** One connection with one channel and at most one consumer at a time. */
class Peer {
  readonly #socket: Socket
  readonly #scanner = new FrameScanner({
    receiveMethod: (octets, at) => this.#receiveMethod(octets, at),
    receiveHeader: (octets, at) => {
      // Behind class and weight; the high half of the size is never used here.
      this.#bodySize = octets.readUInt32BE(at + 8)
      this.#bodyReceived = 0
    },
    receiveBody: size => {
      this.#bodyReceived += size
      if (this.#bodyReceived === this.#bodySize) this.#received++
    },
  })
  #greeted = false
  #confirms = false
  #prefetch = 0
  #source: DeliverySource | undefined
  #bodySize = 0
  #bodyReceived = 0
  // What is told in tallies.
  #received = 0
  #confirmed = 0
  #acknowledged = 0

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#receive(chunk))
    // A client that its deadline has ended.
    socket.on('error', () => socket.destroy())
    const heartbeat = setInterval(() => socket.write(HEARTBEAT), HEARTBEAT_EVERY_MS)
    socket.on('close', () => clearInterval(heartbeat))
  }

  get #delivered(): number {
    return this.#source?.lastTag ?? 0
  }

  #receive(chunk: Buffer): void {
    if (!this.#greeted) return this.#greet(chunk)
    const acknowledged = this.#acknowledged
    this.#scanner.scan(chunk)
    if (this.#confirms) this.#confirm()
    if (this.#acknowledged > acknowledged) this.#source?.grant(this.#acknowledged - acknowledged)
  }

  /** No client says more before it has its answer. */
  #greet(chunk: Buffer): void {
    if (!chunk.equals(PROTOCOL_HEADER)) throw new Error('that is not the protocol header of AMQP 0-9-1')
    this.#greeted = true
    const version = [octet(0), octet(9)]
    const lists = [longstr('PLAIN AMQPLAIN'), longstr('en_US')]
    this.#socket.write(method(0, MethodId.ConnectionStart, ...version, serverProperties(), ...lists))
  }

  #confirm(): void {
    const acks: Buffer[] = []
    while (this.#received - this.#confirmed >= CONFIRM_BATCH) {
      this.#confirmed += CONFIRM_BATCH
      acks.push(method(1, MethodId.BasicAck, longlong(this.#confirmed), MULTIPLE))
    }
    if (acks.length > 0) this.#socket.write(Buffer.concat(acks))
  }

  #receiveMethod(octets: Buffer, at: number): void {
    const id = octets.readUInt32BE(at)
    if (id === MethodId.BasicPublish) return
    if (id === MethodId.BasicAck) return this.#receiveAck(octets, at + 4)
    const answer = this.#answer(id, octets, at + 4)
    if (answer !== undefined) this.#socket.write(answer)
    if (id === MethodId.ConnectionClose) this.#socket.end()
    // Deliveries come behind consume-ok.
    if (id === MethodId.BasicConsume) this.#source?.grant(this.#prefetch)
  }

  /** Each delivery in its turn. */
  #receiveAck(octets: Buffer, at: number): void {
    const tag = octets.readUInt32BE(at + 4)
    const multiple = octets[at + 8] === 1
    const isNext = multiple ? tag > this.#acknowledged : tag === this.#acknowledged + 1
    if (!isNext || tag > this.#delivered) throw new Error(`${tag} acknowledged after ${this.#acknowledged}`)
    this.#acknowledged = tag
  }

  #answer(id: number, octets: Buffer, at: number): Buffer | undefined {
    switch (id) {
      case MethodId.ConnectionStartOk:
        return method(
          0,
          MethodId.ConnectionTune,
          short(CHANNEL_MAX),
          long(FRAME_MAX),
          short(HEARTBEAT_SECONDS),
        )
      case MethodId.ConnectionTuneOk:
        return undefined
      case MethodId.ConnectionOpen:
        return method(0, MethodId.ConnectionOpenOk, shortstr(''))
      case MethodId.ConnectionClose:
        return method(0, MethodId.ConnectionCloseOk)
      case MethodId.ChannelOpen:
        return method(1, MethodId.ChannelOpenOk, EMPTY_LONGSTR)
      case MethodId.ChannelClose:
        return method(1, MethodId.ChannelCloseOk)
      case MethodId.ConfirmSelect:
        this.#confirms = true
        return method(1, MethodId.ConfirmSelectOk)
      case MethodId.BasicQos:
        this.#prefetch = octets.readUInt16BE(at + 4)
        return method(1, MethodId.BasicQosOk)
      case MethodId.QueueDeclare: {
        const queue = readShortstr(octets, at + 2)
        return method(1, MethodId.QueueDeclareOk, shortstr(queue), long(this.#tally(queue)), long(0))
      }
      case MethodId.BasicConsume:
        return this.#consume(octets, at)
      case MethodId.BasicCancel: {
        if (this.#source?.isExhausted !== true) throw new Error('cancelled before all was delivered')
        return method(1, MethodId.BasicCancelOk, shortstr(readShortstr(octets, at)))
      }
      default:
        throw new Error(`no answer to method ${id.toString(16)}`)
    }
  }

  #consume(octets: Buffer, at: number): Buffer {
    const queue = readShortstr(octets, at + 2)
    const consumerTag = readShortstr(octets, at + 3 + queue.length)
    const flags = octets[at + 4 + queue.length + consumerTag.length] as number
    const [messages, bodySize] = queue.split('x').map(Number) as [number, number]
    this.#source = new DeliverySource({
      socket: this.#socket,
      consumerTag,
      bodySize,
      messages,
      firstTag: this.#delivered + 1,
      bounded: (flags & NO_ACK) === 0,
    })
    return method(1, MethodId.BasicConsumeOk, shortstr(consumerTag))
  }

  #tally(queue: string): number {
    switch (queue) {
      case Tally.Received:
        return this.#received
      case Tally.Confirmed:
        return this.#confirmed
      case Tally.Delivered:
        return this.#delivered
      case Tally.Acknowledged:
        return this.#acknowledged
      default:
        throw new Error(`there is no queue ${queue}`)
    }
  }
}

function serverProperties(): Buffer {
  const capabilities = CAPABILITIES.map(name => Buffer.concat([shortstr(name), Buffer.from('t'), octet(1)]))
  const table = [shortstr('capabilities'), Buffer.from('F'), longstr(Buffer.concat(capabilities))]
  return longstr(Buffer.concat(table))
}

/** Names are ASCII here. */
function readShortstr(octets: Buffer, at: number): string {
  const length = octets[at] as number
  return octets.toString('latin1', at + 1, at + 1 + length)
}

const server = createServer(socket => new Peer(socket))
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.once('disconnect', () => process.exit())
