import { expect } from 'chai'
import { toHex } from '../support/hex.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'

/** Tune-Ok (10, 31) as the wire has it: channel-max 2047, frame-max 131072, then the heartbeat, a short, in seconds. */
const tuneOk = (heartbeat: number): string =>
  `0100000000000c000a001f07ff00020000${heartbeat.toString(16).padStart(4, '0')}ce`

// The client's wish, the server's proposal, what is agreed on.
const TRUTH_TABLE: readonly [number | undefined, number, number][] = [
  [undefined, 0, 20],
  [undefined, 5, 5],
  [undefined, 60, 20],
  [0, 0, 0],
  [0, 5, 0],
  [0, 60, 0],
  [5, 0, 5],
  [5, 5, 5],
  [5, 60, 5],
  [60, 0, 60],
  [60, 5, 5],
  [60, 60, 60],
]

describe('heartbeat negotiation', () => {
  for (const [wish, proposal, agreed] of TRUTH_TABLE) {
    it(`agrees on ${agreed} when the client wants ${wish} and the server proposes ${proposal}`, async () => {
      const { connection, clock, stream } = await VirtualPeer.open({
        connect: { heartbeat: wish },
        tune: { heartbeat: proposal },
      })
      const octets = toHex(Buffer.concat(stream.writes))

      expect(octets).to.include(tuneOk(agreed))
      expect(connection.heartbeat).to.equal(agreed)
      // One timer, for our own heartbeat at half the interval; it also watches the peer. None at all without heartbeats.
      expect(clock.timers).to.deep.equal(agreed === 0 ? [] : [agreed * 500])
      await within(1_000, 'close()', connection.close())
      expect(clock.timers).to.deep.equal([])
    })
  }

  it('lets a connection without heartbeats be silent in both directions for a day', async () => {
    const { connection, clock, stream, peer } = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    stream.writes.length = 0
    await clock.advance(24 * 60 * 60 * 1000)
    expect(connection.state).to.equal('open')
    expect(stream.writes).to.deep.equal([])
    expect(peer.heartbeats).to.equal(0)
    await within(1_000, 'close()', connection.close())
  })
})
