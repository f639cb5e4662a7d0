// A connection made by the public connect() to a scripted peer in the same process, over a stream in memory and on a clock
// that the test moves: years of heartbeats pass in milliseconds, and every octet can be looked at.

import { type Connection, type ConnectOptions, connect } from '../../../src/index.js'
import { within } from '../rabbitmq/deadline.js'
import { VirtualClock } from '../virtual-clock.js'
import { MemoryStream, type MemoryStreamOptions } from './memory-stream.js'
import { type PeerTune, ScriptedPeer } from './scripted-peer.js'

export interface VirtualOptions extends MemoryStreamOptions {
  readonly connect?: ConnectOptions | undefined
  readonly tune?: PeerTune | undefined
  readonly clock?: VirtualClock | undefined
}

/** The two ends of one connection, and the time. */
export class VirtualPeer {
  readonly clock: VirtualClock
  readonly peer: ScriptedPeer<MemoryStream>
  /** The client's stream. */
  readonly stream: MemoryStream
  readonly #options: VirtualOptions

  constructor(options: VirtualOptions = {}) {
    this.#options = options
    this.clock = options.clock ?? new VirtualClock()
    const [stream, socket] = MemoryStream.pair(options)
    this.stream = stream
    this.peer = new ScriptedPeer(socket)
  }

  /** A connection whose handshake is complete, with a peer that answers calls and does not beat. */
  static async open(
    options: VirtualOptions = {},
  ): Promise<VirtualPeer & { readonly connection: Connection }> {
    const virtual = new VirtualPeer(options)
    const connecting = virtual.connect()
    await virtual.peer.handshake(options.tune)
    const connection = await within(1_000, 'connect() in memory', connecting)
    virtual.peer.answerCalls()
    await virtual.clock.settle()
    return Object.assign(virtual, { connection })
  }

  connect(): Promise<Connection> {
    return connect({ ...this.#options.connect, stream: () => this.stream, clock: this.clock })
  }

  /** What reached the peer since this was asked last, write by write. */
  readonly takeWrites = (): Buffer[] => this.stream.writes.splice(0)
}
