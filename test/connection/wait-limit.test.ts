import { expect } from 'chai'
import { Deferred } from '../../src/connection/deferred.js'
import { giveUpAfter, leftOf } from '../../src/connection/wait-limit.js'
import { VirtualClock } from '../support/virtual-clock.js'

describe('giveUpAfter', () => {
  let clock: VirtualClock
  let wait: Deferred<void>
  let given: number

  beforeEach(() => {
    clock = new VirtualClock()
    wait = new Deferred()
    given = 0
    giveUpAfter(clock, 100, wait, () => {
      given++
    })
  })

  it('gives up when the time is over, and not before', async () => {
    await clock.advance(99)
    expect(given).to.equal(0)
    await clock.advance(1)
    expect(given).to.equal(1)
    expect(clock.timers).to.deep.equal([])
  })

  it('has no timer any more when what is waited for has come', async () => {
    wait.resolve()
    await wait.promise
    expect(clock.timers).to.deep.equal([])
    await clock.advance(200)
    expect(given).to.equal(0)
  })

  it('does not give up on what came while the event loop was blocked', async () => {
    setImmediate(() => wait.resolve())
    clock.stall(500)
    await clock.settle()
    expect(given).to.equal(0)
  })
})

describe('leftOf', () => {
  it('is what is left of a time, at least a moment, and nothing when there is no limit', () => {
    expect([leftOf(500, 200), leftOf(500, 199.5), leftOf(500, 500), leftOf(500, 9e9)]).to.deep.equal([
      300, 301, 1, 1,
    ])
    expect(leftOf(undefined, 5)).to.equal(undefined)
  })
})
