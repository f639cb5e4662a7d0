// A growing cursor that writes the elementary domains of AMQP 0-9-1 section 4.2.5, big-endian. A *command* is
// what is written from `begin` until its owner accepts it; a bad argument throws an ArgumentError and the
// owner rolls back, so no octet of a command that cannot be sent whole is ever sent. Growth may move the
// unfinished command to another buffer, hence every offset handed out counts from the start of the command.
// It does not know what becomes of the octets.

import { ArgumentError, kindOf } from './argument-error.js'
import type { ArgumentPath } from './argument-path.js'
import { NO_OCTETS } from './constants.js'

const SMALLEST_BUFFER = 256
const TWO_POW_32 = 2 ** 32
const SHORTSTR_MAX = 255
// Up to this length a loop over the characters beats the call into C++ that writing UTF-8 is.
const CHARACTER_LOOP_MAX = 48
// UTF-8 needs at most three octets for a UTF-16 unit: a surrogate pair is two units and four octets.
const OCTETS_PER_UNIT = 3
const LONE_SURROGATE = /\p{Surrogate}/u

export class ByteWriter {
  /** Where in the buffer the current command begins. */
  protected start = 0
  /** Where in the buffer the next octet goes. */
  protected at = 0
  protected buffer: Buffer = NO_OCTETS

  /** Begins a command behind what is written. */
  begin(): void {
    this.start = this.at
  }

  /** Forgets the current command. */
  rollback(): void {
    this.at = this.start
  }

  /** Octets of the current command so far, which is also the offset of the next one. */
  get length(): number {
    return this.at - this.start
  }

  /** Octets of the memory that it has. */
  get capacity(): number {
    return this.buffer.length
  }

  /** The current command, as a view: good until the next write or rollback. */
  written(): Buffer {
    return this.buffer.subarray(this.start, this.at)
  }

  octet(value: number, path: ArgumentPath = 'value'): void {
    const fits = typeof value === 'number' && (value & 0xff) === value
    if (!fits) throw notInteger(path, '0 to 255', value)
    const at = this.#claim(1)
    this.buffer[at] = value
  }

  short(value: number, path: ArgumentPath = 'value'): void {
    const fits = typeof value === 'number' && (value & 0xffff) === value
    if (!fits) throw notInteger(path, '0 to 65535', value)
    this.#putShort(value)
  }

  long(value: number, path: ArgumentPath = 'value'): void {
    const fits = typeof value === 'number' && value >>> 0 === value
    if (!fits) throw notInteger(path, '0 to 4294967295', value)
    this.#putLong(value)
  }

  /** Unsigned. Integers beyond 2^53-1 must be bigints: such a number may have been rounded already. */
  longlong(value: number | bigint, path: ArgumentPath = 'value'): void {
    const fits = typeof value === 'bigint' ? BigInt.asUintN(64, value) === value : isCount(value)
    if (!fits) throw notInteger(path, '0 to 2^64-1, a bigint beyond 2^53-1', value)
    this.#putLonglong(value)
  }

  int8(value: number, path: ArgumentPath = 'value'): void {
    const fits = typeof value === 'number' && (value << 24) >> 24 === value
    if (!fits) throw notInteger(path, '-128 to 127', value)
    const at = this.#claim(1)
    this.buffer[at] = value
  }

  int16(value: number, path: ArgumentPath = 'value'): void {
    const fits = typeof value === 'number' && (value << 16) >> 16 === value
    if (!fits) throw notInteger(path, '-32768 to 32767', value)
    this.#putShort(value)
  }

  int32(value: number, path: ArgumentPath = 'value'): void {
    const fits = typeof value === 'number' && (value | 0) === value
    if (!fits) throw notInteger(path, '-2147483648 to 2147483647', value)
    this.#putLong(value)
  }

  /** Signed. Integers beyond 2^53-1 either way must be bigints. */
  int64(value: number | bigint, path: ArgumentPath = 'value'): void {
    const fits = typeof value === 'bigint' ? BigInt.asIntN(64, value) === value : Number.isSafeInteger(value)
    if (!fits) throw notInteger(path, '-2^63 to 2^63-1, a bigint beyond 2^53-1', value)
    this.#putLonglong(value)
  }

  /** Finite only: Erlang has no NaN and no infinities, and they crash the connection in RabbitMQ. */
  float(value: number, path: ArgumentPath = 'value'): void {
    if (typeof value !== 'number' || !Number.isFinite(Math.fround(value))) {
      throw new ArgumentError(path, 'must be a finite number within the range of a float')
    }
    const at = this.#claim(4)
    this.buffer.writeFloatBE(value, at)
  }

  /** Finite only, as `float`. */
  double(value: number, path: ArgumentPath = 'value'): void {
    if (!Number.isFinite(value)) throw new ArgumentError(path, 'must be a finite number')
    const at = this.#claim(8)
    this.buffer.writeDoubleBE(value, at)
  }

  /** A Date, of which the milliseconds are dropped, or seconds since 1970. */
  timestamp(value: Date | number | bigint, path: ArgumentPath = 'value'): void {
    this.longlong(value instanceof Date ? wholeSeconds(value, path) : value, path)
  }

  /** At most 255 octets of UTF-8. */
  shortstr(value: string, path: ArgumentPath = 'value'): void {
    if (typeof value !== 'string') throw notA('string', path, value)
    if (value.length > SHORTSTR_MAX) throw tooLong(path)
    this.#ensure(1 + OCTETS_PER_UNIT * value.length)
    const octets = this.#putText(value, this.at + 1, path)
    if (octets > SHORTSTR_MAX) throw tooLong(path)
    this.buffer[this.at] = octets
    this.at += 1 + octets
  }

  /** Text, written as UTF-8, or octets as they are. */
  longstr(value: string | Uint8Array, path: ArgumentPath = 'value'): void {
    if (typeof value === 'string') {
      // Reserving three octets for each character of a long text would grow the buffer for nothing.
      const most =
        value.length <= CHARACTER_LOOP_MAX ? OCTETS_PER_UNIT * value.length : Buffer.byteLength(value)
      this.#ensure(4 + most)
      const octets = this.#putText(value, this.at + 4, path)
      this.#putLong(octets)
      this.at += octets
    } else if (value instanceof Uint8Array) {
      this.long(value.length, path)
      this.bytes(value)
    } else {
      throw notA('string or Uint8Array', path, value)
    }
  }

  /** Octets with nothing around them. */
  bytes(octets: Uint8Array): void {
    const at = this.#claim(octets.length)
    this.buffer.set(octets, at)
  }

  /** Leaves room for octets to be patched later, all of them; returns its offset. */
  reserve(octets: number): number {
    const offset = this.length
    this.#claim(octets)
    return offset
  }

  patchOctet(offset: number, value: number): void {
    this.buffer[this.start + offset] = value
  }

  patchLong(offset: number, value: number): void {
    storeLong(this.buffer, this.start + offset, value)
  }

  patchBytes(offset: number, octets: Uint8Array): void {
    this.buffer.set(octets, this.start + offset)
  }

  /** Makes room for `octets` more. Only the current command moves; what was before it stays behind. */
  protected grow(octets: number): void {
    this.moveTo(Buffer.allocUnsafeSlow(Math.max(SMALLEST_BUFFER, 2 * (this.length + octets))))
  }

  /** Continues the current command at the beginning of another buffer; the old one is left as it is. */
  protected moveTo(buffer: Buffer): void {
    this.buffer.copy(buffer, 0, this.start, this.at)
    this.buffer = buffer
    this.at -= this.start
    this.start = 0
  }

  #ensure(octets: number): void {
    if (octets > this.buffer.length - this.at) this.grow(octets)
  }

  /** Call it before looking at `buffer`: it may become another one. */
  #claim(octets: number): number {
    this.#ensure(octets)
    const at = this.at
    this.at = at + octets
    return at
  }

  #putShort(value: number): void {
    const at = this.#claim(2)
    storeShort(this.buffer, at, value)
  }

  #putLong(value: number): void {
    const at = this.#claim(4)
    storeLong(this.buffer, at, value)
  }

  #putLonglong(value: number | bigint): void {
    const at = this.#claim(8)
    if (typeof value === 'bigint') {
      this.buffer.writeBigUInt64BE(BigInt.asUintN(64, value), at)
    } else {
      storeLong(this.buffer, at, Math.floor(value / TWO_POW_32))
      storeLong(this.buffer, at + 4, value)
    }
  }

  /** Writes text at `at`, where room was made for it, and returns the number of octets. */
  #putText(text: string, at: number, path: ArgumentPath): number {
    if (text.length <= CHARACTER_LOOP_MAX && storeAscii(this.buffer, at, text)) return text.length
    const octets = this.buffer.write(text, at)
    // Node writes a lone surrogate as U+FFFD: the peer would get another string than the one given.
    if (octets !== text.length && LONE_SURROGATE.test(text)) {
      throw new ArgumentError(path, 'must be well-formed Unicode, without lone surrogates')
    }
    return octets
  }
}

// A store into a Buffer keeps the low eight bits and a shift takes its operand modulo 2^32: no masks.

function storeShort(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 8
  buffer[at + 1] = value
}

function storeLong(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 24
  buffer[at + 1] = value >>> 16
  buffer[at + 2] = value >>> 8
  buffer[at + 3] = value
}

/** Whether all of the text is ASCII; if not, what it stored is to be overwritten. */
function storeAscii(buffer: Buffer, at: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f) return false
    buffer[at + index] = unit
  }
  return true
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function wholeSeconds(date: Date, path: ArgumentPath): number {
  const milliseconds = date.getTime()
  // That of an invalid Date is NaN, which is not >= 0 either.
  if (milliseconds >= 0) return Math.floor(milliseconds / 1000)
  throw new ArgumentError(path, 'must be a valid Date, not before 1970')
}

function notInteger(path: ArgumentPath, range: string, value: unknown): ArgumentError {
  const instead = typeof value === 'number' || typeof value === 'bigint' ? '' : `, not ${kindOf(value)}`
  return new ArgumentError(path, `must be an integer from ${range}${instead}`)
}

function notA(type: string, path: ArgumentPath, value: unknown): ArgumentError {
  return new ArgumentError(path, `must be a ${type}, not ${kindOf(value)}`)
}

function tooLong(path: ArgumentPath): ArgumentError {
  return new ArgumentError(path, `must be at most ${SHORTSTR_MAX} octets of UTF-8`)
}
