import { expect } from 'chai'
import fc from 'fast-check'
import { type Returnable, type ReturnableMessage, Returns } from '../../src/protocol/returns.js'
import { hex } from '../support/hex.js'
import { runs } from '../support/runs.js'

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
        const outstanding: { readonly text: string; readonly alike: Returnable<object> }[] = []
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
      runs(200),
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
    const [one, two, three] = publishes as [Returnable<string>, Returnable<string>, Returnable<string>]
    for (const name of ['a', 'b']) returns.assign(name, message('none', NONE, 'same'))
    expect(returns.settle(two, false)).to.equal(undefined)
    expect(returns.settle(three, true)).to.equal('a')
    expect(returns.settle(one, false)).to.equal('b')
    expect(returns.assign('c', message('none', NONE, 'same'))).to.equal(false)
  })

  it('knows a message for as long as one of its kind is outstanding', () => {
    const returns = new Returns<string>()
    const [one, two] = [1, 2].map(() => returns.add(message('none', NONE, 'same'))) as [
      Returnable<string>,
      Returnable<string>,
    ]
    expect(returns.settle(one, true)).to.equal(undefined)
    expect(returns.assign('back', message('none', NONE, 'same'))).to.equal(true)
    expect(returns.settle(two, true)).to.equal('back')
  })

  it('knows one apart from another that differs in the middle alone, also when that is settled', () => {
    const returns = new Returns<string>()
    const ends = '-'.repeat(100)
    const [one, two] = ['x', 'y'].map(middle => returns.add(message('none', NONE, ends + middle + ends))) as [
      Returnable<string>,
      Returnable<string>,
    ]
    expect(returns.settle(one, true)).to.equal(undefined)
    expect(returns.assign('x', message('none', NONE, `${ends}x${ends}`))).to.equal(false)
    expect(returns.assign('y', message('none', NONE, `${ends}y${ends}`))).to.equal(true)
    expect(returns.settle(two, true)).to.equal('y')
  })

  it('knows messages apart whose exchange and routing key run into one another', () => {
    const returns = new Returns<string>()
    returns.add(message('xxxxxxxx3yyy', NONE, 'same', '0'))
    expect(returns.assign('back', message('yyy', NONE, 'same', '12xxxxxxxx'))).to.equal(false)
  })

  it('compares a body whole with those alone that are outstanding and alike at both ends', () => {
    const returns = new Returns<string>()
    const compared: string[] = []
    const watched = (body: string): ReturnableMessage => {
      const octets = Buffer.from(body)
      const equals = (other: Uint8Array): boolean => {
        compared.push(body)
        return Buffer.compare(octets, other) === 0
      }
      return { ...message('none', NONE, ''), body: Object.assign(octets, { equals }) }
    }
    const middle = '-'.repeat(200)
    const other = `a${'-'.repeat(99)}+${'-'.repeat(100)}a`
    const settled = [watched(other), watched(other)].map(published => returns.add(published))
    for (const alike of settled) returns.settle(alike, true)
    for (const body of [`a${middle}b`, `b${middle}a`, 'short', `a${middle}a`]) returns.add(watched(body))
    compared.length = 0
    expect(returns.assign('back', message('none', NONE, `a${middle}a`))).to.equal(true)
    expect(compared).to.deep.equal([`a${middle}a`])
  })
})
