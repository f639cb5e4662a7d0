// A ConnectionProtocol and the server's end of its wire, joined without a socket on a clock that the test moves. Octets
// pass in whatever pieces the test wants; nothing happens by itself.

import type { ConsumeCommand } from '../../../src/protocol/channel-commands.js'
import type { ChannelProtocol } from '../../../src/protocol/channel-protocol.js'
import { ConnectionProtocol, type ProtocolOptions } from '../../../src/protocol/connection-protocol.js'
import type { ProtocolEvent } from '../../../src/protocol/events.js'
import type { Publishing } from '../../../src/protocol/frame-writers.js'
import type { CallName, Method, MethodOf } from '../../../src/protocol/method-types.js'
import type { PublishProperties } from '../../../src/protocol/properties.js'
import { plain } from '../../../src/protocol/sasl.js'
import { PeerCodec, type Received } from './peer-codec.js'
import type { PeerTune } from './scripted-peer.js'

const MIB = 1024 * 1024

export interface PairOptions {
  readonly heartbeat?: number
  readonly frameMax?: number
  readonly channelMax?: number
  readonly limits?: Partial<ProtocolOptions['limits']>
  readonly handshake?: Partial<ProtocolOptions['handshake']>
}

export class ProtocolPair {
  now = 0
  readonly protocol: ConnectionProtocol
  readonly peer = new PeerCodec()
  /** Everything the protocol told, in order. */
  readonly events: ProtocolEvent[] = []
  /** Everything that reached the peer, in order. */
  readonly received: Received[] = []
  /** The octets that reached the peer, batch by batch. */
  readonly batches: Buffer[][] = []
  /** Whether the peer reads. When not, batches stay in the socket. */
  reads = true

  constructor(options: PairOptions = {}) {
    const { heartbeat = 60, frameMax, channelMax } = options
    this.protocol = new ConnectionProtocol(
      {
        endpoint: { connectionName: 'pair', localPort: 1 },
        handshake: {
          address: 'peer:5672',
          auth: [plain('guest', 'guest')],
          virtualHost: '/',
          clientProperties: { product: 'test' },
          tune: { heartbeat, frameMax, channelMax },
          ...options.handshake,
        },
        limits: {
          maxMessageSize: 128 * MIB,
          maxBuffered: 64 * MIB,
          highWaterMark: MIB,
          rpcTimeoutMs: 20_000,
          confirmTimeoutMs: 30_000,
          closeTimeoutMs: 5_000,
          ...options.limits,
        },
      },
      0,
    )
  }

  /** A pair whose handshake is complete. */
  static opened(options: PairOptions & { tune?: PeerTune } = {}): ProtocolPair {
    const pair = new ProtocolPair(options)
    pair.settle()
    const mechanisms = Buffer.from('PLAIN')
    const args = {
      versionMajor: 0,
      versionMinor: 9,
      serverProperties: {},
      mechanisms,
      locales: Buffer.from('en_US'),
    }
    pair.send(0, { name: 'connection.start', args })
    const { channelMax = 2047, frameMax = 131_072, heartbeat = 60 } = options.tune ?? {}
    pair.send(0, { name: 'connection.tune', args: { channelMax, frameMax, heartbeat } })
    pair.send(0, { name: 'connection.open-ok', args: {} })
    pair.peer.frameMax = pair.protocol.tune?.frameMax ?? frameMax
    pair.forget()
    return pair
  }

  /** Forgets what was told and received so far. */
  forget(): void {
    this.events.length = 0
    this.received.length = 0
    this.batches.length = 0
  }

  /** A channel that the peer has opened; all that has happened so far is forgotten. */
  openChannel(options: { confirm?: boolean; maxUnconfirmed?: number } = {}): ChannelProtocol {
    const { confirm = false, maxUnconfirmed = 1000 } = options
    const channel = this.run(() => this.protocol.openChannel({}, maxUnconfirmed, {}, this.now))
    this.send(channel.number, { name: 'channel.open-ok', args: {} })
    if (confirm) {
      this.call(channel, { name: 'confirm.select', args: { noWait: false } })
      this.send(channel.number, { name: 'confirm.select-ok', args: {} })
    }
    this.forget()
    return channel
  }

  /** Gives a command, and lets the protocol react. */
  run<T>(command: () => T): T {
    const result = command()
    this.settle()
    return result
  }

  /** Calls, and returns the token that the answer will carry. */
  call(channel: ChannelProtocol, method: MethodOf<CallName>): object {
    const token = {}
    this.run(() => channel.call(method, token, this.now))
    return token
  }

  /** Publishes with a token if the channel is in confirm mode, and returns the token or undefined. */
  publish(channel: ChannelProtocol, message: Partial<Publishing> = {}): object | undefined {
    const token = channel.confirming ? {} : undefined
    const publishing = {
      exchange: '',
      routingKey: 'q',
      mandatory: false,
      properties: {},
      body: Buffer.from('body'),
      ...message,
    }
    this.run(() => channel.publish(publishing, token, this.now))
    return token
  }

  /** Starts a consumer, and returns the token that the answer will carry. */
  consume(channel: ChannelProtocol, command: Partial<ConsumeCommand> = {}): object {
    const token = {}
    const flags = { noAck: false, exclusive: false, noWait: false }
    const whole = { queue: 'q', consumerTag: 't', prefetch: undefined, ...flags, arguments: {}, consumer: {} }
    this.run(() => channel.consume({ ...whole, ...command }, token, this.now))
    return token
  }

  /** What was asked under these tokens is not wanted any more. */
  withdraw(channel: ChannelProtocol, cause: Error, ...tokens: (object | undefined)[]): void {
    const causes = tokens.filter(token => token !== undefined).map(token => [token, cause] as const)
    this.run(() => channel.withdraw(new Map(causes)))
  }

  /** What was asked under the token has failed with, or undefined. */
  errorOf(token: object | undefined): Error | undefined {
    const event = this.settlementOf(token)
    return event?.type === 'failed' ? event.error : undefined
  }

  /** The one event that has settled the token, or undefined. */
  settlementOf(token: object | undefined): ProtocolEvent | undefined {
    const settlements = this.events.filter(
      event =>
        ('token' in event && event.token === token) ||
        ('tokens' in event && token !== undefined && event.tokens.includes(token)),
    )
    if (settlements.length > 1) throw new Error('a token was settled twice')
    return settlements[0]
  }

  /** Sends a method with its content to the protocol, and lets it react. */
  sendContent(channelNumber: number, method: Method, body: Buffer, properties?: PublishProperties): void {
    this.sendOctets(this.peer.content(channelNumber, method, body, properties))
  }

  /** Sends a delivery. */
  deliver(
    channel: ChannelProtocol,
    consumerTag: string,
    deliveryTag: number,
    body = Buffer.from('body'),
  ): void {
    const args = { consumerTag, deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
    this.sendContent(channel.number, { name: 'basic.deliver', args }, body)
  }

  /** Ends the transport. */
  cut(error?: Error): void {
    this.protocol.receiveEnd(this.now, error)
    this.settle()
  }

  /** Sends a method to the protocol, and lets it react. */
  send(channelNumber: number, method: Method): void {
    this.sendOctets(this.peer.method(channelNumber, method))
  }

  sendOctets(octets: Buffer): void {
    this.protocol.receiveData(octets, this.now)
    this.settle()
  }

  /** Moves the clock, stopping at every deadline on the way. */
  advance(milliseconds: number): void {
    const until = this.now + milliseconds
    for (let steps = 0; ; steps++) {
      if (steps > 100_000_000) throw new Error('the protocol never becomes idle')
      const deadline = this.protocol.nextDeadline()
      if (deadline > until) break
      this.now = Math.max(this.now, deadline)
      this.protocol.handleTimeout(this.now)
      this.settle()
    }
    this.now = until
  }

  /** Ends the turn, and polls the outputs until nothing comes any more. */
  settle(): void {
    this.protocol.handleTurnEnd(this.now)
    for (let event = this.protocol.pollEvent(); event !== undefined; event = this.protocol.pollEvent()) {
      this.events.push(event)
    }
    while (this.reads) {
      const batch = this.protocol.pollTransmit(this.now)
      if (batch === undefined) break
      // Lent until it is written; tests look at it later.
      this.batches.push(batch.map(octets => Buffer.from(octets)))
      this.received.push(...this.peer.receive(Buffer.concat(batch)))
      this.protocol.handleWritten(this.now)
    }
    for (let event = this.protocol.pollEvent(); event !== undefined; event = this.protocol.pollEvent()) {
      this.events.push(event)
    }
  }

  /** The names of the methods that reached the peer. */
  get methods(): string[] {
    return this.received.flatMap(received => (received.type === 'method' ? [received.method.name] : []))
  }

  /** The events of a type. */
  eventsOf<T extends ProtocolEvent['type']>(type: T): Extract<ProtocolEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<ProtocolEvent, { type: T }> => event.type === type)
  }
}
