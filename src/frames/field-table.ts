// Field tables and arrays <-> octets: AMQP 0-9-1 section 4.2.5.5, with the type tags as RabbitMQ reads and
// writes them. There specification, errata and brokers disagree: `s` is a signed 16-bit integer (a short
// string in the grammar), `l` is signed (unsigned in the grammar), `x` exists, and `U` (signed 16 in the
// grammar) does not, it costs a client its connection. field-value has the JavaScript side of the mapping.
// One row per tag says how to read, skip and write it. Knows neither which arguments or headers mean
// something nor what the broker makes of them.

import { ArgumentError, kindOf } from './argument-error.js'
import { type ArgumentPath, FieldPath } from './argument-path.js'
import type { ByteReader } from './byte-reader.js'
import type { ByteWriter } from './byte-writer.js'
import {
  type DecimalField,
  type FieldArray,
  type FieldTable,
  type FieldValue,
  field,
  TypedField,
} from './field-value.js'
import { FrameError } from './frame-error.js'
import { TableBuilder } from './table-builder.js'

/** How deep tables and arrays may nest, both ways. RabbitMQ has no limit; our stack does. */
const DEPTH_MAX = 64

/** A Date holds 8.64e15 milliseconds on either side of 1970. */
const DATE_SECONDS_MAX = 8.64e12

interface FieldType {
  readonly tag: string
  /** Octets behind the tag, or how to skip them. */
  readonly size: number | ((reader: ByteReader, depth: number) => void)
  read(reader: ByteReader, depth: number): FieldValue
  /** The value is of the kind that `typeFor` chose the type for, which is more than the compiler can know. */
  write(writer: ByteWriter, value: never, path: FieldPath): void
}

const FIELD_TYPES = Object.freeze({
  boolean: { tag: 't', size: 1, read: r => r.octet() !== 0, write: (w, value) => w.octet(value ? 1 : 0) },
  int8: { tag: 'b', size: 1, read: r => r.int8(), write: (w, value, path) => w.int8(value, path) },
  uint8: { tag: 'B', size: 1, read: r => r.octet(), write: (w, value, path) => w.octet(value, path) },
  int16: { tag: 's', size: 2, read: r => r.int16(), write: (w, value, path) => w.int16(value, path) },
  uint16: { tag: 'u', size: 2, read: r => r.short(), write: (w, value, path) => w.short(value, path) },
  int32: { tag: 'I', size: 4, read: r => r.int32(), write: (w, value, path) => w.int32(value, path) },
  uint32: { tag: 'i', size: 4, read: r => r.long(), write: (w, value, path) => w.long(value, path) },
  int64: { tag: 'l', size: 8, read: r => r.int64(), write: (w, value, path) => w.int64(value, path) },
  float: { tag: 'f', size: 4, read: r => r.float(), write: (w, value, path) => w.float(value, path) },
  double: { tag: 'd', size: 8, read: r => r.double(), write: (w, value, path) => w.double(value, path) },
  decimal: { tag: 'D', size: 5, read: readDecimal, write: writeDecimal },
  string: { tag: 'S', size: skipLongstr, read: r => r.longstrTextOrOctets(), write: writeLongstr },
  octets: { tag: 'x', size: skipLongstr, read: r => r.longstr(), write: writeLongstr },
  timestamp: { tag: 'T', size: 8, read: readTimestamp, write: (w, value, path) => w.timestamp(value, path) },
  table: { tag: 'F', size: skipNestedTable, read: (r, depth) => readTable(r, depth + 1), write: writeTable },
  array: { tag: 'A', size: skipArray, read: readArray, write: writeArray },
  void: { tag: 'V', size: 0, read: () => null, write: () => undefined },
} satisfies Record<string, FieldType>)

const TYPE_OF_TAG: (FieldType | undefined)[] = []
for (const type of Object.values<FieldType>(FIELD_TYPES)) TYPE_OF_TAG[type.tag.charCodeAt(0)] = type
// Some clients write `L`. RabbitMQ reads it, and writes `l` in its place.
TYPE_OF_TAG['L'.charCodeAt(0)] = FIELD_TYPES.int64

/** For all tables, by their depth: what is usual on one connection is so on the others. */
const BUILDERS: TableBuilder[] = []

/**
 * Reads a table. It has no prototype, so that no name in it is special; of a name that comes twice the first
 * value counts, as in RabbitMQ's own lookup. Throws FrameError: 501 if the octets end too soon or a length is
 * wrong, 502 for an unknown tag or too much nesting.
 */
export function readTable(reader: ByteReader, depth = 1): FieldTable {
  const outerEnd = enter(reader, depth)
  const builder = builderFor(depth)
  builder.begin()
  while (reader.remaining > 0) {
    const nameAt = reader.position
    const name = reader.shortstr(builder.expected)
    builder.add(name, nextType(reader, nameAt).read(reader, depth))
  }
  reader.widen(outerEnd)
  return builder.end()
}

/** Checks a table as `readTable` would, and builds nothing. */
export function skipTable(reader: ByteReader, depth = 1): void {
  const outerEnd = enter(reader, depth)
  while (reader.remaining > 0) {
    const nameAt = reader.position
    reader.skip(reader.octet())
    skipValue(reader, nextType(reader, nameAt), depth)
  }
  reader.widen(outerEnd)
}

/** The fields of a table as they stand, name, tag and value: one buffer for each. */
export function splitTable(reader: ByteReader): Buffer[] {
  const fields: Buffer[] = []
  const outerEnd = enter(reader, 1)
  while (reader.remaining > 0) {
    const { position } = reader
    reader.skip(reader.octet())
    skipValue(reader, nextType(reader, position), 1)
    fields.push(reader.copySince(position))
  }
  reader.widen(outerEnd)
  return fields
}

/**
 * Writes a table: its own enumerable properties with string names, those that are undefined left out. Throws
 * ArgumentError with the path of the value that cannot be sent.
 */
export function writeTable(writer: ByteWriter, table: FieldTable, path: ArgumentPath): void {
  if (!isPlainObject(table)) throw new ArgumentError(path, `must be a plain object, not ${kindOf(table)}`)
  const place = descend(path)
  const sizeAt = writer.reserve(4)
  for (const name of Object.keys(table)) {
    const value = table[name]
    if (value === undefined) continue
    place.key = name
    writer.shortstr(name, place)
    writeField(writer, value, place)
  }
  writer.patchLong(sizeAt, writer.length - sizeAt - 4)
}

/** Of two tables on one level one is whole before the other begins. */
function builderFor(depth: number): TableBuilder {
  const known = BUILDERS[depth]
  if (known !== undefined) return known
  const builder = new TableBuilder()
  BUILDERS[depth] = builder
  return builder
}

function readArray(reader: ByteReader, outerDepth: number): FieldArray {
  const depth = outerDepth + 1
  const outerEnd = enter(reader, depth)
  const array: FieldValue[] = []
  while (reader.remaining > 0) array.push(nextType(reader).read(reader, depth))
  reader.widen(outerEnd)
  return array
}

function skipArray(reader: ByteReader, outerDepth: number): void {
  const depth = outerDepth + 1
  const outerEnd = enter(reader, depth)
  while (reader.remaining > 0) skipValue(reader, nextType(reader), depth)
  reader.widen(outerEnd)
}

function writeArray(writer: ByteWriter, array: FieldArray, path: ArgumentPath): void {
  const place = descend(path)
  const sizeAt = writer.reserve(4)
  for (let index = 0; index < array.length; index++) {
    place.key = index
    writeField(writer, array[index], place)
  }
  writer.patchLong(sizeAt, writer.length - sizeAt - 4)
}

function skipValue(reader: ByteReader, type: FieldType, depth: number): void {
  if (typeof type.size === 'number') reader.skip(type.size)
  else type.size(reader, depth)
}

/** Confines the reader to the table or array that begins here; returns what `widen` needs afterwards. */
function enter(reader: ByteReader, depth: number): number {
  if (depth > DEPTH_MAX) {
    throw new FrameError(502, `cannot decode a table nested deeper than ${DEPTH_MAX} levels`)
  }
  return reader.narrow(reader.long())
}

/** A cyclic table is refused by its depth. */
function descend(path: ArgumentPath): FieldPath {
  const place = new FieldPath(path)
  if (place.depth > DEPTH_MAX) {
    throw new ArgumentError(path, `must not be nested deeper than ${DEPTH_MAX} levels or contain itself`)
  }
  return place
}

/** The type that the next octet names. `nameAt` is where the field's name is; array elements have none. */
function nextType(reader: ByteReader, nameAt?: number): FieldType {
  const tag = reader.octet()
  const type = TYPE_OF_TAG[tag]
  if (type !== undefined) return type
  const where = nameAt === undefined ? 'an array element' : `field ${nameAgain(reader, nameAt)}`
  const character = JSON.stringify(String.fromCharCode(tag))
  throw new FrameError(502, `cannot decode ${where}: unknown type tag 0x${tag.toString(16)} (${character})`)
}

function nameAgain(reader: ByteReader, nameAt: number): string {
  reader.seek(nameAt)
  return JSON.stringify(reader.shortstr())
}

function writeField(writer: ByteWriter, value: FieldValue, path: FieldPath): void {
  const type = typeFor(value)
  if (type === undefined) {
    throw new ArgumentError(
      path,
      'must be a boolean, number, bigint, string, Uint8Array, Date, null, array, plain object or field.*, ' +
        `not ${kindOf(value)}`,
    )
  }
  writer.octet(type.tag.charCodeAt(0))
  const isWrapped = value instanceof TypedField && type !== FIELD_TYPES.decimal
  type.write(writer, (isWrapped ? value.value : value) as never, path)
}

function typeFor(value: FieldValue): FieldType | undefined {
  switch (typeof value) {
    case 'string':
      return FIELD_TYPES.string
    case 'number':
      return typeForNumber(value)
    case 'boolean':
      return FIELD_TYPES.boolean
    case 'bigint':
      return FIELD_TYPES.int64
    case 'undefined':
      return FIELD_TYPES.void
    case 'object':
      return typeForObject(value)
  }
  return undefined
}

/**
 * `I` before `l`, because it is the one tag for integers that every peer knows since 0-8. An integer must not
 * become a double: RabbitMQ refuses `x-message-ttl` as a double (406). Beyond 2^53 no number is exact anyway.
 */
function typeForNumber(value: number): FieldType {
  if ((value | 0) === value) return FIELD_TYPES.int32
  return Number.isSafeInteger(value) ? FIELD_TYPES.int64 : FIELD_TYPES.double
}

/**
 * A Map, a Set or an instance of a class is no table: what of it should be sent is not for us to guess. A TypedField made by hand
 * may have any word for its type, `constructor` too: it must be one that `field` makes.
 */
function typeForObject(value: object | null): FieldType | undefined {
  if (value === null) return FIELD_TYPES.void
  if (Array.isArray(value)) return FIELD_TYPES.array
  if (value instanceof Uint8Array) return FIELD_TYPES.octets
  if (value instanceof Date) return FIELD_TYPES.timestamp
  if (value instanceof TypedField && Object.hasOwn(field, value.type)) return FIELD_TYPES[value.type]
  return isPlainObject(value) ? FIELD_TYPES.table : undefined
}

/** Without a prototype, or with one that has none itself: the Object.prototype of whatever realm. */
function isPlainObject(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function skipLongstr(reader: ByteReader): void {
  reader.skip(reader.long())
}

function writeLongstr(writer: ByteWriter, value: string | Uint8Array, path: FieldPath): void {
  writer.longstr(value, path)
}

function skipNestedTable(reader: ByteReader, outerDepth: number): void {
  skipTable(reader, outerDepth + 1)
}

function readDecimal(reader: ByteReader): FieldValue {
  const scale = reader.octet()
  return field.decimal(scale, reader.long())
}

function writeDecimal(writer: ByteWriter, decimal: DecimalField, path: FieldPath): void {
  writer.octet(decimal.scale, path)
  writer.long(decimal.value, path)
}

/** A sender of milliseconds means a year around 55000, which a Date can hold; microseconds are beyond it. */
function readTimestamp(reader: ByteReader): FieldValue {
  const seconds = reader.timestamp()
  return seconds <= DATE_SECONDS_MAX ? new Date(Number(seconds) * 1000) : field.timestamp(seconds)
}
