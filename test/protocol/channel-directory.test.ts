import { expect } from 'chai'
import fc from 'fast-check'
import { OctetKeeper } from '../../src/frames/index.js'
import { ChannelDirectory } from '../../src/protocol/channel-directory.js'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import { ChannelLimitError } from '../../src/protocol/errors.js'
import { EventQueue } from '../../src/protocol/event-queue.js'
import type { Encode } from '../../src/protocol/frame-writers.js'
import { Outbound } from '../../src/protocol/outbound.js'
import { Violation } from '../../src/protocol/violation.js'
import { hex } from '../support/hex.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import { runs } from '../support/runs.js'

const KIB = 1024

function directory(channelMax: number): ChannelDirectory {
  const limits = {
    maxMessageSize: 1000,
    maxBuffered: 1000,
    highWaterMark: 1000,
    rpcTimeoutMs: 1000,
    confirmTimeoutMs: 1000,
    closeTimeoutMs: 1000,
  }
  const events = new EventQueue()
  const bodies = new OctetKeeper()
  const created = new ChannelDirectory({ outbound: new Outbound(8192), endpoint: {}, limits, bodies, events })
  created.channelMax = channelMax
  return created
}

/** What happens to channels; `pick` says to which. */
const step = fc.record({
  what: fc.constantFrom('open', 'open', 'openOk', 'close', 'closeOk', 'serverCloses'),
  pick: fc.nat(),
})

/** Which numbers are taken, by brute force: the free ones in the order in which they will be given out. */
class NumbersInUse {
  readonly #pair: ProtocolPair
  readonly #free: number[]
  /** A number is taken until the close handshake of its channel is complete. */
  readonly #taken: ChannelProtocol[] = []
  readonly #opening = new Set<ChannelProtocol>()
  readonly #closing = new Set<ChannelProtocol>()

  constructor(channelMax: number) {
    this.#pair = ProtocolPair.opened({ channelMax })
    this.#free = Array.from({ length: channelMax }, (_, index) => index + 1)
  }

  take({ what, pick }: { readonly what: string; readonly pick: number }): void {
    if (what === 'open') return this.#open()
    const channel = this.#taken[pick % this.#taken.length]
    if (channel === undefined) return
    if (what === 'openOk' && this.#opening.delete(channel)) this.#send(channel, 'channel.open-ok')
    else if (what === 'close') this.#close(channel)
    else if (what === 'closeOk' && this.#closing.has(channel)) {
      this.#send(channel, 'channel.close-ok')
      this.#release(channel)
    } else if (what === 'serverCloses' && !this.#opening.has(channel)) {
      const args = { replyCode: 404, replyText: '', classId: 0, methodId: 0 }
      this.#pair.send(channel.number, { name: 'channel.close', args })
      // Of closes that cross, ours is still to be answered.
      if (!this.#closing.has(channel)) this.#release(channel)
    }
    expect(this.#pair.protocol.state).to.equal('open')
  }

  #open(): void {
    const { protocol, now } = this.#pair
    const open = (): ChannelProtocol => protocol.openChannel({}, 1, {}, now)
    const expected = this.#free.shift()
    if (expected === undefined) return void expect(open).to.throw(ChannelLimitError)
    const channel = this.#pair.run(open)
    expect(channel.number).to.equal(expected)
    this.#taken.push(channel)
    this.#opening.add(channel)
  }

  #close(channel: ChannelProtocol): void {
    this.#pair.run(() => channel.close(this.#pair.now))
    this.#closing.add(channel)
  }

  #send(channel: ChannelProtocol, name: 'channel.open-ok' | 'channel.close-ok'): void {
    this.#pair.send(channel.number, { name, args: {} })
  }

  #release(channel: ChannelProtocol): void {
    this.#taken.splice(this.#taken.indexOf(channel), 1)
    this.#opening.delete(channel)
    this.#closing.delete(channel)
    this.#free.push(channel.number)
  }
}

describe('ChannelDirectory', () => {
  it('gives a number again when its close handshake is complete, however the closes cross', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(step, { maxLength: 80, size: 'max' }),
        (max, steps) => {
          const numbers = new NumbersInUse(max)
          for (const next of steps) numbers.take(next)
        },
      ),
      runs(30),
    )
  })

  it('gives the number again of a channel that is closed before it is open, behind one that the server closed', () => {
    const numbers = new NumbersInUse(1)
    for (const what of ['open', 'openOk', 'serverCloses', 'open', 'close', 'closeOk', 'open'])
      numbers.take({ what, pick: 0 })
  })

  it('has a channel under its number until it is released', () => {
    const channels = directory(2)
    const channel = channels.open({}, 1)
    expect(channels.expect(1, 'basic.ack')).to.equal(channel)
    expect(channels.expectContent(1)).to.equal(channel)
    channels.release(1)
    expect(() => channels.expect(1, 'basic.ack'))
      .to.throw(Violation, 'basic.ack on channel 1, which is not open')
      .with.property('replyCode', 504)
    expect(() => channels.expectContent(1))
      .to.throw(Violation, 'content frame on channel 1, which is not open')
      .with.property('replyCode', 505)
  })

  it('opens no more channels than were agreed on', () => {
    const channels = directory(2)
    channels.open({}, 1)
    channels.open({}, 1)
    expect(() => channels.open({}, 1)).to.throw(
      ChannelLimitError,
      'all 2 channels of the connection are in use',
    )
  })

  it('closes nobody and sends nothing when the limit is reached', () => {
    const pair = ProtocolPair.opened({ channelMax: 2 })
    const channels = [pair.openChannel(), pair.openChannel()]
    expect(() => pair.protocol.openChannel({}, 1, {}, 0)).to.throw(ChannelLimitError)
    pair.settle()
    expect(pair.received).to.deep.equal([])
    expect(channels.map(({ state }) => state)).to.deep.equal(['open', 'open'])
  })

  it('closes the connection (504) for a method on a channel that was never opened', () => {
    const pair = ProtocolPair.opened()
    pair.openChannel()
    pair.sendOctets(hex`0100030000000400280015ce`)
    expect(pair.eventsOf('closed')[0]?.reason).to.include({ by: 'protocol', code: 504 })
  })

  it('closes the connection (505) for a content on a channel that was never opened, and on channel 0', () => {
    for (const frame of [hex`0200030000000e003c000000000000000000000000ce`, hex`03000000000001 61 ce`]) {
      const pair = ProtocolPair.opened()
      pair.sendOctets(frame)
      expect(pair.eventsOf('closed')[0]?.reason).to.include({ by: 'protocol', code: 505 })
    }
  })

  it('looks at the clock when the first of its channels wants to', () => {
    const channels = directory(3)
    expect(channels.nextDeadline).to.equal(Number.POSITIVE_INFINITY)
    channels.open({}, 1).open({}, 500)
    channels.open({}, 1).open({}, 200)
    expect(channels.nextDeadline).to.equal(1200)
    channels.handleTimeout(1199)
    expect(channels.nextDeadline).to.equal(1200)
    channels.handleTimeout(1200)
    expect(channels.nextDeadline).to.equal(1500)
    channels.lose({ by: 'client' })
    expect(channels.nextDeadline).to.equal(Number.POSITIVE_INFINITY)
  })

  it('knows a channel beside one that the server has closed', () => {
    const channels = directory(10)
    const [first, second] = [channels.open({}, 1), channels.open({}, 1)]
    channels.release(first.number, true)
    expect(channels.peek(second.number)).to.equal(second)
    expect(channels.peek(first.number)).to.equal(undefined)
  })

  it('lets go what waited for a broker that does not block any more, though it says in the same octets that it blocks again', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const blocked = pair.peer.method(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    pair.sendOctets(blocked)
    pair.publish(channel)
    expect(pair.methods).to.deep.equal([])
    const unblocked = pair.peer.method(0, { name: 'connection.unblocked', args: {} })
    pair.sendOctets(Buffer.concat([unblocked, blocked]))
    expect(pair.methods).to.deep.equal(['basic.publish'])
  })

  it('lets the channels whose publishes wait go in turn', () => {
    const pair = ProtocolPair.opened({ limits: { highWaterMark: 64 * KIB } })
    const channels = [pair.openChannel(), pair.openChannel(), pair.openChannel()]
    pair.reads = false
    const body = Buffer.alloc(40 * KIB)
    for (const channel of channels) {
      for (let count = 0; count < 6; count++) pair.publish(channel, { body })
    }
    pair.reads = true
    pair.settle()
    const order = pair.received.flatMap(received =>
      received.type === 'method' ? [received.channelNumber] : [],
    )
    expect(order).to.have.length(18)
    // The first channel has had the room that there was; then they take turns, as much as there is room for.
    expect(order).to.deep.equal([1, 1, 1, 1, 2, 2, 3, 3, 1, 2, 2, 3, 3, 1, 2, 3, 2, 3])
  })

  it('lets who begins to wait again go behind those who have waited meanwhile', () => {
    const pair = ProtocolPair.opened({ limits: { highWaterMark: 64 * KIB } })
    const [one, two] = [pair.openChannel(), pair.openChannel()]
    const body = Buffer.alloc(40 * KIB)
    const wait = (...channels: ChannelProtocol[]): number[] => {
      pair.forget()
      pair.reads = false
      // Two of the first fill what there is room for.
      for (const channel of [one, one, ...channels]) pair.publish(channel, { body })
      pair.reads = true
      pair.settle()
      return pair.received.flatMap(received => (received.type === 'method' ? [received.channelNumber] : []))
    }
    expect(wait(one, two)).to.deep.equal([1, 1, 1, 2])
    expect(wait(two, one)).to.deep.equal([1, 1, 2, 1])
  })

  it('takes as much for replies that nobody reads as twice maxBuffered, or twice a frame, and no more', () => {
    for (const [maxBuffered, limit] of [
      [1000, 16_384],
      [9000, 18_000],
    ] as const) {
      const outbound = new Outbound(8192)
      const limits = { maxMessageSize: 1, maxBuffered, highWaterMark: 1, rpcTimeoutMs: 1 }
      const owner = { outbound, endpoint: {}, limits: { ...limits, confirmTimeoutMs: 1, closeTimeoutMs: 1 } }
      const channels = new ChannelDirectory({ ...owner, bodies: new OctetKeeper(), events: new EventQueue() })
      const append: Encode<number> = (writer, _channelNumber, _frameMax, octets) => {
        writer.bytes(Buffer.alloc(octets))
        return 1
      }
      outbound.append(0, append, limit)
      channels.expectReader()
      outbound.append(0, append, 1)
      expect(() => channels.expectReader())
        .to.throw(Violation, `the peer does not read: ${limit + 1} octets wait`)
        .with.property('replyCode', 506)
    }
  })

  it('closes the connection (506) on a peer that asks for replies and does not read them', () => {
    const pair = ProtocolPair.opened({ limits: { maxBuffered: 64 * KIB } })
    pair.openChannel()
    pair.reads = false
    const flow = Buffer.concat(Array.from({ length: 1000 }, () => hex`01000100000005001400140 1ce`))
    let sent = 0
    for (; sent < 100 && pair.protocol.state === 'open'; sent++) pair.sendOctets(flow)
    expect(pair.protocol.state).to.equal('ending')
    // Twice the larger of maxBuffered and a frame, in replies of 13 octets.
    expect(sent).to.be.within(20, 22)
    expect(pair.protocol.buffered, 'replies that nobody reads').to.be.below(KIB)
    pair.reads = true
    pair.settle()
    expect(pair.methods).to.deep.equal(['connection.close'])
    expect(pair.eventsOf('closed')[0]?.reason).to.include({ by: 'protocol', code: 506 })
  })

  it('counts what waits over all channels, and nothing once it is sent or failed', () => {
    const pair = ProtocolPair.opened()
    const [channel, other] = [pair.openChannel(), pair.openChannel({ confirm: true })]
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    pair.publish(channel, { body: Buffer.alloc(1000) })
    pair.publish(other, { body: Buffer.alloc(1000) })
    // Two bodies, their frames, and what a command occupies besides.
    expect(pair.protocol.buffered).to.be.within(2000 + 2 * 512, 2200 + 2 * 512)
    pair.send(1, { name: 'channel.close', args: { replyCode: 404, replyText: '', classId: 0, methodId: 0 } })
    expect(pair.protocol.buffered).to.be.within(1000 + 512, 1100 + 512)
    pair.send(0, { name: 'connection.unblocked', args: {} })
    expect(pair.protocol.buffered).to.equal(0)
  })
})
