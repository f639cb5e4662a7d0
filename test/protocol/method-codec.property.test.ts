import { expect } from 'chai'
import fc from 'fast-check'
import { ByteReader, ByteWriter } from '../../src/frames/index.js'
import { readMethod, writeMethod } from '../../src/protocol/method-codec.js'
import type { Method } from '../../src/protocol/method-types.js'
import { METHODS, type MethodName } from '../../src/protocol/methods.js'
import { Violation } from '../../src/protocol/violation.js'
import { damaged, octets, plainTable, shortText } from '../support/arbitraries.js'
import { runs } from '../support/runs.js'
import { EXPECTED_METHODS, type ExpectedMethod, type WireType } from './method-table.expected.js'

/** What is read, or why it is not. */
type Outcome = { readonly name: string; readonly args: unknown } | { readonly replyCode: number }

class Refusal {
  readonly replyCode: number

  constructor(replyCode: number) {
    this.replyCode = replyCode
  }
}

/** The class reference read by the simplest of decoders, which shares nothing with the source. It knows no tables. */
class NaiveDecoder {
  readonly #payload: Buffer
  #at = 0
  #bitsLeft = 0

  constructor(payload: Buffer) {
    this.#payload = payload
  }

  decode(): Outcome {
    try {
      return this.#method()
    } catch (refusal) {
      if (refusal instanceof Refusal) return { replyCode: refusal.replyCode }
      throw refusal
    }
  }

  #method(): Outcome {
    const [classId, methodId] = [this.#unsigned(2), this.#unsigned(2)]
    const method = EXPECTED_METHODS.find(one => one.classId === classId && one.methodId === methodId)
    if (method === undefined) throw new Refusal(540)
    const domains = Object.entries(METHODS[method.name as MethodName].args)
    const args: Record<string, unknown> = {}
    method.types.forEach((type, index) => {
      const value = this.#value(type)
      const [name, domain] = domains[index] as [string, string]
      if (!domain.startsWith('reserved')) args[name] = value
    })
    if (this.#at !== this.#payload.length) throw new Refusal(501)
    return { name: method.name, args }
  }

  #value(type: WireType): unknown {
    if (type === 'bit') return this.#bit()
    this.#bitsLeft = 0
    switch (type) {
      case 'octet':
        return Number(this.#unsigned(1))
      case 'short':
        return this.#unsigned(2)
      case 'long':
        return this.#unsigned(4)
      case 'longlong':
        return this.#tag()
      case 'shortstr':
        return this.#take(this.#unsigned(1)).toString()
      default:
        return this.#take(this.#unsigned(4))
    }
  }

  /** The first bit takes an octet, those behind it come from the same. */
  #bit(): boolean {
    if (this.#bitsLeft === 0) {
      this.#take(1)
      this.#bitsLeft = 8
    }
    const place = 8 - this.#bitsLeft--
    return Math.floor((this.#payload[this.#at - 1] as number) / 2 ** place) % 2 === 1
  }

  #tag(): number {
    const tag = this.#take(8).readBigUInt64BE()
    if (tag > BigInt(Number.MAX_SAFE_INTEGER)) throw new Refusal(502)
    return Number(tag)
  }

  #unsigned(size: number): number {
    return this.#take(size).readUIntBE(0, size)
  }

  #take(size: number): Buffer {
    if (size > this.#payload.length - this.#at) throw new Refusal(501)
    this.#at += size
    return Buffer.from(this.#payload.subarray(this.#at - size, this.#at))
  }
}

function decode(payload: Buffer): Outcome {
  const reader = new ByteReader()
  reader.reset(payload)
  try {
    return readMethod(reader)
  } catch (error) {
    if (error instanceof Violation) return { replyCode: error.replyCode }
    throw error
  }
}

function encode({ name, args }: Method): Buffer {
  const writer = new ByteWriter()
  writeMethod(writer, name, args)
  return Buffer.from(writer.written())
}

const VALUES: Record<WireType, fc.Arbitrary<unknown>> = {
  bit: fc.boolean(),
  octet: fc.nat(0xff),
  short: fc.nat(0xffff),
  long: fc.integer({ min: 0, max: 0xffffffff }),
  longlong: fc.maxSafeNat(),
  shortstr: shortText,
  longstr: octets({ maxLength: 300 }),
  table: plainTable,
}

/** Any arguments of a method. */
function methodOf({ name, types }: ExpectedMethod): fc.Arbitrary<Method> {
  const domains = Object.entries(METHODS[name as MethodName].args)
  const named = domains.flatMap(([argument, domain], index) =>
    domain.startsWith('reserved') ? [] : [[argument, VALUES[types[index] as WireType]] as const],
  )
  const args = fc.record(Object.fromEntries(named), { noNullPrototype: true })
  return args.map(values => ({ name, args: values }) as unknown as Method)
}

const withoutTables = EXPECTED_METHODS.filter(({ types }) => !types.includes('table'))

describe('the method codec, held against a naive one,', () => {
  it('carries any arguments of any method through', () => {
    fc.assert(
      fc.property(fc.constantFrom(...EXPECTED_METHODS).chain(methodOf), method => {
        expect(decode(encode(method))).to.deep.equal(method)
      }),
      runs(300),
    )
  })

  for (const expected of withoutTables) {
    it(`reads or refuses any octets of ${expected.name} in the same way`, () => {
      const ids = Buffer.of(0, expected.classId, 0, expected.methodId)
      const any = fc.oneof(
        damaged(methodOf(expected).map(encode)),
        octets({ maxLength: 80 }).map(rest => Buffer.concat([ids, rest])),
        methodOf(expected).map(encode),
      )
      fc.assert(
        fc.property(any, payload => {
          // What is damaged may have become another method, one with tables.
          const outcome = decode(payload)
          const isComparable = withoutTables.some(({ classId, methodId }) =>
            payload.subarray(0, 4).equals(Buffer.of(0, classId, 0, methodId)),
          )
          if (isComparable) expect(outcome).to.deep.equal(new NaiveDecoder(payload).decode())
        }),
        runs(expected.name === 'basic.deliver' ? 500 : 40),
      )
    })
  }
})
