import { expect } from 'chai'
import { ConfirmWaits } from '../../src/protocol/confirm-waits.js'
import { NackedError } from '../../src/protocol/errors.js'

/** The tokens of the waits that are over, and how many failures each hears of. */
function over(waits: ConfirmWaits, oldestTag: number): [token: object, failed: number][] {
  return waits.take(oldestTag).map(({ token, failures }) => [token, failures.error({})?.failed ?? 0])
}

describe('ConfirmWaits', () => {
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
