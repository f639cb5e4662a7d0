// The null broker's side of one connection: answers what the clients of this benchmark ask, delivers from blocks that were
// encoded beforehand, and looks at no more of what it receives than it takes to count. The counts are told when a tally
// queue is declared; anything it does not expect ends the process, and with it the measurement.

import type { Socket } from 'node:net'
import { CONFIRM_BATCH, CONFIRM_EACH, REPLY_TO, readSourceQueue, Tally } from './cases.js'
import { DeliverySource } from './delivery-source.js'
import { FrameScanner } from './frame-scanner.js'
import {
  content,
  FRAME_HEADER,
  FRAME_MAX,
  field,
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
  table,
} from './wire.js'

const CHANNEL_MAX = 2047
const HEARTBEAT_SECONDS = 60

const MULTIPLE = octet(1)
const NO_ACK = 0x02
const EMPTY_LONGSTR = long(0)

const CAPABILITIES = ['publisher_confirms', 'basic.nack', 'consumer_cancel_notify', 'connection.blocked']

/** One connection, of which one channel publishes, and one has at most one consumer at a time. */
export class NullPeer {
  static readonly #all = new Set<NullPeer>()
  static #farewells = 0

  readonly #socket: Socket
  readonly #scanner = new FrameScanner({
    receiveMethod: (octets, at) => this.#receiveMethod(octets, at),
    receiveHeader: (octets, at) => this.#receiveHeader(octets, at),
    receiveBody: size => this.#receiveBody(size),
  })
  #greeted = false
  /** What the client has agreed to. */
  #frameMax = FRAME_MAX
  #heartbeatMs = 1000 * HEARTBEAT_SECONDS
  #heartbeat: NodeJS.Timeout | undefined
  #lastReceivedMs = performance.now()
  /** Channel that is in confirm mode. */
  #confirming: number | undefined
  #confirmBatch = CONFIRM_BATCH
  #prefetch = 0
  #source: DeliverySource | undefined
  /** What stands before the content of a reply, once somebody consumes replies. */
  #reply: { readonly channelNumber: number; readonly consumerTag: string } | undefined
  /** Flags and property list of the request. */
  #properties: Buffer = Buffer.alloc(0)
  #bodySize = 0
  #bodyReceived = 0
  /** Written together when a chunk has been read. */
  #answers: Buffer[] = []
  // What is told in tallies.
  #received = 0
  #confirmed = 0
  #acknowledged = 0
  #replied = 0
  #opened = false

  constructor(socket: Socket) {
    this.#socket = socket
    NullPeer.#all.add(this)
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#receive(chunk))
    // A client that its deadline has ended.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      clearInterval(this.#heartbeat)
      NullPeer.#all.delete(this)
    })
  }

  get #delivered(): number {
    return this.#source?.lastTag ?? 0
  }

  #receive(chunk: Buffer): void {
    this.#lastReceivedMs = performance.now()
    if (!this.#greeted) return this.#greet(chunk)
    const acknowledged = this.#acknowledged
    this.#scanner.scan(chunk)
    if (this.#confirming !== undefined) this.#confirm(this.#confirming)
    if (this.#answers.length > 0) this.#socket.write(Buffer.concat(this.#answers))
    this.#answers = []
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

  #confirm(channelNumber: number): void {
    while (this.#received - this.#confirmed >= this.#confirmBatch) {
      this.#confirmed += this.#confirmBatch
      this.#answers.push(method(channelNumber, MethodId.BasicAck, longlong(this.#confirmed), MULTIPLE))
    }
  }

  #receiveHeader(octets: Buffer, at: number): void {
    // Behind class and weight; the high half of the size is never used here.
    this.#bodySize = octets.readUInt32BE(at + 8)
    this.#bodyReceived = 0
    if (this.#reply === undefined) return
    const end = at + octets.readUInt32BE(at - 4)
    this.#properties = Buffer.from(octets.subarray(at + 12, end))
  }

  #receiveBody(size: number): void {
    this.#bodyReceived += size
    if (this.#bodyReceived < this.#bodySize) return
    this.#received++
    if (this.#reply === undefined) return
    const { channelNumber, consumerTag } = this.#reply
    const args = [
      shortstr(consumerTag),
      longlong(++this.#replied),
      octet(0),
      shortstr(''),
      shortstr(REPLY_TO),
    ]
    const deliver = method(channelNumber, MethodId.BasicDeliver, ...args)
    this.#answers.push(content(channelNumber, deliver, this.#bodySize, { properties: this.#properties }))
  }

  #receiveMethod(octets: Buffer, at: number): void {
    const id = octets.readUInt32BE(at)
    if (id === MethodId.BasicPublish) return
    if (id === MethodId.BasicAck) return this.#receiveAck(octets, at + 4)
    const channelNumber = octets.readUInt16BE(at - FRAME_HEADER + 1)
    const answer = this.#answer(id, channelNumber, octets, at + 4)
    // Deliveries come behind consume-ok: it does not wait for the end of the chunk.
    if (answer !== undefined) this.#socket.write(answer)
    if (id === MethodId.ConnectionClose) this.#socket.end()
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

  #answer(id: number, channelNumber: number, octets: Buffer, at: number): Buffer | undefined {
    const reply = (methodId: number, ...args: Buffer[]): Buffer => method(channelNumber, methodId, ...args)
    switch (id) {
      case MethodId.ConnectionStartOk:
        return reply(MethodId.ConnectionTune, short(CHANNEL_MAX), long(FRAME_MAX), short(HEARTBEAT_SECONDS))
      case MethodId.ConnectionTuneOk:
        this.#tune(octets.readUInt32BE(at + 2), octets.readUInt16BE(at + 6))
        return undefined
      case MethodId.ConnectionOpen:
        return reply(MethodId.ConnectionOpenOk, shortstr(''))
      case MethodId.ConnectionClose:
        if (this.#opened) NullPeer.#farewells++
        return reply(MethodId.ConnectionCloseOk)
      case MethodId.ChannelOpen:
        this.#opened = true
        return reply(MethodId.ChannelOpenOk, EMPTY_LONGSTR)
      case MethodId.ChannelClose:
        return reply(MethodId.ChannelCloseOk)
      case MethodId.ConfirmSelect:
        this.#confirming = channelNumber
        return reply(MethodId.ConfirmSelectOk)
      case MethodId.BasicQos:
        this.#prefetch = octets.readUInt16BE(at + 4)
        return reply(MethodId.BasicQosOk)
      case MethodId.QueueDeclare: {
        const queue = readShortstr(octets, at + 2)
        return reply(MethodId.QueueDeclareOk, shortstr(queue), long(this.#tally(queue)), long(0))
      }
      case MethodId.BasicConsume:
        return reply(MethodId.BasicConsumeOk, shortstr(this.#consume(channelNumber, octets, at)))
      case MethodId.BasicCancel: {
        if (this.#source?.isExhausted !== true) throw new Error('cancelled before all was delivered')
        return reply(MethodId.BasicCancelOk, shortstr(readShortstr(octets, at)))
      }
      default:
        throw new Error(`no answer to method ${id.toString(16)}`)
    }
  }

  #tune(frameMax: number, heartbeatSeconds: number): void {
    this.#frameMax = frameMax
    if (heartbeatSeconds === 0) return
    this.#heartbeatMs = 1000 * heartbeatSeconds
    // Twice in an interval, as RabbitMQ does: who publishes hears nothing else.
    this.#heartbeat = setInterval(() => this.#socket.write(HEARTBEAT), this.#heartbeatMs / 2)
  }

  /** Returns the consumer tag. */
  #consume(channelNumber: number, octets: Buffer, at: number): string {
    const queue = readShortstr(octets, at + 2)
    const given = readShortstr(octets, at + 3 + queue.length)
    const flags = octets[at + 4 + queue.length + given.length] as number
    const consumerTag = given === '' ? `consumer-${channelNumber}` : given
    if (queue === REPLY_TO) {
      this.#reply = { channelNumber, consumerTag }
    } else {
      this.#source = new DeliverySource({
        ...readSourceQueue(queue),
        socket: this.#socket,
        channelNumber,
        frameMax: this.#frameMax,
        consumerTag,
        firstTag: this.#delivered + 1,
        bounded: (flags & NO_ACK) === 0,
      })
    }
    return consumerTag
  }

  #tally(queue: string): number {
    switch (queue) {
      case CONFIRM_EACH:
        this.#confirmBatch = 1
        return 0
      case Tally.Received:
        return this.#received
      case Tally.Confirmed:
        return this.#confirmed
      case Tally.Delivered:
        return this.#delivered
      case Tally.Acknowledged:
        return this.#acknowledged
      case Tally.Replied:
        return this.#replied
      case Tally.Farewells:
        return NullPeer.#farewells
      case Tally.Alive:
        return [...NullPeer.#all].filter(peer => peer.#isAlive).length
      default:
        throw new Error(`there is no queue ${queue}`)
    }
  }

  get #isAlive(): boolean {
    return performance.now() - this.#lastReceivedMs < 2 * this.#heartbeatMs
  }
}

function serverProperties(): Buffer {
  const capabilities = table(...CAPABILITIES.map(name => field(name, true)))
  return table(Buffer.concat([shortstr('capabilities'), Buffer.from('F'), capabilities]))
}

/** Names are ASCII here. */
function readShortstr(octets: Buffer, at: number): string {
  const length = octets[at] as number
  return octets.toString('latin1', at + 1, at + 1 + length)
}
