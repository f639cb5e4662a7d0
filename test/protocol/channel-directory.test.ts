import { expect } from 'chai'
import { ChannelDirectory } from '../../src/protocol/channel-directory.js'
import { ChannelLimitError } from '../../src/protocol/errors.js'
import type { ProtocolEvent } from '../../src/protocol/events.js'
import { Outbound } from '../../src/protocol/outbound.js'
import { Violation } from '../../src/protocol/violation.js'
import { hex } from '../support/hex.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

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
  const emit = (_event: ProtocolEvent): void => undefined
  const created = new ChannelDirectory({ outbound: new Outbound(8192), endpoint: {}, limits, emit })
  created.channelMax = channelMax
  return created
}

describe('ChannelDirectory', () => {
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
      .to.throw(Violation)
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
    expect(order).to.deep.equal([1, 1, 1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3])
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
