import { expect } from 'chai'
import fc from 'fast-check'
import { type Alike, type ReturnableMessage, Returns } from '../../src/protocol/returns.js'
import { hex } from '../support/hex.js'

/** Flags and list of no properties, of delivery mode 1 and of 2. */
const NONE = hex`0000`
const TRANSIENT = hex`1000 01`
const PERSISTENT = hex`1000 02`

function message(routingKey: string, propertyOctets: Buffer, body: string, exchange = ''): ReturnableMessage {
  return { exchange, routingKey, propertyOctets, body: Buffer.from(body) }
}

/** Few enough kinds that many are identical; two bodies that differ in the middle alone. */
const someMessage: fc.Arbitrary<ReturnableMessage> = fc
  .tuple(
    fc.constantFrom('a', 'b'),
    fc.constantFrom(TRANSIENT, PERSISTENT),
    fc.constantFrom(
      '',
      'body',
      `${'-'.repeat(100)}x${'-'.repeat(100)}`,
      `${'-'.repeat(100)}y${'-'.repeat(100)}`,
    ),
    fc.constantFrom('', 'x'),
  )
  .map(parts => message(...parts))

type Step =
  | { readonly kind: 'publish'; readonly message: ReturnableMessage }
  | { readonly kind: 'return'; readonly message: ReturnableMessage }
  | { readonly kind: 'settle'; readonly pick: number; readonly confirmed: boolean }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('publish' as const), message: someMessage }),
  fc.record({ kind: fc.constant('return' as const), message: someMessage }),
  fc.record({ kind: fc.constant('settle' as const), pick: fc.nat(), confirmed: fc.boolean() }),
)

function textOf({ exchange, routingKey, propertyOctets, body }: ReturnableMessage): string {
  return JSON.stringify([exchange, routingKey, propertyOctets.toString('hex'), body.toString('hex')])
}

describe('Returns', () => {
  it('agrees with lists that are looked through for equal messages', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), steps => {
        const returns = new Returns<object>()
        const outstanding: { readonly text: string; readonly alike: Alike<object> }[] = []
        const cameBack: { readonly text: string; readonly returned: object }[] = []
        const count = (text: string): number => outstanding.filter(publish => publish.text === text).length
        const returnsOf = (text: string): typeof cameBack => cameBack.filter(back => back.text === text)
        for (const next of steps) {
          if (next.kind === 'publish') {
            outstanding.push({ text: textOf(next.message), alike: returns.add(next.message) })
          } else if (next.kind === 'return') {
            const returned = {}
            const text = textOf(next.message)
            const isExpected = returnsOf(text).length < count(text)
            expect(returns.assign(returned, next.message)).to.equal(isExpected)
            if (isExpected) cameBack.push({ text, returned })
          } else {
            const [publish] = outstanding.splice(next.pick % (outstanding.length || 1), 1)
            if (publish === undefined) continue
            const [oldest] = returnsOf(publish.text)
            const isMine = next.confirmed || returnsOf(publish.text).length > count(publish.text)
            const expected = isMine ? oldest : undefined
            if (expected !== undefined) cameBack.splice(cameBack.indexOf(expected), 1)
            expect(returns.settle(publish.alike, next.confirmed)).to.equal(expected?.returned)
          }
        }
      }),
    )
  })

  it('assigns thousands of returns among tens of thousands of publishes by what they are', () => {
    const returns = new Returns<number>()
    const messages = Array.from({ length: 20_000 }, (_, index) =>
      message(`key ${index % 200}`, NONE, String(index).padStart(8, '0')),
    )
    const publishes = messages.map(published => returns.add(published))
    const comesBack = (index: number): boolean => index % 7 === 3 && index < 14_000
    messages.forEach((published, index) => {
      if (!comesBack(index)) return
      const received = { ...published, body: Buffer.from(published.body) }
      expect(returns.assign(index, received)).to.equal(true)
    })
    const settled = publishes.map(alike => returns.settle(alike, true))
    expect(settled).to.deep.equal(publishes.map((_, index) => (comesBack(index) ? index : undefined)))
  })

  it('gives what comes back of many to what it is, not to its place', () => {
    const returns = new Returns<string>()
    const bodies = ['one', 'two', 'three']
    const publishes = bodies.map(body => returns.add(message('none', NONE, body)))
    expect(returns.assign('third', message('none', NONE, 'three'))).to.equal(true)
    expect(returns.assign('first', message('none', NONE, 'one'))).to.equal(true)
    const settled = publishes.map(alike => returns.settle(alike, true))
    expect(settled).to.deep.equal(['first', undefined, 'third'])
  })

  it('gives what came back to the first of its kind that is confirmed, and to one that is not only if it is the last', () => {
    const returns = new Returns<string>()
    const publishes = [1, 2, 3].map(() => returns.add(message('none', NONE, 'same')))
    const [one, two, three] = publishes as [Alike<string>, Alike<string>, Alike<string>]
    for (const name of ['a', 'b']) returns.assign(name, message('none', NONE, 'same'))
    expect(returns.settle(two, false)).to.equal(undefined)
    expect(returns.settle(three, true)).to.equal('a')
    expect(returns.settle(one, false)).to.equal('b')
    expect(returns.assign('c', message('none', NONE, 'same'))).to.equal(false)
  })
})
