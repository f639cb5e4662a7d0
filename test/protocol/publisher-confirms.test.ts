import { expect } from 'chai'
import fc from 'fast-check'
import { PublisherConfirms, type UnconfirmedPublish } from '../../src/protocol/publisher-confirms.js'
import { grows } from '../support/invariants/index.js'
import { runs } from '../support/runs.js'

function publish(deadline = Number.POSITIVE_INFINITY): UnconfirmedPublish {
  return { token: {}, exchange: '', routingKey: '', position: 0, deadline, abandoned: false }
}

/** The same by brute force: a map from tag to publish. */
class NaiveConfirms {
  readonly #outstanding = new Map<number, UnconfirmedPublish>()
  nextTag = 1

  add(entry: UnconfirmedPublish): void {
    this.#outstanding.set(this.nextTag++, entry)
  }

  settle(deliveryTag: number, multiple: boolean): UnconfirmedPublish[] {
    const isCovered = (tag: number): boolean =>
      multiple ? deliveryTag === 0 || tag <= deliveryTag : tag === deliveryTag
    // A tag that was never given out covers nothing: it is a mistake, not a promise.
    if (deliveryTag >= this.nextTag) return []
    const settled = [...this.#outstanding].filter(([tag]) => isCovered(tag))
    for (const [tag] of settled) this.#outstanding.delete(tag)
    return settled.map(([, entry]) => entry)
  }

  /** The oldest tag of those that somebody waits for; when there is none, the next. */
  get oldestTag(): number {
    for (const [tag, { abandoned }] of this.#outstanding) if (!abandoned) return tag
    return this.nextTag
  }

  get outstanding(): number {
    return this.#outstanding.size
  }

  get waiting(): UnconfirmedPublish[] {
    return [...this.#outstanding.values()].filter(entry => !entry.abandoned)
  }
}

type Step =
  | { readonly kind: 'publish'; readonly patienceMs: number }
  | { readonly kind: 'settle'; readonly back: number; readonly multiple: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'withdraw'; readonly picks: readonly number[] }

/** `patienceMs`: how long publishes are waited for. */
const stepsOf = (patienceMs: fc.Arbitrary<number>): fc.Arbitrary<Step> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('publish' as const), patienceMs }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('withdraw' as const),
        picks: fc.array(fc.nat(), { maxLength: 4 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('settle' as const),
        // Counted back from the newest, and a little beyond it.
        back: fc.oneof(fc.integer({ min: -2, max: 12 }), fc.constant(Number.POSITIVE_INFINITY)),
        multiple: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(40) }) },
  )

const PATIENCES: readonly (readonly [what: string, patienceMs: fc.Arbitrary<number>])[] = [
  ['all alike', fc.constant(50)],
  ['each its own', fc.oneof(fc.nat(120), fc.constant(Number.POSITIVE_INFINITY))],
]

describe('PublisherConfirms', () => {
  for (const [what, patienceMs] of PATIENCES) {
    it(`agrees with a map, whatever is confirmed, repeated, unknown, overdue or withdrawn; deadlines ${what}`, () => {
      fc.assert(
        fc.property(fc.array(stepsOf(patienceMs), { maxLength: 150, size: 'max' }), steps => {
          const confirms = new PublisherConfirms()
          const naive = new NaiveConfirms()
          const settled = new Set<UnconfirmedPublish>()
          let now = 0
          for (const next of steps) {
            expect(confirms.nextTag).to.equal(naive.nextTag)
            if (next.kind === 'publish') {
              const entry = publish(now + next.patienceMs)
              confirms.add(entry)
              naive.add(entry)
            } else if (next.kind === 'settle') {
              const deliveryTag = Math.max(0, naive.nextTag - next.back)
              const expected = naive.settle(deliveryTag, next.multiple)
              const actual = confirms.settle(deliveryTag, next.multiple)
              expect(actual).to.deep.equal(expected)
              for (const entry of actual) {
                expect(settled.has(entry), 'settled twice').to.equal(false)
                settled.add(entry)
              }
            } else if (next.kind === 'withdraw') {
              const { waiting } = naive
              const tokens = new Set(next.picks.flatMap(pick => waiting[pick % waiting.length]?.token ?? []))
              const expected = waiting.filter(({ token }) => tokens.has(token))
              expect(confirms.withdraw(new Set([...tokens, {}]))).to.deep.equal(expected)
              expect(expected.every(({ abandoned }) => abandoned)).to.equal(true)
            } else {
              now += next.ms
              const expected = naive.waiting.filter(({ deadline }) => deadline <= now)
              expect(confirms.expire(now)).to.deep.equal(expected)
              expect(expected.every(({ abandoned }) => abandoned)).to.equal(true)
            }
            const { waiting } = naive
            expect(confirms.oldestTag).to.equal(naive.oldestTag)
            expect(confirms.outstanding).to.equal(naive.outstanding)
            expect(confirms.awaited).to.equal(waiting.length)
            expect(confirms.nextDeadline).to.equal(Math.min(...waiting.map(({ deadline }) => deadline)))
          }
          const rest = confirms.drain().filter(({ abandoned }) => !abandoned)
          expect(rest).to.deep.equal(naive.waiting)
        }),
        runs(300),
      )
    })
  }

  it('settles as RabbitMQ was seen to confirm: out of order, single and multiple', () => {
    const confirms = new PublisherConfirms()
    const entries = Array.from({ length: 7 }, () => publish())
    for (const entry of entries) confirms.add(entry)
    const tagsOf = (settled: UnconfirmedPublish[]): number[] =>
      settled.map(entry => entries.indexOf(entry) + 1)
    expect(tagsOf(confirms.settle(3, false))).to.deep.equal([3])
    expect(tagsOf(confirms.settle(6, true))).to.deep.equal([1, 2, 4, 5, 6])
    expect(tagsOf(confirms.settle(6, true))).to.deep.equal([])
    expect(confirms.outstanding).to.equal(1)
    expect(tagsOf(confirms.settle(0, true))).to.deep.equal([7])
    expect(confirms.outstanding).to.equal(0)
  })

  it('takes tag 0 without multiple, and tags that were never given out, for nothing', () => {
    const confirms = new PublisherConfirms()
    confirms.add(publish())
    expect(confirms.settle(0, false)).to.deep.equal([])
    expect(confirms.settle(2, true)).to.deep.equal([])
    expect(confirms.settle(Number.MAX_SAFE_INTEGER, false)).to.deep.equal([])
    expect(confirms.outstanding).to.equal(1)
  })

  it('keeps the tag of a publish that was given up, for those behind it', () => {
    const confirms = new PublisherConfirms()
    const [first, second] = [publish(10), publish(20)]
    confirms.add(first)
    confirms.add(second)
    expect(confirms.expire(10)).to.deep.equal([first])
    expect(confirms.nextTag).to.equal(3)
    expect(confirms).to.include({ outstanding: 2, awaited: 1 })
    expect(confirms.settle(1, false), 'too late for anybody').to.deep.equal([first])
    expect(confirms.settle(2, false)).to.deep.equal([second])
  })

  it('finds what is overdue among deadlines that do not come in order', () => {
    const confirms = new PublisherConfirms()
    const [late, soon, never] = [publish(30), publish(10), publish()]
    for (const entry of [late, soon, never]) confirms.add(entry)
    expect(confirms.nextDeadline).to.equal(10)
    expect(confirms.expire(10)).to.deep.equal([soon])
    expect(confirms).to.include({ nextDeadline: 30, oldestTag: 1 })
    expect(confirms.expire(1000)).to.deep.equal([late])
    expect(confirms).to.include({ nextDeadline: Number.POSITIVE_INFINITY, oldestTag: 3 })
  })

  it('looks no further than to the first that is waited for on, as long as they come in the order of their deadlines', () => {
    const confirms = new PublisherConfirms()
    let asked: number[] = []
    const watched = (deadline: number): UnconfirmedPublish =>
      Object.defineProperty(publish(), 'deadline', {
        get() {
          asked.push(deadline)
          return deadline
        },
      })
    // Out of order first: that is forgotten when none of them is outstanding any more.
    for (const deadline of [900, 800]) confirms.add(watched(deadline))
    expect(confirms.nextDeadline).to.equal(800)
    confirms.settle(0, true)
    for (const deadline of [10, 10, 20, 30, 30]) confirms.add(watched(deadline))
    asked = []
    expect(confirms.nextDeadline).to.equal(10)
    expect(confirms.expire(9)).to.deep.equal([])
    expect(confirms.expire(10)).to.have.length(2)
    expect(confirms.nextDeadline).to.equal(20)
    expect(asked).not.to.include(30)
  })

  it('gives back at the end also what was given up, once and in order', () => {
    const confirms = new PublisherConfirms()
    const entries = [publish(10), publish(30), publish(10), publish(30)]
    for (const entry of entries) confirms.add(entry)
    confirms.expire(10)
    expect(confirms.drain()).to.deep.equal(entries)
    expect(confirms.drain()).to.deep.equal([])
  })

  it('keeps the tag of a publish that was withdrawn, and gives it up once', () => {
    const confirms = new PublisherConfirms()
    const entries = [publish(), publish(), publish()]
    for (const entry of entries) confirms.add(entry)
    const tokens = new Set(entries.slice(1).map(({ token }) => token))
    expect(confirms.withdraw(tokens)).to.deep.equal(entries.slice(1))
    expect(confirms.withdraw(tokens)).to.deep.equal([])
    expect(confirms).to.include({ outstanding: 3, oldestTag: 1, nextTag: 4 })
    expect(confirms.settle(1, false)).to.deep.equal([entries[0]])
    expect(confirms).to.include({ outstanding: 2, awaited: 0, oldestTag: 4 })
    expect(confirms.settle(3, true)).to.deep.equal(entries.slice(1))
    expect(confirms).to.include({ outstanding: 0, oldestTag: 4 })
  })

  it('counts on after everything was given back', () => {
    const confirms = new PublisherConfirms()
    confirms.add(publish())
    confirms.add(publish())
    confirms.drain()
    expect(confirms.nextTag).to.equal(3)
    expect(confirms.outstanding).to.equal(0)
    expect(confirms.settle(0, true)).to.deep.equal([])
  })

  it('holds on to nothing that was settled', async () => {
    const confirms = new PublisherConfirms()
    let tag = 0
    const publishAndConfirm = () => {
      for (let count = 0; count < 100; count++) {
        confirms.add(publish())
        tag++
        if (tag % 3 === 0) confirms.settle(tag, false)
      }
      // One is always outstanding, so that the ring never becomes empty.
      confirms.settle(tag - 1, true)
    }
    await grows(publishAndConfirm, { times: 1000, maxOctets: 500_000 })
    expect(confirms.nextTag).to.equal(tag + 1)
    expect(confirms.outstanding).to.be.at.most(1)
  })
})
