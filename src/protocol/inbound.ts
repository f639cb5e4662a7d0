// Octets -> methods and content frames, for the connection to route. Looks at the first octet to see whether the peer
// speaks AMQP 0-9-1 at all; knows no state and no channel.

import {
  ByteReader,
  FrameDecoder,
  FrameType,
  NO_OCTETS,
  type ByteReader as Reader,
  WholeContent,
} from '../frames/index.js'
import { GREETING_SIZE, isFrame } from './greeting.js'
import { readMethod } from './method-codec.js'
import type { Method } from './method-types.js'

/** Where frames go. What it is given is borrowed. */
export interface FrameSink {
  /** False once nothing more is to be read. */
  readonly reads: boolean
  /** A content that has come whole. False when it is not taken: its frames follow one by one. */
  receiveWhole(chunk: Buffer, content: WholeContent): boolean
  receiveMethod(channelNumber: number, method: Method): void
  receiveHeader(channelNumber: number, payload: Reader): void
  receiveBody(channelNumber: number, octets: Buffer, start: number, end: number, frameComplete: boolean): void
  /** Where the next octets of a body frame may be put, of which so many are still to come. Undefined: anywhere. */
  placeFor(channelNumber: number, octets: number): Buffer | undefined
}

// For all connections: what is found, or read, is looked at before anything else is.
const WHOLE = new WholeContent()
const READER = new ByteReader()

export class Inbound {
  readonly #decoder = new FrameDecoder()
  readonly #sink: FrameSink
  /** The octets before it is known who speaks; undefined from then on. */
  #greeting: Buffer | undefined = NO_OCTETS
  #octets = 0

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  get octets(): number {
    return this.#octets
  }

  get frames(): number {
    return this.#decoder.framesDecoded
  }

  get heartbeats(): number {
    return this.#decoder.heartbeatsDecoded
  }

  /** Whether the octets so far end inside a frame. */
  get midFrame(): boolean {
    return this.#decoder.midFrame
  }

  /** Where the octets that come next may be put before they are received: a large body is not copied then. Undefined: anywhere. */
  get place(): Buffer | undefined {
    const { bodyLeft, channelNumber } = this.#decoder
    return bodyLeft === undefined ? undefined : this.#sink.placeFor(channelNumber, bodyLeft)
  }

  set frameMax(frameMax: number) {
    this.#decoder.frameMax = frameMax
  }

  /** Throws a FrameError or a Violation when the octets are not what they should be. */
  receive(chunk: Buffer): void {
    this.#octets += chunk.length
    try {
      if (this.#greeting === undefined) this.#decode(chunk)
      else this.#greet(this.#greeting, chunk)
    } finally {
      // The chunk was lent.
      READER.reset(NO_OCTETS)
    }
  }

  /** The octets that came before it was known who speaks, or undefined when it is known. */
  get greeting(): Buffer | undefined {
    return this.#greeting
  }

  /** Whether enough octets came to say that this is no AMQP 0-9-1 server. */
  get isForeign(): boolean {
    return this.#greeting?.length === GREETING_SIZE
  }

  #greet(before: Buffer, chunk: Buffer): void {
    if (isFrame(before[0] ?? chunk[0])) {
      this.#greeting = undefined
      return this.#decode(chunk)
    }
    this.#greeting = Buffer.concat([before, chunk.subarray(0, GREETING_SIZE - before.length)])
  }

  #decode(chunk: Buffer): void {
    const decoder = this.#decoder
    const sink = this.#sink
    decoder.push(chunk)
    for (;;) {
      if (decoder.findWhole(WHOLE) && sink.receiveWhole(chunk, WHOLE)) {
        decoder.takeWhole(WHOLE)
        continue
      }
      const type = decoder.next()
      if (type === 0) return
      const { channelNumber, buffer, start, end } = decoder
      if (type === FrameType.Body) {
        sink.receiveBody(channelNumber, buffer, start, end, decoder.frameComplete)
      } else if (type !== FrameType.Heartbeat) {
        READER.reset(buffer, start, end)
        if (type === FrameType.Header) sink.receiveHeader(channelNumber, READER)
        else sink.receiveMethod(channelNumber, readMethod(READER))
      }
      if (!sink.reads) return
    }
  }
}
