import { expect } from 'chai'
import fc from 'fast-check'
import { ChannelNumbers } from '../../src/protocol/channel-numbers.js'
import { runs } from '../support/runs.js'

describe('ChannelNumbers', () => {
  it('gives out 1 to channelMax, and then none', () => {
    const numbers = new ChannelNumbers(3)
    expect([numbers.take(), numbers.take(), numbers.take(), numbers.take()]).to.deep.equal([
      1,
      2,
      3,
      undefined,
    ])
  })

  it('has none before Tune', () => {
    expect(new ChannelNumbers(0).take()).to.equal(undefined)
  })

  it('gives a number again that has been released, the one that has rested longest first', () => {
    const numbers = new ChannelNumbers(3)
    for (let count = 0; count < 3; count++) numbers.take()
    numbers.release(2)
    numbers.release(1)
    expect([numbers.take(), numbers.take(), numbers.take()]).to.deep.equal([2, 1, undefined])
  })

  it('agrees with a queue of all numbers, from which the first is taken and to which what is released is added', () => {
    const commands = fc.array(fc.option(fc.nat()), { maxLength: 200 })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 12 }), commands, (channelMax, steps) => {
        const numbers = new ChannelNumbers(channelMax)
        const naive = Array.from({ length: channelMax }, (_, index) => index + 1)
        const inUse: number[] = []
        for (const release of steps) {
          if (release === null) {
            const expected = naive.shift()
            expect(numbers.take()).to.equal(expected)
            if (expected !== undefined) inUse.push(expected)
          } else {
            const [released] = inUse.splice(release % (inUse.length || 1), 1)
            if (released === undefined) continue
            numbers.release(released)
            naive.push(released)
          }
        }
      }),
      runs(100),
    )
  })
})
