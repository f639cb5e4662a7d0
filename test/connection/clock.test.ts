import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { expect } from 'chai'
import fc from 'fast-check'
import { AwakeTime, LONGEST_TIMER_MS, sharedDelay, systemClock } from '../../src/connection/clock.js'
import { VirtualClock } from '../support/virtual-clock.js'

describe('AwakeTime', () => {
  let clock: VirtualClock
  let time: AwakeTime

  beforeEach(() => {
    clock = new VirtualClock()
    time = AwakeTime.of(clock)
  })

  it('is the monotonic clock as long as both clocks go alike', () => {
    clock.stall(5_000)
    expect(time.now()).to.equal(clock.now())
    expect(time.jumps).to.equal(0)
  })

  it('adds a forward jump of the wall clock, once', () => {
    const before = time.now()
    clock.sleep(60_000)
    expect(time.jumps).to.equal(0)
    expect(time.now()).to.equal(before + 60_000)
    expect(time.jumps).to.equal(1)
    expect(time.now(), 'the same jump again').to.equal(before + 60_000)
    expect(time.jumps).to.equal(1)
  })

  it('takes less than a second for an adjustment', () => {
    const before = time.now()
    for (const adjustment of ['first', 'second']) {
      clock.sleep(999)
      expect(time.now(), adjustment).to.equal(before)
    }
    expect(time.jumps).to.equal(0)
  })

  it('never goes back: a wall clock that is set back changes nothing', () => {
    const before = time.now()
    clock.sleep(-3_600_000)
    expect(time.now()).to.equal(before)
    clock.sleep(2_000)
    expect(time.now(), 'after a sleep').to.equal(before + 2_000)
  })

  it('adds up several sleeps', () => {
    const before = time.now()
    for (let night = 0; night < 3; night++) {
      clock.sleep(1_000)
      time.now()
    }
    expect(time.now()).to.equal(before + 3_000)
    expect(time.jumps).to.equal(3)
  })

  it('is one for all who go by the same clock', () => {
    expect(AwakeTime.of(clock)).to.equal(time)
    expect(AwakeTime.of(new VirtualClock())).not.to.equal(time)
  })
})

describe('sharedDelay', () => {
  it('goes not beyond what Node can take', () => {
    expect(sharedDelay(LONGEST_TIMER_MS, 1.5)).to.equal(LONGEST_TIMER_MS)
  })

  it('lets long timers run together, never too early and never 10 ms too late', () => {
    const time = fc.double({ min: 0, max: 1e9, noNaN: true })
    fc.assert(
      fc.property(time, fc.double({ min: 500, max: 2 ** 31 - 11, noNaN: true }), (now, delayMs) => {
        const shared = sharedDelay(delayMs, now)
        expect(shared - delayMs)
          .to.be.at.least(-1e-6)
          .and.below(10 + 1e-6)
        const dueAt = (now + shared) / 10
        expect(dueAt).to.be.closeTo(Math.round(dueAt), 1e-6)
      }),
    )
  })

  it('leaves short timers as they are', () => {
    for (const delayMs of [1, 3, 499]) expect(sharedDelay(delayMs, 1234.5)).to.equal(delayMs)
  })
})

describe('systemClock', () => {
  it('never goes back, and has the time of day', () => {
    const before = systemClock.now()
    expect(systemClock.now()).to.be.at.least(before)
    expect(Math.abs(systemClock.wallTime() - Date.now())).to.be.below(1_000)
  })

  it('calls back once after the delay, unless it is cancelled', async () => {
    const called: string[] = []
    systemClock.startTimer(() => called.push('cancelled'), 1).cancel()
    await new Promise<void>(resolve => {
      systemClock.startTimer(() => called.push('first'), 2)
      systemClock.startTimer(resolve, 20)
    })
    expect(called).to.deep.equal(['first'])
  })

  it('calls back after the sockets were read, unless it is cancelled', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
    const [peer] = (await once(server, 'connection')) as [Socket]
    const story: string[] = []
    socket.on('data', () => story.push('data'))
    await new Promise<void>(resolve => {
      systemClock.startTimer(() => {
        // A timer that runs while octets wait in the socket.
        peer.write('x')
        systemClock.afterPoll(() => story.push('cancelled')).cancel()
        systemClock.afterPoll(() => {
          story.push('after the poll')
          resolve()
        })
      }, 10)
    })
    expect(story).to.deep.equal(['data', 'after the poll'])
    socket.destroy()
    peer.destroy()
    server.close()
  })
})
