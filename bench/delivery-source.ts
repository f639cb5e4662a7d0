// A queue with a number of messages: writes deliveries to a socket, in blocks that were encoded beforehand, as fast
// as prefetch and socket allow. Only the delivery tags are written anew.

import type { Socket } from 'node:net'
import { ROUTING_KEY } from './cases.js'
import { richPropertyOctets } from './rich.js'
import {
  content,
  FRAME_HEADER,
  longlong,
  MethodId,
  method,
  octet,
  perBlock,
  shortstr,
  stampTags,
} from './wire.js'

/** Blocks that may be on their way at a time. */
const BLOCKS = 4

export interface DeliverySourceOptions {
  readonly socket: Socket
  readonly channelNumber: number
  /** What the client has agreed to. */
  readonly frameMax: number
  readonly consumerTag: string
  /** Octets. */
  readonly bodySize: number
  /** With the properties of `rich.ts`, each with ids of its own. */
  readonly rich: boolean
  readonly messages: number
  readonly firstTag: number
  /** Whether deliveries have to be granted, or only the first time. */
  readonly bounded: boolean
}

export class DeliverySource {
  readonly #socket: Socket
  readonly #bounded: boolean
  readonly #tagAt: number
  readonly #messageLength: number
  readonly #perBlock: number
  /** Blocks that the socket does not hold. */
  readonly #free: Buffer[]
  #left: number
  #nextTag: number
  #granted = 0

  constructor(options: DeliverySourceOptions) {
    const { socket, channelNumber, frameMax, consumerTag, bodySize, rich, messages, firstTag, bounded } =
      options
    const args = [shortstr(consumerTag), longlong(0), octet(0), shortstr(''), shortstr(ROUTING_KEY)]
    const deliver = method(channelNumber, MethodId.BasicDeliver, ...args)
    const message = (number: number): Buffer =>
      content(channelNumber, deliver, bodySize, {
        frameMax,
        properties: rich ? richPropertyOctets(number) : undefined,
      })
    this.#socket = socket
    this.#bounded = bounded
    this.#tagAt = FRAME_HEADER + 4 + 1 + consumerTag.length
    this.#messageLength = message(0).length
    this.#perBlock = perBlock(this.#messageLength)
    const octets = Buffer.concat(Array.from({ length: this.#perBlock }, (_, number) => message(number)))
    this.#free = Array.from({ length: BLOCKS }, () => Buffer.from(octets))
    this.#left = messages
    this.#nextTag = firstTag
  }

  /** Tag of the last delivery that was handed to the socket. */
  get lastTag(): number {
    return this.#nextTag - 1
  }

  get isExhausted(): boolean {
    return this.#left === 0
  }

  /** So many more may be delivered. */
  grant(messages: number): void {
    this.#granted = this.#bounded ? this.#granted + messages : Number.POSITIVE_INFINITY
    this.#deliver()
  }

  #deliver(): void {
    while (this.#left > 0 && this.#granted > 0) {
      const octets = this.#free.pop()
      if (octets === undefined) return
      const count = Math.min(this.#granted, this.#left, this.#perBlock)
      stampTags(octets, this.#tagAt, this.#messageLength, this.#nextTag, count)
      this.#nextTag += count
      this.#left -= count
      this.#granted -= count
      this.#socket.write(octets.subarray(0, count * this.#messageLength), () => {
        this.#free.push(octets)
        this.#deliver()
      })
    }
  }
}
