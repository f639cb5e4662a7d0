// What octets mean, told without src: frames by FrameMap, methods by the table that was written down from the class reference
// by hand, properties by section 4.2.6.1. A content is followed as far as its body size; in which order frames may come is the
// state machines' affair. It only counts and judges, unless it is asked for values.

import { EXPECTED_METHODS, type ExpectedMethod } from '../../protocol/method-table.expected.js'
import { type FrameMap, shortAt } from './frame-map.js'
import { exact, PlainReader } from './plain-reader.js'

/** No channel lives through more deliveries, and no body is larger: what says so is corrupt. */
const LARGEST = BigInt(Number.MAX_SAFE_INTEGER)
const CONTENT_CLASS_ID = 60

const PROPERTIES = [
  ['contentType', 'shortstr'],
  ['contentEncoding', 'shortstr'],
  ['headers', 'table'],
  ['deliveryMode', 'octet'],
  ['priority', 'octet'],
  ['correlationId', 'shortstr'],
  ['replyTo', 'shortstr'],
  ['expiration', 'shortstr'],
  ['messageId', 'shortstr'],
  ['timestamp', 'longlong'],
  ['type', 'shortstr'],
  ['userId', 'shortstr'],
  ['appId', 'shortstr'],
  ['clusterId', 'shortstr'],
] as const

const NONE: unknown[] = []

const INDEX_OF_IDS: ReadonlyMap<number, number> = new Map(
  EXPECTED_METHODS.map(({ classId, methodId }, index) => [classId * 65_536 + methodId, index]),
)

/** Of a method frame: its arguments in the order of the wire, reserved ones too. */
export type PlainArguments = readonly unknown[]

export interface PlainHeader {
  readonly bodySize: number
  readonly properties: Readonly<Record<string, unknown>>
}

export class Reference {
  /** Whole frames whose payload is good, before the first whose is not. */
  accepted = 0
  /** With what a connection must be closed; 0 if all octets so far are good. */
  replyCode = 0
  /** Of each frame that was looked into: index in EXPECTED_METHODS, or -1. */
  readonly methods: number[] = []
  /** Of each accepted frame, when they were asked for: arguments, a header, or undefined. */
  readonly values: (PlainArguments | PlainHeader | undefined)[] = []
  /** Where the table of each frame begins that was looked into, if it came to one. */
  readonly tables: (number | undefined)[] = []
  readonly reader = new PlainReader()
  /** Octets of a body that have not come yet; negative when none is expected. */
  #bodyLeft = -1

  judge(octets: Buffer, length: number, map: FrameMap, builds: boolean): void {
    this.accepted = 0
    this.replyCode = 0
    this.#bodyLeft = -1
    this.reader.builds = builds
    for (let frame = 0; frame < map.count; frame++) {
      const start = map.payloadOf(frame)
      const end = map.endOf(frame)
      this.methods[frame] = -1
      this.values[frame] = undefined
      this.tables[frame] = undefined
      this.replyCode = this.#judgeFrame(octets, octets[map.startOf(frame)] as number, start, end, frame)
      if (this.replyCode !== 0) return
      this.accepted++
    }
    if (map.rest === 'refused') this.replyCode = 501
    else if (map.rest === 'partial') this.#judgeRest(octets, length, map)
  }

  #judgeFrame(octets: Buffer, type: number, start: number, end: number, frame: number): number {
    const { reader } = this
    if (type === 3) return this.#takeBody(end - start)
    if (type === 8) return 0
    reader.reset(octets, start, end)
    if (type === 1) this.#judgeMethod(octets, start, end, frame)
    else this.#judgeHeader(frame)
    if (reader.failure === 0 && reader.left > 0) reader.fail(501)
    this.tables[frame] = reader.tableAt
    return reader.failure
  }

  /** Of a body that is not there as a whole what is there counts. */
  #judgeRest(octets: Buffer, length: number, map: FrameMap): void {
    const start = map.payloadOf(map.count)
    if (octets[map.startOf(map.count)] !== 3 || start > length) return
    const size = octets.readUInt32BE(start - 4)
    this.replyCode = this.#takeBody(Math.min(size, length - start))
  }

  #takeBody(octets: number): number {
    if (this.#bodyLeft < 0) return 0
    if (octets > this.#bodyLeft) return 501
    this.#bodyLeft -= octets
    // The end of the frame that has the last octet ends the content; an empty one behind that belongs to none.
    if (this.#bodyLeft === 0) this.#bodyLeft = -1
    return 0
  }

  #judgeMethod(octets: Buffer, start: number, end: number, frame: number): void {
    const { reader } = this
    if (end - start < 4) return reader.fail(501)
    const index = INDEX_OF_IDS.get(shortAt(octets, start) * 65_536 + shortAt(octets, start + 2))
    if (index === undefined) return reader.fail(540)
    this.methods[frame] = index
    reader.take(4)
    const values = this.#readArguments(EXPECTED_METHODS[index] as ExpectedMethod)
    if (reader.builds) this.values[frame] = values
  }

  #readArguments({ types }: ExpectedMethod): PlainArguments {
    const { reader } = this
    const values: unknown[] = reader.builds ? [] : NONE
    let bits = 0
    let octet = 0
    for (const type of types) {
      if (type !== 'bit') bits = 0
      else if (bits % 8 === 0) octet = reader.octet()
      const value = type === 'bit' ? (octet & (1 << (bits++ % 8))) !== 0 : this.#readArgument(type)
      if (reader.builds) values.push(value)
    }
    return values
  }

  #readArgument(type: Exclude<ExpectedMethod['types'][number], 'bit'>): unknown {
    const { reader } = this
    if (type !== 'longlong') return reader[type]()
    const value = reader.longlong()
    if (value > LARGEST) reader.fail(502)
    return Number(value)
  }

  #judgeHeader(frame: number): void {
    const { reader } = this
    const classId = reader.short()
    const weight = reader.short()
    if (reader.failure !== 0) return
    if (classId !== CONTENT_CLASS_ID || weight !== 0) return reader.fail(505)
    const bodySize = reader.longlong()
    if (bodySize > LARGEST) return reader.fail(501)
    const properties = this.#readProperties()
    this.#bodyLeft = bodySize === 0n ? -1 : Number(bodySize)
    if (reader.builds) this.values[frame] = { bodySize: Number(bodySize), properties }
  }

  /** The two lowest flags mean nothing: RabbitMQ lets them pass. */
  #readProperties(): Record<string, unknown> {
    const { reader } = this
    const flags = reader.short()
    const properties: Record<string, unknown> = {}
    for (let index = 0; index < PROPERTIES.length; index++) {
      if ((flags & (0x8000 >> index)) === 0) continue
      const [name, type] = PROPERTIES[index] as (typeof PROPERTIES)[number]
      const value = reader[type]()
      if (reader.builds) properties[name] = typeof value === 'bigint' ? exact(value) : value
    }
    return properties
  }
}
