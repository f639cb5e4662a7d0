// A connection of the public connect() whose peer is the test: it says octets that were written by hand and looks at the
// octets that came back. In memory, on a clock that the test moves.

import { expect } from 'chai'
import type { Channel, Connection, ConnectOptions, Consumer, Delivery } from '../../src/index.js'
import { hex, toHex } from '../support/hex.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import {
  CONFIRM_SELECT_OK,
  CONSUME_OK,
  connectionClose,
  HEARTBEAT,
  OPEN_OK,
  QOS_OK,
  START,
  TUNE,
} from './octets.js'

const SETTLED_WITHIN_MS = 1_000

export interface OctetSessionOptions {
  readonly connect?: ConnectOptions | undefined
  /** The frame Connection.Tune. */
  readonly tune?: Buffer | undefined
}

export class OctetSession {
  readonly virtual: VirtualPeer
  /** Rejects as connect() does; never unhandled. */
  readonly connecting: Promise<Connection>
  readonly #tune: Buffer
  #connection: Connection | undefined

  constructor({ connect, tune = TUNE }: OctetSessionOptions = {}) {
    this.virtual = new VirtualPeer({ connect })
    this.connecting = this.virtual.connect()
    this.connecting.catch(() => {})
    this.#tune = tune
  }

  /** The handshake, up to Open-Ok; what was heard meanwhile is forgotten. */
  async open(): Promise<void> {
    for (const octets of [START, this.#tune, OPEN_OK]) await this.say(octets)
    this.#connection = await this.settled('connect()', this.connecting)
    this.heard()
  }

  get connection(): Connection {
    if (this.#connection === undefined) throw new Error('the session is not open')
    return this.#connection
  }

  /** Octets for the client; resolves when it has done all that it does about them. */
  async say(...octets: Buffer[]): Promise<void> {
    this.virtual.peer.sendOctets(Buffer.concat(octets))
    await this.virtual.clock.settle()
  }

  /** All that the client wrote since this was asked last, in hexadecimal digits. */
  heard(): string {
    return toHex(Buffer.concat(this.virtual.takeWrites()))
  }

  /** Resolves when what the client does by itself is done. */
  settle(): Promise<void> {
    return this.virtual.clock.settle()
  }

  /** What the promise comes to; it must be settled at once. */
  settled<T>(what: string, promise: Promise<T>): Promise<T> {
    return within(SETTLED_WITHIN_MS, what, promise)
  }

  /** The next channel, opened and in confirm mode if asked for; what was heard meanwhile is forgotten. */
  async openChannel({ confirm = false } = {}, number = '0001'): Promise<Channel> {
    const opening = this.connection.openChannel({ confirm })
    await this.settle()
    await this.say(hex`01 ${number} 00000008 0014000b 00000000 ce`)
    if (confirm) await this.say(CONFIRM_SELECT_OK)
    const channel = await this.settled('openChannel()', opening)
    this.heard()
    return channel
  }

  /** The consumer "t" on channel 1, and what it is given. */
  async consume(channel: Channel): Promise<{ consumer: Consumer; deliveries: Delivery[] }> {
    const deliveries: Delivery[] = []
    const options = { consumerTag: 't', prefetch: 10, autoSettle: false }
    const consuming = channel.consume('q', options, delivery => void deliveries.push(delivery))
    await this.settle()
    await this.say(QOS_OK)
    await this.say(CONSUME_OK)
    const consumer = await this.settled('consume()', consuming)
    this.heard()
    return { consumer, deliveries }
  }

  /** The client has closed with that reply code, because the peer broke the protocol, and is gone. */
  async expectViolation(replyCode: number): Promise<void> {
    expect(this.heard()).to.match(connectionClose(replyCode))
    const reason = await this.settled('closed', this.connection.closed)
    expect(reason).to.include({ by: 'protocol', code: replyCode })
    await this.expectNothing()
  }

  /** The client writes nothing and its stream is gone, whatever else comes. */
  async expectNothing(): Promise<void> {
    await this.say(HEARTBEAT, QOS_OK)
    expect(this.heard()).to.equal('')
    expect(this.virtual.stream.destroyed).to.equal(true)
  }

  /** Ends the transport, and with it everything that is pending. */
  async end(): Promise<void> {
    this.virtual.stream.destroy()
    await this.connecting.then(
      connection => this.settled('closed', connection.closed),
      () => undefined,
    )
    await this.settle()
  }
}
