// Publishes of a plain channel behind a large body of their own channel.

import { expect } from 'chai'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import type { MethodOf } from '../../src/protocol/method-types.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

const KIB = 1024
const LARGE = Buffer.alloc(64 * KIB)
const SMALL = Buffer.from('small')
const PURGE: MethodOf<'queue.purge'> = { name: 'queue.purge', args: { queue: 'q', noWait: false } }

describe('CommandLane, publishes behind a large body of their own channel', () => {
  let pair: ProtocolPair
  let channel: ChannelProtocol

  beforeEach(() => {
    pair = ProtocolPair.opened({ limits: { highWaterMark: 512 * KIB } })
    channel = pair.openChannel()
  })

  /** Without the pair's own polling: all of it happens in one turn. */
  function publish(body: Buffer, routingKey = 'q', token?: object): string {
    const publishing = { exchange: '', routingKey, mandatory: false, properties: {}, body }
    return channel.publish(publishing, token, pair.now)
  }

  /** Routing keys in the order in which they reached the peer. */
  function received(): string[] {
    return pair.received.flatMap(each => {
      if (each.type !== 'method') return []
      const { name, args } = each.method
      return name === 'basic.publish' ? [args.routingKey] : [name]
    })
  }

  it('wait for nothing else, up to the high water mark; behind that they wait for it too', () => {
    const departures = Array.from({ length: 10 }, (_, index) => publish(LARGE, String(index)))
    // The first is sent, and each of the others occupies a little more than its octets.
    const expected = ['sent', ...Array(6).fill('following'), ...Array(3).fill('queued')]
    expect(departures).to.deep.equal(expected)
    pair.settle()
    expect(received()).to.deep.equal(departures.map((_, index) => String(index)))
    expect(pair.eventsOf('drained')).to.have.lengthOf(1)
  })

  it('leave together, as many as a batch holds', () => {
    for (let count = 0; count < 5; count++) publish(LARGE)
    const batches: number[] = []
    for (;;) {
      const batch = pair.protocol.pollTransmit(pair.now)
      if (batch === undefined) break
      batches.push(Buffer.concat(batch).length)
      pair.protocol.handleWritten(pair.now)
    }
    expect(batches).to.have.lengthOf(2)
    expect(batches[0]).to.be.within(4 * LARGE.length, 4 * LARGE.length + 400)
    expect(pair.protocol.buffered).to.equal(0)
  })

  it('keep their order, whatever their size', () => {
    publish(LARGE, '1')
    expect([publish(SMALL, '2'), publish(LARGE, '3'), publish(SMALL, '4')]).to.deep.equal([
      'following',
      'following',
      'following',
    ])
    pair.settle()
    expect(received()).to.deep.equal(['1', '2', '3', '4'])
    expect(publish(SMALL, '5')).to.equal('sent')
  })

  it('wait as others do when a call, a block or the flow is in front of them too', () => {
    publish(LARGE, '1')
    channel.call(PURGE, {}, pair.now)
    expect(publish(SMALL, '2')).to.equal('queued')
    pair.settle()
    pair.send(1, { name: 'queue.purge-ok', args: { messageCount: 0 } })
    expect(received()).to.deep.equal(['1', 'queue.purge', '2'])
    for (const [stop, go] of [
      [
        () => pair.send(0, { name: 'connection.blocked', args: { reason: 'low on disk' } }),
        () => pair.send(0, { name: 'connection.unblocked', args: {} }),
      ],
      [
        () => pair.send(1, { name: 'channel.flow', args: { active: false } }),
        () => pair.send(1, { name: 'channel.flow', args: { active: true } }),
      ],
    ] as const) {
      pair.reads = false
      publish(LARGE, 'before')
      stop()
      expect(publish(SMALL, 'behind')).to.equal('queued')
      pair.reads = true
      pair.settle()
      go()
      expect(received().slice(-1)).to.deep.equal(['behind'])
    }
  })

  it('are told one by one when somebody asks after them', () => {
    publish(LARGE, '1')
    const token = {}
    expect(publish(SMALL, '2', token)).to.equal('queued')
    expect(publish(SMALL, '3')).to.equal('queued')
    pair.settle()
    expect(received()).to.deep.equal(['1', '2', '3'])
    expect(pair.settlementOf(token)?.type).to.equal('replied')
  })

  it('of a confirm channel wait until they are sent', () => {
    const confirmed = pair.openChannel({ confirm: true })
    const publishing = { exchange: '', routingKey: 'q', mandatory: false, properties: {}, body: LARGE }
    const departures = [{}, {}].map(token => confirmed.publish(publishing, token, pair.now))
    expect(departures).to.deep.equal(['sent', 'queued'])
    pair.settle()
  })
})
