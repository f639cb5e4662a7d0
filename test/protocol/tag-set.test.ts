import { expect } from 'chai'
import fc from 'fast-check'
import { TagSet } from '../../src/protocol/tag-set.js'
import { grows } from '../support/invariants/index.js'
import { runs } from '../support/runs.js'

function setOf(...tags: number[]): TagSet {
  const set = new TagSet()
  for (const tag of tags) set.add(tag)
  return set
}

type Step =
  | { readonly kind: 'add'; readonly skipped: number }
  | { readonly kind: 'delete' | 'take' | 'has'; readonly pick: number }
  | { readonly kind: 'restore' | 'clear' }

const pick = fc.nat(200)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('add' as const), skipped: fc.constantFrom(0, 0, 0, 5, 1e9) }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constantFrom('delete' as const, 'delete' as const, 'has' as const),
      pick,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('take' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('restore' as const, 'clear' as const) }) },
)

describe('TagSet', () => {
  it('is what a sorted list would be', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), steps => {
        const set = new TagSet()
        let naive: number[] = []
        let gone: number[] = []
        let next = 1
        // Of what is there, of what was, and of what never was.
        const chosen = (pick: number): number =>
          [...naive, ...gone, next, 0][pick % (naive.length + gone.length + 2)] as number
        for (const current of steps) {
          if (current.kind === 'add') {
            next += current.skipped
            set.add(next)
            naive.push(next++)
          } else if (current.kind === 'clear') {
            set.clear()
            ;[naive, gone] = [[], []]
          } else if (current.kind === 'restore') {
            set.restore(gone)
            naive = [...naive, ...gone].sort((a, b) => a - b)
            gone = []
          } else if ('pick' in current) {
            const tag = chosen(current.pick)
            const isThere = naive.includes(tag)
            if (current.kind === 'has') expect(set.has(tag)).to.equal(isThere)
            else if (current.kind === 'delete') {
              expect(set.delete(tag)).to.equal(isThere)
              naive = naive.filter(each => each !== tag)
              if (isThere) gone.push(tag)
            } else {
              const taken = naive.filter(each => each <= tag)
              expect(set.takeUpTo(tag)).to.deep.equal(taken)
              naive = naive.filter(each => each > tag)
              gone.push(...taken)
            }
          }
          expect(set.values()).to.deep.equal(naive)
        }
      }),
      runs(100),
    )
  })

  it('forgets what was taken from the middle, however long the oldest stays', async () => {
    const set = setOf(1)
    let tag = 1
    const turnOver = () => {
      set.add(++tag)
      set.delete(tag)
    }
    await grows(turnOver, { times: 100_000, maxOctets: 16_384 })
    expect(set.values()).to.deep.equal([1])
  })

  it('finds a tag among a hundred thousand without looking at each', () => {
    const count = 100_000
    const set = setOf(...Array.from({ length: count }, (_, index) => index + 1))
    for (let tag = count; tag > 0; tag--) if (!set.delete(tag)) throw new Error(`${tag} was there`)
    expect(set.values()).to.deep.equal([])
  })
})
