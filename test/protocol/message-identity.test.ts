import { expect } from 'chai'
import fc from 'fast-check'
import { ReturnedError } from '../../src/protocol/errors.js'
import { encodeAhead, encodePublish, propertyOctetsIn } from '../../src/protocol/frame-writers.js'
import { identityOf } from '../../src/protocol/message-identity.js'
import type { PublishProperties } from '../../src/protocol/properties.js'
import { hex } from '../support/hex.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

const REPLY_TO = 'amq.rabbitmq.reply-to'
/** As RabbitMQ 3.10 makes them. */
const TOKEN = 'g1h2AA5yZXBseUA5NTI2MjY4OAAACKQAAAAAZw/zRQ==.kdD7OEw+ExZlGpLz5TmaYQ=='
const NO_ROUTE = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'q' }

function octetsOf(properties: PublishProperties): Buffer {
  const publishing = { exchange: '', routingKey: '', mandatory: true, properties, body: Buffer.alloc(0) }
  return propertyOctetsIn(encodeAhead(encodePublish, 1, 131_072, publishing))
}

const identity = (properties: PublishProperties): string => identityOf(octetsOf(properties))

describe('identityOf', () => {
  it('does not mind the order of the headers: RabbitMQ 4 sorts them', () => {
    // b: I 1, a: I 2; and the other way round.
    const sent = hex`2000 0000000e 0162 49 00000001 0161 49 00000002`
    const returned = hex`2000 0000000e 0161 49 00000002 0162 49 00000001`
    expect(identityOf(sent)).to.equal(identityOf(returned))
  })

  it('minds the order inside a header, which RabbitMQ leaves alone', () => {
    const one = { headers: { table: { a: 1, b: 2 } } }
    const other = { headers: { table: { b: 2, a: 1 } } }
    expect(identity(one)).not.to.equal(identity(other))
  })

  it('leaves out BCC, which RabbitMQ takes away, and with it headers that held nothing else', () => {
    const rest = { headers: { CC: ['a'], BCCX: 1 } }
    expect(identity({ headers: { CC: ['a'], BCC: ['b'], BCCX: 1 } })).to.equal(identity(rest))
    expect(identity({ headers: { BCC: ['b'] }, type: 't' })).to.equal(identity({ type: 't' }))
    expect(identity({ headers: {}, type: 't' })).to.equal(identity({ type: 't' }))
  })

  it('does not mind the token that RabbitMQ puts behind the reply-to of a request', () => {
    const around = { correlationId: '7', expiration: '9' }
    const sent = { ...around, replyTo: REPLY_TO }
    expect(identity({ ...around, replyTo: `${REPLY_TO}.${TOKEN}` })).to.equal(identity(sent))
    for (const replyTo of ['q', `${REPLY_TO}x`, '']) {
      expect(identity({ ...around, replyTo }), replyTo).not.to.equal(identity(sent))
    }
  })

  it('tells messages apart that differ in a number', () => {
    const others: PublishProperties[] = [
      { deliveryMode: 1 },
      { priority: 1 },
      { timestamp: 1 },
      { timestamp: 2 ** 50 },
    ]
    const identities = [{}, { deliveryMode: 2 }, { priority: 2 }, { timestamp: 2 }, ...others].map(identity)
    expect(new Set(identities).size).to.equal(identities.length)
  })

  it('tells messages apart that differ in any property or in any header', () => {
    const property = fc.constantFrom(
      'contentType',
      'contentEncoding',
      'correlationId',
      'messageId',
      'type',
      'appId',
    )
    const properties = fc.record({
      properties: fc.dictionary(property, fc.constantFrom('', 'a', 'b'), { maxKeys: 3 }),
      headers: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.constantFrom<unknown>(1, '1', true, null), {
        maxKeys: 3,
      }),
    })
    const sorted = (record: object): unknown => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))
    fc.assert(
      fc.property(properties, properties, (one, other) => {
        const isSame =
          JSON.stringify([sorted(one.properties), sorted(one.headers)]) ===
          JSON.stringify([sorted(other.properties), sorted(other.headers)])
        const [a, b] = [one, other].map(({ properties, headers }) =>
          identity({ ...properties, headers } as PublishProperties),
        )
        expect(a === b).to.equal(isSame)
      }),
    )
  })
})

describe('a mandatory publish that comes back', () => {
  const returnings: readonly (readonly [
    what: string,
    sent: PublishProperties,
    returned: PublishProperties,
  ])[] = [
    [
      'with a token behind its reply-to',
      { correlationId: '7', replyTo: REPLY_TO, headers: { n: 1 } },
      { correlationId: '7', replyTo: `${REPLY_TO}.${TOKEN}`, headers: { n: 1 } },
    ],
    ['with its headers sorted', { headers: { z: 1, a: 'x' } }, { headers: { a: 'x', z: 1 } }],
    ['without BCC', { headers: { BCC: ['q'], a: 1 } }, { headers: { a: 1 } }],
  ]
  for (const [what, sent, returned] of returnings) {
    it(`${what} rejects, and its neighbour does not`, () => {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel({ confirm: true })
      const token = pair.publish(channel, { mandatory: true, properties: sent })
      const other = pair.publish(channel, { mandatory: true, properties: { ...sent, messageId: 'other' } })
      pair.sendContent(1, { name: 'basic.return', args: NO_ROUTE }, Buffer.from('body'), returned)
      pair.send(1, { name: 'basic.ack', args: { deliveryTag: 2, multiple: true } })
      const event = pair.settlementOf(token)
      expect(event?.type === 'failed' && event.error).to.be.instanceOf(ReturnedError)
      expect(pair.settlementOf(other)?.type).to.equal('confirmed')
      expect(pair.eventsOf('returned')).to.have.lengthOf(0)
    })
  }
})
