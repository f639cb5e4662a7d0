// The server's end of a connection on octets alone: what a client sent, as methods and contents; what is to be sent to it,
// as octets. On the same tables as the client, so it can prove nothing about them: octets of the specification, captures
// and a live broker do that.

import {
  ByteReader,
  FrameDecoder,
  FrameType,
  HEARTBEAT_FRAME,
  PROTOCOL_HEADER,
} from '../../../src/frames/index.js'
import type { Content } from '../../../src/protocol/content.js'
import { ContentAssembler } from '../../../src/protocol/content-assembler.js'
import { encodeAhead, encodeContentHeader, encodeMethodFrame } from '../../../src/protocol/frame-writers.js'
import { readMethod } from '../../../src/protocol/method-codec.js'
import type { Method } from '../../../src/protocol/method-types.js'
import { methodRow } from '../../../src/protocol/methods.js'
import type { PublishProperties } from '../../../src/protocol/properties.js'

/** What a client sent. */
export type Received =
  | { readonly type: 'header' }
  | { readonly type: 'heartbeat' }
  | {
      readonly type: 'method'
      readonly channelNumber: number
      readonly method: Method
      readonly content?: Content
    }

export class PeerCodec {
  frameMax = 131_072
  readonly #decoder = new FrameDecoder()
  readonly #reader = new ByteReader()
  readonly #assemblers = new Map<number, ContentAssembler<Method>>()
  #header = Buffer.alloc(0)

  constructor() {
    this.#decoder.frameMax = this.frameMax
  }

  /** Everything that these octets complete. Throws when the client breaks the protocol. */
  receive(octets: Buffer): Received[] {
    const missing = PROTOCOL_HEADER.length - this.#header.length
    if (missing === 0) return this.#decode(octets)
    this.#header = Buffer.concat([this.#header, octets.subarray(0, missing)])
    if (this.#header.length < PROTOCOL_HEADER.length) return []
    if (!this.#header.equals(PROTOCOL_HEADER))
      throw new Error(`not a protocol header: ${this.#header.toString('hex')}`)
    return [{ type: 'header' }, ...this.#decode(octets.subarray(missing))]
  }

  /** A method frame. */
  method(channelNumber: number, method: Method): Buffer {
    return encodeAhead(encodeMethodFrame, channelNumber, this.frameMax, method)
  }

  /** A method with its content: method frame, header frame, body frames. */
  content(channelNumber: number, method: Method, body: Buffer, properties: PublishProperties = {}): Buffer {
    const header = encodeAhead(encodeContentHeader, channelNumber, this.frameMax, { properties, body })
    return Buffer.concat([
      this.method(channelNumber, method),
      header,
      ...this.bodyFrames(channelNumber, body),
    ])
  }

  bodyFrames(channelNumber: number, body: Buffer): Buffer[] {
    const frames: Buffer[] = []
    for (let offset = 0; offset < body.length; offset += this.frameMax - 8) {
      const piece = body.subarray(offset, offset + this.frameMax - 8)
      const header = Buffer.alloc(7)
      header.writeUInt8(FrameType.Body, 0)
      header.writeUInt16BE(channelNumber, 1)
      header.writeUInt32BE(piece.length, 3)
      frames.push(header, piece, Buffer.from([0xce]))
    }
    return frames
  }

  heartbeat(): Buffer {
    return HEARTBEAT_FRAME
  }

  #decode(octets: Buffer): Received[] {
    const received: Received[] = []
    const decoder = this.#decoder
    decoder.push(octets)
    for (let type = decoder.next(); type !== 0; type = decoder.next()) {
      const { channelNumber, buffer, start, end, frameComplete } = decoder
      if (type === FrameType.Heartbeat) {
        received.push({ type: 'heartbeat' })
        continue
      }
      const assembler = this.#assemblerOf(channelNumber)
      if (type === FrameType.Method) {
        this.#reader.reset(buffer, start, end)
        const method = readMethod(this.#reader)
        if (methodRow(method.name).content === true) assembler.begin(method)
        else {
          assembler.expectIdle()
          received.push({ type: 'method', channelNumber, method })
        }
        continue
      }
      if (type === FrameType.Header) this.#reader.reset(buffer, start, end)
      const assembled =
        type === FrameType.Header
          ? assembler.receiveHeader(this.#reader)
          : assembler.receiveBody(buffer, start, end, frameComplete)
      if (assembled?.content !== undefined) {
        received.push({ type: 'method', channelNumber, method: assembled.method, content: assembled.content })
      }
    }
    return received
  }

  #assemblerOf(channelNumber: number): ContentAssembler<Method> {
    let assembler = this.#assemblers.get(channelNumber)
    if (assembler === undefined) {
      assembler = new ContentAssembler(Number.MAX_SAFE_INTEGER)
      this.#assemblers.set(channelNumber, assembler)
    }
    return assembler
  }
}
