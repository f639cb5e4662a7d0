import { expect } from 'chai'
import { ArgumentError } from '../../src/frames/argument-error.js'
import { ByteReader } from '../../src/frames/byte-reader.js'
import { readTable, skipTable, splitTable } from '../../src/frames/field-table.js'
import { type FieldTable, type FieldValue, field, TypedField } from '../../src/frames/field-value.js'
import { hex, toHex } from '../support/hex.js'
import { decode, decodeError, encode, sizeOf, tableOf } from './table-octets.js'

const DATE_SECONDS_MAX = 8.64e12

function encodeError(value: unknown): ArgumentError {
  try {
    encode({ a: value as FieldValue })
  } catch (error) {
    if (error instanceof ArgumentError) return error
    throw error
  }
  throw new Error('encoded although it cannot be sent')
}

describe('readTable', () => {
  // Every tag in one table, as RabbitMQ accepted and returned it.
  const ALL_TAGS = hex`
    0000009c
    0174 74 01                            0274 32 74 02
    0162 62 ff                            0142 42 ff
    0173 73 fffe                          0175 75 fffe
    0149 49 ffffffff                      0169 69 ffffffff
    016c 6c ffffffffffffffff              014c 4c ffffffffffffffff
    0166 66 3fc00000                      0164 64 3ff8000000000000
    0144 44 02 0000013a                   0244 6e 44 02 ffffffff
    0153 53 00000002 6869                 0178 78 00000002 ff00
    0154 54 000000006553f100
    0146 46 00000004 017a 74 00
    0141 41 00000008 6201 53 00000001 71
    0156 56`

  it('reads every tag that RabbitMQ knows', () => {
    const fixed = hex`${ALL_TAGS}`
    expect(fixed.length).to.equal(160)
    expect(decode(fixed)).to.deep.equal({
      t: true,
      t2: true,
      b: -1,
      B: 255,
      s: -2,
      u: 65534,
      I: -1,
      i: 4294967295,
      l: -1,
      L: -1,
      f: 1.5,
      d: 1.5,
      D: field.decimal(2, 314),
      Dn: field.decimal(2, 4294967295),
      S: 'hi',
      x: hex`ff00`,
      T: new Date('2023-11-14T22:13:20Z'),
      F: { z: false },
      A: [1, 'q'],
      V: null,
    })
  })

  it('reads an empty table', () => {
    expect(decode(hex`00000000`)).to.deep.equal({})
  })

  it('reads only the table and leaves what follows', () => {
    for (const decodeOne of [readTable, skipTable]) {
      const reader = new ByteReader()
      reader.reset(hex`${ALL_TAGS} beef`)
      decodeOne(reader)
      expect(reader.remaining).to.equal(2)
      expect(reader.short()).to.equal(0xbeef)
    }
  })

  it('keeps 64-bit integers exact', () => {
    expect(decode(tableOf(hex`0161 6c 001fffffffffffff`))).to.deep.equal({ a: Number.MAX_SAFE_INTEGER })
    expect(decode(tableOf(hex`0161 6c 0020000000000001`))).to.deep.equal({ a: 2n ** 53n + 1n })
    expect(decode(tableOf(hex`0161 4c 8000000000000000`))).to.deep.equal({ a: -(2n ** 63n) })
  })

  it('gives a long string that is not UTF-8 as its octets', () => {
    expect(decode(tableOf(hex`0161 53 00000002 ff00`))).to.deep.equal({ a: hex`ff00` })
  })

  it('gives a timestamp as a Date as far as a Date goes', () => {
    // A sender that wrote milliseconds: the year 55840, nothing to fail for.
    expect(decode(tableOf(hex`0161 54 0000018bcfe56800`))).to.deep.equal({
      a: new Date(1700000000000 * 1000),
    })
    expect(decode(tableOf(hex`0161 54 000007dba8218000`))).to.deep.equal({
      a: new Date(DATE_SECONDS_MAX * 1000),
    })
    expect(decode(tableOf(hex`0161 54 000007dba8218001`))).to.deep.equal({
      a: field.timestamp(DATE_SECONDS_MAX + 1),
    })
    expect(decode(tableOf(hex`0161 54 ffffffffffffffff`))).to.deep.equal({
      a: field.timestamp(2n ** 64n - 1n),
    })
  })

  it('takes the first of two values with the same name', () => {
    expect(decode(tableOf(hex`0161 62 01`, hex`0161 62 05`))).to.deep.equal({ a: 1 })
    expect(decode(tableOf(hex`0161 56`, hex`0161 62 05`))).to.deep.equal({ a: null })
  })

  it('accepts an empty name', () => {
    expect(decode(tableOf(hex`00 62 01`))).to.deep.equal({ '': 1 })
  })

  it('makes tables without a prototype, in which no name is special', () => {
    // {"__proto__": {"polluted": true}, "constructor": 1, "in": {"__proto__": 1}}
    const table = decode(
      tableOf(
        hex`09 5f5f70726f746f5f5f 46 0000000b 08 706f6c6c75746564 74 01`,
        hex`0b 636f6e7374727563746f72 62 01`,
        hex`02 696e 46 0000000c 09 5f5f70726f746f5f5f 62 01`,
      ),
    )
    expect(Object.getPrototypeOf(table)).to.equal(null)
    expect(Object.keys(table)).to.deep.equal(['__proto__', 'constructor', 'in'])
    expect(Object.getPrototypeOf(table['in'])).to.equal(null)
    expect(table['polluted']).to.equal(undefined)
    expect(({} as FieldTable)['polluted']).to.equal(undefined)
  })

  it('copies everything it keeps', () => {
    const borrowed = Buffer.from(ALL_TAGS)
    const reader = new ByteReader()
    reader.reset(borrowed)
    const table = readTable(reader)
    borrowed.fill(0)
    expect(table).to.deep.equal(decode(ALL_TAGS))
  })

  describe('refuses', () => {
    it('a tag that nobody knows, with the name of the field', () => {
      const error = decodeError(tableOf(hex`0161 62 01`, hex`03 782d79 5a 00`))
      expect(error.message).to.equal('cannot decode field "x-y": unknown type tag 0x5a ("Z")')
      expect(error.replyCode).to.equal(502)
    })

    it('the tag U, which RabbitMQ does not know', () => {
      expect(decodeError(tableOf(hex`0161 55 0001`)).message).to.contain(
        'field "a": unknown type tag 0x55 ("U")',
      )
    })

    it('an unknown tag in an array', () => {
      expect(decodeError(tableOf(hex`0161 41 00000002 56 ff`)).message).to.contain(
        'an array element: unknown type tag 0xff',
      )
    })

    it('every octet that is no tag', () => {
      const known = new Set(Buffer.from('tbBsuIilLfdDSxTFAV'))
      for (let tag = 0; tag < 256; tag++) {
        if (known.has(tag)) continue
        expect(decodeError(tableOf(hex`0161`, Buffer.of(tag), Buffer.alloc(300))).replyCode).to.equal(502)
      }
    })

    const LYING_LENGTHS: [what: string, source: Buffer][] = [
      ['a table longer than the octets', hex`00000005 0161 62 01`],
      ['a table of 4 GiB', hex`ffffffff 0161 62 01`],
      ['a table with one octet', hex`00000001 00`],
      ['a table that ends inside a name', hex`00000002 05 61`],
      ['a table that ends before a tag', hex`00000002 0161 62 01`],
      ['a table that ends inside a value', hex`00000004 0161 49 00 000001`],
      ['a string longer than its table', tableOf(hex`0161 53 00000002 61`)],
      ['octets longer than their table', tableOf(hex`0161 78 ffffffff 61`)],
      ['an array longer than its table', tableOf(hex`0161 41 00000002 56`)],
      ['an array that ends inside a value', tableOf(hex`0161 41 00000002 49 00`, hex`0162 56`)],
      ['an inner table longer than its table', tableOf(hex`0161 46 00000004 0162 74`)],
      ['an inner table that ends inside a value', tableOf(hex`0161 46 00000004 0162 73 00`, hex`0163 56`)],
      ['a table without a length', hex`000000`],
    ]
    for (const [what, source] of LYING_LENGTHS) {
      it(what, () => {
        expect(decodeError(source)).to.have.property('replyCode', 501)
        // What happens to lie behind the table is no part of it.
        if (source[3] !== source.length - 4) return
        expect(decodeError(hex`${source} 00000000 00000000`)).to.have.property('replyCode', 501)
      })
    }

    it('every truncation', () => {
      for (let length = 0; length < ALL_TAGS.length; length++) {
        expect(decodeError(ALL_TAGS.subarray(0, length))).to.have.property('replyCode', 501)
      }
    })

    it('more than 64 levels of tables or arrays', () => {
      // Only the innermost is empty; each of the others has one entry.
      const nested = (levels: number, opening: Buffer) => {
        const parts = [hex`00000000`]
        for (let size = 4; parts.length < levels; size += 4 + opening.length) {
          parts.push(Buffer.concat([sizeOf(size + opening.length), opening]))
        }
        return Buffer.concat(parts.reverse())
      }
      const tables = (levels: number) => nested(levels, hex`0161 46`)
      const arrays = (levels: number) => tableOf(hex`0161 41 ${nested(levels - 1, hex`41`)}`)
      for (const levels of [tables, arrays]) {
        decode(levels(64))
        expect(decodeError(levels(65))).to.include({
          replyCode: 502,
          message: 'cannot decode a table nested deeper than 64 levels',
        })
        expect(decodeError(levels(20_000)).replyCode).to.equal(502)
      }
    })
  })
})

describe('splitTable', () => {
  it('gives the fields as they stand, and leaves what follows', () => {
    const reader = new ByteReader()
    const borrowed = hex`00000010 0161 62 01 0162 46 00000003 016356 00 56 beef`
    reader.reset(borrowed)
    const fields = splitTable(reader)
    expect(reader.short()).to.equal(0xbeef)
    borrowed.fill(0)
    expect(fields.map(toHex)).to.deep.equal(['01616201', '01624600000003016356', '0056'])
  })
})

describe('writeTable', () => {
  const ROWS: [what: string, value: FieldValue, expected: Buffer][] = [
    ['a boolean as t', true, hex`74 01`],
    ['false as t', false, hex`74 00`],
    ['an integer as I', 60000, hex`49 0000ea60`],
    ['the smallest 32-bit integer as I', -(2 ** 31), hex`49 80000000`],
    ['the largest 32-bit integer as I', 2 ** 31 - 1, hex`49 7fffffff`],
    ['a larger integer as l', 2 ** 31, hex`6c 0000000080000000`],
    ['2^40 as l', 2 ** 40, hex`6c 0000010000000000`],
    ['a smaller integer as l', -(2 ** 31) - 1, hex`6c ffffffff7fffffff`],
    ['a bigint as l, however small', 1n, hex`6c 0000000000000001`],
    ['the smallest bigint as l', -(2n ** 63n), hex`6c 8000000000000000`],
    ['a fraction as d', 1.5, hex`64 3ff8000000000000`],
    ['a number beyond the safe integers as d', 2 ** 53, hex`64 4340000000000000`],
    ['text as S', 'hi', hex`53 00000002 6869`],
    ['a Buffer as x', hex`ff00`, hex`78 00000002 ff00`],
    ['a Uint8Array as x', new Uint8Array([255, 0]), hex`78 00000002 ff00`],
    ['a Date as T, in seconds', new Date(1700000000999), hex`54 000000006553f100`],
    ['null as V', null, hex`56`],
    ['an array as A', [1, 'q'], hex`41 0000000b 49 00000001 53 00000001 71`],
    ['undefined in an array as V', [undefined, 1], hex`41 00000006 56 49 00000001`],
    ['a hole in an array as V', Array(2), hex`41 00000002 56 56`],
    ['an object as F', { z: false }, hex`46 00000004 017a 74 00`],
    ['an object without a prototype as F', Object.create(null), hex`46 00000000`],
    ['undefined in an object as nothing', { y: undefined, z: false }, hex`46 00000004 017a 74 00`],
    ['field.int8 as b', field.int8(-1), hex`62 ff`],
    ['field.uint8 as B', field.uint8(255), hex`42 ff`],
    ['field.int16 as s', field.int16(-2), hex`73 fffe`],
    ['field.uint16 as u', field.uint16(65534), hex`75 fffe`],
    ['field.int32 as I', field.int32(-1), hex`49 ffffffff`],
    ['field.uint32 as i', field.uint32(4294967295), hex`69 ffffffff`],
    ['field.int64 as l', field.int64(-1), hex`6c ffffffffffffffff`],
    ['field.float as f', field.float(1.5), hex`66 3fc00000`],
    ['field.double as d', field.double(1), hex`64 3ff0000000000000`],
    ['field.decimal as D', field.decimal(2, 314), hex`44 02 0000013a`],
    ['field.timestamp as T', field.timestamp(2n ** 64n - 1n), hex`54 ffffffffffffffff`],
  ]

  for (const [what, value, expected] of ROWS) {
    it(`writes ${what}`, () => {
      expect(toHex(encode({ a: value }))).to.equal(toHex(tableOf(hex`0161 ${expected}`)))
    })
  }

  it('writes the arguments of a queue as RabbitMQ was seen to take them', () => {
    expect(toHex(encode({ 'x-max-priority': 10 }))).to.equal(
      '000000140e782d6d61782d7072696f72697479490000000a',
    )
  })

  it('leaves undefined values out', () => {
    expect(toHex(encode({ a: undefined }))).to.equal('00000000')
  })

  it('accepts objects of another realm', () => {
    const foreignPrototype = Object.assign(Object.create(null), { toString: () => '' })
    expect(toHex(encode(Object.assign(Object.create(foreignPrototype), { a: null })))).to.equal(
      '00000003016156',
    )
  })

  it('writes what an object inherits as little as what is not enumerable', () => {
    const table = Object.defineProperty({ a: null }, 'hidden', { value: 1, enumerable: false })
    expect(toHex(encode(table))).to.equal('00000003016156')
  })

  describe('refuses', () => {
    class Order {
      id = 1
    }
    const cyclic: FieldTable = {}
    cyclic['self'] = [cyclic]

    const ROWS: [what: string, value: unknown, path: string, message: RegExp][] = [
      ['NaN', Number.NaN, 'headers.a', /must be a finite number$/],
      ['Infinity', { b: [0, 1, Number.POSITIVE_INFINITY] }, 'headers.a.b[2]', /must be a finite number$/],
      ['a bigint beyond 64 bits', 2n ** 63n, 'headers.a', /must be an integer from -2\^63 to/],
      ['a function', () => 'secret', 'headers.a', /, not a function$/],
      ['a symbol', [Symbol('secret')], 'headers.a[0]', /, not a symbol$/],
      ['a Map', new Map([['secret', 1]]), 'headers.a', /, not an instance of Map$/],
      ['a Set', new Set(['secret']), 'headers.a', /, not an instance of Set$/],
      ['an instance of a class', new Order(), 'headers.a', /, not an instance of Order$/],
      ['an Error', new Error('secret'), 'headers.a', /, not an instance of Error$/],
      [
        'a typed array that is not of octets',
        new Float64Array(1),
        'headers.a',
        /, not an instance of Float64Array$/,
      ],
      ['an ArrayBuffer', new ArrayBuffer(1), 'headers.a', /, not an instance of ArrayBuffer$/],
      ['an invalid Date', new Date(Number.NaN), 'headers.a', /must be a valid Date/],
      ['a Date before 1970', new Date(-1), 'headers.a', /must be a valid Date, not before 1970$/],
      ['a lone surrogate', { b: '\ud800' }, 'headers.a.b', /must be well-formed Unicode/],
      [
        'a name longer than 255 octets',
        { ['é'.repeat(128)]: 1 },
        `headers.a["${'é'.repeat(64)}…"]`,
        /at most 255 octets/,
      ],
      [
        'a field that does not fit its type',
        field.int8(128),
        'headers.a',
        /must be an integer from -128 to 127$/,
      ],
      [
        'a decimal with a wide scale',
        field.decimal(256, 1),
        'headers.a',
        /must be an integer from 0 to 255$/,
      ],
      ['a negative decimal', field.decimal(2, -1), 'headers.a', /must be an integer from 0 to 4294967295$/],
      ['a negative timestamp', field.timestamp(-1), 'headers.a', /must be an integer from 0 to 2\^64-1/],
      [
        'a field of a type that does not exist',
        new TypedField('secret' as never, 1),
        'headers.a',
        /, not an instance of TypedField$/,
      ],
      [
        'a field whose type is named like a member of Object',
        new TypedField('constructor' as never, 1),
        'headers.a',
        /, not an instance of TypedField$/,
      ],
      [
        'a field of a type that needs no wrapping',
        new TypedField('array' as never, null as never),
        'headers.a',
        /, not an instance of TypedField$/,
      ],
      [
        'a decimal without a scale',
        new TypedField('decimal', 5),
        'headers.a',
        /must be an integer from 0 to 255, not undefined$/,
      ],
    ]
    for (const [what, value, path, message] of ROWS) {
      it(what, () => {
        const error = encodeError(value)
        expect(error.path).to.equal(path)
        expect(error.message)
          .to.match(message)
          .and.to.satisfy((text: string) => text.startsWith(`${path} `))
        expect(error.message).not.to.contain('secret')
      })
    }

    it('a table that contains itself', () => {
      expect(encodeError(cyclic))
        .to.have.property('message')
        .that.matches(/^headers\.a\.self\[0\]\.self.* deeper than 64 levels or contain itself$/)
    })

    it('more than 64 levels', () => {
      const nested = (levels: number) => {
        let table: FieldTable = {}
        for (let level = 1; level < levels; level++) table = { a: table }
        return table
      }
      expect(decode(encode(nested(64)))).to.deep.equal(nested(64))
      expect(() => encode(nested(65))).to.throw(ArgumentError, 'deeper than 64 levels')
    })

    it('what is no table at all', () => {
      for (const table of [null, undefined, [], 'text', 5, new Map(), new Date(), hex`00`, field.int8(1)]) {
        expect(() => encode(table as never)).to.throw(ArgumentError, /^headers must be a plain object, not /)
      }
    })
  })
})
