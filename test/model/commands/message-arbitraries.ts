// Content properties and sizes of bodies: everything that AMQP can carry and RabbitMQ takes.

import fc from 'fast-check'
import type { PublishProperties } from '../../../src/protocol/index.js'
import { fieldTable, shortText } from '../../support/arbitraries.js'

const KIB = 1024
const SECONDS_MAX = 8_640_000_000_000

/** Long enough not to happen: what expires is gone without a word. */
const expiration = fc.integer({ min: 3_600_000, max: 4_000_000_000 })

/** Only what RabbitMQ neither reads nor refuses: a user id must be the login, and `CC` and `x-death` mean something to it. */
const headers = fieldTable.map(table => {
  const { CC: _cc, BCC: _bcc, 'x-death': _death, ...rest } = table
  return rest
})

const rich: fc.Arbitrary<PublishProperties> = fc.record(
  {
    contentType: shortText,
    contentEncoding: shortText,
    headers,
    deliveryMode: fc.constantFrom(1, 2),
    priority: fc.nat(255),
    correlationId: shortText,
    replyTo: shortText,
    expiration,
    timestamp: fc.nat(SECONDS_MAX),
    type: shortText,
    appId: shortText,
    clusterId: shortText,
  },
  { requiredKeys: [] },
)

/** Mostly few of them, as they are mostly used. */
export const properties: fc.Arbitrary<PublishProperties> = fc.oneof(
  { weight: 5, arbitrary: fc.constant({}) },
  {
    weight: 2,
    arbitrary: fc.record({ deliveryMode: fc.constantFrom(1, 2), headers: fc.constant({ n: 1 }) }),
  },
  { weight: 1, arbitrary: rich },
)

/** Up to what goes through in virtual time fast. */
export const virtualSize: fc.Arbitrary<number> = fc.oneof(
  { weight: 6, arbitrary: fc.nat(2_000) },
  { weight: 2, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(9 * KIB, 70 * KIB, 300 * KIB) },
)

/** Mostly small, and around the sizes at which something changes: frame-max, bodies that are not copied. */
export const liveSize: fc.Arbitrary<number> = fc.oneof(
  { weight: 60, arbitrary: fc.nat(300) },
  { weight: 20, arbitrary: fc.constant(0) },
  { weight: 20, arbitrary: fc.nat(5_000) },
  { weight: 4, arbitrary: fc.nat(40 * KIB) },
  { weight: 1, arbitrary: fc.integer({ min: 64 * KIB - 2, max: 64 * KIB + 2 }) },
  { weight: 1, arbitrary: fc.integer({ min: 128 * KIB - 10, max: 128 * KIB + 2 }) },
  { weight: 1, arbitrary: fc.nat(200 * KIB) },
)

export const hugeSize: fc.Arbitrary<number> = fc.integer({ min: 512 * KIB, max: 1024 * KIB })
