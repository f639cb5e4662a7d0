import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { expect } from 'chai'
import { AddressRace } from '../../src/connection/address-race.js'
import { VirtualClock } from '../support/virtual-clock.js'

/** As much of a socket as the race touches. */
class Runner extends EventEmitter {
  destroyed = false

  destroy(): this {
    this.destroyed = true
    return this
  }
}

describe('AddressRace', () => {
  let clock: VirtualClock
  let runners: Map<string, Runner>
  let outcome: string[]

  beforeEach(() => {
    clock = new VirtualClock()
    runners = new Map()
    outcome = []
  })

  function race(addresses: readonly string[], open?: (address: string) => void): AddressRace {
    const started = new AddressRace(addresses, clock, {
      open: address => {
        open?.(address)
        const runner = new Runner()
        runners.set(address, runner)
        return runner as unknown as Socket
      },
      onWon: socket => {
        const won = [...runners].find(([, runner]) => runner === (socket as unknown as Runner))
        outcome.push(`won ${won?.[0]}`)
      },
      onLost: errors => void outcome.push(`lost ${errors.map(error => error.message).join(', ')}`),
    })
    started.start()
    return started
  }

  function tried(): string[] {
    return [...runners.keys()]
  }

  function fail(address: string): void {
    runners.get(address)?.emit('error', new Error(`no ${address}`))
  }

  it('tries one after another, each when the one before has not answered for 250 ms', async () => {
    race(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
    expect(tried()).to.deep.equal(['10.0.0.1'])
    await clock.advance(249)
    expect(tried()).to.have.length(1)
    await clock.advance(1)
    expect(tried()).to.have.length(2)
    await clock.advance(250)
    expect(tried()).to.have.length(3)
    expect(clock.timers).to.deep.equal([])
    expect([...runners.values()].map(runner => runner.destroyed)).to.deep.equal([false, false, false])
  })

  it('goes on at once when one has failed', () => {
    race(['10.0.0.1', '10.0.0.2'])
    fail('10.0.0.1')
    expect(tried()).to.deep.equal(['10.0.0.1', '10.0.0.2'])
    expect(clock.timers).to.deep.equal([])
  })

  it('takes the first that is connected, though it was not the first to start, and destroys the others', async () => {
    const ended = race(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'])
    await clock.advance(500)
    runners.get('10.0.0.2')?.emit('connect')
    expect(outcome).to.deep.equal(['won 10.0.0.2'])
    expect(tried().map(address => runners.get(address)?.destroyed)).to.deep.equal([true, false, true])
    expect(clock.timers).to.deep.equal([])
    // What those have to say that have lost is too late.
    runners.get('10.0.0.1')?.emit('connect')
    fail('10.0.0.3')
    await clock.advance(10_000)
    expect(outcome).to.have.length(1)
    expect(ended.unanswered).to.deep.equal([])
    expect(runners.get('10.0.0.2')?.listenerCount('error')).to.equal(0)
  })

  it('lets one win that is slower than the delay, when no other does', async () => {
    race(['10.0.0.1', '10.0.0.2'])
    await clock.advance(250)
    fail('10.0.0.2')
    await clock.advance(5_000)
    runners.get('10.0.0.1')?.emit('connect')
    expect(outcome).to.deep.equal(['won 10.0.0.1'])
  })

  it('lets the families take turns, that of the first answer first', async () => {
    const rows: [given: string[], order: string[]][] = [
      [
        ['::1', '::2', '::3', '10.0.0.1', '10.0.0.2'],
        ['::1', '10.0.0.1', '::2', '10.0.0.2', '::3'],
      ],
      [
        ['10.0.0.1', '10.0.0.2', '::1'],
        ['10.0.0.1', '::1', '10.0.0.2'],
      ],
      [['::1'], ['::1']],
      [
        ['10.0.0.1', '10.0.0.1', '::1', '::1'],
        ['10.0.0.1', '::1'],
      ],
    ]
    for (const [given, order] of rows) {
      runners.clear()
      race(given)
      await clock.advance(2_000)
      expect(tried()).to.deep.equal(order)
    }
  })

  it('is lost when all have failed, with the error of each', async () => {
    const lost = race(['10.0.0.1', '::1', '10.0.0.2'])
    await clock.advance(250)
    fail('::1')
    fail('10.0.0.1')
    expect(outcome).to.deep.equal([])
    expect(lost.unanswered).to.deep.equal(['10.0.0.2'])
    expect(lost.errors).to.have.length(2)
    fail('10.0.0.2')
    fail('10.0.0.2')
    expect(outcome).to.deep.equal(['lost no ::1, no 10.0.0.1, no 10.0.0.2'])
  })

  it('takes an attempt that cannot even begin for one that has failed, also in a timer', async () => {
    race(['10.0.0.1', '10.0.0.2'], address => {
      if (address === '10.0.0.1') throw new Error('no such option')
    })
    expect(tried()).to.deep.equal(['10.0.0.2'])
    fail('10.0.0.2')
    expect(outcome).to.deep.equal(['lost no such option, no 10.0.0.2'])
    outcome = []
    race(['10.0.0.1', '10.0.0.2'], address => {
      if (address === '10.0.0.2') throw new Error('no such option')
    })
    await clock.advance(250)
    fail('10.0.0.1')
    expect(outcome).to.deep.equal(['lost no such option, no 10.0.0.1'])
  })

  it('can be stopped: all are destroyed, none is begun, and nobody is told', async () => {
    const stopped = race(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
    await clock.advance(250)
    stopped.stop()
    fail('10.0.0.1')
    await clock.advance(10_000)
    expect([...runners.values()].map(runner => runner.destroyed)).to.deep.equal([true, true])
    expect(outcome).to.deep.equal([])
    expect(clock.timers).to.deep.equal([])
  })
})
