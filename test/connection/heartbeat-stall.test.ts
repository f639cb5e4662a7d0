import { expect } from 'chai'
import type { HeartbeatError, TransportError } from '../../src/index.js'
import { hex, toHex } from '../support/hex.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'

const HEARTBEAT = toHex(hex`08 0000 00000000 ce`)
const INTERVAL_MS = 4_000

async function open() {
  const virtual = await VirtualPeer.open({ tune: { heartbeat: INTERVAL_MS / 1000 } })
  const { clock, connection, peer } = virtual
  const story: string[] = []
  const stalls: number[] = []
  connection.on('stalled', lagMs => {
    stalls.push(lagMs)
    story.push('stalled')
  })
  void connection.closed.then(({ by }) => story.push(`closed by ${by}`))
  const beat = clock.every(INTERVAL_MS / 2, () => peer.sendOctets(peer.codec.heartbeat()))
  await clock.advance(INTERVAL_MS)
  virtual.takeWrites()
  return { ...virtual, beat, story, stalls }
}

describe('a stall of the event loop', () => {
  it('of a moment, as the verdict is due, lets what waits in the socket be read first', async () => {
    const { connection, clock, peer, beat } = await open()
    beat.cancel()
    for (let times = 0; times < 10; times++) {
      await clock.advance(2 * INTERVAL_MS - 1)
      clock.stall(1)
      peer.sendOctets(peer.codec.heartbeat())
      await clock.settle()
    }
    expect(connection.state).to.equal('open')
    await within(1_000, 'close()', connection.close())
  })

  it('of three intervals does not end a connection whose peer beats on: what waits in the socket is read first', async () => {
    const { connection, clock, peer, beat, story, stalls, takeWrites } = await open()
    beat.cancel()
    clock.stall(3 * INTERVAL_MS)
    // The peer is another process: its heartbeats wait in the socket when the event loop goes on.
    for (let times = 0; times < 6; times++) peer.sendOctets(peer.codec.heartbeat())
    await clock.settle()

    expect(connection.state).to.equal('open')
    expect(toHex(Buffer.concat(takeWrites()))).to.equal(HEARTBEAT)
    expect(story).to.deep.equal(['stalled'])
    expect(stalls[0])
      .to.be.greaterThan(2 * INTERVAL_MS)
      .and.at.most(3 * INTERVAL_MS)
    expect(connection.stats.eventLoopLagMs).to.equal(stalls[0])
    await within(1_000, 'close()', connection.close())
  })

  it('is followed by a heartbeat in front of everything that was published meanwhile', async () => {
    const { connection, clock, peer, takeWrites } = await open()
    const channel = await connection.openChannel()
    await clock.settle()
    takeWrites()
    clock.stall(3 * INTERVAL_MS)
    const publishes = [channel.publish('', 'q', 'small'), channel.publish('', 'q', Buffer.alloc(100_000))]
    peer.sendOctets(peer.codec.heartbeat())
    await clock.settle()
    await Promise.all(publishes)

    const octets = toHex(Buffer.concat(takeWrites()))
    expect(octets.slice(0, 16)).to.equal(HEARTBEAT)
    // basic.publish (60, 40) is next.
    expect(octets.slice(16, 38)).to.match(/^010001[0-9a-f]{8}003c0028$/)
    await within(1_000, 'close()', connection.close())
  })

  it('does not save a peer that is silent: it is dead as soon as the sockets have been read', async () => {
    const { connection, clock, beat, story } = await open()
    beat.cancel()
    clock.stall(3 * INTERVAL_MS)
    await clock.settle()
    const reason = await within(1_000, 'the verdict after the stall', connection.closed)
    expect(reason.by).to.equal('heartbeat')
    expect((reason.error as HeartbeatError).eventLoopLagMs).to.be.greaterThan(2 * INTERVAL_MS)
    expect(reason.text).to.match(/the event loop was blocked for \d+ ms$/)
    expect(story).to.deep.equal(['stalled', 'closed by heartbeat'])
  })

  const endings: [string, (virtual: Awaited<ReturnType<typeof open>>) => void][] = [
    ['ended the connection', ({ peer }) => peer.socket.end()],
    ['reset the connection', ({ peer }) => peer.socket.reset()],
  ]
  for (const [what, end] of endings) {
    it(`is told before the end, and in it, when the peer has meanwhile ${what}`, async () => {
      const virtual = await open()
      const { connection, clock, beat, story, stalls } = virtual
      beat.cancel()
      clock.stall(3 * INTERVAL_MS)
      end(virtual)
      await clock.settle()
      const reason = await within(1_000, 'the end after the stall', connection.closed)
      expect(reason.by).to.equal('transport')
      expect(story).to.deep.equal(['stalled', 'closed by transport'])
      const lag = `the event loop was blocked for ${stalls[0]} ms, so it may have missed our heartbeats`
      expect(reason.text).to.include(lag)
      expect((reason.error as TransportError).message).to.include(lag)
    })
  }

  it('is told once, whatever comes after it', async () => {
    const { connection, clock, peer, beat, stalls } = await open()
    beat.cancel()
    clock.stall(3 * INTERVAL_MS)
    for (let times = 0; times < 6; times++) {
      peer.sendOctets(peer.codec.heartbeat())
      await clock.settle()
    }
    expect(stalls).to.have.lengthOf(1)
    await within(1_000, 'close()', connection.close())
  })

  it('shorter than half an interval is not worth telling', async () => {
    const { connection, clock, beat, stalls } = await open()
    for (let times = 0; times < 20; times++) {
      // The timer is due half an interval from now.
      clock.stall(INTERVAL_MS * 0.9)
      await clock.settle()
      await clock.advance(INTERVAL_MS)
    }
    expect(stalls).to.deep.equal([])
    beat.cancel()
    await within(1_000, 'close()', connection.close())
  })

  it('long past is not blamed for an end', async () => {
    const { connection, clock, peer, beat, stalls } = await open()
    clock.stall(3 * INTERVAL_MS)
    peer.sendOctets(peer.codec.heartbeat())
    await clock.advance(3 * INTERVAL_MS)
    expect(stalls).to.have.lengthOf(1)
    beat.cancel()
    peer.socket.end()
    await clock.settle()
    const reason = await within(1_000, 'the end', connection.closed)
    expect(reason.text).to.equal('the peer ended the connection without connection.close')
  })
})
