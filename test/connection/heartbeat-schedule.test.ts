// Heartbeats under any schedule. The real driver and the real protocol, in an event loop that is simulated without a promise:
// timers, then sockets, then what waits for that. The peer is another process and goes on whatever happens here; our own is
// late with its timers, stalls in either half of a turn, is put to sleep, does not read, and has a socket that is slow to
// take what it is given. What ought to happen is reckoned in three numbers (`Model`).

import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import fc from 'fast-check'
import type { Clock, Timer } from '../../src/connection/clock.js'
import { Driver } from '../../src/connection/driver.js'
import { HEARTBEAT_FRAME } from '../../src/frames/index.js'
import { ConnectionProtocol } from '../../src/protocol/connection-protocol.js'
import type { ProtocolEvent } from '../../src/protocol/events.js'
import { plain } from '../../src/protocol/sasl.js'
import { PeerCodec } from '../support/peer/peer-codec.js'
import { runs } from '../support/runs.js'

const INTERVAL_MS = 10_000
const HALF_MS = INTERVAL_MS / 2
/** So much too late is everything at most, without a stall; the driver takes more than 50 for one. */
const JITTER_MS = 45
const HOUR_MS = 3_600_000

/** The rule, in the words of the specification of the heartbeat, on what the protocol is told. */
class Model {
  lifeAt = 0
  frameBegunAt: number | undefined
  sentAt = 0
  backlog = false
  paused = true
  /** What has been slept, as far as it was noticed. */
  sleptMs = 0

  /** When the peer counts as dead. */
  get deathAt(): number {
    if (this.paused) return Number.POSITIVE_INFINITY
    const frameDeathAt = (this.frameBegunAt ?? Number.POSITIVE_INFINITY) + 8 * INTERVAL_MS
    return Math.min(this.lifeAt + 2 * INTERVAL_MS, frameDeathAt)
  }

  /** A frame is under way from the moment its first octet was read. */
  read(octets: number, boundaries: readonly number[], before: number, now: number): void {
    const after = before + octets
    this.lifeAt = now
    if (boundaries.includes(after)) this.frameBegunAt = undefined
    else if (boundaries.some(boundary => boundary >= before && boundary < after)) this.frameBegunAt = now
  }

  jump(now: number): void {
    this.lifeAt = Math.max(this.lifeAt, now - INTERVAL_MS)
    if (this.frameBegunAt !== undefined) this.frameBegunAt = now
  }

  resume(now: number): void {
    this.paused = false
    this.lifeAt = now
    if (this.frameBegunAt !== undefined) this.frameBegunAt = now
  }
}

/** The protocol, and the model beside it. */
class WatchedProtocol extends ConnectionProtocol {
  readonly model = new Model()
  /** Where the frames of the peer end, in octets since the model counts. */
  readonly boundaries = [0]
  #read = 0
  watching = false
  readonly #monotonic: () => number

  constructor(now: number, monotonic: () => number) {
    super(OPTIONS, now)
    this.#monotonic = monotonic
  }

  override receiveData(chunk: Buffer, now: number): void {
    super.receiveData(chunk, now)
    if (!this.watching) return
    this.model.read(chunk.length, this.boundaries, this.#read, now)
    this.#read += chunk.length
  }

  override handleSuspension(now: number): void {
    super.handleSuspension(now)
    this.model.jump(now)
    this.model.sleptMs = now - this.#monotonic()
  }

  override pauseReceiving(): void {
    super.pauseReceiving()
    this.model.paused = true
  }

  override resumeReceiving(now: number): void {
    super.resumeReceiving(now)
    this.model.resume(now)
  }

  override pollTransmit(now: number): Buffer[] | undefined {
    const batch = super.pollTransmit(now)
    if (batch === undefined) return undefined
    const isDue = !this.model.backlog && now - this.model.sentAt >= HALF_MS
    if (this.watching)
      expect(batch[0] === HEARTBEAT_FRAME, 'a heartbeat leads when it is due').to.equal(isDue)
    this.model.sentAt = now
    this.model.backlog = true
    return batch
  }

  override handleWritten(now: number): void {
    super.handleWritten(now)
    this.model.sentAt = now
    this.model.backlog = false
  }
}

interface SimulatedTimer extends Timer {
  readonly dueAt: number
  readonly callback: () => void
}

/** Takes what is written, and says so after a while. */
class SimulatedSocket extends EventEmitter {
  reads = true
  destroyed = false
  /** How long it takes over the next write. */
  delayMs = 0
  written: { readonly at: number; readonly callback: () => void } | undefined
  readonly #now: () => number

  constructor(now: () => number) {
    super()
    this.#now = now
  }

  cork(): void {}
  uncork(): void {}

  write(_octets: Buffer, callback?: () => void): void {
    if (callback === undefined) return
    this.written = { at: this.#now() + this.delayMs, callback }
    this.delayMs = 0
  }

  pause(): void {
    this.reads = false
  }

  resume(): void {
    this.reads = true
  }

  destroy(): void {
    this.destroyed = true
  }
}

interface PeerWrite {
  readonly afterMs: number
  readonly what: 'heartbeat' | 'question' | 'content' | 'piece'
}

interface Disturbance {
  readonly afterMs: number
  readonly what: 'stall' | 'stallInPoll' | 'sleep' | 'slowSocket' | 'pause'
  readonly ms: number
}

class SimulatedProcess implements Clock {
  readonly socket = new SimulatedSocket(() => this.#now)
  readonly driver: Driver
  readonly protocol: WatchedProtocol
  readonly events: ProtocolEvent[] = []
  /** True time, which is the peer's, is this much ahead of our monotonic clock. */
  #slept = 0
  #now = 0
  readonly #timers = new Set<SimulatedTimer>()
  #afterPoll = new Set<() => void>()
  readonly #jitters: Iterator<number>
  #stallInPollMs = 0
  #inbox: { readonly at: number; readonly octets: Buffer }[] = []
  #resumeAt = Number.POSITIVE_INFINITY
  #lastWriteAt = 0
  /** When the event loop was idle last. */
  #idleAt = 0

  constructor(jitters: Iterator<number>) {
    this.#jitters = jitters
    let created: WatchedProtocol | undefined
    const create = (now: number): WatchedProtocol => {
      created = new WatchedProtocol(now, () => this.#now)
      return created
    }
    this.driver = new Driver(
      this.socket as unknown as Duplex,
      this,
      create,
      event => this.#note(event),
      false,
    )
    this.protocol = created as unknown as WatchedProtocol
  }

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return this.#now + this.#slept
  }

  startTimer(callback: () => void, delayMs: number): Timer {
    const dueAt = this.#now + delayMs + (this.#jitters.next().value as number)
    const timer: SimulatedTimer = { callback, dueAt, cancel: () => void this.#timers.delete(timer) }
    this.#timers.add(timer)
    return timer
  }

  afterPoll(callback: () => void): Timer {
    const run = (): void => callback()
    this.#afterPoll.add(run)
    return { cancel: () => void this.#afterPoll.delete(run) }
  }

  open(codec: PeerCodec): void {
    const { driver, protocol } = this
    driver.start()
    const texts = { mechanisms: Buffer.from('PLAIN'), locales: Buffer.from('en_US') }
    const args = { versionMajor: 0, versionMinor: 9, serverProperties: {}, ...texts }
    driver.receive(codec.method(0, { name: 'connection.start', args }))
    const tune = { channelMax: 2047, frameMax: codec.frameMax, heartbeat: INTERVAL_MS / 1000 }
    driver.receive(codec.method(0, { name: 'connection.tune', args: tune }))
    driver.receive(codec.method(0, { name: 'connection.open-ok', args: {} }))
    protocol.openChannel({}, 1, {}, this.#now)
    driver.receive(codec.method(1, { name: 'channel.open-ok', args: {} }))
    protocol.model.resume(this.driver.now())
    protocol.watching = true
    this.#settle()
  }

  /** Everything that the peer writes, the disturbances, and so much time after them. */
  live(
    codec: PeerCodec,
    writes: readonly PeerWrite[],
    disturbances: readonly Disturbance[],
    restMs: number,
  ): void {
    this.#schedule(codec, writes)
    let until = this.#inbox.at(-1)?.at ?? 0
    let at = 0
    for (const { afterMs, what, ms } of disturbances) {
      at = Math.max(at + afterMs, this.wallTime())
      until = Math.max(until, at)
      this.#advance(at)
      if (what === 'stall') this.#stall(ms)
      else if (what === 'stallInPoll') this.#stallInPollMs = ms
      else if (what === 'sleep') this.#slept += HOUR_MS / 60 + ms
      else if (what === 'slowSocket') this.socket.delayMs = ms
      else {
        this.driver.pauseReading()
        this.#resumeAt = this.#now + ms
      }
    }
    this.#advance(Math.max(until, this.wallTime()) + restMs)
  }

  /** One that cannot have been over before the next look at the clock is told. */
  #stall(ms: number): void {
    const isTold = ms > INTERVAL_MS + JITTER_MS && this.#unnoticed === 0 && !this.socket.destroyed
    const before = this.events.length
    this.#now += ms
    this.#settle()
    if (isTold) expect(this.events.slice(before).map(({ type }) => type)).to.include('stalled')
  }

  /** Heartbeats, questions that are answered at once, and contents, whole or in pieces that end anywhere. */
  #schedule(codec: PeerCodec, writes: readonly PeerWrite[]): void {
    let at = 0
    let unsent: Buffer = Buffer.alloc(0)
    for (const { afterMs, what } of writes) {
      at += afterMs
      if (unsent.length === 0 || what !== 'piece') {
        const next = this.#octetsOf(codec, what)
        let end = this.protocol.boundaries.at(-1) as number
        for (let offset = 0; offset < next.length; offset += next.readUInt32BE(offset + 3) + 8) {
          end += next.readUInt32BE(offset + 3) + 8
          this.protocol.boundaries.push(end)
        }
        unsent = Buffer.concat([unsent, next])
      }
      const octets = what === 'piece' ? unsent.subarray(0, PIECE) : unsent
      unsent = unsent.subarray(octets.length)
      this.#inbox.push({ at, octets })
    }
  }

  #octetsOf(codec: PeerCodec, what: PeerWrite['what']): Buffer {
    if (what === 'heartbeat') return codec.heartbeat()
    if (what === 'question') return codec.method(1, { name: 'channel.flow', args: { active: true } })
    const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'q' }
    return codec.content(1, { name: 'basic.return', args }, Buffer.alloc(BODY))
  }

  /** Lives until then, in true time, whatever becomes due on the way. */
  #advance(until: number): void {
    this.#settle()
    for (let next = this.#nextAt(); next <= until - this.#slept; next = this.#nextAt()) {
      this.#now = Math.max(this.#now, next) + Math.max(0, this.#jitters.next().value as number)
      this.#settle()
    }
    this.#now = Math.max(this.#now, until - this.#slept)
    this.#settle()
  }

  /** When something happens next, on our clock. */
  #nextAt(): number {
    const timers = [...this.#timers].map(({ dueAt }) => dueAt)
    const arrival = this.#isReading ? this.#inbox[0]?.at : undefined
    return Math.min(
      ...timers,
      arrival === undefined ? Number.POSITIVE_INFINITY : arrival - this.#slept,
      this.socket.written?.at ?? Number.POSITIVE_INFINITY,
      this.#resumeAt,
      this.#verdictAt > this.#now ? this.#verdictAt : Number.POSITIVE_INFINITY,
    )
  }

  /** When the peer must count as dead, on our clock: a moment to look whether it does. */
  get #verdictAt(): number {
    if (this.socket.destroyed) return Number.POSITIVE_INFINITY
    return this.protocol.model.deathAt - this.protocol.model.sleptMs + JITTER_MS
  }

  /** Time slept that our clock does not know of yet. */
  get #unnoticed(): number {
    return this.#slept - this.protocol.model.sleptMs
  }

  get #isReading(): boolean {
    return this.socket.reads && !this.socket.destroyed
  }

  /** Turns of the event loop until nothing is due at this instant. */
  #settle(): void {
    for (let turns = 0; this.#nextAt() <= this.#now || this.#afterPoll.size > 0 || turns === 0; turns++) {
      if (turns > 1000) throw new Error(`something asks for another turn at ${this.#now} ms again and again`)
      this.#turn()
    }
    this.#check()
  }

  #turn(): void {
    const due = [...this.#timers].filter(({ dueAt }) => dueAt <= this.#now).sort((a, b) => a.dueAt - b.dueAt)
    for (const timer of due) if (this.#timers.delete(timer)) timer.callback()
    this.#poll()
    this.#now += this.#stallInPollMs
    this.#stallInPollMs = 0
    for (const run of [...this.#afterPoll]) if (this.#afterPoll.delete(run)) run()
  }

  #poll(): void {
    if (this.#resumeAt <= this.#now) {
      this.#resumeAt = Number.POSITIVE_INFINITY
      this.driver.resumeReading()
    }
    const isDue = (): boolean => (this.#inbox[0]?.at ?? Number.POSITIVE_INFINITY) <= this.wallTime()
    while (this.#isReading && isDue()) {
      const octets = this.#inbox.shift()?.octets as Buffer
      this.driver.receive(octets, isDue())
    }
    const { written } = this.socket
    if (written === undefined || written.at > this.#now) return
    this.socket.written = undefined
    this.#lastWriteAt = this.#now
    written.callback()
  }

  /** The event loop is idle. */
  #check(): void {
    this.#idleAt = this.#now
    if (this.socket.destroyed) return
    expect(this.#now, 'the peer lives past its death').to.be.below(this.#verdictAt)
    if (this.protocol.model.backlog) return
    expect(this.#now - this.#lastWriteAt, 'since the last write').to.be.at.most(HALF_MS + JITTER_MS)
  }

  #note(event: ProtocolEvent): void {
    this.events.push(event)
    // No sleep is taken for a stall.
    if (event.type === 'stalled')
      expect(event.lagMs).to.be.within(HALF_MS, this.#now - this.#idleAt + JITTER_MS)
    if (event.type !== 'closed') return
    expect(event.reason.by).to.equal('heartbeat')
    const { deathAt, sleptMs } = this.protocol.model
    expect(this.#now + sleptMs, 'dead before its time').to.be.at.least(deathAt)
    expect(this.socket.destroyed, 'the socket is destroyed first').to.equal(true)
    expect(this.#timers.size, 'timers left').to.equal(0)
  }
}

const LAST_MOMENT: PeerWrite = { afterMs: 2 * INTERVAL_MS - 1, what: 'heartbeat' }
const BODY = 100
const PIECE = 7

const OPTIONS = {
  endpoint: {},
  handshake: {
    address: 'peer:5672',
    auth: [plain('guest', 'guest')],
    virtualHost: '/',
    clientProperties: {},
    tune: { heartbeat: INTERVAL_MS / 1000, frameMax: undefined, channelMax: undefined },
  },
  limits: {
    maxMessageSize: 1_000_000,
    maxBuffered: 1_000_000,
    highWaterMark: 1_000_000,
    rpcTimeoutMs: 24 * HOUR_MS,
    confirmTimeoutMs: 24 * HOUR_MS,
    closeTimeoutMs: 5_000,
  },
} as const

/** Moments at which something is decided are as likely as all others together. */
function pause(maxMs: number): fc.Arbitrary<number> {
  const decisive = [
    0,
    1,
    HALF_MS - 1,
    HALF_MS,
    HALF_MS + 1,
    INTERVAL_MS,
    2 * INTERVAL_MS - 1,
    2 * INTERVAL_MS,
  ]
  return fc.oneof(fc.constantFrom(...decisive.filter(ms => ms <= maxMs)), fc.nat(maxMs))
}

const jitters = fc.infiniteStream(fc.integer({ min: -1, max: 20 }))

const disturbances: fc.Arbitrary<Disturbance[]> = fc.array(
  fc.record({
    afterMs: pause(4 * INTERVAL_MS),
    what: fc.constantFrom('stall', 'stall', 'stallInPoll', 'sleep', 'slowSocket', 'pause'),
    ms: pause(5 * INTERVAL_MS),
  }),
  { maxLength: 12 },
)

/** The peer may be silent for as long as it likes, or let a frame trickle for ever. */
const anyPeer: fc.Arbitrary<PeerWrite[]> = fc.oneof(
  fc.array(
    fc.record({
      afterMs: pause(2.2 * INTERVAL_MS),
      what: fc.constantFrom('heartbeat', 'question', 'content', 'piece'),
    }),
    { maxLength: 30 },
  ),
  fc.array(fc.record({ afterMs: pause(1.5 * INTERVAL_MS), what: fc.constant('piece' as const) }), {
    minLength: 5,
    maxLength: 40,
  }),
)

/** A peer that is never silent for two intervals, and beats on for longer than any disturbances last. */
const livePeer: fc.Arbitrary<PeerWrite[]> = fc
  .array(
    fc.record({
      afterMs: pause(2 * INTERVAL_MS - 1),
      what: fc.constantFrom<PeerWrite['what']>('heartbeat', 'question', 'content'),
    }),
    { maxLength: 60 },
  )
  .map(writes => [...writes, ...Array<PeerWrite>(100).fill(LAST_MOMENT)])

function simulate(
  jitter: Iterator<number>,
  writes: readonly PeerWrite[],
  disturbed: readonly Disturbance[],
  restMs: number,
) {
  const codec = new PeerCodec()
  const simulated = new SimulatedProcess(jitter)
  simulated.open(codec)
  simulated.live(codec, writes, disturbed, restMs)
  return simulated
}

describe('heartbeats under any schedule of traffic, late timers, stalls, sleeps and pauses', () => {
  it('find the peer dead neither early nor late, and leave no gap above half an interval', () => {
    fc.assert(
      fc.property(jitters, anyPeer, disturbances, (jitter, writes, disturbed) => {
        // Long enough for everything that is paused to go on, and then for a death.
        const { events, protocol } = simulate(jitter, writes, disturbed, 40 * INTERVAL_MS)
        expect(events.filter(({ type }) => type === 'closed')).to.have.length(1)
        expect(events.at(-1)).to.include({ type: 'closed' })
        expect(protocol.state).to.equal('closed')
      }),
      runs(300),
    )
  })

  it('never find a peer dead that is never silent for two intervals', () => {
    fc.assert(
      fc.property(jitters, livePeer, disturbances, (jitter, writes, disturbed) => {
        const { protocol } = simulate(jitter, writes, disturbed, 0)
        expect(protocol.state).to.equal('open')
      }),
      runs(100),
    )
  })
})
