// The server's end of one connection, sans-IO: methods with their contents come in by channel, octets go out through the wire it
// is given. Nothing happens by itself: whoever drives it says when it works, confirms and delivers.

import type { Method } from '../../../src/protocol/method-types.js'
import type { PeerCodec, Received } from '../../support/peer/peer-codec.js'
import { BrokerChannel } from './broker-channel.js'
import type { BrokerObserver } from './broker-observer.js'
import type { Message } from './broker-queue.js'
import { contentFrames } from './content-octets.js'
import { BrokenRule, Refusal } from './refusal.js'
import type { VirtualHost } from './virtual-host.js'

export interface BrokerWire {
  readonly codec: PeerCodec
  /** Sends octets to the client. */
  write(octets: Buffer): void
}

export class BrokerConnection {
  #isBlocking = false
  /** While it is, what comes is not looked at. */
  #isPaused = false
  readonly #host: VirtualHost
  readonly #wire: BrokerWire
  readonly #observer: BrokerObserver
  readonly #channels = new Map<number, BrokerChannel>()
  readonly #channelMax: number
  /** What came while it was paused. */
  readonly #unread: Received[] = []
  #unansweredSecrets = 0
  #closeRequested = false
  #over = false

  constructor(host: VirtualHost, wire: BrokerWire, observer: BrokerObserver, channelMax: number) {
    this.#host = host
    this.#wire = wire
    this.#observer = observer
    this.#channelMax = channelMax
  }

  /** Something of what has come is not answered. */
  get hasWork(): boolean {
    const isBusy = [...this.#channels.values()].some(
      ({ hasWork, publishes }) => hasWork || publishes.unconfirmed > 0,
    )
    return (
      !this.#over &&
      (isBusy || this.#unansweredSecrets > 0 || this.#closeRequested || this.#unread.length > 0)
    )
  }

  /** Publishes that it has not confirmed, on the channel that has most. */
  get unconfirmed(): number {
    return Math.max(0, ...[...this.#channels.values()].map(({ publishes }) => publishes.unconfirmed))
  }

  receive(received: Received): void {
    if (this.#over || received.type !== 'method') return
    if (this.#isPaused) {
      this.#unread.push(received)
      return
    }
    const { channelNumber, method } = received
    if (this.#closeRequested && method.name !== 'connection.close-ok')
      throw new BrokenRule(`${method.name} behind connection.close`)
    if (channelNumber === 0) this.#receiveOwn(method)
    else this.#channelFor(channelNumber, method).receive(received)
    this.#sweep()
  }

  /** Says that it takes no publishes; RabbitMQ then reads no further once the connection publishes. */
  block(stopsReading: boolean): void {
    this.#isBlocking = true
    this.#isPaused ||= stopsReading
    this.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
  }

  unblock(): void {
    if (!this.#isBlocking) return
    this.#isBlocking = false
    this.#isPaused = false
    this.send(0, { name: 'connection.unblocked', args: {} })
    for (const received of this.#unread.splice(0)) this.receive(received)
  }

  /** Works on one channel, or on what the connection itself was asked. False when there was nothing to do there. */
  work(pick: number): boolean {
    if (this.#isPaused || this.#over) return false
    if (this.#closeRequested) return this.#closeOk()
    if (this.#unansweredSecrets > 0 && pick % 2 === 0) return this.#answerSecret()
    const worked = this.#pick(pick)?.work() === true
    this.#sweep()
    return worked
  }

  confirm(pick: number, multiple: boolean): boolean {
    return this.#pick(pick)?.publishes.confirm(pick, multiple) === true
  }

  /** Does all there is to do, one thing after another. False when there was nothing. */
  workOff(): boolean {
    if (this.#isPaused || this.#over) return false
    if (this.#closeRequested) return this.#closeOk()
    let worked = this.#unansweredSecrets > 0 && this.#answerSecret()
    for (const channel of [...this.#channels.values()]) {
      while (channel.work()) worked = true
      while (channel.publishes.confirm(channel.publishes.unconfirmed - 1, true)) worked = true
    }
    this.#sweep()
    for (const queue of this.#host.queues) while (queue.deliver()) worked = true
    return worked
  }

  /** Gives one message of some queue to its next consumer. */
  deliver(pick: number): void {
    const { queues } = this.#host
    if (!this.#over) queues[pick % (queues.length || 1)]?.deliver()
  }

  closeChannel(pick: number): void {
    this.#pick(pick)?.close(new Refusal(406, 'of the broker'))
  }

  cancelConsumer(pick: number): void {
    this.#pick(pick)?.cancelOne(pick)
  }

  send(channelNumber: number, method: Method, content?: Pick<Message, 'propertyOctets' | 'body'>): void {
    if (this.#over) return
    const { codec } = this.#wire
    const octets = codec.method(channelNumber, method)
    if (content === undefined) return this.#wire.write(octets)
    this.#wire.write(Buffer.concat([octets, ...contentFrames(channelNumber, content, codec.frameMax)]))
  }

  /** The transport is gone, or the client has closed. What was not settled goes back to its queue. */
  end(): void {
    this.#over = true
    for (const channel of this.#channels.values()) channel.end()
    this.#channels.clear()
    this.#host.deleteExclusive()
  }

  #receiveOwn({ name }: Method): void {
    if (name === 'connection.close') this.#closeRequested = true
    else if (name === 'connection.close-ok') this.end()
    else if (name !== 'connection.update-secret') throw new BrokenRule(`${name} while the connection runs`)
    else if (++this.#unansweredSecrets > 1) throw new BrokenRule('a secret before the reply to another')
  }

  #closeOk(): boolean {
    this.send(0, { name: 'connection.close-ok', args: {} })
    this.end()
    return true
  }

  #answerSecret(): boolean {
    this.#unansweredSecrets--
    this.send(0, { name: 'connection.update-secret-ok', args: {} })
    return true
  }

  #channelFor(channelNumber: number, { name }: Method): BrokerChannel {
    const known = this.#channels.get(channelNumber)
    if (name === 'channel.open') {
      if (known !== undefined) throw new BrokenRule(`channel.open on channel ${channelNumber}, which is open`)
      if (channelNumber > this.#channelMax)
        throw new BrokenRule(`channel ${channelNumber} is beyond channel-max`)
      const sender = {
        send: (method: Method, content?: Pick<Message, 'propertyOctets' | 'body'>) =>
          this.send(channelNumber, method, content),
      }
      const opened = new BrokerChannel(this.#host, sender, this.#observer)
      this.#channels.set(channelNumber, opened)
      return opened
    }
    if (known === undefined) throw new BrokenRule(`${name} on channel ${channelNumber}, which is not open`)
    return known
  }

  /** Channels that are closed free their numbers. */
  #sweep(): void {
    for (const [channelNumber, { isClosed }] of this.#channels) {
      if (isClosed) this.#channels.delete(channelNumber)
    }
  }

  #pick(pick: number): BrokerChannel | undefined {
    const channels = [...this.#channels.values()]
    return channels[pick % (channels.length || 1)]
  }
}
