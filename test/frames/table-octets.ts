// Tables to octets and back, checked on the way: what the tests of field tables share.

import { expect } from 'chai'
import { ByteReader } from '../../src/frames/byte-reader.js'
import { ByteWriter } from '../../src/frames/byte-writer.js'
import { readTable, skipTable, writeTable } from '../../src/frames/field-table.js'
import type { FieldTable } from '../../src/frames/field-value.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { toHex } from '../support/hex.js'

export function encode(table: FieldTable): Buffer {
  const writer = new ByteWriter()
  writeTable(writer, table, 'headers')
  return writer.written()
}

/** Reads a table, checks that skipping agrees, and that neither leaves octets. */
export function decode(source: Buffer): FieldTable {
  const reader = new ByteReader()
  reader.reset(source)
  skipTable(reader)
  expect(reader.remaining, 'octets left by skipTable').to.equal(0)
  reader.reset(source)
  const table = readTable(reader)
  expect(reader.remaining, 'octets left by readTable').to.equal(0)
  return table
}

/** The table with these octets as its entries. */
export function tableOf(...entries: Buffer[]): Buffer {
  const content = Buffer.concat(entries)
  return Buffer.concat([sizeOf(content.length), content])
}

export function sizeOf(octets: number): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(octets)
  return size
}

/** The error of reading; skipping must fail in the same way. */
export function decodeError(source: Buffer): FrameError {
  const errors = [readTable, skipTable].map(decodeOne => {
    const reader = new ByteReader()
    reader.reset(source)
    try {
      decodeOne(reader)
    } catch (error) {
      if (error instanceof FrameError) return error
      throw error
    }
    throw new Error(`decoded although it is malformed: ${toHex(source)}`)
  })
  const [readError, skipError] = errors as [FrameError, FrameError]
  expect(skipError.replyCode).to.equal(readError.replyCode)
  expect(skipError.message).to.equal(readError.message)
  return readError
}
