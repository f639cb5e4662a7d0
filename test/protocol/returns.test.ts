import { expect } from 'chai'
import fc from 'fast-check'
import { type MandatoryPublish, Returns } from '../../src/protocol/returns.js'

type Publish = MandatoryPublish<object>
type Message = Omit<Publish, 'returned'>

function message(exchange: string, routingKey: string, properties: string, body: string): Message {
  return { exchange, routingKey, propertyOctets: Buffer.from(properties), body: Buffer.from(body) }
}

/** Few enough kinds that many are identical. */
const someMessage: fc.Arbitrary<Message> = fc
  .tuple(
    fc.constantFrom('', 'x'),
    fc.constantFrom('a', 'b'),
    fc.constantFrom('00', '01'),
    fc.constantFrom('', 'body'),
  )
  .map(([exchange, routingKey, properties, body]) => message(exchange, routingKey, properties, body))

type Step =
  | { readonly kind: 'publish'; readonly message: Message }
  | { readonly kind: 'return'; readonly message: Message }
  | { readonly kind: 'confirm'; readonly pick: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('publish' as const), message: someMessage }),
  fc.record({ kind: fc.constant('return' as const), message: someMessage }),
  fc.record({ kind: fc.constant('confirm' as const), pick: fc.nat() }),
)

function textOf({ exchange, routingKey, propertyOctets, body }: Message): string {
  return JSON.stringify([exchange, routingKey, propertyOctets.toString('hex'), body.toString('hex')])
}

describe('Returns', () => {
  it('agrees with a list that is looked through for the oldest equal one', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), steps => {
        const returns = new Returns<object, Publish>()
        const outstanding: Publish[] = []
        const expected = new Map<Publish, object>()
        for (const next of steps) {
          if (next.kind === 'publish') {
            const publish = { ...next.message, returned: undefined }
            returns.add(publish)
            outstanding.push(publish)
          } else if (next.kind === 'confirm') {
            const [confirmed] = outstanding.splice(next.pick % (outstanding.length || 1), 1)
            if (confirmed !== undefined) returns.delete(confirmed)
          } else {
            const returned = {}
            const oldest = outstanding.find(
              publish => !expected.has(publish) && textOf(publish) === textOf(next.message),
            )
            expect(returns.assign(returned, next.message)).to.equal(oldest !== undefined)
            if (oldest !== undefined) expected.set(oldest, returned)
          }
          for (const publish of outstanding) expect(publish.returned).to.equal(expected.get(publish))
        }
      }),
    )
  })

  it('assigns thousands of returns among tens of thousands of publishes by what they are', () => {
    const returns = new Returns<number, MandatoryPublish<number>>()
    const publishes = Array.from({ length: 20_000 }, (_, index) => ({
      ...message('', `key ${index % 200}`, '0000', String(index).padStart(8, '0')),
      returned: undefined as number | undefined,
    }))
    for (const publish of publishes) returns.add(publish)
    const comeBack = (index: number): boolean => index % 7 === 3 && index < 14_000
    publishes.forEach((publish, index) => {
      if (!comeBack(index)) return
      const { exchange, routingKey, body } = publish
      const received = { exchange, routingKey, propertyOctets: Buffer.from('0000'), body: Buffer.from(body) }
      expect(returns.assign(index, received)).to.equal(true)
    })
    const assigned = publishes.map(({ returned }) => returned)
    expect(assigned).to.deep.equal(publishes.map((_, index) => (comeBack(index) ? index : undefined)))
  })

  it('assigns what comes back of many by what it is, not by its place', () => {
    const returns = new Returns<string, MandatoryPublish<string>>()
    const publishes = ['one', 'two', 'three'].map(body => ({
      ...message('', 'none', '0000', body),
      returned: undefined,
    }))
    for (const publish of publishes) returns.add(publish)
    expect(returns.assign('third', message('', 'none', '0000', 'three'))).to.equal(true)
    expect(returns.assign('first', message('', 'none', '0000', 'one'))).to.equal(true)
    expect(publishes.map(({ returned }) => returned)).to.deep.equal(['first', undefined, 'third'])
  })
})
