import { expect } from 'chai'
import { type Deadlined, RpcDeadlines } from '../../src/connection/rpc-deadlines.js'
import { VirtualClock } from '../support/virtual-clock.js'

describe('RpcDeadlines', () => {
  let clock: VirtualClock
  let waiting: Set<Deadlined>
  let deadlines: RpcDeadlines
  let expired: number[]
  let looked: number
  let begunAt: number

  beforeEach(() => {
    clock = new VirtualClock()
    waiting = new Set()
    expired = []
    looked = 0
    begunAt = clock.now()
    deadlines = new RpcDeadlines(clock, function* () {
      for (const each of waiting) {
        looked++
        yield each
      }
    })
  })

  /** From the beginning of the test. */
  function wait(deadline: number): void {
    const each: Deadlined = {
      deadline: begunAt + deadline,
      expire: () => {
        waiting.delete(each)
        expired.push(deadline)
      },
    }
    waiting.add(each)
    deadlines.add(each)
  }

  it('expires each at its deadline, by one timer', async () => {
    for (const deadline of [30, 10, 20]) wait(deadline)
    expect(clock.timers).to.have.lengthOf(1)
    for (const [until, so] of [
      [9, []],
      [10, [10]],
      [20, [10, 20]],
      [30, [10, 20, 30]],
    ] as const) {
      await clock.advance(begunAt + until - clock.now())
      expect(expired).to.deep.equal(so)
    }
    expect(clock.timers).to.have.lengthOf(0)
  })

  it('looks no further than the first that still waits, as long as they wait in order', async () => {
    for (let deadline = 1; deadline <= 1_000; deadline++) wait(deadline)
    await clock.advance(1_000)
    expect(expired).to.have.lengthOf(1_000)
    expect(looked).to.be.at.most(2_000)
  })

  it('finds an earlier deadline behind later ones, and is in order again when nobody waits', async () => {
    for (const deadline of [50, 60, 5]) wait(deadline)
    await clock.advance(60)
    expect(expired).to.deep.equal([5, 50, 60])
    looked = 0
    for (let deadline = 101; deadline <= 200; deadline++) wait(deadline)
    await clock.advance(140)
    expect(expired).to.have.lengthOf(103)
    expect(looked).to.be.at.most(200)
  })

  it('has no timer once it is stopped', () => {
    wait(10)
    deadlines.stop()
    wait(5)
    expect(clock.timers).to.have.lengthOf(0)
  })
})
