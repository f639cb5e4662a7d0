import { expect } from 'chai'
import { hex, toHex } from '../support/hex.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'

const HEARTBEAT = toHex(hex`08 0000 00000000 ce`)
const INTERVAL_MS = 2_000

/** Open, at a heartbeat of two seconds, with a peer that beats by itself. */
async function open() {
  const virtual = await VirtualPeer.open({ tune: { heartbeat: INTERVAL_MS / 1000 } })
  virtual.takeWrites()
  const beat = virtual.clock.every(INTERVAL_MS / 2, () =>
    virtual.peer.sendOctets(virtual.peer.codec.heartbeat()),
  )
  const close = async (): Promise<void> => {
    beat.cancel()
    await within(1_000, 'close()', virtual.connection.close())
  }
  return { ...virtual, beat, close, takeWrites: () => virtual.takeWrites().map(toHex) }
}

describe('sending heartbeats', () => {
  it('sends exactly one whenever nothing was written for half the interval', async () => {
    const { clock, takeWrites, close } = await open()
    await clock.advance(INTERVAL_MS / 2 - 1)
    expect(takeWrites()).to.deep.equal([])
    await clock.advance(1)
    expect(takeWrites()).to.deep.equal([HEARTBEAT])
    await clock.advance(INTERVAL_MS / 2 - 1)
    expect(takeWrites()).to.deep.equal([])
    await clock.advance(1)
    expect(takeWrites()).to.deep.equal([HEARTBEAT])
    await close()
  })

  it('counts both ways what an idle hour brings, and stays open', async () => {
    const { connection, clock, peer, close } = await open()
    const before = connection.stats
    await clock.advance(60 * 60 * 1000)
    expect(connection.state).to.equal('open')
    expect(connection.stats.heartbeatsSent - before.heartbeatsSent).to.equal(3600)
    expect(connection.stats.heartbeatsReceived - before.heartbeatsReceived).to.equal(3600)
    expect(connection.stats.octetsSent - before.octetsSent).to.equal(3600 * 8)
    expect(peer.heartbeats).to.equal(3600)
    await close()
  })

  it('sends none while application traffic says as much', async () => {
    const { connection, clock, takeWrites, peer, close } = await open()
    const channel = await connection.openChannel()
    const heartbeats = peer.heartbeats
    const publishing = clock.every(INTERVAL_MS / 2 - 1, () => void channel.publish('', 'q', 'x'))
    await clock.advance(100 * INTERVAL_MS)
    publishing.cancel()
    expect(takeWrites().join('')).to.not.include(HEARTBEAT)
    expect(peer.heartbeats).to.equal(heartbeats)
    await close()
  })

  it('goes by the last write and not by a raster of its own: a write delays the next heartbeat by half an interval', async () => {
    const { connection, clock, takeWrites, close } = await open()
    await clock.advance(INTERVAL_MS / 4)
    expect(connection.sendHeartbeat()).to.equal(true)
    await clock.settle()
    expect(takeWrites()).to.deep.equal([HEARTBEAT])
    await clock.advance(INTERVAL_MS / 2 - 1)
    expect(takeWrites()).to.deep.equal([])
    await clock.advance(1)
    expect(takeWrites()).to.deep.equal([HEARTBEAT])
    await close()
  })

  it('sends its own to a peer that delivers all the time and never beats', async () => {
    const { connection, clock, peer, beat, takeWrites, close } = await open()
    beat.cancel()
    const channel = await connection.openChannel()
    const seen: number[] = []
    const consumer = await channel.consume('q', { noAck: true }, delivery => {
      seen.push(delivery.deliveryTag)
    })
    takeWrites()
    const args = { consumerTag: consumer.consumerTag, redelivered: false, exchange: '', routingKey: 'q' }
    const delivering = clock.every(100, () => {
      const deliveryTag = seen.length + 1
      const method = { name: 'basic.deliver', args: { ...args, deliveryTag } } as const
      peer.sendContent(channel.number, method, Buffer.from('body'))
    })
    await clock.advance(10 * INTERVAL_MS)
    delivering.cancel()

    expect(seen).to.have.lengthOf((10 * INTERVAL_MS) / 100)
    expect(takeWrites()).to.deep.equal(Array(20).fill(HEARTBEAT))
    expect(connection.stats.heartbeatsReceived).to.equal(0)
    await close()
  })

  it('beats on while the broker blocks publishing, and what is blocked does not count as traffic', async () => {
    const { connection, clock, peer, takeWrites, close } = await open()
    const channel = await connection.openChannel()
    peer.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    await clock.settle()
    takeWrites()
    const blocked = channel.publish('', 'q', 'x')
    await clock.advance(5 * INTERVAL_MS)
    expect(takeWrites()).to.deep.equal(Array(10).fill(HEARTBEAT))
    expect(connection.blocked).to.equal('low on memory')
    peer.send(0, { name: 'connection.unblocked', args: {} })
    await within(1_000, 'a publish after the block', blocked)
    await close()
  })

  it('adds none to a backlog that the peer does not take', async () => {
    const { connection, clock, peer, takeWrites, close } = await open()
    const channel = await connection.openChannel()
    takeWrites()
    peer.socket.pause()
    await channel.publish('', 'q', Buffer.alloc(1000))
    await clock.advance(10 * INTERVAL_MS)
    expect(takeWrites()).to.have.lengthOf(1)
    peer.socket.resume()
    await clock.advance(INTERVAL_MS / 2)
    expect(takeWrites()).to.deep.equal([HEARTBEAT])
    await close()
  })

  it('by hand sends at once, also without negotiated heartbeats, and says false once it is closed', async () => {
    const { connection, clock, peer } = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    expect(connection.sendHeartbeat()).to.equal(true)
    await clock.settle()
    expect(peer.heartbeats).to.equal(1)
    expect(connection.stats.heartbeatsSent).to.equal(1)
    await within(1_000, 'close()', connection.close())
    expect(connection.sendHeartbeat()).to.equal(false)
    expect(connection.stats.heartbeatsSent).to.equal(1)
  })

  it('goes on while Close-Ok is awaited', async () => {
    const { connection, clock, peer, beat } = await open()
    peer.on('connection.close', () => undefined)
    const closing = connection.close()
    await clock.advance(2 * INTERVAL_MS)
    expect(peer.heartbeats).to.equal(4)
    beat.cancel()
    await clock.advance(1_000)
    expect((await within(1_000, 'close()', closing)).by).to.equal('client')
  })
})
