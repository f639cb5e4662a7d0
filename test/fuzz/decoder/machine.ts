// A ConnectionProtocol without a socket, on a clock of its own, and what must hold of it at every step: nothing is thrown,
// what is asked is settled once, it is closed once, and nothing comes after that. It notes the first thing that is wrong.

import { ArgumentError, FrameError } from '../../../src/frames/index.js'
import type { ChannelProtocol } from '../../../src/protocol/channel-protocol.js'
import type { CloseReason } from '../../../src/protocol/close-reason.js'
import { ConnectionProtocol } from '../../../src/protocol/connection-protocol.js'
import { AmqpError } from '../../../src/protocol/errors.js'
import type { IncomingDelivery, ProtocolEvent } from '../../../src/protocol/events.js'
import { Violation } from '../../../src/protocol/violation.js'
import { Outgoing } from './outgoing.js'
import { mix, mixText } from './signature.js'
import { told } from './thrown.js'

/** What was asked; settled once. */
interface Token {
  readonly what: string
  settlements: number
}

/** Settled when its octets leave, which may be between two chunks, and not by anything that the peer says. */
function isPlainPublish({ what }: Token): boolean {
  return what === 'publish p'
}

const KIB = 1024
export const LIMITS = {
  maxMessageSize: 2 * KIB,
  maxBuffered: 8 * KIB,
  highWaterMark: 4 * KIB,
  rpcTimeoutMs: 1_000,
  confirmTimeoutMs: 1_500,
  closeTimeoutMs: 500,
}
export const FRAME_MAX = 8 * KIB
/** Commands in front of the outbound order, and twice as much in it as may wait there before the peer is told off. */
const MOST_BUFFERED = 3 * Math.max(LIMITS.maxBuffered, FRAME_MAX) + FRAME_MAX
/** Deadlines that are met while a connection is given time to end. */
const MOST_DEADLINES = 1_000

export class Machine {
  readonly protocol = new ConnectionProtocol(
    {
      endpoint: { connectionName: 'machine', localPort: 1 },
      handshake: {
        address: 'peer:5672',
        // One that is asked more than once.
        auth: [{ mechanism: 'PLAIN', initialResponse: () => Buffer.of(0), answer: challenge => challenge }],
        virtualHost: '/',
        clientProperties: { product: 'test' },
        tune: { heartbeat: 10, frameMax: FRAME_MAX, channelMax: 8 },
      },
      limits: LIMITS,
    },
    0,
  )
  now = 0
  /** Whether the socket takes what is sent. */
  reads = true
  /** The first thing that is wrong. */
  complaint: string | undefined
  /** A number for what was told, for the choice of what to keep. */
  signature = 0
  readonly channels: ChannelProtocol[] = []
  readonly deliveries: IncomingDelivery[] = []
  closed: CloseReason | undefined
  readonly #tokens: Token[] = []
  readonly #outgoing = new Outgoing()

  /** Octets come. */
  receive(octets: Buffer): void {
    try {
      this.protocol.receiveData(octets, this.now)
    } catch (error) {
      this.#complain(`receiveData throws ${told(error)}`)
    }
    this.settle()
    const { buffered } = this.protocol
    if (buffered > MOST_BUFFERED) this.#complain(`${buffered} octets wait`)
  }

  /** Gives a command, which may be refused. Unless it returns false an event will settle its token. */
  command(what: string, give: (token: object) => unknown): void {
    const token: Token = { what, settlements: 0 }
    try {
      if (give(token) !== false) this.#tokens.push(token)
    } catch (error) {
      if (!(error instanceof AmqpError || error instanceof ArgumentError))
        this.#complain(`${what} throws ${told(error)}`)
    }
    this.settle()
  }

  /** As `command`, for what no token is settled by. */
  tell(what: string, give: () => void): void {
    this.command(what, () => {
      give()
      return false
    })
  }

  /** Time passes, from deadline to deadline, up to `milliseconds` from now. */
  advance(milliseconds: number): void {
    const until = this.now + milliseconds
    for (let count = 0; this.protocol.nextDeadline() <= until; count++) {
      if (count === MOST_DEADLINES) return this.#complain('never becomes idle')
      this.now = Math.max(this.now, this.protocol.nextDeadline())
      this.protocol.handleTimeout(this.now)
      this.settle()
    }
    this.now = until
  }

  /** The transport is gone: then all must be over. */
  cut(): void {
    this.reads = true
    this.protocol.receiveEnd(this.now, new Error('read ECONNRESET'))
    this.settle()
    const { protocol, closed } = this
    if (closed === undefined || protocol.state !== 'closed')
      this.#complain(`is ${protocol.state} after the end`)
    if (protocol.buffered !== 0) this.#complain(`${protocol.buffered} octets wait after the end`)
    if (protocol.nextDeadline() !== Number.POSITIVE_INFINITY) this.#complain('has a deadline after the end')
    for (const { what, settlements } of this.#tokens) {
      if (settlements === 0) this.#complain(`${what} is never settled`)
    }
  }

  /** Polls until nothing comes any more. */
  settle(): void {
    this.protocol.handleTurnEnd(this.now)
    this.#pollEvents()
    while (this.reads) {
      const batch = this.protocol.pollTransmit(this.now)
      if (batch === undefined) break
      const complaint = this.#outgoing.judge(batch.length === 1 ? (batch[0] as Buffer) : Buffer.concat(batch))
      if (complaint !== undefined) this.#complain(complaint)
      this.protocol.handleWritten(this.now)
    }
    this.#pollEvents()
  }

  #pollEvents(): void {
    for (let event = this.protocol.pollEvent(); event !== undefined; event = this.protocol.pollEvent()) {
      if (this.closed !== undefined) this.#complain(`tells ${event.type} after closed`)
      this.#take(event)
    }
  }

  #take(event: ProtocolEvent): void {
    if ('token' in event) this.#settled(event.token)
    else if (event.type === 'confirmed') for (const token of event.tokens) this.#settled(token)
    else if (event.type === 'delivered') this.deliveries.push(event.delivery)
    else if (event.type === 'closed') {
      this.closed = event.reason
      this.#judgeReason(event.reason)
    }
    if ('token' in event && isPlainPublish(event.token as Token)) return
    this.signature = mixText(this.signature, event.type)
    const reason = 'reason' in event && typeof event.reason === 'object' ? event.reason : undefined
    // What the peer says of itself may be anything, and means nothing.
    if (reason !== undefined) this.signature = mixText(this.signature, reason.by)
    if (reason?.by === 'protocol')
      this.signature = mixText(mix(this.signature, reason.code ?? 0), reason.text ?? '')
  }

  #settled(token: object): void {
    const { what, settlements } = token as Token
    if (settlements > 0) this.#complain(`${what} is settled twice`)
    ;(token as Token).settlements++
  }

  /** What the peer is blamed for is its fault, and no mistake of ours that was met on the way. */
  #judgeReason({ by, code, error }: CloseReason): void {
    if (by !== 'protocol') return
    const cause = error?.cause ?? error
    const isTheirs = cause instanceof Violation || cause instanceof FrameError || cause instanceof AmqpError
    if (!isTheirs || code === 541) this.#complain(`blames the peer for ${told(error)}, ${told(cause)}`)
  }

  #complain(what: string): void {
    this.complaint ??= what
  }
}
