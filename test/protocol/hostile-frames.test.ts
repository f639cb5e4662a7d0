// Frames that lie about their size, and frames without number: what is refused with which code, what it costs, and that the
// cost grows with the octets that came and not with those that were announced.

import { expect } from 'chai'
import { heldOctets } from '../support/invariants/growth.js'
import { expectLinear } from '../support/linear.js'
import type { ProtocolPair } from '../support/peer/protocol-pair.js'
import {
  consuming,
  contentHeader,
  deliverFrame,
  expectRefused,
  expectRefusedInHandshake,
  frame,
  frameHeader,
  handshaking,
  start,
} from './hostile-octets.js'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const HEARTBEAT = frame(8, 0, Buffer.alloc(0))
const TYPES = [
  ['method', 1],
  ['header', 2],
  ['body', 3],
] as const

/** What lives on after the action, in octets. */
async function leftBy(action: () => void): Promise<number> {
  const before = await heldOctets()
  action()
  return (await heldOctets()) - before
}

describe('a frame that claims to be larger than frame-max', () => {
  for (const size of [8192 - 8 + 1, 2 * GIB - 1, 2 * GIB, 4 * GIB - 1]) {
    it(`of ${size} octets is refused at its header while the connection opens`, () => {
      const first = handshaking('start')
      first.sendOctets(frameHeader(1, 0, size))
      expectRefusedInHandshake(first, 501, /frame of \d+ octets, frame-max is 8192.*Connection\.Start/)
      for (const [, type] of TYPES) {
        const pair = handshaking('tune')
        pair.sendOctets(frameHeader(type, 0, size))
        expectRefusedInHandshake(pair, 501, /frame of \d+ octets, frame-max is 8192.*Connection\.Tune/)
      }
    })
  }

  for (const size of [4096 - 8 + 1, 2 * GIB - 1, 2 * GIB, 4 * GIB - 1]) {
    it(`of ${size} octets is refused at its header when the connection is open, and the peer is told`, () => {
      for (const [, type] of TYPES) {
        const pair = consuming({ tune: { frameMax: 4096 } })
        pair.sendOctets(frameHeader(type, 1, size))
        expectRefused(pair, 501, new RegExp(`frame of ${size + 8} octets, frame-max is 4096`))
        expect(pair.eventsOf('channelClosed')).to.have.length(2)
      }
    })
  }

  it('may be as large as was agreed, and costs no more than that before it has come', async () => {
    const pairs: ProtocolPair[] = []
    const left = await leftBy(() => {
      for (let count = 0; count < 10; count++) {
        const pair = consuming({ tune: { frameMax: 64 * KIB } })
        pair.sendOctets(Buffer.concat([frameHeader(2, 1, 64 * KIB - 8), Buffer.alloc(1)]))
        pairs.push(pair)
      }
    })
    expect(left).to.be.below(10 * 128 * KIB)
    for (const pair of pairs) expect(pair.protocol.state).to.equal('open')
  })

  it('that follows a legal Start in the same chunk is refused all the same', () => {
    const pair = handshaking('start')
    pair.sendOctets(Buffer.concat([pair.peer.method(0, start()), frameHeader(1, 0, 2 * GIB)]))
    expectRefusedInHandshake(pair, 501, /frame-max is 8192/)
  })
})

describe('frames without number', () => {
  const million = (octets: Buffer, count = 1_000_000): Buffer => Buffer.alloc(octets.length * count, octets)

  for (const [what, count, octetsOf] of [
    ['heartbeats', 40_000, (_pair: ProtocolPair, n: number) => million(HEARTBEAT, n)],
    [
      'body frames of one octet',
      20_000,
      (pair: ProtocolPair, n: number) =>
        Buffer.concat([deliverFrame(pair), contentHeader(1, n), million(frame(3, 1, Buffer.from('x')), n)]),
    ],
    [
      'empty body frames',
      20_000,
      (pair: ProtocolPair, n: number) =>
        Buffer.concat([deliverFrame(pair), contentHeader(1, 1), million(frame(3, 1, Buffer.alloc(0)), n)]),
    ],
    [
      'deliveries of no octets',
      4_000,
      (pair: ProtocolPair, n: number) => million(Buffer.concat([deliverFrame(pair), contentHeader(1, 0)]), n),
    ],
    [
      'cancels of consumers that do not exist',
      4_000,
      (pair: ProtocolPair, n: number) =>
        million(pair.peer.method(1, { name: 'basic.cancel', args: { consumerTag: 'x', noWait: true } }), n),
    ],
  ] as const) {
    it(`${what} take time that grows with their number`, () => {
      expectLinear(what, count, n => () => {
        const pair = consuming()
        pair.sendOctets(octetsOf(pair, n))
        expect(pair.protocol.state).to.equal('open')
      })
    })
  }

  it('a million heartbeats in one chunk are counted, and nothing else', async () => {
    const pair = consuming()
    const octets = million(HEARTBEAT)
    const left = await leftBy(() => pair.sendOctets(octets))
    expect(left).to.be.below(MIB)
    expect(pair.protocol.counts).to.include({ heartbeatsReceived: 1_000_000 })
    expect([pair.events, pair.received]).to.deep.equal([[], []])
    expect(pair.protocol.state).to.equal('open')
  })

  it('a million body frames of one octet each are one message', async () => {
    const pair = consuming()
    const body = million(frame(3, 1, Buffer.from('x')))
    const octets = Buffer.concat([deliverFrame(pair), contentHeader(1, 1_000_000), body])
    const left = await leftBy(() => pair.sendOctets(octets))
    expect(octets.length).to.be.above(9_000_000)
    const [delivered] = pair.eventsOf('delivered')
    expect(delivered?.delivery.content.body.equals(Buffer.alloc(1_000_000, 'x'))).to.equal(true)
    expect(left, 'the body and little else').to.be.below(2 * MIB)
  })

  it('a million empty body frames add nothing to a message, before and inside its body', async () => {
    const pair = consuming()
    const empty = million(frame(3, 1, Buffer.alloc(0)), 500_000)
    const left = await leftBy(() => {
      pair.sendOctets(Buffer.concat([deliverFrame(pair), contentHeader(1, 2)]))
      for (const octet of ['a', 'b']) {
        pair.sendOctets(empty)
        pair.sendOctets(frame(3, 1, Buffer.from(octet)))
      }
    })
    expect(pair.eventsOf('delivered').map(({ delivery }) => `${delivery.content.body}`)).to.deep.equal(['ab'])
    expect(left).to.be.below(MIB)
    pair.sendOctets(frame(3, 1, Buffer.alloc(0)))
    expectRefused(pair, 505, /unexpected content body frame/)
  })

  it('body frames beyond what was announced end it at the first octet too many', () => {
    const pair = consuming()
    pair.sendOctets(Buffer.concat([deliverFrame(pair), contentHeader(1, 2), frame(3, 1, Buffer.from('abc'))]))
    expectRefused(pair, 501, /content body longer than the announced 2 octets/)
    expect(pair.eventsOf('delivered')).to.deep.equal([])
  })

  for (const [what, type, replyCode, text] of [
    ['methods', 1, 504, /basic\.deliver on channel \d+, which is not open/],
    ['content headers', 2, 505, /content frame on channel \d+, which is not open/],
    ['bodies', 3, 505, /content frame on channel \d+, which is not open/],
  ] as const) {
    it(`${what} for sixty thousand channels that were never opened end it at the first, and none of the rest is read`, () => {
      const pair = consuming()
      const method = deliverFrame(pair).subarray(7, -1)
      const payload =
        type === 1 ? method : type === 2 ? contentHeader(9, 0).subarray(7, -1) : Buffer.from('x')
      const octets: Buffer[] = []
      for (let number = 3; number < 60_000; number++) octets.push(frame(type, number, payload))
      const { framesReceived } = pair.protocol.counts
      pair.sendOctets(Buffer.concat(octets))
      expectRefused(pair, replyCode, text)
      expect(pair.protocol.counts.framesReceived - framesReceived).to.equal(1)
      expect(pair.protocol.buffered).to.equal(0)
    })
  }
})
