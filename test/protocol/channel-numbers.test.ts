import { expect } from 'chai'
import fc from 'fast-check'
import { ChannelNumbers } from '../../src/protocol/channel-numbers.js'

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

  it('never gives out a number twice at a time, nor 0, nor one above channelMax', () => {
    const commands = fc.array(fc.option(fc.nat()), { maxLength: 200 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), commands, (channelMax, steps) => {
        const numbers = new ChannelNumbers(channelMax)
        const inUse: number[] = []
        for (const release of steps) {
          if (release !== null) {
            const [released] = inUse.splice(release % (inUse.length || 1), 1)
            if (released !== undefined) numbers.release(released)
            continue
          }
          const taken = numbers.take()
          expect(taken === undefined).to.equal(inUse.length === channelMax)
          if (taken === undefined) continue
          expect(taken).to.be.within(1, channelMax)
          expect(inUse).not.to.include(taken)
          inUse.push(taken)
        }
      }),
    )
  })
})
