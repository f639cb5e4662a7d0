import { expect } from 'chai'
import fc from 'fast-check'
import { ByteReader } from '../../src/frames/byte-reader.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { octetsAllocated } from '../support/allocations.js'
import { octets } from '../support/arbitraries.js'
import { hex } from '../support/hex.js'

function readerOf(buffer: Buffer): ByteReader {
  const reader = new ByteReader()
  reader.reset(buffer)
  return reader
}

type Row = [domain: string, octets: Buffer, read: (reader: ByteReader) => unknown, value: unknown]

const ROWS: Row[] = [
  ['octet', hex`ff`, reader => reader.octet(), 255],
  ['short', hex`fffe`, reader => reader.short(), 65534],
  ['long', hex`fffffffe`, reader => reader.long(), 4294967294],
  ['long', hex`00020000`, reader => reader.long(), 131072],
  ['longlong', hex`0000000000000001`, reader => reader.longlong(), 1],
  ['longlong', hex`001fffffffffffff`, reader => reader.longlong(), Number.MAX_SAFE_INTEGER],
  ['longlong', hex`0020000000000000`, reader => reader.longlong(), 2n ** 53n],
  ['longlong', hex`0020000000000001`, reader => reader.longlong(), 2n ** 53n + 1n],
  ['longlong', hex`ffffffffffffffff`, reader => reader.longlong(), 2n ** 64n - 1n],
  ['int8', hex`80`, reader => reader.int8(), -128],
  ['int8', hex`7f`, reader => reader.int8(), 127],
  ['int16', hex`8000`, reader => reader.int16(), -32768],
  ['int16', hex`7fff`, reader => reader.int16(), 32767],
  ['int32', hex`80000000`, reader => reader.int32(), -2147483648],
  ['int32', hex`7fffffff`, reader => reader.int32(), 2147483647],
  ['int64', hex`ffffffffffffffff`, reader => reader.int64(), -1],
  ['int64', hex`ffe0000000000001`, reader => reader.int64(), Number.MIN_SAFE_INTEGER],
  ['int64', hex`ffe0000000000000`, reader => reader.int64(), -(2n ** 53n)],
  ['int64', hex`8000000000000000`, reader => reader.int64(), -(2n ** 63n)],
  ['int64', hex`001fffffffffffff`, reader => reader.int64(), Number.MAX_SAFE_INTEGER],
  ['int64', hex`7fffffffffffffff`, reader => reader.int64(), 2n ** 63n - 1n],
  ['float', hex`3fc00000`, reader => reader.float(), 1.5],
  ['double', hex`3ff8000000000000`, reader => reader.double(), 1.5],
  ['timestamp', hex`000000006553f100`, reader => reader.timestamp(), 1700000000],
  ['timestamp', hex`000018bcfe568000`, reader => reader.timestamp(), 27200000000000],
  ['short string', hex`02 6869`, reader => reader.shortstr(), 'hi'],
  ['short string', hex`00`, reader => reader.shortstr(), ''],
  ['short string', hex`05 e282ac c3a9`, reader => reader.shortstr(), '€é'],
  ['short string that is not UTF-8', hex`03 61ff62`, reader => reader.shortstr(), 'a\ufffdb'],
  ['long string', hex`00000002 ff00`, reader => reader.longstr(), hex`ff00`],
  ['long string that is text', hex`00000003 e282ac`, reader => reader.longstrTextOrOctets(), '€'],
  [
    'long string with a real U+FFFD',
    hex`00000004 61efbfbd`,
    reader => reader.longstrTextOrOctets(),
    'a\ufffd',
  ],
  [
    'long string that is not UTF-8',
    hex`00000003 61ff62`,
    reader => reader.longstrTextOrOctets(),
    hex`61ff62`,
  ],
  // Three octets of a sequence of four: the replacement has as many octets as what it replaces.
  ['long string cut off', hex`00000003 f09f98`, reader => reader.longstrTextOrOctets(), hex`f09f98`],
  ['skipped octets', hex`0102`, reader => reader.skip(2), undefined],
]

describe('ByteReader', () => {
  for (const [domain, source, read, value] of ROWS) {
    const digits = source.toString('hex')

    it(`reads ${domain} ${digits}`, () => {
      const reader = readerOf(source)
      expect(read(reader)).to.deep.equal(value)
      expect(reader.remaining).to.equal(0)
    })

    it(`reads ${domain} ${digits} and leaves what follows`, () => {
      const reader = new ByteReader()
      reader.reset(Buffer.concat([hex`aa`, source, hex`bbcc`]), 1)
      expect(read(reader)).to.deep.equal(value)
      expect(reader.position).to.equal(1 + source.length)
      expect(reader.short()).to.equal(0xbbcc)
    })

    it(`reads ${domain} ${digits} no further than the end it was given`, () => {
      for (let end = 0; end < source.length; end++) {
        const reader = new ByteReader()
        reader.reset(source, 0, end)
        expect(() => read(reader))
          .to.throw(FrameError, /^cannot decode: \d+ octets expected, \d+ left$/)
          .with.property('replyCode', 501)
      }
    })
  }

  it('refuses a length that lies before it allocates for it', () => {
    for (const method of ['longstr', 'longstrTextOrOctets'] as const) {
      expect(() => readerOf(hex`ffffffff 00`)[method]()).to.throw(
        FrameError,
        '4294967295 octets expected, 1 left',
      )
    }
  })

  it('returns nothing that aliases the borrowed octets', () => {
    const borrowed = hex`00000001 61 00000001 ff`
    const reader = readerOf(borrowed)
    const copies = [reader.longstr(), reader.longstrTextOrOctets()]
    borrowed.fill(0)
    expect(copies).to.deep.equal([hex`61`, hex`ff`])
  })

  it('keeps no more memory alive than the copy needs', () => {
    expect(readerOf(hex`00000001 61`).longstr().buffer.byteLength).to.equal(1)
  })

  it('has nothing to read before it was given a buffer', () => {
    expect(new ByteReader().remaining).to.equal(0)
    expect(() => new ByteReader().octet()).to.throw(FrameError)
  })

  it('goes back to an earlier position', () => {
    const reader = readerOf(hex`0102`)
    const position = reader.position
    reader.octet()
    reader.seek(position)
    expect(reader.short()).to.equal(0x0102)
  })

  it('copies what was read since an earlier position', () => {
    const borrowed = hex`0102030405`
    const reader = readerOf(borrowed)
    reader.octet()
    const { position } = reader
    reader.skip(3)
    const copy = reader.copySince(position)
    borrowed.fill(0)
    expect(copy).to.deep.equal(hex`020304`)
    expect(reader.remaining).to.equal(1)
  })

  it('reads what is left when it is exactly the octets expected, and nothing otherwise', () => {
    const reader = readerOf(hex`01020304`)
    reader.octet()
    for (const other of [hex`0203`, hex`02030405`, hex`020305`, hex``]) {
      expect(reader.matches(other)).to.equal(false)
      expect(reader.remaining).to.equal(3)
    }
    expect(reader.matches(hex`020304`)).to.equal(true)
    expect(reader.remaining).to.equal(0)
    reader.reset(hex`01020304`, 1, 3)
    expect(reader.matches(hex`0203`), 'with octets behind its end').to.equal(true)
  })

  it('makes no copy of a long string that is text', () => {
    const source = hex`00000005 656e5f5553`
    expect(octetsAllocated(() => void readerOf(source).longstrTextOrOctets())).to.equal(0)
  })

  describe('when narrowed', () => {
    it('reads up to the inner end, then on to the outer one', () => {
      const reader = readerOf(hex`0102030405`)
      const outerEnd = reader.narrow(2)
      expect(reader.remaining).to.equal(2)
      expect(reader.short()).to.equal(0x0102)
      expect(() => reader.octet()).to.throw(FrameError)
      reader.widen(outerEnd)
      expect(reader.short()).to.equal(0x0304)
      expect(reader.remaining).to.equal(1)
    })

    it('refuses more than there is', () => {
      const reader = readerOf(hex`0102030405`)
      reader.narrow(3)
      expect(() => reader.narrow(4)).to.throw(FrameError)
    })
  })

  it('tells text from octets exactly as a strict decoder does', () => {
    const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    const almostText = fc.array(
      fc.constantFrom(hex`61`, hex`c3a9`, hex`c3`, hex`f09f98`, hex`80`, hex`efbfbd`, hex`eda080`),
    )
    fc.assert(
      fc.property(
        fc.oneof(
          octets(),
          almostText.map(parts => Buffer.concat(parts)),
        ),
        content => {
          let expected: string | Buffer = content
          try {
            expected = strict.decode(content)
          } catch {
            // not UTF-8: the octets are expected
          }
          const length = Buffer.alloc(4)
          length.writeUInt32BE(content.length)
          expect(readerOf(Buffer.concat([length, content])).longstrTextOrOctets()).to.deep.equal(expected)
        },
      ),
    )
  })

  it('does not take octets for the text that is expected when they are only the numbers of its characters', () => {
    for (const [expected, octets] of [
      ['Ã©', 'c3a9'],
      ['é', 'e9'],
      ['a', '61'],
    ] as const) {
      const reader = new ByteReader()
      const text = Buffer.from(octets, 'hex')
      reader.reset(Buffer.concat([Buffer.from([text.length]), text]))
      expect(reader.shortstr(expected)).to.equal(text.toString())
    }
  })
})
