import { expect } from 'chai'
import fc from 'fast-check'
import { ByteReader } from '../../src/frames/byte-reader.js'
import { readTable, skipTable } from '../../src/frames/field-table.js'
import {
  DecimalField,
  type FieldTable,
  type FieldValue,
  field,
  TypedField,
} from '../../src/frames/field-value.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { fieldTable, octets } from '../support/arbitraries.js'
import { decode, encode, tableOf } from './table-octets.js'

const DATE_SECONDS_MAX = 8.64e12

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
    const damaged = fc.tuple(fieldTable, fc.nat(), fc.nat(0xff)).map(([table, position, octet]) => {
      const source = Buffer.from(encode(table))
      source[position % source.length] = octet
      return source
    })
    const anything = octets().map(content => tableOf(content))
    fc.assert(
      fc.property(fc.oneof(damaged, anything), source => {
        const [read, skipped] = [readTable, skipTable].map(decodeOne => outcome(decodeOne, source))
        expect(skipped).to.equal(read)
      }),
    )
  })

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
