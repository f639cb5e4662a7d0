// What property tests draw from. Everything is a function or a plain arbitrary; none fixes a seed.

import fc from 'fast-check'
import { type FieldTable, type FieldValue, field } from '../../src/frames/index.js'

const INT64_MAX = 2n ** 63n - 1n
const DATE_MS_MAX = 8.64e15

/** Any octets. */
export function octets(constraints: fc.IntArrayConstraints = {}): fc.Arbitrary<Buffer> {
  return fc.uint8Array(constraints).map(array => Buffer.from(array))
}

/** Octets with one to three things wrong: an octet changed, some left out, some put in, or the rest gone. */
export function damaged(source: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const damage = fc.record({
    place: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    omitted: fc.oneof(fc.constant(1), fc.nat(12), fc.constant(Number.POSITIVE_INFINITY)),
    inserted: octets({ maxLength: 8 }),
  })
  return fc.tuple(source, fc.array(damage, { minLength: 1, maxLength: 3 })).map(([whole, damages]) =>
    damages.reduce((stream, { place, omitted, inserted }) => {
      const at = Math.floor(place * stream.length)
      return Buffer.concat([stream.subarray(0, at), inserted, stream.subarray(at + omitted)])
    }, whole),
  )
}

/** Any well-formed text that a short string can hold. */
export const shortText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 63 }),
)

/** Names of fields, the awkward ones often. */
export const fieldName: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: shortText },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'x-death'),
  },
)

const scalar: fc.Arbitrary<FieldValue> = fc.oneof(
  fc.boolean(),
  fc.constant(null),
  fc.constant(undefined),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.bigInt({ min: -INT64_MAX - 1n, max: INT64_MAX }),
  fc.string({ unit: 'binary', size: 'medium' }),
  octets(),
  fc.date({ min: new Date(0), max: new Date(DATE_MS_MAX), noInvalidDate: true }),
)

const typed: fc.Arbitrary<FieldValue> = fc.oneof(
  fc.integer({ min: -128, max: 127 }).map(field.int8),
  fc.integer({ min: 0, max: 255 }).map(field.uint8),
  fc.integer({ min: -32768, max: 32767 }).map(field.int16),
  fc.integer({ min: 0, max: 65535 }).map(field.uint16),
  fc.integer().map(field.int32),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(field.uint32),
  fc.bigInt({ min: -INT64_MAX - 1n, max: INT64_MAX }).map(field.int64),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map(field.float),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(field.double),
  fc
    .tuple(fc.nat(255), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
    .map(([scale, value]) => field.decimal(scale, value)),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(field.timestamp),
)

const fields = fc.letrec<{ value: FieldValue; array: FieldValue[]; table: FieldTable }>(tie => ({
  value: fc.oneof({ maxDepth: 4, depthSize: 'small' }, scalar, typed, tie('array'), tie('table')),
  array: fc.array(tie('value'), { maxLength: 6 }),
  table: fc.dictionary(fieldName, tie('value'), { maxKeys: 6 }),
}))

/** Any value that a table can hold. */
export const fieldValue: fc.Arbitrary<FieldValue> = fields.value

/** Any table that can be sent. */
export const fieldTable: fc.Arbitrary<FieldTable> = fields.table

const plainFields = fc.letrec<{ value: FieldValue; table: FieldTable }>(tie => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.boolean(),
    fc.integer(),
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constant(null),
    tie('table'),
    fc.array(tie('value'), { maxLength: 4 }),
  ),
  table: fc.dictionary(fieldName, tie('value'), { maxKeys: 5, noNullPrototype: true }),
}))

/** A table that comes back as it was sent. */
export const plainTable: fc.Arbitrary<FieldTable> = plainFields.table

/** Sizes to cut a stream by, with `cut`: mostly a few octets, now and then many. */
export const chunkSizes: fc.Arbitrary<number[]> = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 5000 })),
  { minLength: 1, maxLength: 20 },
)

/** Cuts octets into chunks of these sizes, over and over; each chunk has memory of its own. */
export function cut(stream: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let start = 0, turn = 0; start < stream.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    chunks.push(Buffer.from(stream.subarray(start, start + size)))
    start += size
  }
  return chunks
}
