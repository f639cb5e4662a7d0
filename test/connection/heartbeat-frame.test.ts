import { expect } from 'chai'
import { HeartbeatError } from '../../src/index.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'

const INTERVAL_MS = 2_000
const MIB = 1024 * 1024

async function openConsuming(maxMessageSize?: number) {
  const virtual = await VirtualPeer.open({
    tune: { heartbeat: INTERVAL_MS / 1000 },
    connect: { maxMessageSize },
  })
  const channel = await virtual.connection.openChannel()
  const bodies: Buffer[] = []
  const consumer = await channel.consume('q', { noAck: true }, ({ body }) => {
    bodies.push(body)
  })
  const { consumerTag } = consumer
  const args = { consumerTag, deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' }
  /** A whole content, as octets. */
  const delivery = (body: Buffer): Buffer =>
    virtual.peer.codec.content(channel.number, { name: 'basic.deliver', args }, body)
  return { ...virtual, delivery, bodies }
}

describe('a frame that takes long', () => {
  it('is life as long as octets come: a body of 50 MB trickles for ten intervals without a heartbeat', async () => {
    const { connection, clock, peer, delivery, bodies } = await openConsuming()
    const octets = delivery(Buffer.alloc(50 * MIB, 'x'))
    const steps = 40
    const share = Math.ceil(octets.length / steps)
    for (let step = 0; step < steps; step++) {
      peer.sendOctets(octets.subarray(step * share, (step + 1) * share))
      await clock.advance((10 * INTERVAL_MS) / steps)
    }
    expect(connection.state).to.equal('open')
    expect(connection.stats.heartbeatsReceived).to.equal(0)
    expect(bodies.map(body => body.length)).to.deep.equal([50 * MIB])
    await within(1_000, 'close()', connection.close())
  })

  it('is life one octet at a time, if each frame ends within eight intervals', async () => {
    const { connection, clock, peer, delivery, bodies } = await openConsuming()
    peer.codec.frameMax = 100
    const octets = delivery(Buffer.alloc(1_000))
    for (const octet of octets) {
      peer.sendOctets(Buffer.from([octet]))
      // A frame of 100 octets takes 7.5 intervals.
      await clock.advance((INTERVAL_MS * 7.5) / 100)
    }
    expect(connection.state).to.equal('open')
    expect(bodies).to.have.lengthOf(1)
    await within(1_000, 'close()', connection.close())
  })

  it('is death when it has not ended after eight intervals, heartbeats or not: its length was corrupted', async () => {
    const { connection, clock, peer, delivery, stream, bodies } = await openConsuming()
    const octets = delivery(Buffer.alloc(10))
    // The length of the method frame, by 64 KiB: it is still below frame-max, so no octet shows that it is wrong.
    octets.writeUInt32BE(octets.readUInt32BE(3) + 0x10000, 3)
    let diedAt = 0
    void connection.closed.then(() => {
      diedAt = clock.now()
    })
    const corruptedAt = clock.now()
    peer.sendOctets(octets)
    const beat = clock.every(INTERVAL_MS / 2, () => peer.sendOctets(peer.codec.heartbeat()))
    await clock.advance(8 * INTERVAL_MS - 1)
    expect(connection.state).to.equal('open')
    await clock.advance(INTERVAL_MS)
    beat.cancel()

    const reason = await within(1_000, 'the death of a corrupted stream', connection.closed)
    expect(diedAt - corruptedAt)
      .to.be.at.least(8 * INTERVAL_MS)
      .and.at.most(8 * INTERVAL_MS + 1_000)
    expect(reason.by).to.equal('heartbeat')
    expect(reason.text).to.equal('a frame that the peer began has not ended for 8 heartbeat intervals of 2 s')
    expect(reason.error).to.be.instanceOf(HeartbeatError)
    expect(stream.destroyed).to.equal(true)
    expect(bodies).to.deep.equal([])
  })

  it('is death at once when its length is above frame-max', async () => {
    const { connection, clock, peer, delivery } = await openConsuming()
    const closes: unknown[] = []
    peer.on('connection.close', ({ method }) => closes.push(method.args))
    const octets = delivery(Buffer.alloc(10))
    octets.writeUInt32BE(0x01000000, octets.length - 15)
    peer.sendOctets(octets)
    await clock.settle()
    const reason = await within(1_000, 'the end', connection.closed)
    expect(reason).to.include({ by: 'protocol', code: 501 })
    expect(closes).to.have.lengthOf(1)
    expect(closes[0]).to.include({ replyCode: 501 })
  })

  it('has eight intervals of its own, however long the frames before it took', async () => {
    const { connection, clock, peer, delivery } = await openConsuming()
    peer.codec.frameMax = 8192
    const octets = delivery(Buffer.alloc(80_000))
    const halves = Math.ceil(octets.length / 4096)
    for (let half = 0; half < halves; half++) {
      // Every piece ends inside a frame.
      peer.sendOctets(octets.subarray(half * 4096, (half + 1) * 4096))
      await clock.advance(1.5 * INTERVAL_MS)
    }
    expect(connection.state).to.equal('open')
    await within(1_000, 'close()', connection.close())
  })
})
