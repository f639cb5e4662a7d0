import { expect } from 'chai'
import fc from 'fast-check'
import { ArgumentError } from '../../src/frames/argument-error.js'
import { ByteReader } from '../../src/frames/byte-reader.js'
import { ByteWriter } from '../../src/frames/byte-writer.js'
import { octets, shortText } from '../support/arbitraries.js'
import { hex, toHex } from '../support/hex.js'

type Write = (writer: ByteWriter) => void

function written(write: Write): string {
  const writer = new ByteWriter()
  write(writer)
  return toHex(writer.written())
}

const ACCEPTED: [what: string, write: Write, expected: Buffer][] = [
  ['an octet', w => w.octet(255), hex`ff`],
  ['a short', w => w.short(0xfffe), hex`fffe`],
  ['a long', w => w.long(131072), hex`00020000`],
  ['the largest long', w => w.long(0xfffffffe), hex`fffffffe`],
  ['a longlong', w => w.longlong(1), hex`0000000000000001`],
  ['a longlong beyond 32 bits', w => w.longlong(2 ** 40 + 5), hex`0000010000000005`],
  ['the largest safe longlong', w => w.longlong(Number.MAX_SAFE_INTEGER), hex`001fffffffffffff`],
  ['a longlong beyond 2^53', w => w.longlong(2n ** 53n + 1n), hex`0020000000000001`],
  ['the largest longlong', w => w.longlong(2n ** 64n - 1n), hex`ffffffffffffffff`],
  ['an int8', w => w.int8(-128), hex`80`],
  ['an int16', w => w.int16(-2), hex`fffe`],
  ['an int32', w => w.int32(-2147483648), hex`80000000`],
  ['an int64', w => w.int64(-1), hex`ffffffffffffffff`],
  ['an int64 below -2^32', w => w.int64(-(2 ** 40) - 1), hex`fffffeffffffffff`],
  ['the smallest int64', w => w.int64(-(2n ** 63n)), hex`8000000000000000`],
  ['the largest int64', w => w.int64(2n ** 63n - 1n), hex`7fffffffffffffff`],
  ['a float', w => w.float(1.5), hex`3fc00000`],
  ['a double', w => w.double(1.5), hex`3ff8000000000000`],
  ['a timestamp in seconds', w => w.timestamp(1700000000), hex`000000006553f100`],
  ['a timestamp as bigint', w => w.timestamp(1700000000n), hex`000000006553f100`],
  ['a Date without its milliseconds', w => w.timestamp(new Date(1700000000999)), hex`000000006553f100`],
  ['the Date that is the epoch', w => w.timestamp(new Date(0)), hex`0000000000000000`],
  ['an empty short string', w => w.shortstr(''), hex`00`],
  ['a short string', w => w.shortstr('guest'), hex`05 6775657374`],
  ['a short string beyond ASCII', w => w.shortstr('a€😀'), hex`08 61 e282ac f09f9880`],
  ['a short string of 255 octets', w => w.shortstr('q'.repeat(255)), hex`ff ${'71'.repeat(255)}`],
  [
    'a short string of 254 octets in 127 characters',
    w => w.shortstr('é'.repeat(127)),
    hex`fe ${'c3a9'.repeat(127)}`,
  ],
  ['a long string', w => w.longstr('guest'), hex`00000005 6775657374`],
  ['a long string beyond ASCII', w => w.longstr('a€😀'), hex`00000008 61 e282ac f09f9880`],
  ['a long string of many octets', w => w.longstr('é'.repeat(300)), hex`00000258 ${'c3a9'.repeat(300)}`],
  ['a long string of octets', w => w.longstr(hex`ff00`), hex`00000002 ff00`],
  ['a long string of a Uint8Array', w => w.longstr(new Uint8Array([1, 2])), hex`00000002 0102`],
  ['plain octets', w => w.bytes(hex`c0ffee`), hex`c0ffee`],
]

const INTEGER_WRITERS = ['octet', 'short', 'long', 'longlong', 'int8', 'int16', 'int32', 'int64'] as const
const LONE_SURROGATES = ['\ud800', 'a\udc00', '\ud800'.repeat(50), 'é\ud83dé']

const REFUSED: [what: string, write: Write][] = [
  ['an octet of 256', w => w.octet(256, 'argument')],
  ['a short of 65536', w => w.short(65536, 'argument')],
  ['a long of 2^32', w => w.long(2 ** 32, 'argument')],
  ['a longlong beyond the safe integers', w => w.longlong(2 ** 53, 'argument')],
  ['a longlong of 2^64', w => w.longlong(2n ** 64n, 'argument')],
  ['a negative bigint longlong', w => w.longlong(-1n, 'argument')],
  ['an int8 of 128', w => w.int8(128, 'argument')],
  ['an int16 of -32769', w => w.int16(-32769, 'argument')],
  ['an int32 of 2^31', w => w.int32(2 ** 31, 'argument')],
  ['an int64 beyond the safe integers', w => w.int64(-(2 ** 53), 'argument')],
  ['an int64 of 2^63', w => w.int64(2n ** 63n, 'argument')],
  ['a float beyond single precision', w => w.float(1e39, 'argument')],
  ['a float that is no number', w => w.float('1.5' as never, 'argument')],
  ['a float NaN', w => w.float(Number.NaN, 'argument')],
  ['a double NaN', w => w.double(Number.NaN, 'argument')],
  ['an infinite double', w => w.double(Number.NEGATIVE_INFINITY, 'argument')],
  ['a double that is no number', w => w.double('1.5' as never, 'argument')],
  ['an invalid Date', w => w.timestamp(new Date(Number.NaN), 'argument')],
  ['a Date before 1970', w => w.timestamp(new Date(-1), 'argument')],
  ['a negative timestamp', w => w.timestamp(-1, 'argument')],
  ['a timestamp that is a string', w => w.timestamp('2024-01-01' as never, 'argument')],
  ['a short string of 256 octets', w => w.shortstr('q'.repeat(256), 'argument')],
  ['a short string of 256 octets in 128 characters', w => w.shortstr('é'.repeat(128), 'argument')],
  ['a short string that is a number', w => w.shortstr(5 as never, 'argument')],
  ['a long string that is a number', w => w.longstr(5 as never, 'argument')],
  ['a long string that is undefined', w => w.longstr(undefined as never, 'argument')],
  ...INTEGER_WRITERS.flatMap(type =>
    [1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', true, null, undefined, {}, Symbol('1')].map(
      (value): [string, Write] => [`${String(value)} as ${type}`, w => w[type](value as never, 'argument')],
    ),
  ),
  ...(['octet', 'short', 'long', 'int8', 'int16', 'int32'] as const).map((type): [string, Write] => [
    `a bigint as ${type}`,
    w => w[type](1n as never, 'argument'),
  ]),
  ...(['octet', 'short', 'long', 'longlong'] as const).map((type): [string, Write] => [
    `a negative ${type}`,
    w => w[type](-1, 'argument'),
  ]),
  ...LONE_SURROGATES.map((text): [string, Write] => [
    `a short string with a lone surrogate ${JSON.stringify(text)}`,
    w => w.shortstr(text, 'argument'),
  ]),
  ...LONE_SURROGATES.map((text): [string, Write] => [
    `a long string with a lone surrogate ${JSON.stringify(text)}`,
    w => w.longstr(text, 'argument'),
  ]),
]

/** A value of some domain, how it is written, and how it is read. */
interface Written {
  readonly value: unknown
  readonly write: Write
  readonly read: (reader: ByteReader) => unknown
}

function domain<T>(
  values: fc.Arbitrary<T>,
  write: (writer: ByteWriter, value: T) => void,
  read: (reader: ByteReader) => unknown,
): fc.Arbitrary<Written> {
  return values.map(value => ({ value, write: writer => write(writer, value), read }))
}

const integer = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max })
const float = fc.float({ noNaN: true, noDefaultInfinity: true })
const double = fc.double({ noNaN: true, noDefaultInfinity: true })
const beyond53 = fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n })
/** The other half of the unsigned ones, which as signed ones are negative. */
const beyond63 = fc.bigInt({ min: 2n ** 63n, max: 2n ** 64n - 1n })

const anyValue: fc.Arbitrary<Written> = fc.oneof(
  domain(
    integer(0, 0xff),
    (w, value) => w.octet(value),
    r => r.octet(),
  ),
  domain(
    integer(0, 0xffff),
    (w, value) => w.short(value),
    r => r.short(),
  ),
  domain(
    integer(0, 0xffffffff),
    (w, value) => w.long(value),
    r => r.long(),
  ),
  domain(
    fc.oneof(fc.maxSafeNat(), beyond53, beyond63),
    (w, value) => w.longlong(value),
    r => r.longlong(),
  ),
  domain(
    integer(-0x80, 0x7f),
    (w, value) => w.int8(value),
    r => r.int8(),
  ),
  domain(
    integer(-0x8000, 0x7fff),
    (w, value) => w.int16(value),
    r => r.int16(),
  ),
  domain(
    integer(-0x80000000, 0x7fffffff),
    (w, value) => w.int32(value),
    r => r.int32(),
  ),
  domain(
    fc.oneof(fc.maxSafeInteger(), beyond53, beyond63.map(value => value - 2n ** 64n).filter(beyondSafe)),
    (w, value) => w.int64(value),
    r => r.int64(),
  ),
  domain(
    float,
    (w, value) => w.float(value),
    r => r.float(),
  ),
  domain(
    double,
    (w, value) => w.double(value),
    r => r.double(),
  ),
  domain(
    fc.maxSafeNat(),
    (w, value) => w.timestamp(value),
    r => r.timestamp(),
  ),
  domain(
    shortText,
    (w, value) => w.shortstr(value),
    r => r.shortstr(),
  ),
  domain(
    fc.string({ unit: 'binary', size: 'large' }),
    (w, value) => w.longstr(value),
    r => r.longstrTextOrOctets(),
  ),
  domain(
    octets({ size: 'large' }),
    (w, value) => w.longstr(value),
    r => r.longstr(),
  ),
)

function beyondSafe(value: bigint): boolean {
  return value < BigInt(Number.MIN_SAFE_INTEGER)
}

function escaped(text: string): string {
  return text.replace(/[\^$.]/g, '\\$&')
}

describe('ByteWriter', () => {
  for (const [what, write, expected] of ACCEPTED) {
    it(`writes ${what}`, () => {
      expect(written(write)).to.equal(toHex(expected))
    })

    it(`writes ${what} where the buffer has no room for it`, () => {
      // 256 octets is the smallest buffer; every distance from its end is tried, so growth happens inside
      // every value.
      for (let filled = 256 - 12; filled <= 256; filled++) {
        const filling = Buffer.alloc(filled, 0xee)
        expect(
          written(writer => {
            writer.octet(0xee)
            writer.bytes(filling.subarray(1))
            expect(writer.written().buffer.byteLength).to.equal(256)
            write(writer)
          }),
        ).to.equal(toHex(Buffer.concat([filling, expected])))
      }
    })
  }

  for (const [what, write] of REFUSED) {
    it(`refuses ${what}, and nothing of it is written`, () => {
      const writer = new ByteWriter()
      writer.octet(1)
      expect(() => write(writer))
        .to.throw(ArgumentError, /^argument must be /)
        .with.property('path', 'argument')
      expect(toHex(writer.written())).to.equal('01')
    })
  }

  it('tells the type of a wrong value and not the value', () => {
    const writer = new ByteWriter()
    expect(() => writer.short('secret' as never, 'prefetch')).to.throw(
      'prefetch must be an integer from 0 to 65535, not a string',
    )
    expect(() => writer.short(-1, 'prefetch')).to.throw(/^prefetch must be an integer from 0 to 65535$/)
    expect(() => writer.shortstr(['secret'] as never, 'queue')).to.throw(
      /^queue must be a string, not an array$/,
    )
    expect(() => writer.shortstr('secret'.repeat(99), 'queue')).to.throw(
      /^queue must be at most 255 octets of UTF-8$/,
    )
  })

  const MESSAGES: [what: string, write: Write, message: string][] = [
    ['octet', w => w.octet(-1), 'must be an integer from 0 to 255'],
    ['short', w => w.short(-1), 'must be an integer from 0 to 65535'],
    ['long', w => w.long(-1), 'must be an integer from 0 to 4294967295'],
    ['longlong', w => w.longlong(-1n), 'must be an integer from 0 to 2^64-1, a bigint beyond 2^53-1'],
    ['int8', w => w.int8(128), 'must be an integer from -128 to 127'],
    ['int16', w => w.int16(2 ** 15), 'must be an integer from -32768 to 32767'],
    ['int32', w => w.int32(2 ** 31), 'must be an integer from -2147483648 to 2147483647'],
    ['int64', w => w.int64(2n ** 63n), 'must be an integer from -2^63 to 2^63-1, a bigint beyond 2^53-1'],
    ['float', w => w.float(1e39), 'must be a finite number within the range of a float'],
    ['double', w => w.double(Number.NaN), 'must be a finite number'],
    ['timestamp', w => w.timestamp(-1), 'must be an integer from 0 to 2^64-1, a bigint beyond 2^53-1'],
    ['date', w => w.timestamp(new Date(-1)), 'must be a valid Date, not before 1970'],
    ['shortstr', w => w.shortstr(5 as never), 'must be a string, not a number'],
    ['longstr', w => w.longstr(5 as never), 'must be a string or Uint8Array, not a number'],
    ['text', w => w.longstr('\ud800'), 'must be well-formed Unicode, without lone surrogates'],
  ]
  for (const [what, write, message] of MESSAGES) {
    it(`says of a wrong ${what} that nobody named: value ${message}`, () => {
      expect(() => write(new ByteWriter())).to.throw(ArgumentError, new RegExp(`^value ${escaped(message)}$`))
    })
  }

  it('makes no room for a short string that is too long to be one', () => {
    const writer = new ByteWriter()
    expect(() => writer.shortstr('x'.repeat(100_000))).to.throw(ArgumentError)
    expect(writer.written().buffer.byteLength).to.equal(0)
  })

  it('writes minus zero as zero', () => {
    expect(written(w => w.int32(-0))).to.equal('00000000')
    expect(written(w => w.longlong(-0))).to.equal('0000000000000000')
  })

  it('writes what a reader reads', () => {
    fc.assert(
      fc.property(fc.array(anyValue, { maxLength: 12 }), values => {
        const writer = new ByteWriter()
        for (const { write } of values) write(writer)
        const reader = new ByteReader()
        reader.reset(writer.written())
        for (const { read, value } of values) expect(read(reader)).to.deep.equal(value)
        expect(reader.remaining).to.equal(0)
      }),
    )
  })

  describe('in commands', () => {
    it('begins each behind the one before', () => {
      const writer = new ByteWriter()
      writer.octet(1)
      writer.begin()
      expect(writer.length).to.equal(0)
      writer.octet(2)
      expect(writer.length).to.equal(1)
      expect(toHex(writer.written())).to.equal('02')
    })

    it('forgets only the current one', () => {
      const writer = new ByteWriter()
      writer.octet(1)
      const first = writer.written()
      writer.begin()
      writer.octet(2)
      writer.rollback()
      expect(writer.length).to.equal(0)
      writer.octet(3)
      expect(toHex(writer.written())).to.equal('03')
      expect(toHex(first)).to.equal('01')
    })

    it('patches reserved octets, also when the command has moved since', () => {
      const writer = new ByteWriter()
      writer.octet(0xaa)
      writer.begin()
      writer.octet(1)
      const longAt = writer.reserve(4)
      const content = Buffer.alloc(1000, 0xbb)
      writer.bytes(content)
      writer.patchLong(longAt, 0x04050607)
      expect(toHex(writer.written())).to.equal(toHex(hex`01 04050607 ${content}`))
    })

    it('leaves behind what was before the command that grows', () => {
      const writer = new ByteWriter()
      writer.bytes(Buffer.alloc(200, 1))
      const first = writer.written()
      writer.begin()
      writer.bytes(Buffer.alloc(200, 2))
      expect(toHex(first)).to.equal('01'.repeat(200))
      expect(toHex(writer.written())).to.equal('02'.repeat(200))
    })
  })

  it('holds no memory before the first octet', () => {
    expect(new ByteWriter().written().buffer.byteLength).to.equal(0)
  })

  it('does not grow to three times a long text', () => {
    const writer = new ByteWriter()
    writer.longstr('x'.repeat(100_000))
    expect(writer.written().buffer.byteLength).to.be.below(210_000)
  })
})
