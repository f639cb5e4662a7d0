import { expect } from 'chai'
import fc from 'fast-check'
import { ReceiveBudget } from '../../src/connection/receive-budget.js'

class Reader {
  readonly calls: string[] = []

  get paused(): boolean {
    return this.calls.at(-1) === 'pause'
  }

  pauseReading(): void {
    this.calls.push('pause')
  }

  resumeReading(): void {
    this.calls.push('resume')
  }
}

describe('ReceiveBudget', () => {
  it('reads on up to the limit and pauses above it', () => {
    const reader = new Reader()
    const budget = new ReceiveBudget(100, reader)
    budget.add(60)
    budget.add(40)
    expect(reader.paused).to.equal(false)
    budget.add(1)
    expect(reader.paused).to.equal(true)
  })

  it('goes on at half of the limit, not before', () => {
    const reader = new Reader()
    const budget = new ReceiveBudget(100, reader)
    budget.add(101)
    budget.remove(50)
    expect(reader.paused).to.equal(true)
    budget.remove(1)
    expect(reader.paused).to.equal(false)
  })

  it('always lets a message through that is larger than the limit', () => {
    const reader = new Reader()
    const budget = new ReceiveBudget(100, reader)
    budget.add(1000)
    budget.remove(1000)
    expect(reader.paused).to.equal(false)
  })

  it('is paused whenever more waits than the limit, and never once nothing does', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.nat(40)), (limit, sizes) => {
        const reader = new Reader()
        const budget = new ReceiveBudget(limit, reader)
        const waiting: number[] = []
        const total = () => waiting.reduce((sum, size) => sum + size, 0)
        for (const size of sizes) {
          const add = size % 3 > 0 || waiting.length === 0
          if (add) waiting.push(size)
          if (add) budget.add(size)
          else budget.remove(waiting.shift() ?? 0)
          if (total() > limit) expect(reader.paused).to.equal(true)
          if (!add && total() <= limit / 2) expect(reader.paused).to.equal(false)
        }
        for (const size of waiting) budget.remove(size)
        expect(reader.paused).to.equal(false)
      }),
    )
  })
})
