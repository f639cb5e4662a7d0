// The elementary domains and field tables of AMQP 0-9-1 (sections 4.2.5 and 4.2.5.5, with RabbitMQ's type tags), read a second
// time and in the plainest way: what the decoder of src is held against. It throws nothing: `failure` is the reply code of the
// first thing that is wrong, and from then on there is nothing to read. It builds values only when it is asked to.

import { isUtf8 } from 'node:buffer'
import { DecimalField, TypedField } from '../../../src/frames/index.js'
import { longAt } from './frame-map.js'
import type { Spans } from './spans.js'

/** What thump promises: a peer that nests deeper than that is refused with 502. */
const DEEPEST = 64
/** Seconds on either side of 1970 that a Date can hold. */
const LAST_DATE = 8.64e12

const NO_VALUE: Readonly<Record<string, unknown>> = Object.freeze(Object.create(null))

export class PlainReader {
  at = 0
  /** 501: octets are missing or left over. 502: a value that must not be. */
  failure = 0
  builds = false
  /** Where lengths are noted, for the mutations that change them. */
  spans: Spans | undefined
  /** Where the table begins that is not inside another; no method has two. */
  tableAt: number | undefined
  #octets: Buffer = Buffer.alloc(0)
  #end = 0

  reset(octets: Buffer, start: number, end: number): void {
    this.#octets = octets
    this.at = start
    this.#end = end
    this.failure = 0
    this.tableAt = undefined
  }

  get left(): number {
    return this.#end - this.at
  }

  fail(replyCode: number): void {
    if (this.failure === 0) this.failure = replyCode
    this.at = this.#end
  }

  /** Offset of the next octets, which are passed. After a failure it points anywhere. */
  take(count: number): number {
    const { at } = this
    if (count > this.#end - at) this.fail(501)
    else this.at = at + count
    return at
  }

  octet(): number {
    const at = this.take(1)
    return this.failure === 0 ? (this.#octets[at] as number) : 0
  }

  short(): number {
    const at = this.take(2)
    return this.failure === 0 ? this.#octets.readUInt16BE(at) : 0
  }

  long(): number {
    const at = this.take(4)
    return this.failure === 0 ? longAt(this.#octets, at) : 0
  }

  longlong(): bigint {
    const at = this.take(8)
    return this.failure === 0 ? this.#octets.readBigUInt64BE(at) : 0n
  }

  shortstr(): string {
    const sizeAt = this.at
    const length = this.octet()
    return this.#text(sizeAt, 'shortstr', length)
  }

  longstr(): Buffer | undefined {
    const sizeAt = this.at
    const length = this.long()
    const at = this.#content(sizeAt, 'longstr', length)
    if (!this.builds || this.failure !== 0) return undefined
    return Buffer.from(this.#octets.subarray(at, at + length))
  }

  /** The first of two values of one name counts. */
  table(depth = 1): Readonly<Record<string, unknown>> {
    if (depth === 1 && this.failure === 0) this.tableAt = this.at
    const outerEnd = this.#enter('table', depth)
    const table: Record<string, unknown> = this.builds ? Object.create(null) : NO_VALUE
    while (this.left > 0) {
      const name = this.shortstr()
      const value = this.#field(depth)
      if (this.builds && this.failure === 0 && !(name in table)) table[name] = value
    }
    this.#leave(outerEnd)
    return table
  }

  #array(depth: number): unknown[] {
    const outerEnd = this.#enter('array', depth)
    const array: unknown[] = []
    while (this.left > 0) array.push(this.#field(depth))
    this.#leave(outerEnd)
    return array
  }

  #enter(kind: 'table' | 'array', depth: number): number {
    if (depth > DEEPEST) this.fail(502)
    const sizeAt = this.at
    const size = this.long()
    const at = this.#content(sizeAt, kind, size)
    const outerEnd = this.#end
    if (this.failure === 0) {
      this.#end = this.at
      this.at = at
    }
    return outerEnd
  }

  /** After a failure there is nothing to read outside either. */
  #leave(outerEnd: number): void {
    this.#end = this.failure === 0 ? outerEnd : this.at
  }

  /** Passes what a length announces, and notes it. */
  #content(sizeAt: number, kind: 'shortstr' | 'longstr' | 'table' | 'array', length: number): number {
    const at = this.take(length)
    if (this.spans !== undefined && this.failure === 0) this.spans.add(kind, sizeAt, at, at + length)
    return at
  }

  #text(sizeAt: number, kind: 'shortstr' | 'longstr', length: number): string {
    const at = this.#content(sizeAt, kind, length)
    return this.builds && this.failure === 0 ? this.#octets.toString('utf8', at, at + length) : ''
  }

  #field(depth: number): unknown {
    const tag = this.octet()
    if (this.failure !== 0) return undefined
    switch (String.fromCharCode(tag)) {
      case 't':
        return this.octet() !== 0
      case 'b':
        return this.#fixed(1, at => this.#octets.readInt8(at))
      case 'B':
        return this.octet()
      case 's':
        return this.#fixed(2, at => this.#octets.readInt16BE(at))
      case 'u':
        return this.short()
      case 'I':
        return this.#fixed(4, at => this.#octets.readInt32BE(at))
      case 'i':
        return this.long()
      case 'l':
      case 'L':
        return this.#fixed(8, at => exact(this.#octets.readBigInt64BE(at)))
      case 'f':
        return this.#fixed(4, at => this.#octets.readFloatBE(at))
      case 'd':
        return this.#fixed(8, at => this.#octets.readDoubleBE(at))
      case 'D':
        return this.#fixed(
          5,
          at => new DecimalField(this.#octets[at] as number, longAt(this.#octets, at + 1)),
        )
      case 'T':
        return this.#fixed(8, at => timestamp(exact(this.#octets.readBigUInt64BE(at))))
      case 'S':
        return this.#textOrOctets(this.longstr())
      case 'x':
        return this.longstr()
      case 'F':
        return this.table(depth + 1)
      case 'A':
        return this.#array(depth + 1)
      case 'V':
        return null
      default:
        return this.fail(502)
    }
  }

  #fixed(size: number, read: (at: number) => unknown): unknown {
    const at = this.take(size)
    return this.builds && this.failure === 0 ? read(at) : undefined
  }

  #textOrOctets(octets: Buffer | undefined): unknown {
    return octets !== undefined && isUtf8(octets) ? octets.toString('utf8') : octets
  }
}

/** A number where one is exact. */
export function exact(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function timestamp(seconds: number | bigint): unknown {
  return seconds <= LAST_DATE ? new Date(Number(seconds) * 1000) : new TypedField('timestamp', seconds)
}
