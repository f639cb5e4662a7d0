// The octets of a publish that differs from the one before it in nothing but the body: method frame, content header and the
// header of the body frame, encoded once and copied from then on, with the size of the body put in. Programs publish to the
// same exchange with the same routing key again and again; encoding that anew was half of the cost of a small publish.
//
// Only for messages with the default properties: an object of the application's may have changed since it was encoded.

import { type ByteWriter, FRAME_END, FRAME_HEADER_SIZE, FrameType } from '../frames/index.js'
import { encodeAhead, encodePublish, type Publishing, propertyOctetsIn } from './frame-writers.js'
import { DEFAULT_PROPERTIES } from './properties.js'

/** Octets of a body size in front of the properties, of which the high half is 0 in all that is copied. */
const BODY_SIZE_LOW = 4

export class PublishTemplate {
  readonly #head: Buffer
  readonly #bodySizeAt: number
  readonly #frameSizeAt: number

  constructor(channelNumber: number, frameMax: number, publishing: Publishing) {
    const frames = encodeAhead(encodePublish, channelNumber, frameMax, publishing)
    const bodyHeader = Buffer.alloc(FRAME_HEADER_SIZE)
    bodyHeader[0] = FrameType.Body
    bodyHeader.writeUInt16BE(channelNumber, 1)
    this.#head = Buffer.concat([frames, bodyHeader])
    this.#bodySizeAt = frames.length - 1 - propertyOctetsIn(frames).length - BODY_SIZE_LOW
    this.#frameSizeAt = this.#head.length - 4
  }

  /** Writes method, header and body frame; how many frames that is. The body has octets, and fits one frame. */
  stamp(writer: ByteWriter, body: Buffer): number {
    const { length } = body
    // All the room there must be, before the first octet.
    const offset = writer.reserve(this.#head.length + length + 1)
    writer.patchBytes(offset, this.#head)
    writer.patchLong(offset + this.#bodySizeAt, length)
    writer.patchLong(offset + this.#frameSizeAt, length)
    writer.patchBytes(offset + this.#head.length, body)
    writer.patchOctet(offset + this.#head.length + length, FRAME_END)
    return 3
  }
}

/** The template of the message that a channel publishes again and again, if there is one. */
export class LastPublish {
  readonly #channelNumber: number
  readonly #frameMax: number
  #exchange = ''
  #routingKey = ''
  #template: PublishTemplate | undefined

  constructor(channelNumber: number, frameMax: number) {
    this.#channelNumber = channelNumber
    this.#frameMax = frameMax
  }

  /**
   * Undefined for a message that has to be encoded. One that comes for the second time in a row gets a template: making it costs
   * more than an encoding.
   */
  templateOf(publishing: Publishing): PublishTemplate | undefined {
    const { exchange, routingKey, mandatory, properties } = publishing
    if (properties !== DEFAULT_PROPERTIES || mandatory) return undefined
    if (exchange === this.#exchange && routingKey === this.#routingKey) {
      this.#template ??= new PublishTemplate(this.#channelNumber, this.#frameMax, publishing)
      return this.#template
    }
    this.#exchange = exchange
    this.#routingKey = routingKey
    this.#template = undefined
    return undefined
  }
}
