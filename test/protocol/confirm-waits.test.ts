import { expect } from 'chai'
import fc from 'fast-check'
import { ConfirmWaits } from '../../src/protocol/confirm-waits.js'
import { NackedError } from '../../src/protocol/errors.js'
import type { PublishFailures } from '../../src/protocol/publish-failures.js'
import { runs } from '../support/runs.js'

/** The tokens of the waits that are over, and how many failures each hears of. */
function over(waits: ConfirmWaits, oldestTag: number): [token: object, failed: number][] {
  return waits.take(oldestTag).map(({ token, failures }) => [token, failures.error({})?.failed ?? 0])
}

type Step =
  | { readonly kind: 'publish' }
  | { readonly kind: 'ask' }
  | { readonly kind: 'reach' }
  | { readonly kind: 'fail' | 'confirm' | 'withdraw'; readonly pick: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'publish' }) },
  { weight: 5, arbitrary: fc.constantFrom<Step>({ kind: 'ask' }, { kind: 'reach' }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('fail' as const, 'confirm' as const, 'withdraw' as const),
      pick: fc.nat(),
    }),
  },
)

/** Every publish by itself, and who is to hear of it. */
class NaiveWaits {
  /** In the order in which they were issued; `reached` when their turn has come. */
  readonly waits: { readonly token: object; lastTag: number | undefined }[] = []
  readonly publishes: {
    readonly failures: PublishFailures
    /** Undefined: the wait that is issued next. */
    hearer: object | undefined
    state: 'outstanding' | 'confirmed' | 'failed'
  }[] = []

  /** The oldest tag that somebody waits for. */
  get oldestTag(): number {
    const index = this.publishes.findIndex(({ state }) => state === 'outstanding')
    return (index < 0 ? this.publishes.length : index) + 1
  }

  failedOf(token: object): number {
    return this.publishes.filter(({ hearer, state }) => hearer === token && state === 'failed').length
  }

  ask(token: object): void {
    this.waits.push({ token, lastTag: undefined })
    for (const publish of this.publishes) publish.hearer ??= token
  }

  /** The next has its turn: what was published before it is sent. */
  reach(): { readonly token: object; readonly lastTag: number } | undefined {
    const next = this.waits.find(({ lastTag }) => lastTag === undefined)
    if (next === undefined) return undefined
    const mine = this.waits.slice(0, this.waits.indexOf(next) + 1).map(({ token }) => token)
    const later = this.waits.map(({ token }) => token).filter(token => !mine.includes(token))
    const isBehind = (hearer: object | undefined): boolean => hearer === undefined || later.includes(hearer)
    const lastTag = this.publishes.filter(({ hearer }) => !isBehind(hearer)).length
    next.lastTag = lastTag
    return { token: next.token, lastTag }
  }

  withdraw(token: object): void {
    const index = this.waits.findIndex(wait => wait.token === token)
    const heir = this.waits[index + 1]?.token
    this.waits.splice(index, 1)
    for (const publish of this.publishes) if (publish.hearer === token) publish.hearer = heir
  }

  /** Those that are over now, and how many failures each hears of. */
  take(): [token: object, failed: number][] {
    const { oldestTag } = this
    const over = this.waits.filter(({ lastTag }) => lastTag !== undefined && lastTag < oldestTag)
    for (const wait of over) this.waits.splice(this.waits.indexOf(wait), 1)
    return over.map(({ token }) => [token, this.failedOf(token)])
  }
}

describe('ConfirmWaits', () => {
  it('agree with a list of all publishes, whatever fails, is confirmed, asked and withdrawn in which order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), steps => {
        const waits = new ConfirmWaits()
        const naive = new NaiveWaits()
        for (const next of steps) {
          if (next.kind === 'publish') {
            naive.publishes.push({ failures: waits.failures, hearer: undefined, state: 'outstanding' })
          } else if (next.kind === 'ask') {
            const token = {}
            waits.issue(token)
            naive.ask(token)
          } else if (next.kind === 'reach') {
            const reached = naive.reach()
            if (reached !== undefined) waits.reach(reached.token, reached.lastTag)
          } else if (next.kind === 'withdraw') {
            const { token = {} } = naive.waits[next.pick % naive.waits.length] ?? {}
            expect(waits.withdraw(new Set([token, {}]))).to.deep.equal(naive.waits.length > 0 ? [token] : [])
            if (naive.waits.length > 0) naive.withdraw(token)
          } else {
            const outstanding = naive.publishes.filter(({ state }) => state === 'outstanding')
            const publish = outstanding[next.pick % outstanding.length]
            if (publish === undefined) continue
            publish.state = next.kind === 'fail' ? 'failed' : 'confirmed'
            if (next.kind === 'fail') publish.failures.note(new NackedError('refused'))
          }
          expect(over(waits, naive.oldestTag)).to.deep.equal(naive.take())
        }
        expect(waits.drain()).to.deep.equal(naive.waits.map(({ token }) => token))
      }),
      runs(200),
    )
  })

  const [first, second, third] = [{ name: 'first' }, { name: 'second' }, { name: 'third' }]

  it('are over when all tags before their turn are settled, and not before their turn', () => {
    const waits = new ConfirmWaits()
    waits.issue(first)
    expect(over(waits, 100)).to.deep.equal([])
    waits.reach(first, 2)
    expect(over(waits, 2)).to.deep.equal([])
    expect(over(waits, 3)).to.deep.equal([[first, 0]])
    expect(over(waits, 4)).to.deep.equal([])
  })

  it('are over at once when nothing was published', () => {
    const waits = new ConfirmWaits()
    waits.issue(first)
    waits.reach(first, 0)
    expect(over(waits, 1)).to.deep.equal([[first, 0]])
  })

  it('each hear of what was issued since the one before, whenever it fails', () => {
    const waits = new ConfirmWaits()
    const before = waits.failures
    waits.issue(first)
    const between = waits.failures
    waits.issue(second)
    between.note(new NackedError('between'))
    waits.failures.note(new NackedError('behind'))
    waits.issue(third)
    before.note(new NackedError('before'))
    before.note(new NackedError('before too'))
    for (const token of [first, second, third]) waits.reach(token, 5)
    expect(over(waits, 6)).to.deep.equal([
      [first, 2],
      [second, 1],
      [third, 1],
    ])
  })

  it('leave what they would have heard to the next, whether that was issued or not', () => {
    const waits = new ConfirmWaits()
    waits.failures.note(new NackedError('a'))
    waits.issue(first)
    waits.issue(second)
    waits.issue(third)
    expect(waits.withdraw(new Set([first, third]))).to.deep.equal([first, third])
    expect(waits.withdraw(new Set([first]))).to.deep.equal([])
    waits.reach(second, 1)
    expect(over(waits, 2)).to.deep.equal([[second, 1]])
    waits.failures.note(new NackedError('b'))
    waits.issue(first)
    waits.withdraw(new Set([first]))
    waits.issue(second)
    waits.reach(second, 1)
    expect(over(waits, 2)).to.deep.equal([[second, 1]])
  })

  it('are all returned at the end', () => {
    const waits = new ConfirmWaits()
    waits.issue(first)
    waits.issue(second)
    expect(waits.drain()).to.deep.equal([first, second])
    expect(waits.drain()).to.deep.equal([])
  })
})
