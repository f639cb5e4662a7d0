import { expect } from 'chai'
import fc from 'fast-check'
import { ByteReader } from '../../src/frames/byte-reader.js'
import { readTable, skipTable, splitTable } from '../../src/frames/field-table.js'
import {
  DecimalField,
  type FieldTable,
  type FieldValue,
  field,
  TypedField,
} from '../../src/frames/field-value.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { octetsAllocated } from '../support/allocations.js'
import { damaged, fieldTable, octets } from '../support/arbitraries.js'
import { expectLinear } from '../support/linear.js'
import { runs } from '../support/runs.js'
import { decode, encode, sizeOf, tableOf } from './table-octets.js'

const DATE_SECONDS_MAX = 8.64e12

/** The octets that are left of a table or an array. */
class NaiveOctets {
  #octets: Buffer

  constructor(octets: Buffer) {
    this.#octets = octets
  }

  get isEmpty(): boolean {
    return this.#octets.length === 0
  }

  take(size: number): Buffer {
    if (size > this.#octets.length) throw 501
    const taken = Buffer.from(this.#octets.subarray(0, size))
    this.#octets = this.#octets.subarray(size)
    return taken
  }

  long(): Buffer {
    return this.take(this.take(4).readUInt32BE())
  }
}

/** The table that the octets begin with, or the reply code, by the simplest decoder there is. */
function naivelyRead(source: Buffer): FieldTable | number {
  try {
    return naiveTable(new NaiveOctets(source).long())
  } catch (replyCode) {
    if (typeof replyCode === 'number') return replyCode
    throw replyCode
  }
}

function naiveTable(content: Buffer): FieldTable {
  const octets = new NaiveOctets(content)
  const table: FieldTable = Object.create(null)
  while (!octets.isEmpty) {
    const name = octets.take(octets.take(1)[0] as number).toString()
    const value = naiveValue(octets)
    if (!(name in table)) table[name] = value
  }
  return table
}

function naiveArray(content: Buffer): FieldValue[] {
  const octets = new NaiveOctets(content)
  const array: FieldValue[] = []
  while (!octets.isEmpty) array.push(naiveValue(octets))
  return array
}

function naiveValue(octets: NaiveOctets): FieldValue {
  const tag = octets.take(1).toString('latin1')
  switch (tag) {
    case 't':
      return octets.take(1)[0] !== 0
    case 'b':
      return octets.take(1).readInt8()
    case 'B':
      return octets.take(1).readUInt8()
    case 's':
      return octets.take(2).readInt16BE()
    case 'u':
      return octets.take(2).readUInt16BE()
    case 'I':
      return octets.take(4).readInt32BE()
    case 'i':
      return octets.take(4).readUInt32BE()
    case 'l':
    case 'L':
      return numberIfExact(octets.take(8).readBigInt64BE())
    case 'f':
      return octets.take(4).readFloatBE()
    case 'd':
      return octets.take(8).readDoubleBE()
    case 'D': {
      const [scale, value] = [octets.take(1), octets.take(4)]
      return field.decimal(scale.readUInt8(), value.readUInt32BE())
    }
    case 'S':
      return textIfUtf8(octets.long())
    case 'x':
      return octets.long()
    case 'T': {
      const seconds = octets.take(8).readBigUInt64BE()
      const isDate = seconds <= DATE_SECONDS_MAX
      return isDate ? new Date(Number(seconds) * 1000) : field.timestamp(numberIfExact(seconds))
    }
    case 'F':
      return naiveTable(octets.long())
    case 'A':
      return naiveArray(octets.long())
    case 'V':
      return null
    default:
      throw 502
  }
}

function numberIfExact(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

function textIfUtf8(octets: Buffer): string | Buffer {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets)
  } catch {
    return octets
  }
}

describe('A field table', () => {
  /** What arrives at the other end, in words of what was sent. */
  function received(value: FieldValue): FieldValue {
    if (value === undefined) return null
    if (value === 0) return 0
    if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
    if (value === null || typeof value !== 'object' || value instanceof DecimalField) return value
    if (value instanceof Uint8Array) return Buffer.from(value)
    if (value instanceof Date) return new Date(Math.floor(value.getTime() / 1000) * 1000)
    if (value instanceof TypedField) return receivedTyped(value)
    if (Array.isArray(value)) return Array.from(value, received)
    return receivedTable(value as FieldTable)
  }

  function receivedTyped({ type, value }: TypedField): FieldValue {
    if (type === 'float' || type === 'double') return value
    if (type !== 'timestamp') return received(value)
    return value <= DATE_SECONDS_MAX
      ? new Date(Number(value) * 1000)
      : field.timestamp(received(value) as number | bigint)
  }

  function receivedTable(table: FieldTable): FieldTable {
    const entries = Object.entries(table).filter(([, value]) => value !== undefined)
    return Object.assign(
      Object.create(null),
      Object.fromEntries(entries.map(([name, value]) => [name, received(value)])),
    )
  }

  it('arrives with the same meaning', () => {
    fc.assert(
      fc.property(fieldTable, table => {
        expect(decode(encode(table))).to.deep.equal(receivedTable(table))
      }),
    )
  })

  it('is read or refused with a FrameError whatever the octets, and skipped alike', () => {
    fc.assert(
      fc.property(anyOctets, source => {
        const [read, skipped, split] = [readTable, skipTable, splitTable].map(one => outcome(one, source))
        expect(skipped).to.equal(read)
        expect(split).to.equal(read)
      }),
      runs(300),
    )
  })

  it('is read as the grammar says, or refused, whatever the octets', () => {
    fc.assert(
      fc.property(fc.oneof(anyOctets, fieldTable.map(encode)), source => {
        const reader = new ByteReader()
        reader.reset(source)
        let table: unknown
        try {
          table = readTable(reader)
        } catch (error) {
          if (!(error instanceof FrameError)) throw error
          table = error.replyCode
        }
        expect(table).to.deep.equal(naivelyRead(source))
      }),
      runs(500),
    )
  })

  it('is split into its fields as they stand', () => {
    fc.assert(
      fc.property(fieldTable, table => {
        const source = encode(table)
        const reader = new ByteReader()
        reader.reset(Buffer.concat([source, Buffer.of(0xaa)]))
        const fields = splitTable(reader)
        expect(reader.remaining).to.equal(1)
        expect(tableOf(...fields)).to.deep.equal(source)
        const names = fields.map(field => Object.keys(decode(tableOf(field))))
        expect(names).to.deep.equal(Object.keys(decode(source)).map(name => [name]))
      }),
    )
  })

  it('asks for no more memory than its octets, whatever they say', () => {
    fc.assert(
      fc.property(anyOctets, source => {
        for (const one of [readTable, skipTable, splitTable]) {
          expect(octetsAllocated(() => outcome(one, source))).to.be.at.most(4 * source.length)
        }
      }),
      runs(300),
    )
  })

  /** So many octets, made of entries that are numbered. */
  function filled(size: number, entry: (index: number) => Buffer): Buffer {
    const entries: Buffer[] = []
    for (let octets = 0; octets < size; octets += entries.at(-1)?.length ?? 0)
      entries.push(entry(entries.length))
    return Buffer.concat(entries)
  }

  function named(name: string, ...rest: Buffer[]): Buffer {
    return Buffer.concat([Buffer.of(name.length), Buffer.from(name, 'latin1'), ...rest])
  }

  const arrayOf = (content: Buffer): Buffer => named('a', Buffer.from('A'), sizeOf(content.length), content)
  const VOID = Buffer.from('V')
  const DEEP = (size: number): Buffer =>
    size > 0 ? named('', Buffer.from('F'), tableOf(DEEP(size - 1))) : VOID.subarray(1)
  const LARGE: readonly (readonly [what: string, content: (size: number) => Buffer])[] = [
    ['fields with names of their own', size => filled(size, index => named(`name ${index}`, VOID))],
    ['fields with one name', size => filled(size, () => named('name', VOID))],
    [
      'fields with numbers for names',
      size => filled(size, index => named(`${(index * 2_654_435_761) >>> 0}`, VOID)),
    ],
    ['an array of nothing', size => arrayOf(filled(size, () => VOID))],
    [
      'text that is not quite UTF-8',
      size => named('a', Buffer.from('S'), sizeOf(size), Buffer.alloc(size, '\ufffd\xff')),
    ],
    ['tables in tables, as deep as they may be', size => filled(size, () => DEEP(60))],
  ]
  for (const [what, content] of LARGE) {
    it(`takes time in proportion to its octets: ${what}`, () => {
      for (const one of [readTable, skipTable, splitTable]) {
        expectLinear(what, 20_000, size => {
          const source = tableOf(content(size))
          return () => outcome(one, source)
        })
      }
    })
  }

  const anyOctets = fc.oneof(
    damaged(fieldTable.map(table => Buffer.from(encode(table)))),
    octets().map(content => tableOf(content)),
  )

  /** How far it came, or why it failed; what else is thrown fails the test. */
  function outcome(decodeOne: (reader: ByteReader) => unknown, source: Buffer): string {
    const reader = new ByteReader()
    reader.reset(source)
    try {
      decodeOne(reader)
      return `${reader.remaining} octets left`
    } catch (error) {
      // Which octet is missed first depends on how many are read at once.
      if (error instanceof FrameError) return `refused with ${error.replyCode}`
      throw error
    }
  }
})
