// What stands where in the octets of a server: to aim at, and to judge by what was hit. From the frames as the specification has
// them (4.2.3), not from the code that is tried; names of methods are for people only.

import { methodNameOf } from '../../../src/protocol/method-codec.js'
import {
  WIRE_BODY,
  WIRE_FRAME_END,
  WIRE_HEADER,
  WIRE_HEADER_SIZE,
  WIRE_HEARTBEAT,
  WIRE_METHOD,
  type WireFrame,
  WireScanner,
} from '../wire.js'

export const PARTS = [
  'handshake',
  'frame type',
  'channel number',
  'frame size',
  'method',
  'confirm',
  'content header',
  'body',
  'heartbeat',
  'frame-end',
] as const

/** What an octet is a part of. `handshake` is everything up to connection.open-ok, `confirm` what an ack or nack says. */
export type Part = (typeof PARTS)[number]

/** What an octet belongs to. */
export interface Place {
  readonly part: Part
  /** The method, or the one that the content belongs to: `basic.deliver`. */
  readonly method: string
}

interface Span extends Place {
  readonly start: number
  /** Behind the last octet. */
  readonly end: number
}

/** A confirm that the server has sent. */
export interface SentConfirm {
  readonly deliveryTag: number
  readonly multiple: boolean
  readonly accepted: boolean
}

const OPEN_OK = 'connection.open-ok'
/** Ids (1.8.3.13, RabbitMQ's 1.8.3.14). */
const CONFIRMS = new Map([
  ['60.80', true],
  ['60.120', false],
])

export class StreamMap {
  readonly #spans: Span[] = []
  readonly #octets = new Map<Part, number>()
  readonly #confirms = new Map<number, SentConfirm[]>()
  /** The last method of each channel. */
  readonly #methods = new Map<number, string>()
  #isOpen = false

  /** Of octets from the first on, as far as they are whole frames. */
  static of(stream: Buffer): StreamMap {
    const map = new StreamMap()
    for (const frame of new WireScanner().push(stream)) map.add(frame)
    return map
  }

  /** Undefined behind the last whole frame. */
  placeOf(offset: number): Place | undefined {
    return this.#spans.find(({ start, end }) => offset >= start && offset < end)
  }

  /** How many octets of a part there are. */
  octetsOf(part: Part): number {
    return this.#octets.get(part) ?? 0
  }

  /** Where the octet with that index of all octets of a part is; undefined when there is none. */
  offsetOf(part: Part, index: number): number | undefined {
    if (index >= this.octetsOf(part)) return undefined
    let before = 0
    for (const span of this.#spans) {
      if (span.part !== part) continue
      const at = index - before
      if (at < span.end - span.start) return span.start + at
      before += span.end - span.start
    }
    return undefined
  }

  /** What the server has confirmed on a channel, in order. */
  confirmsOn(channelNumber: number): readonly SentConfirm[] {
    return this.#confirms.get(channelNumber) ?? []
  }

  /** The next frame. */
  add({ offset, octets }: WireFrame): void {
    const type = octets.readUInt8(0)
    const channelNumber = octets.readUInt16BE(1)
    const payload = octets.subarray(WIRE_HEADER_SIZE, -1)
    if (octets.at(-1) !== WIRE_FRAME_END) throw new Error(`no frame ends before ${offset + octets.length}`)
    const isConfirm = type === WIRE_METHOD && this.#noteMethod(channelNumber, payload)
    const method = type === WIRE_HEARTBEAT ? 'heartbeat' : (this.#methods.get(channelNumber) ?? '')
    const whole = { method, start: offset, end: offset + octets.length }
    if (!this.#isOpen) this.#addSpan({ ...whole, part: 'handshake' })
    else if (type === WIRE_HEARTBEAT) this.#addSpan({ ...whole, part: 'heartbeat' })
    else this.#addParts(whole, isConfirm ? 'confirm' : (PAYLOADS[type] as Part))
    if (method === OPEN_OK) this.#isOpen = true
  }

  #addParts({ method, start, end }: Omit<Span, 'part'>, payload: Part): void {
    const parts: readonly [Part, number][] = [
      ['frame type', start + 1],
      ['channel number', start + 3],
      ['frame size', start + WIRE_HEADER_SIZE],
      [payload, end - 1],
      ['frame-end', end],
    ]
    let from = start
    for (const [part, to] of parts) {
      if (to > from) this.#addSpan({ part, method, start: from, end: to })
      from = to
    }
  }

  #addSpan(span: Span): void {
    this.#spans.push(span)
    this.#octets.set(span.part, this.octetsOf(span.part) + span.end - span.start)
  }

  /** Whether it is a confirm. */
  #noteMethod(channelNumber: number, payload: Buffer): boolean {
    const classId = payload.readUInt16BE(0)
    const methodId = payload.readUInt16BE(2)
    const accepted = CONFIRMS.get(`${classId}.${methodId}`)
    if (accepted === undefined) {
      this.#methods.set(channelNumber, methodNameOf(classId, methodId) ?? `${classId}.${methodId}`)
      return false
    }
    const confirms = this.#confirms.get(channelNumber) ?? []
    const multiple = (payload.readUInt8(12) & 1) === 1
    confirms.push({ deliveryTag: Number(payload.readBigUInt64BE(4)), multiple, accepted })
    this.#confirms.set(channelNumber, confirms)
    this.#methods.set(channelNumber, accepted ? 'basic.ack' : 'basic.nack')
    return true
  }
}

const PAYLOADS: Readonly<Record<number, Part>> = {
  [WIRE_METHOD]: 'method',
  [WIRE_HEADER]: 'content header',
  [WIRE_BODY]: 'body',
}
