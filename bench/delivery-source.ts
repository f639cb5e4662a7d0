// A queue with a number of equal messages: writes deliveries to a socket, in blocks that were encoded beforehand, as fast
// as prefetch and socket allow. Only the delivery tags are written anew.

import type { Socket } from 'node:net'
import { ROUTING_KEY } from './cases.js'
import {
  block,
  content,
  FRAME_HEADER,
  longlong,
  MethodId,
  method,
  octet,
  shortstr,
  stampTags,
} from './wire.js'

/** Blocks that may be on their way at a time. */
const BLOCKS = 4

export interface DeliverySourceOptions {
  readonly socket: Socket
  readonly consumerTag: string
  /** Octets. */
  readonly bodySize: number
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

  constructor({ socket, consumerTag, bodySize, messages, firstTag, bounded }: DeliverySourceOptions) {
    const args = [shortstr(consumerTag), longlong(0), octet(0), shortstr(''), shortstr(ROUTING_KEY)]
    const message = content(1, method(1, MethodId.BasicDeliver, ...args), bodySize)
    this.#socket = socket
    this.#bounded = bounded
    this.#tagAt = FRAME_HEADER + 4 + 1 + consumerTag.length
    this.#messageLength = message.length
    this.#free = Array.from({ length: BLOCKS }, () => block(message))
    this.#perBlock = block(message).length / message.length
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
