import { expect } from 'chai'
import fc from 'fast-check'
import { chunkSizes, cut, octets } from '../support/arbitraries.js'
import { type Mutation, Mutator, mutationsFrom, randomFrom } from './mutation.js'

function mutated(text: string, ...mutations: Mutation[]): string {
  return new Mutator(mutations).mutate(Buffer.from(text)).toString()
}

describe('mutations', () => {
  it('flip, replace, put in and take out octets where they say', () => {
    expect(mutated('abcdef')).to.equal('abcdef')
    expect(mutated('abcdef', { kind: 'flip', offset: 1, bit: 0 })).to.equal('accdef')
    expect(mutated('abcdef', { kind: 'replace', offset: 5, octet: 0x21 })).to.equal('abcde!')
    expect(mutated('abcdef', { kind: 'insert', offset: 0, octets: [0x21, 0x21] })).to.equal('!!abcdef')
    expect(mutated('abcdef', { kind: 'remove', offset: 2, count: 3 })).to.equal('abf')
  })

  it('are the same from the same seed, and do the same however the stream is cut', () => {
    fc.assert(
      fc.property(fc.nat(), octets({ maxLength: 12_000 }), chunkSizes, (seed, stream, sizes) => {
        const mutations = mutationsFrom(randomFrom(seed))
        expect(mutationsFrom(randomFrom(seed))).to.deep.equal(mutations)
        const whole = new Mutator(mutations).mutate(stream)
        const mutator = new Mutator(mutations)
        const pieces = cut(stream, sizes).map(chunk => mutator.mutate(chunk))
        expect(Buffer.concat(pieces).equals(whole)).to.equal(true)
      }),
      { numRuns: 30 },
    )
  })
})
