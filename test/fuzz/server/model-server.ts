// A server that does what a broker does, over a stream in memory: answers, now or later, confirms, delivers, blocks, beats. What it
// sends waits in a queue for each channel, from which frames are taken in turn, so contents of several channels mix. It
// notes what the client does that it may not do. What is done to it to make it a bad one is in mischief.ts.

import type { Method } from '../../../src/protocol/method-types.js'
import { type MethodName, methodRow } from '../../../src/protocol/methods.js'
import type { MemoryStream } from '../../support/peer/memory-stream.js'
import { PeerCodec } from '../../support/peer/peer-codec.js'
import type { Random } from '../random.js'
import { WIRE_BODY, WIRE_METHOD, wireFrame, wireFramesIn } from '../wire.js'
import { type ChannelOwner, type Message, ModelChannel, type ReceivedMethod } from './model-channel.js'
import type { State } from './states.js'

/** What the server has to answer next, until the connection is open. */
type Phase = 'header' | 'start' | 'secure' | 'tune' | 'open' | 'opened' | 'closing' | 'closed'

interface Debt {
  readonly channelNumber: number
  readonly state: State
  readonly pay: () => void
}

export interface ServerTune {
  readonly channelMax: number
  readonly frameMax: number
  readonly heartbeat: number
}

export class ModelServer implements ChannelOwner {
  readonly socket: MemoryStream
  readonly codec = new PeerCodec()
  readonly tune: ServerTune
  phase: Phase = 'header'
  readonly channels = new Map<number, ModelChannel>()
  readonly queues = new Map<string, Message[]>([
    ['q-1', []],
    ['q-2', []],
    ['amq.rabbitmq.reply-to', []],
  ])
  readonly arrived = new Set<string>()
  /** False from the first mischief on: what the client thinks of the server may differ from what that thinks. */
  honest = true
  /** Whether channel.flow has stopped the client, on some channel. */
  stopped = false
  blocked = false
  /** Sends nothing any more. */
  mute = false
  /** Sends an octet at a time. */
  slow = false
  /** Does not read at the moment. */
  rests = false
  /** Does not read any more. */
  deaf = false
  /** The client's Connection.Close. */
  closedWith: Extract<Method, { name: 'connection.close' }>['args'] | undefined
  /** What the client did that it may not do, whatever it is sent. */
  readonly blames: string[] = []
  /** Names of the methods that came. */
  readonly received: MethodName[] = []
  readonly #random: Random
  readonly #challenges: boolean
  #debts: Debt[] = []
  /** Frames that wait to be sent, by channel. */
  readonly #outgoing = new Map<number, Buffer[]>()
  #trickle: Buffer[] = []
  #silentSince = 0
  #heartbeat = 0

  constructor(socket: MemoryStream, random: Random, tune: ServerTune, challenges: boolean) {
    this.socket = socket
    this.#random = random
    this.tune = tune
    this.#challenges = challenges
    socket.on('data', (octets: Buffer) => this.#receive(octets))
    socket.on('error', () => {})
  }

  /** States in which a client is that waits for an answer. */
  get awaited(): Set<State> {
    return new Set(this.#debts.map(debt => debt.state))
  }

  /** Whether the rest of a content waits to be sent. */
  get isMidContent(): boolean {
    return [...this.#outgoing.values()].some(
      frames => frames[0] !== undefined && frames[0][0] !== WIRE_METHOD,
    )
  }

  /** Whether it has closed a channel. */
  get hasClosedChannels(): boolean {
    return (
      this.received.includes('channel.close-ok') || [...this.channels.values()].some(({ closing }) => closing)
    )
  }

  get hasEnded(): boolean {
    return this.socket.writableEnded || this.socket.destroyed
  }

  owe(channelNumber: number, state: State, pay: () => void): void {
    this.#debts.push({ channelNumber, state, pay })
  }

  blame(what: string): void {
    if (this.honest) this.blames.push(what)
  }

  release(channelNumber: number): void {
    this.channels.delete(channelNumber)
  }

  /** Pays some of what it owes, in order on each channel; never what keeps the client in the state `withheld`. */
  pay(share: number, withheld: State | undefined): void {
    const unpaid = new Set<number>()
    for (const debt of [...this.#debts]) {
      const { channelNumber, state, pay } = debt
      if (unpaid.has(channelNumber) || state === withheld || !this.#random.chance(share)) {
        unpaid.add(channelNumber)
        continue
      }
      this.#debts.splice(this.#debts.indexOf(debt), 1)
      pay()
    }
  }

  /** Does not answer something that it has been asked. True if there was something. */
  forgetDebt(): boolean {
    if (this.#debts.length === 0) return false
    this.#debts.splice(this.#random.below(this.#debts.length), 1)
    return true
  }

  /** Confirms and delivers. */
  work(withheld: State | undefined): void {
    if (this.phase !== 'opened') return
    for (const channel of this.channels.values()) {
      if (channel.closing) continue
      if (withheld !== 'publishes' && withheld !== 'draining' && this.#random.chance(0.6))
        channel.confirm(this.#random)
      if (this.#random.chance(0.6)) channel.deliver(this.#random)
    }
  }

  send(channelNumber: number, method: Method): void {
    this.#queue(channelNumber, [this.codec.method(channelNumber, method)])
  }

  sendContent(channelNumber: number, method: Method, { properties, body }: Message): void {
    const head = wireFramesIn(this.codec.content(channelNumber, method, body, properties)).slice(0, 2)
    const pieces: Buffer[] = []
    for (let at = 0; at < body.length; ) {
      const end = Math.min(body.length, at + this.#random.between(1, 4_000))
      pieces.push(wireFrame(WIRE_BODY, channelNumber, body.subarray(at, end)))
      at = end
    }
    this.#queue(channelNumber, [...head, ...pieces])
  }

  setFlow(channelNumber: number, active: boolean): void {
    this.stopped = !active
    this.send(channelNumber, { name: 'channel.flow', args: { active } })
  }

  setBlocked(blocked: boolean): void {
    this.blocked = blocked
    this.send(0, blocked ? { name: 'connection.blocked', args: { reason: 'low on memory' } } : UNBLOCKED)
  }

  /** Reads, or for a while does not. */
  setReading(reads: boolean): void {
    if (this.deaf) return
    this.rests = !reads
    if (reads) this.socket.resume()
    else this.socket.pause()
  }

  /** The end of everything that holds the client up. */
  calm(): void {
    if (this.rests) this.setReading(true)
    if (this.phase !== 'opened') return
    if (this.blocked) this.setBlocked(false)
    if (!this.stopped) return
    for (const { number, isOpen } of this.channels.values()) if (isOpen) this.setFlow(number, true)
    this.stopped = false
  }

  /** Takes the next frame of some channel out of what waits to be sent. */
  takeFrame(): Buffer | undefined {
    const waiting = [...this.#outgoing.keys()]
    if (waiting.length === 0) return undefined
    return this.#shift(this.#random.pick(waiting))
  }

  /** Sends what waits, the channels in turn; with `some` only a part of it. */
  flush(some: boolean): void {
    const frames: Buffer[] = []
    for (let frame = this.takeFrame(); frame !== undefined; frame = this.takeFrame()) {
      frames.push(frame)
      if (some && this.#random.chance(0.2)) break
    }
    if (frames.length > 0) this.sendOctets(Buffer.concat(frames))
  }

  /** Any octets, at once. */
  sendOctets(octets: Buffer): void {
    if (this.mute || this.hasEnded || octets.length === 0) return
    if (this.slow) {
      this.#trickle.push(octets)
      return
    }
    const at = this.#random.chance(0.2) ? this.#random.below(octets.length) : 0
    if (at > 0) this.socket.write(octets.subarray(0, at))
    this.socket.write(octets.subarray(at))
  }

  /** Time has passed: what comes without being asked for. */
  tick(now: number): void {
    if (this.slow) this.#sendOctet()
    else if (this.phase === 'opened' && now - this.#silentSince >= this.beatMs) {
      this.#silentSince = now
      this.sendOctets(this.codec.heartbeat())
    }
  }

  /** Between two heartbeats; half of the interval that the client has agreed to. */
  get beatMs(): number {
    return this.#heartbeat === 0 ? Number.POSITIVE_INFINITY : this.#heartbeat * 500
  }

  /** The next step of the handshake. */
  advanceHandshake(): void {
    switch (this.phase) {
      case 'start':
        return this.send(0, { name: 'connection.start', args: START })
      case 'secure':
        return this.send(0, { name: 'connection.secure', args: { challenge: Buffer.from('who?') } })
      case 'tune':
        return this.send(0, { name: 'connection.tune', args: this.tune })
      case 'open':
        this.phase = 'opened'
        return this.send(0, { name: 'connection.open-ok', args: {} })
    }
  }

  /** The stream ends, behind what has been sent. */
  end(): void {
    if (!this.hasEnded) this.socket.end()
  }

  reset(): void {
    if (!this.socket.destroyed) this.socket.reset()
  }

  stopReading(): void {
    this.deaf = true
    this.socket.pause()
  }

  #receive(octets: Buffer): void {
    try {
      for (const received of this.codec.receive(octets)) {
        if (received.type === 'header') this.#enter('start')
        else if (received.type === 'method') this.#handle(received)
      }
    } catch (error) {
      this.blames.push(`octets that are no AMQP: ${String(error)}`)
    }
  }

  #handle(received: ReceivedMethod): void {
    const { channelNumber, method } = received
    this.received.push(method.name)
    this.#expectAllowed(channelNumber, method.name)
    if (channelNumber === 0) return this.#handleConnection(method)
    const known = this.channels.get(channelNumber)
    const channel = known ?? new ModelChannel(channelNumber, this)
    if (known === undefined) {
      if (method.name !== 'channel.open') return this.blame(`${method.name} on channel ${channelNumber}`)
      this.channels.set(channelNumber, channel)
    }
    channel.receive(received)
  }

  #handleConnection(method: Method): void {
    switch (method.name) {
      case 'connection.start-ok':
        return this.#enter(this.#challenges ? 'secure' : 'tune')
      case 'connection.secure-ok':
        return this.#enter('tune')
      case 'connection.tune-ok':
        this.codec.frameMax = method.args.frameMax
        this.#heartbeat = method.args.heartbeat
        return
      case 'connection.open':
        return this.#enter('open')
      case 'connection.update-secret':
        return this.owe(0, 'secret', () => this.send(0, { name: 'connection.update-secret-ok', args: {} }))
      case 'connection.close':
        this.closedWith = method.args
        this.phase = 'closing'
        return this.owe(0, 'closing', () => {
          this.phase = 'closed'
          this.send(0, { name: 'connection.close-ok', args: {} })
        })
      case 'connection.close-ok':
        this.phase = 'closed'
        return this.end()
      default:
        return this.blame(`${method.name} on channel 0`)
    }
  }

  /** In the handshake each answer is owed as soon as the question has come. */
  #enter(phase: 'start' | 'secure' | 'tune' | 'open'): void {
    this.phase = phase
    this.owe(0, phase, () => this.advanceHandshake())
  }

  #expectAllowed(channelNumber: number, name: MethodName): void {
    if (methodRow(name).sender === 'server') this.blames.push(`${name}, which only a server sends`)
    if (this.closedWith !== undefined && name !== 'connection.close-ok')
      this.blames.push(`${name} on channel ${channelNumber} behind connection.close`)
    if (this.phase === 'closed' && name !== 'connection.close' && name !== 'connection.close-ok')
      this.blame(`${name} on channel ${channelNumber} after the end`)
  }

  #queue(channelNumber: number, frames: readonly Buffer[]): void {
    const waiting = this.#outgoing.get(channelNumber)
    if (waiting === undefined) this.#outgoing.set(channelNumber, [...frames])
    else waiting.push(...frames)
  }

  #shift(channelNumber: number): Buffer | undefined {
    const waiting = this.#outgoing.get(channelNumber) as Buffer[]
    const frame = waiting.shift()
    if (waiting.length === 0) this.#outgoing.delete(channelNumber)
    return frame
  }

  #sendOctet(): void {
    const first = this.#trickle[0]
    if (first === undefined || this.mute || this.hasEnded) return
    this.socket.write(first.subarray(0, 1))
    if (first.length === 1) this.#trickle.shift()
    else this.#trickle[0] = first.subarray(1)
  }
}

const UNBLOCKED = { name: 'connection.unblocked', args: {} } as const

const START = {
  versionMajor: 0,
  versionMinor: 9,
  serverProperties: { product: 'model', capabilities: { 'basic.nack': true, 'connection.blocked': true } },
  mechanisms: Buffer.from('PLAIN'),
  locales: Buffer.from('en_US'),
}
