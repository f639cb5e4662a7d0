import { expect } from 'chai'
import fc from 'fast-check'
import { ArgumentError, ByteReader, ByteWriter, FrameError } from '../../src/frames/index.js'
import {
  isPropertyName,
  type MessageProperties,
  type PublishProperties,
  readProperties,
  skipProperties,
  splitProperties,
  writeProperties,
} from '../../src/protocol/properties.js'
import { damaged, octets, plainTable, shortText } from '../support/arbitraries.js'
import { loadCapture } from '../support/captures.js'
import { hex, toHex } from '../support/hex.js'
import { runs } from '../support/runs.js'

function encode(properties: PublishProperties): Buffer {
  const writer = new ByteWriter()
  writer.begin()
  writeProperties(writer, properties)
  return Buffer.from(writer.written())
}

function skip(octetsOfProperties: Buffer): void {
  const reader = new ByteReader()
  reader.reset(octetsOfProperties)
  skipProperties(reader)
}

/** All fourteen, as RabbitMQ sent them back. */
const ALL_OCTETS = hex`fffc 026374 026365 00000000 02 05 03636964 027274 053630303030 036d6964 000000006553f100
  027479 056775657374 03617070 02636c`
const ALL: MessageProperties = {
  contentType: 'ct',
  contentEncoding: 'ce',
  headers: {},
  deliveryMode: 2,
  priority: 5,
  correlationId: 'cid',
  replyTo: 'rt',
  expiration: '60000',
  messageId: 'mid',
  timestamp: 1_700_000_000,
  type: 'ty',
  userId: 'guest',
  appId: 'app',
  clusterId: 'cl',
}

/** Flag of each property, by the specification. */
const FLAGS: readonly (readonly [name: keyof MessageProperties, flag: number])[] = [
  ['contentType', 0x8000],
  ['contentEncoding', 0x4000],
  ['headers', 0x2000],
  ['deliveryMode', 0x1000],
  ['priority', 0x0800],
  ['correlationId', 0x0400],
  ['replyTo', 0x0200],
  ['expiration', 0x0100],
  ['messageId', 0x0080],
  ['timestamp', 0x0040],
  ['type', 0x0020],
  ['userId', 0x0010],
  ['appId', 0x0008],
  ['clusterId', 0x0004],
]

const octet = fc.integer({ min: 0, max: 255 })
const received: fc.Arbitrary<MessageProperties> = fc.record(
  {
    contentType: shortText,
    contentEncoding: shortText,
    headers: plainTable,
    deliveryMode: octet,
    priority: octet,
    correlationId: shortText,
    replyTo: shortText,
    expiration: fc.nat().map(String),
    messageId: shortText,
    timestamp: fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n })),
    type: shortText,
    userId: shortText,
    appId: shortText,
    clusterId: shortText,
  },
  { requiredKeys: [], noNullPrototype: true },
)

describe('content properties', () => {
  it('of all fourteen kinds are written and read as RabbitMQ has them', () => {
    expect(toHex(encode(ALL))).to.equal(toHex(ALL_OCTETS))
    expect(readProperties(ALL_OCTETS)).to.deep.equal(ALL)
  })

  it('of a captured delivery are read as they were published', () => {
    const { received: octetsReceived } = loadCapture('basic-deliver')
    const frame = octetsReceived.subarray(octetsReceived.indexOf(hex`020001000000de003c`))
    const captured = frame.subarray(7 + 12, 7 + 0xde)
    const properties = readProperties(captured)
    const { headers, ...others } = properties
    expect({ ...others, headers: {} }).to.deep.equal({ ...ALL, appId: 'ap' })
    expect(headers).to.include({ t: true })
  })

  for (const [name, flag] of FLAGS) {
    it(`have ${name} behind flag 0x${flag.toString(16)}`, () => {
      const written = encode({ [name]: ALL[name] })
      expect(written.readUInt16BE(0)).to.equal(flag)
      expect(readProperties(written)).to.deep.equal({ [name]: ALL[name] })
    })
  }

  it('come back equal', () => {
    fc.assert(
      fc.property(received, properties => {
        const written = encode(properties)
        skip(written)
        expect(readProperties(written)).to.deep.equal(properties)
      }),
    )
  })

  it('are two octets when there are none, and undefined ones are none', () => {
    expect(toHex(encode({}))).to.equal('0000')
    expect(toHex(encode({ type: undefined, headers: undefined }))).to.equal('0000')
    expect(readProperties(hex`0000`)).to.deep.equal({})
  })

  it('leave out what is none of them', () => {
    const options = { messageId: 'm', mandatory: true, constructor: 'x', 'content-type': 'a/b' }
    expect(toHex(encode(options))).to.equal('0080016d')
  })

  it('have in every subset its flags, and behind them its octets in their order', () => {
    const parts = FLAGS.map(([name, flag]) => ({
      name,
      flag,
      octets: encode({ [name]: ALL[name] }).subarray(2),
    }))
    expect(toHex(Buffer.concat(parts.map(part => part.octets)))).to.equal(toHex(ALL_OCTETS.subarray(2)))
    for (let subset = 0; subset < 2 ** FLAGS.length; subset++) {
      const chosen = parts.filter((_, index) => (subset & (1 << index)) !== 0)
      const flags = chosen.reduce((sum, { flag }) => sum + flag, 0)
      const expected = Buffer.concat([
        Buffer.of(flags >> 8, flags & 0xff),
        ...chosen.map(part => part.octets),
      ])
      // Given last to first: the order is that of the wire.
      const given = chosen.map(({ name }) => [name, ALL[name]] as const).reverse()
      const written = encode(Object.fromEntries(given))
      if (!written.equals(expected)) expect(toHex(written)).to.equal(toHex(expected))
      skip(expected)
      const names = chosen.map(({ name }) => name).join()
      if (Object.keys(readProperties(expected)).join() !== names)
        expect.fail(`other properties than ${names}`)
    }
  })

  it('take a Date as whole seconds, and milliseconds as what they say', () => {
    expect(readProperties(encode({ timestamp: new Date(1_700_000_000_999) })).timestamp).to.equal(
      1_700_000_000,
    )
    expect(readProperties(encode({ timestamp: 1_700_000_000_000 })).timestamp).to.equal(1_700_000_000_000)
  })

  it('take an expiration as a number', () => {
    expect(readProperties(encode({ expiration: 60_000 })).expiration).to.equal('60000')
  })

  const refused: readonly (readonly [path: string, properties: PublishProperties])[] = [
    ['expiration', { expiration: '1s' }],
    ['expiration', { expiration: '' }],
    ['expiration', { expiration: -1 }],
    ['expiration', { expiration: 1.5 }],
    ['expiration', { expiration: 1e21 }],
    ['timestamp', { timestamp: new Date(Number.NaN) }],
    ['timestamp', { timestamp: new Date(-1000) }],
    ['timestamp', { timestamp: 1.5 }],
    ['deliveryMode', { deliveryMode: 256 }],
    ['priority', { priority: -1 }],
    ['messageId', { messageId: 'é'.repeat(128) }],
    ['correlationId', { correlationId: 7 as unknown as string }],
    ['headers.a[1].b', { headers: { a: [1, { b: Number.POSITIVE_INFINITY }] } }],
    ['headers', { headers: [] as unknown as PublishProperties['headers'] }],
  ]
  refused.forEach(([path, properties], index) => {
    it(`that cannot be sent are refused by their path: ${path} (${index})`, () => {
      expect(() => encode(properties))
        .to.throw(ArgumentError)
        .with.property('path', `options.${path}`)
    })
  })

  for (const expiration of ['1s', '', -1, 1.5, ['5'], 5n, Symbol('5')]) {
    it(`tell what an expiration must be, instead of a ${typeof expiration}`, () => {
      expect(() => encode({ expiration: expiration as string })).to.throw(
        ArgumentError,
        'options.expiration must be a non-negative whole number of milliseconds',
      )
    })
  }

  it('are split into those that are there, as they stand', () => {
    expect(splitProperties(hex`0000`)).to.deep.equal([])
    expect(splitProperties(hex`b040 03612f62 00000004 01616201 02 000000006553f100`)).to.deep.equal([
      ['contentType', hex`03612f62`],
      ['headers', hex`00000004 01616201`],
      ['deliveryMode', hex`02`],
      ['timestamp', hex`000000006553f100`],
    ])
  })

  it('with headers named like members of Object are read without harm', () => {
    const { headers } = readProperties(encode({ headers: { ['__proto__']: 'x', constructor: 'y' } }))
    expect(Object.getPrototypeOf(headers)).to.equal(null)
    expect(headers).to.have.all.keys('__proto__', 'constructor')
  })

  it('with the low flags that RabbitMQ lets pass are read as without them', () => {
    for (const low of [1, 2, 3]) {
      const written = Buffer.from(ALL_OCTETS)
      written.writeUInt16BE(0xfffc | low)
      skip(written)
      expect(readProperties(written)).to.deep.equal(ALL)
    }
  })

  it('that end too soon, too late or not at all are refused with 501, and never read beyond', () => {
    fc.assert(
      fc.property(received, fc.nat(), octets({ minLength: 1, maxLength: 5 }), (properties, at, more) => {
        const written = encode(properties)
        const short = written.subarray(0, at % written.length)
        const replyCodes = [short, Buffer.concat([written, more])].map(broken => {
          try {
            skip(broken)
          } catch (error) {
            return error instanceof FrameError ? error.replyCode : error
          }
          return undefined
        })
        expect(replyCodes).to.deep.equal([501, 501])
      }),
    )
  })

  it('of any octets are refused on receipt, or can be read later', () => {
    const flags = fc.integer({ min: 0, max: 0xffff }).map(value => Buffer.of(value >> 8, value & 0xff))
    const anything = fc.tuple(flags, octets({ maxLength: 60 })).map(parts => Buffer.concat(parts))
    fc.assert(
      fc.property(fc.oneof(anything, damaged(received.map(encode))), any => {
        try {
          skip(any)
        } catch (error) {
          expect(error).to.be.instanceOf(FrameError)
          return
        }
        const names = Object.keys(readProperties(any))
        expect(splitProperties(any).map(([name]) => name)).to.deep.equal(names)
      }),
      runs(1000),
    )
  })
})

describe('isPropertyName', () => {
  it('knows the fourteen and no other', () => {
    for (const [name] of FLAGS) expect(isPropertyName(name)).to.equal(true)
    for (const name of ['content-type', 'mandatory', 'constructor', '']) {
      expect(isPropertyName(name)).to.equal(false)
    }
  })
})
