import { expect } from 'chai'
import fc from 'fast-check'
import { chunkSizes, cut, octets } from '../../support/arbitraries.js'
import { runs } from '../../support/runs.js'
import { Random } from '../random.js'
import { anyChange, type Mutation, Mutator } from './mutation.js'

function mutated(text: string, ...mutations: Mutation[]): string {
  return new Mutator(mutations).mutate(Buffer.from(text)).toString()
}

describe('Mutations', () => {
  it('flip, replace, put in, take out and double octets where they say', () => {
    expect(mutated('abcdef')).to.equal('abcdef')
    expect(mutated('abcdef', { kind: 'flip', offset: 1, bit: 0 })).to.equal('accdef')
    expect(mutated('abcdef', { kind: 'replace', offset: 5, octet: 0x21 })).to.equal('abcde!')
    expect(mutated('abcdef', { kind: 'insert', offset: 0, octets: [0x21, 0x21] })).to.equal('!!abcdef')
    expect(mutated('abcdef', { kind: 'remove', offset: 2, count: 3 })).to.equal('abf')
    expect(mutated('abcdef', { kind: 'double', offset: 1, count: 2 })).to.equal('abcbcdef')
  })

  it('let nothing through from where the stream is to be silent, or to end', () => {
    expect(mutated('abcdef', { kind: 'truncate', offset: 2 })).to.equal('ab')
    expect(mutated('abcdef', { kind: 'end', offset: 0 })).to.equal('')
    const silent = new Mutator([{ kind: 'truncate', offset: 2 }])
    const ended = new Mutator([{ kind: 'end', offset: 2 }])
    for (const mutator of [silent, ended]) mutator.mutate(Buffer.from('ab'))
    expect(ended.hasEnded).to.equal(false)
    for (const mutator of [silent, ended]) expect(mutator.mutate(Buffer.from('c'))).to.have.lengthOf(0)
    expect([silent.hasEnded, ended.hasEnded]).to.deep.equal([false, true])
  })

  it('are carried out together', () => {
    const mutations: Mutation[] = [
      { kind: 'flip', offset: 1, bit: 0 },
      { kind: 'insert', offset: 1, octets: [0x21] },
      { kind: 'remove', offset: 3, count: 1 },
    ]
    expect(mutated('abcdef', ...mutations)).to.equal('a!ccef')
  })

  it('do the same however the stream is cut', () => {
    fc.assert(
      fc.property(fc.nat(), octets({ maxLength: 400 }), chunkSizes, (seed, stream, sizes) => {
        const random = new Random(seed)
        const mutations = Array.from({ length: 3 }, () => ({
          ...anyChange(random),
          offset: random.below(400),
        }))
        const whole = new Mutator(mutations).mutate(stream)
        const mutator = new Mutator(mutations)
        const pieces = cut(stream, sizes).map(chunk => mutator.mutate(chunk))
        expect(Buffer.concat(pieces).equals(whole)).to.equal(true)
      }),
      runs(100),
    )
  })
})
