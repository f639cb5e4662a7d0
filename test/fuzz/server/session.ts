// One session of a client with a bad server: a handshake, an application that does everything at once, a server that is good up
// to a moment in a certain state of the client and bad from then on, and the end. All of it follows from a seed. It records
// what happened; what of that must not be is said by judge.ts.

import type { ConnectOptions } from '../../../src/index.js'
import { MemoryStream } from '../../support/peer/memory-stream.js'
import { type Outcome, PromiseLedger } from '../promise-ledger.js'
import { Random } from '../random.js'
import { Application, GivenUp, SECRET } from './application.js'
import { CountingClock } from './counting-clock.js'
import { MISCHIEFS, pickMischief } from './mischief.js'
import { ModelServer } from './model-server.js'
import { STATES, type State, statesOf } from './states.js'

/** Of so many sessions one has a good server to the end. */
const GOOD_SHARE = 0.05
/** Steps in which the state that is aimed at may be reached; then the server is bad in another. */
const PATIENCE = 25
const STEPS_MAX = 45
/** Steps of an application that has not noticed yet that all is over. */
const STEPS_AFTER = 3
/** Questions and answers that follow each other at the end, before time passes. */
const TURNS_AT_END = 6
/** Reading on, and the last octets into the socket, take a moment of their own. */
const SLACK_MS = 2_000

interface Limits {
  readonly heartbeat: number
  readonly connectTimeout: number
  readonly rpcTimeout: number
  readonly confirmTimeout: number
  readonly closeTimeout: number
  readonly maxBuffered: number
}

/** What happened in a session. */
export class Session {
  readonly random: Random
  readonly aim: State
  /** Where the client was when the server turned bad; empty when it never did. */
  states: readonly State[] = []
  readonly mischiefs: string[] = []
  /** When the server turned bad. */
  badAt = 0
  /** Whether nothing else was going on just then that would explain another end. */
  isPlain = false
  /** Whether the server did not read for a while after that. */
  isUnread = false
  /** Whether the client has asked for its stream. */
  isDialled = false
  /** When the application began to close. */
  closesAt = Number.POSITIVE_INFINITY
  readonly server: ModelServer
  readonly application: Application
  readonly clock = new CountingClock()
  /** The client's. */
  readonly stream: MemoryStream
  readonly limits: Limits
  outcomes: readonly Outcome[] = []
  /** When it was over: writes of the client so far. Undefined as long as it is not. */
  writesAtEnd: number | undefined
  /** The most that waited to be sent, as the connection tells it. */
  bufferedMost = 0
  /** The most octets of buffers that a step of mischief has cost. */
  memoryMost = 0
  /** Something threw that drives the session, a clock that never comes to rest for instance. */
  brokenBy: unknown
  readonly #seed: number
  readonly #ledger = new PromiseLedger()
  readonly #isGood: boolean
  readonly #repeats: boolean

  constructor(seed: number) {
    const random = new Random(seed)
    this.#seed = seed
    this.random = random
    this.aim = random.pick(STATES)
    this.#isGood = random.chance(GOOD_SHARE)
    this.#repeats = random.chance(0.4)
    this.limits = limitsOf(random)
    const [stream, socket] = MemoryStream.pair({ bufferOctets: random.pick([0, 0, 65_536]) })
    this.stream = stream
    const tune = {
      channelMax: random.pick([2047, 2047, 2]),
      frameMax: random.pick([131_072, 131_072, 8_192, 4_096]),
      heartbeat: random.pick([60, 10, 1, 0]),
    }
    const challenges = this.aim === 'secure' || random.chance(0.1)
    this.server = new ModelServer(socket, random, tune, challenges)
    this.application = new Application(this.#ledger, random, this.aim)
    this.application.onClosing = () => {
      this.closesAt = Math.min(this.closesAt, this.clock.now())
    }
    this.application.onOver = () => {
      this.writesAtEnd ??= stream.writes.length
    }
  }

  /** Resolves when it is over, or is known to go on for ever. */
  async run(): Promise<void> {
    try {
      this.application.connect(this.#options())
      await this.#live()
      await this.#end()
    } catch (error) {
      this.brokenBy = error
    }
    this.outcomes = await this.#ledger.outcomes()
  }

  /** The longest that anything may take. */
  get boundMs(): number {
    const { heartbeat, connectTimeout, rpcTimeout, confirmTimeout, closeTimeout } = this.limits
    return connectTimeout + closeTimeout + 8_000 * heartbeat + rpcTimeout + confirmTimeout + SLACK_MS
  }

  async #live(): Promise<void> {
    const steps = this.random.between(5, STEPS_MAX)
    let stepsAfter = 0
    for (let step = 0; step < steps && stepsAfter < STEPS_AFTER; step++) {
      if (this.writesAtEnd !== undefined) stepsAfter++
      const held = process.memoryUsage().arrayBuffers
      const isBad = this.#misbehaves(step)
      if (!isBad) this.application.act(this.random.between(1, 3))
      this.#serve()
      await this.#pass(this.#stepMs())
      if (isBad) this.memoryMost = Math.max(this.memoryMost, process.memoryUsage().arrayBuffers - held)
    }
  }

  /** The application closes, and time passes until all is over. */
  async #end(): Promise<void> {
    const { application, server, random } = this
    const { heartbeat, rpcTimeout } = this.limits
    if (random.chance(server.mute || server.slow ? 0.7 : 0.3))
      await this.#pass(random.pick([3_000 * heartbeat, 9_000 * heartbeat, rpcTimeout]))
    for (let left = this.boundMs; left > 0 && !this.#isOver; ) {
      for (let turn = 0; turn < TURNS_AT_END && !this.#isOver; turn++) await this.#serveAll()
      if (application.finish()) continue
      const next = this.clock.timers[0] ?? left
      const slice = Math.max(1, Math.min(next, server.beatMs, left))
      await this.#pass(slice)
      left -= slice
    }
    application.stop()
    // What was promised has come by then; no time may be needed for it.
    await this.#pass(0)
  }

  /** What it can, the server does now. */
  async #serveAll(): Promise<void> {
    const { server } = this
    server.calm()
    server.pay(1, undefined)
    server.work(undefined)
    server.flush(false)
    await this.#pass(0)
  }

  get #isOver(): boolean {
    return this.writesAtEnd !== undefined || this.clock.isLivelocked
  }

  /** Whether the server does something bad in this step; when it does the application does nothing. */
  #misbehaves(step: number): boolean {
    const { random, server } = this
    if (this.#isGood || !this.isDialled || server.hasEnded || this.#isOver) return false
    if (random.chance(0.3)) server.flush(true)
    if (server.honest) {
      const states = statesOf(server, this.#isClosing)
      const isTime = states.includes(this.aim) ? random.chance(0.5) : step >= PATIENCE
      if (states.length === 0 || !isTime) return false
      this.#turnBad(states)
    } else if (!this.#repeats || !random.chance(0.2)) return false
    else this.isPlain = false
    const name = pickMischief(random, this.aim, this.#seed)
    this.mischiefs.push(name)
    MISCHIEFS[name]?.(server, random)
    return true
  }

  #turnBad(states: readonly State[]): void {
    const { server, stream, clock } = this
    server.honest = false
    this.states = states
    this.badAt = clock.now()
    const isBusy = server.isMidContent || server.rests || stream.isPaused() || this.#isClosing
    // Of a channel that is being closed, or that the server has closed, late frames are dropped.
    const closesChannels = server.hasClosedChannels || states.includes('channel closing')
    this.isPlain = server.phase === 'opened' && !isBusy && !closesChannels
  }

  #serve(): void {
    const { random, server, aim } = this
    const withheld = server.honest && random.chance(0.85) ? aim : undefined
    server.pay(0.7, withheld)
    server.work(withheld)
    if (server.phase === 'opened') this.#serveUnasked()
    server.flush(aim === 'content' || random.chance(0.3))
  }

  /** What a good server does of its own accord. */
  #serveUnasked(): void {
    const { random, server, aim } = this
    const open = [...server.channels.values()].filter(channel => channel.isOpen)
    if (server.blocked ? random.chance(0.2) : random.chance(aim === 'blocked' ? 0.4 : 0.01))
      server.setBlocked(!server.blocked)
    if (server.rests ? random.chance(0.2) : random.chance(aim === 'unread' ? 0.4 : 0.01))
      server.setReading(server.rests)
    if (open.length === 0) return
    const channel = random.pick(open)
    if (server.stopped) {
      if (random.chance(0.2)) server.calm()
    } else if (random.chance(aim === 'flow' ? 0.4 : 0.01)) server.setFlow(channel.number, false)
    if (random.chance(0.01)) channel.cancel(random)
    if (random.chance(0.01)) channel.close(406, 'PRECONDITION_FAILED - it pleases so', 'basic.publish')
  }

  get #isClosing(): boolean {
    return this.application.connection?.state === 'closing'
  }

  #stepMs(): number {
    const { random, limits } = this
    switch (random.weighted({ none: 70, little: 20, some: 7, beats: 1, reply: 1 })) {
      case 'none':
        return 0
      case 'little':
        return random.below(50)
      case 'some':
        return random.below(1_000)
      case 'beats':
        return 2_500 * limits.heartbeat
      default:
        return limits.rpcTimeout + 1
    }
  }

  /** Time passes, and the server beats. */
  async #pass(milliseconds: number): Promise<void> {
    const { clock, server } = this
    let left = milliseconds
    do {
      const slice = Math.min(left, server.beatMs)
      if (!server.honest && server.rests) this.isUnread = true
      await clock.advance(slice)
      server.tick(clock.now())
      left -= slice
      this.bufferedMost = Math.max(this.bufferedMost, this.application.connection?.stats.bufferedOctets ?? 0)
    } while (left > 0 && !clock.isLivelocked)
  }

  #options(): ConnectOptions {
    const { random, limits, aim, clock, stream } = this
    const secure = aim === 'secure' || random.chance(0.2)
    const response = Buffer.from(`\0user\0${SECRET}`)
    return {
      ...limits,
      username: 'user',
      password: SECRET,
      connectionName: 'fuzzed',
      frameMax: random.pick([undefined, undefined, 8_192]),
      channelMax: random.pick([undefined, undefined, 3]),
      maxMessageSize: random.pick([undefined, 1_000]),
      highWaterMark: random.pick([undefined, 1, 4_096]),
      maxReceiveBuffered: random.pick([undefined, undefined, 1_000]),
      signal: random.chance(0.03) ? abortedAfter(random.below(8)) : undefined,
      auth: secure
        ? { mechanism: 'PLAIN', initialResponse: () => response, answer: () => Buffer.from(SECRET) }
        : undefined,
      stream: () => {
        this.isDialled = true
        return stream
      },
      clock,
    }
  }
}

function limitsOf(random: Random): Limits {
  return {
    heartbeat: random.pick([0, 1, 10, 20]),
    connectTimeout: random.pick([1_000, 10_000]),
    rpcTimeout: random.pick([500, 5_000, 20_000]),
    confirmTimeout: random.pick([500, 30_000]),
    closeTimeout: random.pick([100, 1_000, 5_000]),
    maxBuffered: random.pick([20_000, 64 * 1024 * 1024]),
  }
}

/** A signal that fires so many turns of the event loop from now. */
function abortedAfter(turns: number): AbortSignal {
  const controller = new AbortController()
  const wait = (left: number): void => {
    if (left === 0) controller.abort(new GivenUp('connecting takes too long'))
    else setImmediate(() => wait(left - 1))
  }
  wait(turns)
  return controller.signal
}
