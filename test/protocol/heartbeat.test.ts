import { expect } from 'chai'
import fc from 'fast-check'
import { Heartbeat, type Verdict } from '../../src/protocol/heartbeat.js'

const INTERVAL = 10_000

/**
 * A driver on a clock of its own: wakes when the heartbeat asks for it, up to a fifth of the wait too early or too late,
 * and sends when it is due.
 */
class Timed {
  now = 0
  readonly heartbeat: Heartbeat
  /** The longest time between two sends. */
  longestGap = 0
  heartbeats = 0
  readonly #jitter: () => number
  #sentAt = 0
  #timerAt = 0

  constructor(intervalSeconds: number, jitter: () => number) {
    this.heartbeat = new Heartbeat(intervalSeconds, 0)
    this.#jitter = jitter
    this.#arm()
  }

  send(): void {
    this.longestGap = Math.max(this.longestGap, this.now - this.#sentAt)
    this.#sentAt = this.now
    this.heartbeat.noteHandedOver(this.now)
    this.heartbeat.noteWritten(this.now)
    this.#arm()
  }

  receive(): void {
    this.heartbeat.noteReceived(this.now, false, true)
  }

  advance(until: number): void {
    while (this.#timerAt <= until) {
      this.now = this.#timerAt
      this.#timerAt = Number.POSITIVE_INFINITY
      this.#wake()
    }
    this.now = until
  }

  #wake(): void {
    if (this.now >= this.heartbeat.nextDeadline) {
      this.heartbeat.tick(this.now)
      if (this.heartbeat.isDue(this.now)) {
        this.heartbeats++
        this.send()
      }
    }
    this.#arm()
  }

  #arm(): void {
    const delay = Math.max(1, (this.heartbeat.nextDeadline - this.now) * this.#jitter())
    if (this.now + delay < this.#timerAt || this.#timerAt <= this.now) this.#timerAt = this.now + delay
  }
}

/** Looks at the clock whenever the heartbeat asks for it, until it says dead; everything is on time. */
function deathOf(heartbeat: Heartbeat, giveUpAt: number): { at: number; verdicts: Verdict[] } {
  const verdicts: Verdict[] = []
  let at = 0
  while (at < giveUpAt) {
    at = Math.max(at, heartbeat.nextDeadline)
    const verdict = heartbeat.tick(at)
    verdicts.push(verdict)
    if (verdict === 'dead') return { at, verdicts }
  }
  return { at: Number.POSITIVE_INFINITY, verdicts }
}

/** Looks twice, as a driver does: the second time after the event loop has looked at its sockets. */
function judge(heartbeat: Heartbeat, now: number): Verdict {
  const first = heartbeat.tick(now)
  return first === 'suspect' ? heartbeat.tick(now) : first
}

describe('Heartbeat, sending', () => {
  for (const [how, jitter] of [
    ['on time', () => 1],
    ['a fifth late', () => 1.2],
    ['a fifth early or late, by chance', () => 0.8 + Math.random() * 0.4],
  ] as const) {
    it(`leaves no gap above 0.75 intervals in 10 000 idle intervals, with timers ${how}`, () => {
      const timed = new Timed(10, jitter)
      for (let at = 0; at < 10_000; at++) {
        timed.advance(at * INTERVAL)
        timed.receive()
      }
      expect(timed.longestGap).to.be.within(INTERVAL / 2, 0.75 * INTERVAL)
      expect(timed.heartbeats).to.be.within(15_000, 20_000)
    })
  }

  it('leaves no gap above 0.75 intervals under traffic of any rhythm', () => {
    const pauses = fc.array(fc.integer({ min: 1, max: 2 * INTERVAL }), { minLength: 20, maxLength: 200 })
    fc.assert(
      fc.property(pauses, fc.infiniteStream(fc.integer({ min: 80, max: 120 })), (waits, jitters) => {
        const timed = new Timed(10, () => (jitters.next().value as number) / 100)
        for (const wait of waits) {
          timed.advance(timed.now + wait)
          timed.receive()
          timed.send()
        }
        expect(timed.longestGap).to.be.at.most(0.75 * INTERVAL)
      }),
    )
  })

  it('sends nothing of its own while there is traffic', () => {
    const timed = new Timed(10, () => 1)
    for (let at = 0; at < 1000; at++) {
      timed.advance((at * INTERVAL) / 3)
      timed.receive()
      timed.send()
    }
    expect(timed.heartbeats).to.equal(0)
  })

  it('takes a backlog on its way for traffic, and is due half an interval after its end', () => {
    const heartbeat = new Heartbeat(10, 0)
    heartbeat.noteHandedOver(1000)
    expect(heartbeat.isDue(100_000)).to.equal(false)
    heartbeat.noteWritten(100_000)
    expect(heartbeat.nextDeadline).to.be.at.most(105_000)
    expect(heartbeat.isDue(104_999)).to.equal(false)
    expect(heartbeat.isDue(105_000)).to.equal(true)
  })

  it('tells how long ago the last octet went', () => {
    const heartbeat = new Heartbeat(10, 100)
    expect(heartbeat.idleAt(150)).to.equal(50)
    heartbeat.noteHandedOver(200)
    expect(heartbeat.idleAt(250)).to.equal(50)
  })
})

describe('Heartbeat, judging the peer', () => {
  it('suspects a silent peer after two intervals and, looking again, finds it dead', () => {
    const { at, verdicts } = deathOf(new Heartbeat(10, 0), 100_000)
    expect(at).to.equal(2 * INTERVAL)
    expect(verdicts.slice(-2)).to.deep.equal(['suspect', 'dead'])
    expect(verdicts.slice(0, -2).every(verdict => verdict === 'alive')).to.equal(true)
  })

  it('never finds a peer dead before two intervals after its last octet, whatever was looked at when', () => {
    const step = fc.tuple(fc.integer({ min: 0, max: INTERVAL }), fc.constantFrom('octets', 'look', 'write'))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const heartbeat = new Heartbeat(10, 0)
        let now = 0
        let lastOctet = 0
        for (const [wait, what] of steps) {
          now += wait
          if (what === 'write') {
            heartbeat.noteHandedOver(now)
            heartbeat.noteWritten(now)
          } else if (what === 'octets') {
            heartbeat.noteReceived(now, false, true)
            lastOctet = now
          } else {
            const isSilent = now - lastOctet >= 2 * INTERVAL
            expect(judge(heartbeat, now)).to.equal(isSilent ? 'dead' : 'alive')
          }
        }
      }),
    )
  })

  it('asks to be looked at not later than the death, whatever happened before', () => {
    const step = fc.tuple(fc.integer({ min: 0, max: INTERVAL }), fc.boolean(), fc.boolean())
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const heartbeat = new Heartbeat(10, 0)
        let now = 0
        let lastOctet = 0
        for (const [wait, comes, goes] of steps) {
          now += wait
          if (now - lastOctet >= 2 * INTERVAL) return
          while (heartbeat.nextDeadline <= now) {
            if (heartbeat.tick(heartbeat.nextDeadline) === 'dead') return
          }
          if (comes) {
            heartbeat.noteReceived(now, false, true)
            lastOctet = now
          }
          if (goes) heartbeat.noteHandedOver(now)
        }
        const { at } = deathOf(heartbeat, now + 10 * INTERVAL)
        expect(at).to.equal(lastOctet + 2 * INTERVAL)
      }),
    )
  })

  it('lets the peer live that is heard between the two looks', () => {
    const heartbeat = new Heartbeat(10, 0)
    expect(heartbeat.tick(50_000)).to.equal('suspect')
    expect(heartbeat.nextDeadline).to.equal(50_000)
    heartbeat.noteReceived(50_000, false, true)
    expect(heartbeat.tick(50_000)).to.equal('alive')
    expect(heartbeat.tick(70_000)).to.equal('suspect')
    expect(heartbeat.tick(70_000)).to.equal('dead')
  })

  it('never takes its own writes for life', () => {
    const heartbeat = new Heartbeat(10, 0)
    for (let at = 1000; at < 20_000; at += 1000) {
      heartbeat.noteHandedOver(at)
      heartbeat.noteWritten(at)
    }
    expect(judge(heartbeat, 20_000)).to.equal('dead')
  })

  it('takes a trickle inside one frame for life', () => {
    const heartbeat = new Heartbeat(2, 0)
    for (let at = 1900; at < 15_000; at += 1900) {
      expect(judge(heartbeat, at), `at ${at}`).to.equal('alive')
      heartbeat.noteReceived(at, true, false)
    }
  })

  it('finds a peer dead whose frame has not ended within eight intervals, however much comes', () => {
    const heartbeat = new Heartbeat(10, 0)
    heartbeat.noteReceived(5000, true, true)
    for (let at = 10_000; at < 85_000; at += 5000) {
      expect(judge(heartbeat, at), `at ${at}`).to.equal('alive')
      heartbeat.noteReceived(at, true, false)
    }
    expect(judge(heartbeat, 85_000)).to.equal('dead')
    expect(heartbeat.describeDeath(85_000)).to.equal(
      'a frame that the peer began has not ended for 8 heartbeat intervals of 10 s',
    )
  })

  it('gives every frame its own eight intervals', () => {
    const heartbeat = new Heartbeat(10, 0)
    for (let at = 5000; at < 1_000_000; at += 5000) {
      expect(judge(heartbeat, at)).to.equal('alive')
      // The octets end one frame and begin another.
      heartbeat.noteReceived(at, true, true)
    }
  })

  it('counts the eight intervals from the first octet of the frame, not from the end of the one before', () => {
    for (const pause of ['none', 'a suspension', 'reading paused'] as const) {
      const heartbeat = new Heartbeat(10, 0)
      heartbeat.noteReceived(1000, false, true)
      if (pause === 'a suspension') heartbeat.noteSuspension(2000)
      if (pause === 'reading paused') heartbeat.resumeReceiving(2000)
      for (let at = 11_000; at < 91_000; at += 10_000) {
        heartbeat.noteReceived(at, true, false)
        expect(judge(heartbeat, at), `at ${at}, ${pause}`).to.equal('alive')
      }
      heartbeat.noteReceived(90_999, true, false)
      expect(judge(heartbeat, 90_999), pause).to.equal('alive')
      expect(heartbeat.nextDeadline, 'the next look').to.equal(91_000)
      expect(judge(heartbeat, 91_000), pause).to.equal('dead')
      expect(heartbeat.nextDeadline, 'after the death').to.equal(Number.POSITIVE_INFINITY)
    }
  })

  it('describes a death by silence with the age of the last octet and the interval', () => {
    const heartbeat = new Heartbeat(10, 0)
    heartbeat.noteReceived(1500, false, true)
    expect(heartbeat.silenceAt(22_000)).to.equal(20_500)
    expect(heartbeat.describeDeath(22_000.4)).to.equal(
      'nothing received for 20500 ms, heartbeat interval 10 s',
    )
  })
})

describe('Heartbeat, when the process does not run', () => {
  it('measures by how much a look is late, and forgives the peer what came meanwhile', () => {
    const heartbeat = new Heartbeat(10, 0)
    expect(heartbeat.lagAt(4000)).to.equal(0)
    expect(heartbeat.lagAt(35_000)).to.equal(30_000)
    expect(heartbeat.tick(35_000)).to.equal('suspect')
    expect(heartbeat.lagAt(35_010), 'the second look is not late').to.equal(10)
    heartbeat.noteReceived(35_010, false, true)
    expect(heartbeat.tick(35_010)).to.equal('alive')
    expect(heartbeat.isDue(35_010), 'a heartbeat leads').to.equal(true)
  })

  it('leaves the peer one interval after a suspension, and asks to be looked at at once', () => {
    const heartbeat = new Heartbeat(10, 0)
    heartbeat.noteSuspension(3_600_000)
    expect(heartbeat.nextDeadline).to.equal(3_600_000)
    expect(heartbeat.lagAt(3_600_000)).to.equal(0)
    expect(judge(heartbeat, 3_600_000)).to.equal('alive')
    expect(heartbeat.isDue(3_600_000)).to.equal(true)
    expect(deathOf(heartbeat, 4_000_000).at).to.equal(3_610_000)
  })

  it('never shortens the time of a peer that was just heard', () => {
    const heartbeat = new Heartbeat(10, 0)
    heartbeat.noteReceived(1_000_000, false, true)
    heartbeat.noteSuspension(1_000_500)
    expect(deathOf(heartbeat, 2_000_000).at).to.equal(1_020_000)
  })

  it('forgets a suspicion that a suspension explains', () => {
    const heartbeat = new Heartbeat(10, 0)
    expect(heartbeat.tick(20_000)).to.equal('suspect')
    heartbeat.noteSuspension(90_000)
    expect(heartbeat.tick(90_000)).to.equal('alive')
  })

  it('gives a frame that was under way its eight intervals again', () => {
    const heartbeat = new Heartbeat(10, 0)
    heartbeat.noteReceived(1000, true, false)
    heartbeat.noteSuspension(1_000_000)
    heartbeat.noteReceived(1_001_000, true, false)
    expect(judge(heartbeat, 1_001_000)).to.equal('alive')
  })
})

describe('Heartbeat, while reading is paused', () => {
  it('judges nobody and goes on sending', () => {
    const heartbeat = new Heartbeat(10, 0)
    heartbeat.noteReceived(1000, true, false)
    heartbeat.pauseReceiving()
    for (let at = 5000; at <= 1_000_000; at += 5000) {
      expect(judge(heartbeat, at)).to.equal('alive')
      expect(heartbeat.isDue(at)).to.equal(true)
      expect(heartbeat.nextDeadline).to.equal(at + 5000)
      heartbeat.noteHandedOver(at)
      heartbeat.noteWritten(at)
    }
  })

  it('gives the peer two full intervals, and its frame eight, when reading goes on', () => {
    const heartbeat = new Heartbeat(10, 0)
    heartbeat.noteReceived(1000, true, false)
    heartbeat.pauseReceiving()
    heartbeat.resumeReceiving(500_000)
    expect(deathOf(heartbeat, 600_000).at).to.equal(520_000)
    const busy = new Heartbeat(10, 0)
    busy.noteReceived(1000, true, false)
    busy.pauseReceiving()
    busy.resumeReceiving(500_000)
    for (let at = 510_000; at < 580_000; at += 10_000) {
      busy.noteReceived(at, true, false)
      expect(judge(busy, at)).to.equal('alive')
    }
    busy.noteReceived(580_000, true, false)
    expect(judge(busy, 580_000)).to.equal('dead')
  })
})

describe('Heartbeat of interval 0', () => {
  it('wants no timer, sends nothing and judges nobody', () => {
    const heartbeat = new Heartbeat(0, 0)
    heartbeat.noteReceived(1000, true, false)
    heartbeat.noteHandedOver(1000)
    heartbeat.noteWritten(1000)
    heartbeat.noteSuspension(2000)
    expect(heartbeat.nextDeadline).to.equal(Number.POSITIVE_INFINITY)
    expect(judge(heartbeat, 1e12)).to.equal('alive')
    expect(heartbeat.isDue(1e12)).to.equal(false)
    expect(heartbeat.nextDeadline).to.equal(Number.POSITIVE_INFINITY)
    expect(heartbeat.lagAt(1e12)).to.equal(0)
    expect(heartbeat.silenceAt(3000), 'octets are what ends a silence').to.equal(2000)
  })
})

describe('Heartbeat, after a stall of the event loop', () => {
  it('tells one that was longer than half an interval, and remembers it for two', () => {
    const heartbeat = new Heartbeat(10, 0)
    expect(heartbeat.noteStall(10_000), 'half an interval late').to.equal(undefined)
    expect(heartbeat.noteStall(10_001)).to.deep.equal({ lagMs: 5001, at: 10_001 })
    expect(heartbeat.recentStall(30_001)).to.deep.equal({ lagMs: 5001, at: 10_001 })
    expect(heartbeat.recentStall(30_002)).to.equal(undefined)
  })

  it('remembers none when there was none', () => {
    expect(new Heartbeat(10, 0).recentStall(0)).to.equal(undefined)
    expect(new Heartbeat(0, 0).noteStall(1e12)).to.equal(undefined)
  })
})
