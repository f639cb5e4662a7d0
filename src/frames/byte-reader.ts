// A bounds-checked cursor over a borrowed buffer: the elementary domains of AMQP 0-9-1 section 4.2.5,
// big-endian. One reader serves a connection for life: `reset` points it at the next payload. Nothing it
// returns aliases the buffer. It does not know what it reads: tables are in field-table, methods and
// properties in the protocol layer. Integers are put together by hand, after one bounds check: four times as
// fast as Buffer's readUInt32BE and its kin.

import { NO_OCTETS } from './constants.js'
import { FrameError } from './frame-error.js'
import { keepOctets } from './kept-octets.js'
import { isText, NameCache } from './name-cache.js'

const TWO_POW_32 = 2 ** 32
/** For all readers: names are the same on every connection of a process. */
const NAMES = new NameCache()
/** Values of headers come again too, but with more that come once: they are not to drive names out. */
const VALUES = new NameCache()
const REPLACEMENT_CHARACTER = '\ufffd'

export class ByteReader {
  #buffer: Buffer = NO_OCTETS
  #at = 0
  #end = 0

  /** Reads `buffer` from `start` up to `end` next. */
  reset(buffer: Buffer, start = 0, end = buffer.length): void {
    this.#buffer = buffer
    this.#at = start
    this.#end = end
  }

  /** Offset in the buffer of the octet to be read next. */
  get position(): number {
    return this.#at
  }

  get remaining(): number {
    return this.#end - this.#at
  }

  /** Goes back to a `position` seen earlier. */
  seek(position: number): void {
    this.#at = position
  }

  /** A copy of the octets read since a `position` seen earlier. */
  copySince(position: number): Buffer {
    return keepOctets(this.#buffer, position, this.#at)
  }

  /** Whether what is left is exactly these octets; if it is, it is read. From the end: that is where messages have their ids. */
  matches(octets: Buffer): boolean {
    const at = this.#at
    if (this.#end - at !== octets.length) return false
    for (let index = octets.length - 1; index >= 0; index--) {
      if (octets[index] !== this.#buffer[at + index]) return false
    }
    this.#at = this.#end
    return true
  }

  skip(octets: number): void {
    this.#advance(octets)
  }

  /**
   * Makes the next `octets` the only readable ones, so that nothing inside a table reads past its end.
   * Returns what `widen` needs to undo it.
   */
  narrow(octets: number): number {
    const outerEnd = this.#end
    const at = this.#advance(octets)
    this.#end = this.#at
    this.#at = at
    return outerEnd
  }

  widen(outerEnd: number): void {
    this.#end = outerEnd
  }

  octet(): number {
    const at = this.#advance(1)
    return this.#buffer[at] as number
  }

  short(): number {
    const at = this.#advance(2)
    const buffer = this.#buffer
    return ((buffer[at] as number) << 8) | (buffer[at + 1] as number)
  }

  long(): number {
    const at = this.#advance(4)
    const buffer = this.#buffer
    const high = ((buffer[at] as number) << 8) | (buffer[at + 1] as number)
    const low = ((buffer[at + 2] as number) << 8) | (buffer[at + 3] as number)
    return ((high << 16) | low) >>> 0
  }

  /** Unsigned; a bigint only where a number could not hold it exactly. */
  longlong(): number | bigint {
    const high = this.long()
    const value = high * TWO_POW_32 + this.long()
    return Number.isSafeInteger(value) ? value : this.#buffer.readBigUInt64BE(this.#at - 8)
  }

  int8(): number {
    return (this.octet() << 24) >> 24
  }

  int16(): number {
    return (this.short() << 16) >> 16
  }

  int32(): number {
    return this.long() | 0
  }

  /** Signed; a bigint only where a number could not hold it exactly. */
  int64(): number | bigint {
    const high = this.int32()
    const value = high * TWO_POW_32 + this.long()
    return Number.isSafeInteger(value) ? value : this.#buffer.readBigInt64BE(this.#at - 8)
  }

  float(): number {
    return this.#buffer.readFloatBE(this.#advance(4))
  }

  double(): number {
    return this.#buffer.readDoubleBE(this.#advance(8))
  }

  /** POSIX time in whole seconds, if the sender kept to it: milliseconds pass through, we do not guess. */
  timestamp(): number | bigint {
    return this.longlong()
  }

  /**
   * Invalid UTF-8 becomes U+FFFD: RabbitMQ lets it pass in properties and routing keys. `expected` is what is likely to stand
   * there: if it does, that very string is returned.
   */
  shortstr(expected = ''): string {
    const length = this.octet()
    const at = this.#advance(length)
    if (length === expected.length && isText(expected, this.#buffer, at)) return expected
    return NAMES.find(this.#buffer, at, at + length) ?? NAMES.add(this.#buffer, at, at + length)
  }

  /** A copy of the octets, in memory of its own: a slice of the shared pool would keep 8 KiB alive. */
  longstr(): Buffer {
    return this.#copy(this.long())
  }

  /** Text if the octets are UTF-8, otherwise a copy of the octets: nothing is lost. */
  longstrTextOrOctets(): string | Buffer {
    const length = this.long()
    const at = this.#advance(length)
    const known = VALUES.find(this.#buffer, at, at + length)
    if (known !== undefined) return known
    const text = VALUES.add(this.#buffer, at, at + length)
    if (!text.includes(REPLACEMENT_CHARACTER)) return text
    // The character may have been sent as such. Lengths do not tell: a cut-off sequence may be as long as it.
    this.#at = at
    const octets = this.#copy(length)
    return octets.equals(Buffer.from(text)) ? text : octets
  }

  #copy(length: number): Buffer {
    const at = this.#advance(length)
    const copy = Buffer.allocUnsafeSlow(length)
    this.#buffer.copy(copy, 0, at, at + length)
    return copy
  }

  /** The one bounds check: every read starts here, before anything is allocated. */
  #advance(octets: number): number {
    const at = this.#at
    if (octets > this.#end - at) throw endsTooSoon(octets, this.#end - at)
    this.#at = at + octets
    return at
  }
}

function endsTooSoon(wanted: number, left: number): FrameError {
  return new FrameError(501, `cannot decode: ${wanted} octets expected, ${left} left`)
}
