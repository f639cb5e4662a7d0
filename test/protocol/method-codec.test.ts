import { expect } from 'chai'
import fc from 'fast-check'
import { ArgumentError, ByteReader, ByteWriter } from '../../src/frames/index.js'
import { methodNameOf, readMethod, writeMethod } from '../../src/protocol/method-codec.js'
import type { Method } from '../../src/protocol/method-types.js'
import { METHODS, type MethodName } from '../../src/protocol/methods.js'
import { Violation } from '../../src/protocol/violation.js'
import { octets, plainTable, shortText } from '../support/arbitraries.js'
import { hex, toHex } from '../support/hex.js'
import { runs } from '../support/runs.js'
import { EXPECTED_METHODS, type ExpectedMethod, type WireType } from './method-table.expected.js'

function encode(method: Method): Buffer {
  const writer = new ByteWriter()
  writer.begin()
  writeMethod(writer, method.name, method.args)
  return Buffer.from(writer.written())
}

function decode(payload: Buffer): Method {
  const reader = new ByteReader()
  reader.reset(payload)
  return readMethod(reader)
}

function violationOf(payload: Buffer): Violation {
  try {
    decode(payload)
  } catch (error) {
    if (error instanceof Violation) return error
    throw error
  }
  throw new Error(`no violation: ${toHex(payload)}`)
}

/** The payload of the one frame that these octets are. */
function payloadOf(frame: Buffer): Buffer {
  expect(frame.readUInt32BE(3), 'size of the frame').to.equal(frame.length - 8)
  return frame.subarray(7, -1)
}

// Octets that RabbitMQ was seen to send or to accept, and what they mean.
const WIRE: readonly (readonly [frame: Buffer, method: Method])[] = [
  [
    hex`0100000000000c000a001e07ff00020000003cce`,
    { name: 'connection.tune', args: { channelMax: 2047, frameMax: 131_072, heartbeat: 60 } },
  ],
  [
    hex`0100000000000c000a001f07ff00020000003cce`,
    { name: 'connection.tune-ok', args: { channelMax: 2047, frameMax: 131_072, heartbeat: 60 } },
  ],
  [
    hex`01000000000043000a000b0000001f0c6361706162696c6974696573460000000d0a62617369632e6e61636b740105504c41494e
        0000000c00677565737400677565737405656e5f5553ce`,
    {
      name: 'connection.start-ok',
      args: {
        clientProperties: { capabilities: { 'basic.nack': true } },
        mechanism: 'PLAIN',
        response: Buffer.from('\0guest\0guest'),
        locale: 'en_US',
      },
    },
  ],
  [hex`01000000000008000a0028012f0000ce`, { name: 'connection.open', args: { virtualHost: '/' } }],
  [hex`01000000000005000a002900ce`, { name: 'connection.open-ok', args: {} }],
  [
    hex`01000000000024000a00140000001c506c656173652074656c6c206d6520796f75722070617373776f7264ce`,
    { name: 'connection.secure', args: { challenge: Buffer.from('Please tell me your password') } },
  ],
  [
    hex`0100010000000a003c0028000000017101ce`,
    {
      name: 'basic.publish',
      args: { exchange: '', routingKey: 'q', mandatory: true, immediate: false },
    },
  ],
  [
    hex`01000100000013003c003c017400000000000000010000026431ce`,
    {
      name: 'basic.deliver',
      args: { consumerTag: 't', deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'd1' },
    },
  ],
  [hex`01000200000004003c000bce`, { name: 'basic.qos-ok', args: {} }],
  [
    hex`01000100000008003c001e02637401ce`,
    { name: 'basic.cancel', args: { consumerTag: 'ct', noWait: true } },
  ],
  [
    hex`01000100000013003c00320138084e4f5f524f55544500026e6fce`,
    {
      name: 'basic.return',
      args: { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'no' },
    },
  ],
  [
    hex`0100010000000d003c0050000000000000000100ce`,
    { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } },
  ],
  [
    hex`0100010000000d003c0050000000000000000601ce`,
    { name: 'basic.ack', args: { deliveryTag: 6, multiple: true } },
  ],
  [
    hex`0100010000000d003c0078000000000000000202ce`,
    { name: 'basic.nack', args: { deliveryTag: 2, multiple: false, requeue: true } },
  ],
  [
    hex`010001000000370014002801962c505245434f4e444954494f4e5f4641494c4544202d20756e6b6e6f776e2064656c69766572792074
        61672039003c0050ce`,
    {
      name: 'channel.close',
      args: {
        replyCode: 406,
        replyText: 'PRECONDITION_FAILED - unknown delivery tag 9',
        classId: 60,
        methodId: 80,
      },
    },
  ],
  [hex`0100010000000400140029ce`, { name: 'channel.close-ok', args: {} }],
  [
    hex`01000000000022000a0032014017434f4e4e454354494f4e5f464f52434544202d2062796500000000ce`,
    {
      name: 'connection.close',
      args: { replyCode: 320, replyText: 'CONNECTION_FORCED - bye', classId: 0, methodId: 0 },
    },
  ],
  [hex`01000000000004000a0033ce`, { name: 'connection.close-ok', args: {} }],
  [
    hex`01000000000012000a003c0d6c6f77206f6e206d656d6f7279ce`,
    { name: 'connection.blocked', args: { reason: 'low on memory' } },
  ],
  [hex`01000000000004000a003dce`, { name: 'connection.unblocked', args: {} }],
  [hex`0100010000000400280033ce`, { name: 'exchange.unbind-ok', args: {} }],
  [hex`01000100000005003c004800ce`, { name: 'basic.get-empty', args: {} }],
  [hex`010001000000080014000b00000000ce`, { name: 'channel.open-ok', args: {} }],
  [
    hex`010001000000210032000a000001710c000000140e782d6d61782d7072696f72697479490000000ace`,
    {
      name: 'queue.declare',
      args: {
        queue: 'q',
        passive: false,
        durable: false,
        exclusive: true,
        autoDelete: true,
        noWait: false,
        arguments: { 'x-max-priority': 10 },
      },
    },
  ],
  [
    hex`0100010000000d0032000a000001711f00000000ce`,
    {
      name: 'queue.declare',
      args: {
        queue: 'q',
        passive: true,
        durable: true,
        exclusive: true,
        autoDelete: true,
        noWait: true,
        arguments: {},
      },
    },
  ],
  [
    hex`01000100000009003200280000017107ce`,
    { name: 'queue.delete', args: { queue: 'q', ifUnused: true, ifEmpty: true, noWait: true } },
  ],
  [
    hex`0100010000000e003c001400000171000f00000000ce`,
    {
      name: 'basic.consume',
      args: {
        queue: 'q',
        consumerTag: '',
        noLocal: true,
        noAck: true,
        exclusive: true,
        noWait: true,
        arguments: {},
      },
    },
  ],
  [
    hex`010001000000140028000a00000178066469726563741f00000000ce`,
    {
      name: 'exchange.declare',
      args: {
        exchange: 'x',
        type: 'direct',
        passive: true,
        durable: true,
        autoDelete: true,
        internal: true,
        noWait: true,
        arguments: {},
      },
    },
  ],
  [hex`01000100000006003c00150174ce`, { name: 'basic.consume-ok', args: { consumerTag: 't' } }],
]

/** Octets of the arguments, by the expected types alone. */
function encodeByHand(types: readonly WireType[], values: readonly unknown[]): Buffer {
  const parts: Buffer[] = []
  let bits: boolean[] = []
  const endBits = () => {
    for (; bits.length > 0; bits = bits.slice(8)) {
      parts.push(Buffer.of(bits.slice(0, 8).reduce((octet, bit, index) => octet + (bit ? 2 ** index : 0), 0)))
    }
  }
  types.forEach((type, index) => {
    if (type === 'bit') {
      bits.push(values[index] as boolean)
    } else {
      endBits()
      parts.push(encodeValue(type, values[index]))
    }
  })
  endBits()
  return Buffer.concat(parts)
}

function encodeValue(type: Exclude<WireType, 'bit'>, value: unknown): Buffer {
  const sizes = { octet: 1, short: 2, long: 4, longlong: 8 } as const
  if (type === 'shortstr') {
    const text = Buffer.from(value as string)
    return Buffer.concat([Buffer.of(text.length), text])
  }
  if (type === 'longstr')
    return Buffer.concat([encodeValue('long', (value as Buffer).length), value as Buffer])
  if (type === 'table') {
    const fields = Object.entries(value as Record<string, boolean>).map(([name, flag]) =>
      Buffer.concat([encodeValue('shortstr', name), Buffer.from('t'), Buffer.of(flag ? 1 : 0)]),
    )
    return encodeValue('longstr', Buffer.concat(fields))
  }
  const digits = BigInt(value as number).toString(16)
  return Buffer.from(digits.padStart(2 * sizes[type], '0'), 'hex')
}

const VALUES: Record<WireType, fc.Arbitrary<unknown>> = {
  bit: fc.boolean(),
  octet: fc.integer({ min: 0, max: 0xff }),
  short: fc.integer({ min: 0, max: 0xffff }),
  long: fc.integer({ min: 0, max: 0xffffffff }),
  longlong: fc.maxSafeNat(),
  shortstr: shortText,
  longstr: octets({ maxLength: 300 }),
  table: fc.dictionary(shortText, fc.boolean(), { maxKeys: 4 }),
}

const NOTHING: Record<WireType, unknown> = {
  bit: false,
  octet: 0,
  short: 0,
  long: 0,
  longlong: 0,
  shortstr: '',
  longstr: Buffer.alloc(0),
  table: {},
}

interface Sample {
  readonly expected: ExpectedMethod
  readonly method: Method
  /** By place, reserved ones included. */
  readonly values: readonly unknown[]
}

/** A method and its arguments; `table` for what stands in tables. */
function sampleOf(
  expected: ExpectedMethod,
  table: fc.Arbitrary<unknown> = VALUES.table,
): fc.Arbitrary<Sample> {
  const domains = Object.entries(METHODS[expected.name as MethodName].args)
  const isReserved = (index: number): boolean => domains[index]?.[1].startsWith('reserved') === true
  return fc
    .tuple(
      ...expected.types.map((type, index) => {
        if (isReserved(index)) return fc.constant(NOTHING[type])
        return type === 'table' ? table : VALUES[type]
      }),
    )
    .map(values => {
      const named = domains.map(([name], index) => [name, values[index]] as const)
      const args = Object.fromEntries(named.filter((_, index) => !isReserved(index)))
      return { expected, values, method: { name: expected.name, args } as unknown as Method }
    })
}

const anySample = fc.constantFrom(...EXPECTED_METHODS).chain(expected => sampleOf(expected))

describe('the method codec', () => {
  for (const [frame, method] of WIRE) {
    it(`reads and writes the octets of ${method.name} ${toHex(frame).slice(22, 40)}`, () => {
      expect(decode(payloadOf(frame))).to.deep.equal(method)
      expect(toHex(encode(method))).to.equal(toHex(payloadOf(frame)))
    })
  }

  for (const expected of EXPECTED_METHODS) {
    it(`puts the arguments of ${expected.name} where the class reference has them, and reads them there`, () => {
      fc.assert(
        fc.property(sampleOf(expected), ({ method, values }) => {
          const ids = Buffer.from([0, expected.classId, 0, expected.methodId])
          const payload = Buffer.concat([ids, encodeByHand(expected.types, values)])
          expect(toHex(encode(method))).to.equal(toHex(payload))
          expect(decode(payload)).to.deep.equal(method)
        }),
        runs(40),
      )
    })
  }

  it('carries tables of any depth through', () => {
    const declare = EXPECTED_METHODS.find(({ name }) => name === 'queue.declare') as ExpectedMethod
    fc.assert(
      fc.property(sampleOf(declare, plainTable), ({ method }) => {
        expect(decode(encode(method))).to.deep.equal(method)
      }),
    )
  })

  it('ignores what stands in reserved arguments and in bits that mean nothing', () => {
    const declare = hex`0032000a beef 0171 e4 00000000`
    expect(decode(declare)).to.deep.include({ name: 'queue.declare' })
    expect(decode(declare).args).to.include({ queue: 'q', exclusive: true, durable: false, noWait: false })
    expect(decode(hex`000a0029 0561626364 65`)).to.deep.equal({ name: 'connection.open-ok', args: {} })
    expect(decode(hex`0014000b 00000002 ffff`)).to.deep.equal({ name: 'channel.open-ok', args: {} })
  })

  it('keeps nothing of the octets it has read', () => {
    const payload = hex`000a0014 00000002 6869`
    const { args } = decode(payload) as Extract<Method, { name: 'connection.secure' }>
    payload.fill(0)
    expect(args.challenge.toString()).to.equal('hi')
  })

  it('refuses octets behind the last argument with 501', () => {
    fc.assert(
      fc.property(anySample, octets({ minLength: 1, maxLength: 20 }), ({ expected, method }, more) => {
        const violation = violationOf(Buffer.concat([encode(method), more]))
        expect(violation).to.include({
          replyCode: 501,
          classId: expected.classId,
          methodId: expected.methodId,
        })
        expect(violation.message).to.include(expected.name)
      }),
    )
  })

  it('refuses arguments that end too soon with 501, wherever they end', () => {
    fc.assert(
      fc.property(anySample, fc.nat(), ({ expected, method }, at) => {
        const payload = encode(method)
        fc.pre(payload.length > 4)
        const violation = violationOf(payload.subarray(0, 4 + (at % (payload.length - 4))))
        expect(violation).to.include({
          replyCode: 501,
          classId: expected.classId,
          methodId: expected.methodId,
        })
      }),
    )
  })

  for (const payload of [hex``, hex`00`, hex`003c00`]) {
    it(`refuses ${payload.length} octets, too few for the ids, with 501`, () => {
      expect(violationOf(payload)).to.include({ replyCode: 501, classId: 0, methodId: 0 })
    })
  }

  const messages: readonly (readonly [payload: Buffer, message: string])[] = [
    [hex`003c00`, 'method frame without class and method id'],
    [hex`003c0050 0000000000000001 00 0102`, 'cannot decode basic.ack: 2 octets after the last argument'],
    [hex`003c0050 00000000000001`, 'cannot decode basic.ack: cannot decode: 4 octets expected, 3 left'],
    [hex`003c0050 0020000000000000 00`, 'cannot decode basic.ack: delivery tag beyond 2^53'],
    [hex`003c003c 0174 0020000000000000 00 00 00`, 'cannot decode basic.deliver: delivery tag beyond 2^53'],
  ]
  for (const [payload, message] of messages) {
    it(`says what is wrong: ${message}`, () => {
      expect(violationOf(payload).message).to.equal(message)
    })
  }

  it('refuses a class and a method it does not know with 540, and names their ids', () => {
    const violation = violationOf(payloadOf(hex`0100010000000400630001ce`))
    expect(violation).to.include({ replyCode: 540, classId: 0, methodId: 0 })
    expect(violation.message).to.equal('unknown method 1 of class 99')
    expect(violationOf(payloadOf(hex`010000000000040033000ace`)).replyCode).to.equal(540)
    expect(violationOf(hex`003c000c`).replyCode).to.equal(540)
  })

  it('refuses an unknown field type in an argument with 502', () => {
    const start = hex`000a000a 00 09 00000004 016b 5a 00 00000000 00000000`
    expect(violationOf(start)).to.include({ replyCode: 502, classId: 10, methodId: 10 })
  })

  it('refuses a delivery tag that a number cannot hold, instead of acknowledging another message', () => {
    const frame = hex`01000100000012003c003c0174002000000000000101000171ce`
    expect(violationOf(payloadOf(frame))).to.include({ replyCode: 502, classId: 60, methodId: 60 })
    const largest = decode(hex`003c0050 001fffffffffffff 00`)
    expect(largest.args).to.include({ deliveryTag: Number.MAX_SAFE_INTEGER })
  })

  it('blames the peer for nothing else that goes wrong while it reads', () => {
    class ReaderWithoutMemory extends ByteReader {
      override longstr(): Buffer {
        throw new RangeError('Array buffer allocation failed')
      }
    }
    const reader = new ReaderWithoutMemory()
    reader.reset(hex`000a0014 00000002 6869`)
    expect(() => readMethod(reader)).to.throw(RangeError, 'Array buffer allocation failed')
  })

  it('makes a method or a violation of any octets', () => {
    const anyIds = fc.constantFrom(...EXPECTED_METHODS).map(({ classId, methodId }) => {
      return Buffer.from([0, classId, 0, methodId])
    })
    fc.assert(
      fc.property(fc.oneof(anyIds, octets({ maxLength: 4 })), octets({ maxLength: 80 }), (ids, rest) => {
        try {
          const method = decode(Buffer.concat([ids, rest]))
          expect(Object.keys(METHODS)).to.include(method.name)
        } catch (error) {
          expect(error).to.be.instanceOf(Violation)
          expect((error as Violation).replyCode).to.be.oneOf([501, 502, 540])
        }
      }),
      runs(500),
    )
  })

  it('names the argument that cannot be sent', () => {
    const tooLong = 'x'.repeat(256)
    const bind = { queue: 'q', exchange: 'x', routingKey: tooLong, noWait: false, arguments: {} }
    expect(() => encode({ name: 'queue.bind', args: bind }))
      .to.throw(ArgumentError)
      .with.property('path', 'routingKey')
    const args = { ...bind, routingKey: '', arguments: { a: { b: [0, Number.NaN] } } }
    expect(() => encode({ name: 'queue.bind', args }))
      .to.throw(ArgumentError)
      .with.property('path', 'arguments.a.b[1]')
    const qos = { prefetchSize: 0, prefetchCount: 65_536, global: false }
    expect(() => encode({ name: 'basic.qos', args: qos }))
      .to.throw(ArgumentError)
      .with.property('path', 'prefetchCount')
  })
})

describe('methodNameOf', () => {
  it('names every method by the ids that a close carries', () => {
    for (const { name, classId, methodId } of EXPECTED_METHODS) {
      expect(methodNameOf(classId, methodId)).to.equal(name)
    }
  })

  it('names nothing by ids that belong to no method', () => {
    expect(methodNameOf(0, 0)).to.equal(undefined)
    expect(methodNameOf(10, 52)).to.equal(undefined)
  })
})
