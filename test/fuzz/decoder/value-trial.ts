// One input, whose methods and properties are held against the values of the reference, written and read again. Where src has
// two ways to do one thing they must agree: reading, skipping and splitting a table or properties, and the hand-written codec
// of basic.publish beside that of the table. (The reference is what the hand-written one of basic.deliver is held against.)

import {
  ArgumentError,
  ByteReader,
  ByteWriter,
  NO_OCTETS,
  readTable,
  skipTable,
  splitTable,
} from '../../../src/frames/index.js'
import { type Encode, encodeMethodFrame, encodePublish } from '../../../src/protocol/frame-writers.js'
import { readMethod, writeMethod } from '../../../src/protocol/method-codec.js'
import type { Method } from '../../../src/protocol/method-types.js'
import { METHODS } from '../../../src/protocol/methods.js'
import {
  type MessageProperties,
  readProperties,
  skipProperties,
  splitProperties,
  writeProperties,
} from '../../../src/protocol/properties.js'
import { replyCodeOf } from './decoding-trial.js'
import { FrameMap } from './frame-map.js'
import { meansSame, whyUnsendable } from './meaning.js'
import { type PlainArguments, type PlainHeader, Reference } from './reference.js'
import { FRAME_MAX } from './stem.js'
import { told } from './thrown.js'

/** In the payload of a content header: class 2, weight 2, body size 8. */
const PROPERTIES = 12
/** Longer than anything that is written here. */
const NO_LIMIT = 1_000_000

export class ValueTrial {
  readonly #map = new FrameMap()
  readonly #reference = new Reference()
  readonly #reader = new ByteReader()
  readonly #writer = new ByteWriter()

  /** What is wrong, or undefined. */
  judge(octets: Buffer): string | undefined {
    const map = this.#map
    map.read(octets, octets.length, FRAME_MAX)
    this.#reference.judge(octets, octets.length, map, true)
    for (let frame = 0; frame < Math.min(this.#reference.accepted + 1, map.count); frame++) {
      const type = octets[map.startOf(frame)] as number
      if (type !== 1 && type !== 2) continue
      const payload = octets.subarray(map.payloadOf(frame), map.endOf(frame))
      const isGood = frame < this.#reference.accepted
      const complaint =
        this.#judgeTables(octets, frame) ??
        (isGood ? this.#judgePayload(Buffer.from(payload), type, frame) : undefined)
      if (complaint !== undefined) return `frame ${frame}: ${complaint}`
    }
    return undefined
  }

  /** The payload is destroyed on the way. */
  #judgePayload(payload: Buffer, type: number, frame: number): string | undefined {
    const value = this.#reference.values[frame]
    return type === 1
      ? this.#judgeMethod(payload, value as PlainArguments)
      : this.#judgeProperties(payload.subarray(PROPERTIES), value as PlainHeader)
  }

  #judgeMethod(payload: Buffer, expected: PlainArguments): string | undefined {
    this.#reader.reset(payload)
    const method = readMethod(this.#reader)
    payload.fill(0xff)
    const args = argumentsOf(method, expected)
    if (!meansSame(method.args, args)) return `${method.name} is read as something else`
    const octets = this.#write(writer => writeMethod(writer, method.name, method.args), method.args)
    if (typeof octets === 'string') return `${method.name} ${octets}`
    if (octets === undefined) return undefined
    this.#reader.reset(octets)
    const again = readMethod(this.#reader)
    if (!meansSame(again, method)) return `${method.name} comes back as something else`
    const more = this.#write(writer => writeMethod(writer, again.name, again.args), again.args)
    if (!(more instanceof Buffer) || !more.equals(octets)) return `${method.name} is written in two ways`
    return method.name === 'basic.publish' ? this.#judgePublish(method) : undefined
  }

  #judgePublish(method: Extract<Method, { name: 'basic.publish' }>): string | undefined {
    const args = { ...method.args, immediate: false }
    const byTable = this.#encode(encodeMethodFrame, { ...method, args })
    const byHand = this.#encode(encodePublish, { ...args, properties: {}, body: NO_OCTETS })
    const isSame = byHand.subarray(0, byTable.length).equals(byTable)
    return isSame ? undefined : 'basic.publish is not written by hand as by the table'
  }

  #encode<T>(encode: Encode<T>, value: T): Buffer {
    this.#writer.begin()
    encode(this.#writer, 1, NO_LIMIT, value)
    return Buffer.from(this.#writer.written())
  }

  #judgeProperties(octets: Buffer, { properties: expected }: PlainHeader): string | undefined {
    this.#reader.reset(octets)
    skipProperties(this.#reader)
    const properties = readProperties(octets)
    const pieces = splitProperties(octets).map(([, piece]) => piece)
    if (!Buffer.concat([octets.subarray(0, 2), ...pieces]).equals(octets))
      return 'properties are split wrongly'
    octets.fill(0xff)
    if (!meansSame(properties, expected)) return 'properties are read as something else'
    const written = this.#write(writer => writeProperties(writer, properties), sendable(properties))
    if (!(written instanceof Buffer)) return written && `properties ${written}`
    this.#reader.reset(written)
    skipProperties(this.#reader)
    return meansSame(readProperties(written), properties)
      ? undefined
      : 'properties come back as something else'
  }

  /** Octets, or undefined when they may not be sent, or what is wrong. */
  #write(write: (writer: ByteWriter) => void, value: unknown): Buffer | string | undefined {
    this.#writer.begin()
    try {
      write(this.#writer)
    } catch (error) {
      if (error instanceof ArgumentError && whyUnsendable(value) !== undefined) return undefined
      return `cannot be written: ${error}`
    }
    return Buffer.from(this.#writer.written())
  }

  /** Reading, skipping and splitting come to the same, also when they come to nothing. */
  #judgeTables(octets: Buffer, frame: number): string | undefined {
    const at = this.#reference.tables[frame]
    if (at === undefined) return undefined
    const end = this.#map.endOf(frame)
    const [read, ...others] = [readTable, skipTable, splitTable].map(decode =>
      this.#outcomeOf(decode, octets, at, end),
    )
    return others.every(other => other === read)
      ? undefined
      : `a table is read and skipped differently: ${read}, ${others}`
  }

  /** Where it ends, or with which code: how many octets are missing depends on the size of the steps. */
  #outcomeOf(decode: (reader: ByteReader) => unknown, octets: Buffer, at: number, end: number): string {
    this.#reader.reset(octets, at, end)
    try {
      decode(this.#reader)
      return `ends at ${this.#reader.position}`
    } catch (error) {
      const replyCode = replyCodeOf(error)
      return replyCode === 0 ? `throws ${told(error)}` : `refuses with ${replyCode}`
    }
  }
}

/** Those that are not reserved, by name. */
function argumentsOf({ name }: Method, values: PlainArguments): Record<string, unknown> {
  const entries = Object.entries(METHODS[name].args).map(([argument, domain], index) => {
    return [argument, values[index], domain] as const
  })
  const named = entries.filter(([, , domain]) => !domain.startsWith('reserved'))
  return Object.fromEntries(named.map(([argument, value]) => [argument, value]))
}

/** RabbitMQ refuses an expiration that is no number; it may well be received. */
function sendable(properties: MessageProperties): MessageProperties {
  const { expiration } = properties
  const isNumber = expiration === undefined || /^\d+$/.test(expiration)
  return isNumber ? properties : { ...properties, expiration: '\ufffd' }
}
