// Methods <-> method frame payloads, built at load from the method table: one list of steps per method, consecutive
// bits folded into octets (spec 4.2.5.2). Decoding is total: whatever the octets, the result is a method of the table
// with every argument set, or a Violation with the right reply code.

import { type ByteReader, type ByteWriter, FrameError, readTable, writeTable } from '../frames/index.js'
import type { Method, MethodArgs } from './method-types.js'
import { type Domain, METHODS, type MethodName, type MethodRow } from './methods.js'
import { ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

type Values = Record<string, unknown>

interface Step {
  write(writer: ByteWriter, values: Values): void
  read(reader: ByteReader, values: Values): void
}

interface MethodCodec {
  readonly name: MethodName
  readonly row: MethodRow
  readonly steps: readonly Step[]
}

/**
 * Writes class id, method id and arguments. Throws an ArgumentError that names the argument; the caller rolls the
 * writer back.
 */
export function writeMethod<M extends MethodName>(writer: ByteWriter, name: M, args: MethodArgs<M>): void {
  const { row, steps } = BY_NAME[name]
  writer.short(row.classId)
  writer.short(row.methodId)
  for (const step of steps) step.write(writer, args)
}

/** Reads a whole method frame payload. Everything in the result is copied. */
export function readMethod(reader: ByteReader): Method {
  if (reader.remaining < 4)
    throw new Violation(ReplyCode.FrameError, 'method frame without class and method id')
  const classId = reader.short()
  const methodId = reader.short()
  const codec = BY_ID.get(idKey(classId, methodId))
  if (codec === undefined) {
    throw new Violation(ReplyCode.NotImplemented, `unknown method ${methodId} of class ${classId}`)
  }
  let args: Values = {}
  try {
    if (codec === DELIVER) args = readDeliver(reader)
    else for (const step of codec.steps) step.read(reader, args)
    if (reader.remaining !== 0)
      throw new FrameError(501, `${reader.remaining} octets after the last argument`)
  } catch (error) {
    if (!(error instanceof FrameError)) throw error
    throw new Violation(error.replyCode, `cannot decode ${codec.name}: ${error.message}`, codec.name)
  }
  return { name: codec.name, args } as Method
}

type ValueDomain = Exclude<Domain, 'bit' | 'reservedBit'>

const WRITE: Record<ValueDomain, (writer: ByteWriter, value: unknown, path: string) => void> = {
  octet: (writer, value, path) => writer.octet(value as number, path),
  short: (writer, value, path) => writer.short(value as number, path),
  long: (writer, value, path) => writer.long(value as number, path),
  longlong: (writer, value, path) => writer.longlong(value as number, path),
  shortstr: (writer, value, path) => writer.shortstr(value as string, path),
  longstr: (writer, value, path) => writer.longstr(value as Buffer, path),
  table: (writer, value, path) => writeTable(writer, value as MethodArgs<'queue.declare'>['arguments'], path),
  reservedShort: writer => writer.short(0),
  reservedShortstr: writer => writer.octet(0),
  reservedLongstr: writer => writer.long(0),
}

const READ: Record<ValueDomain, (reader: ByteReader) => unknown> = {
  octet: reader => reader.octet(),
  short: reader => reader.short(),
  long: reader => reader.long(),
  longlong: readSafeLonglong,
  shortstr: reader => reader.shortstr(),
  longstr: reader => reader.longstr(),
  table: readTable,
  reservedShort: reader => reader.skip(2),
  reservedShortstr: reader => reader.skip(reader.octet()),
  reservedLongstr: reader => reader.skip(reader.long()),
}

/**
 * The only longlong in a method is a delivery tag. No channel lives through 2^53 deliveries, so a larger one is a
 * corrupted octet; a number that silently loses its last bits would acknowledge another message.
 */
function readSafeLonglong(reader: ByteReader): number {
  const value = reader.longlong()
  if (typeof value === 'bigint') throw new FrameError(502, 'delivery tag beyond 2^53')
  return value
}

function valueStep(name: string, domain: ValueDomain): Step {
  const write = WRITE[domain]
  const read = READ[domain]
  if (domain.startsWith('reserved')) {
    return { write: writer => write(writer, undefined, name), read: reader => void read(reader) }
  }
  return {
    write: (writer, values) => write(writer, values[name], name),
    read: (reader, values) => {
      values[name] = read(reader)
    },
  }
}

/**
 * Bits that follow each other in one octet, the first in 0x01. A reserved bit keeps its place. The specification begins another
 * octet after eight; no method has more than five.
 */
function bitsStep(names: readonly (string | undefined)[]): Step {
  return {
    write: (writer, values) => {
      let octet = 0
      for (let index = 0; index < names.length; index++) {
        const name = names[index]
        if (name !== undefined && values[name] === true) octet |= 1 << index
      }
      writer.octet(octet)
    },
    read: (reader, values) => {
      const octet = reader.octet()
      for (let index = 0; index < names.length; index++) {
        const name = names[index]
        if (name !== undefined) values[name] = (octet & (1 << index)) !== 0
      }
    },
  }
}

function stepsOf(row: MethodRow): Step[] {
  const steps: Step[] = []
  let bits: (string | undefined)[] = []
  const endBits = (): void => {
    if (bits.length > 0) steps.push(bitsStep(bits))
    bits = []
  }
  for (const [name, domain] of Object.entries(row.args)) {
    if (domain === 'bit' || domain === 'reservedBit') {
      bits.push(domain === 'bit' ? name : undefined)
    } else {
      endBits()
      steps.push(valueStep(name, domain))
    }
  }
  endBits()
  return steps
}

function idKey(classId: number, methodId: number): number {
  return (classId << 16) | methodId
}

const CODECS: readonly MethodCodec[] = Object.entries<MethodRow>(METHODS).map(([name, row]) => ({
  name: name as MethodName,
  row,
  steps: stepsOf(row),
}))
const BY_NAME = Object.fromEntries(CODECS.map(codec => [codec.name, codec])) as Record<
  MethodName,
  MethodCodec
>
const BY_ID = new Map(CODECS.map(codec => [idKey(codec.row.classId, codec.row.methodId), codec]))

const DELIVER = BY_NAME['basic.deliver']

/** By hand what the table does, for the one method that comes in millions: an object that always has the same shape. */
function readDeliver(reader: ByteReader): MethodArgs<'basic.deliver'> & Values {
  const consumerTag = reader.shortstr()
  const deliveryTag = readSafeLonglong(reader)
  const redelivered = (reader.octet() & 1) !== 0
  const exchange = reader.shortstr()
  const routingKey = reader.shortstr()
  return { consumerTag, deliveryTag, redelivered, exchange, routingKey }
}

/** The name of a method by its ids, as a close method carries them; undefined for 0,0 and unknown ones. */
export function methodNameOf(classId: number, methodId: number): MethodName | undefined {
  return BY_ID.get(idKey(classId, methodId))?.name
}
