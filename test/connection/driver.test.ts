import { expect } from 'chai'
import { ChannelClosedError, type Clock, ConnectError, connect } from '../../src/index.js'
import { toHex } from '../support/hex.js'
import { expectWarning } from '../support/invariants/index.js'
import { MemoryStream } from '../support/peer/memory-stream.js'
import { PeerCodec } from '../support/peer/peer-codec.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'
import { VirtualClock } from '../support/virtual-clock.js'

const KIB = 1024

describe('Driver', () => {
  it('writes once for all commands of a turn', async () => {
    const { connection, clock, takeWrites } = await VirtualPeer.open()
    const one = await connection.openChannel()
    const other = await connection.openChannel()
    await clock.settle()
    takeWrites()
    for (let times = 0; times < 100; times++) {
      void one.publish('', 'q', 'one')
      void other.publish('', 'q', 'other')
    }
    const declared = other.queueDeclare('q')
    expect(takeWrites(), 'writes before the end of the turn').to.deep.equal([])
    await declared
    expect(takeWrites()).to.have.lengthOf(1)
    await within(1_000, 'close()', connection.close())
  })

  it('writes at once when a slab is full, and goes on with the next batch only when the socket has taken that one', async () => {
    const { connection, clock, peer, stream, takeWrites } = await VirtualPeer.open()
    const channel = await connection.openChannel()
    await clock.settle()
    takeWrites()
    peer.socket.pause()
    for (let times = 0; times < 100; times++) void channel.publish('', 'q', Buffer.alloc(KIB))
    const atOnce = takeWrites()
    expect(atOnce).to.have.lengthOf(1)
    expect(atOnce[0]?.length)
      .to.be.at.least(64 * KIB)
      .and.at.most(66 * KIB)
    await clock.settle()
    expect(stream.writableLength, 'octets given to the socket').to.equal(atOnce[0]?.length)
    peer.socket.resume()
    await clock.settle()
    expect(takeWrites()).to.have.lengthOf(1)
    expect(peer.inbox.filter(each => each.type === 'method')).to.have.lengthOf(100)
    await within(1_000, 'close()', connection.close())
  })

  it('gives the socket about 256 KiB at a time, in whole frames, and waits for each to be taken', async () => {
    const { connection, clock, takeWrites } = await VirtualPeer.open()
    const channel = await connection.openChannel()
    await clock.settle()
    takeWrites()
    void channel.publish('', 'q', Buffer.alloc(2_000 * KIB))
    await clock.settle()
    const writes = takeWrites()
    expect(writes.length).to.be.at.least(8)
    for (const octets of writes) {
      expect(octets.length).to.be.at.most(384 * KIB)
      expect(octets.at(-1), 'the last octet of a batch').to.equal(0xce)
    }
    await within(1_000, 'close()', connection.close())
  })

  it('has one timer, and arms it anew only for an earlier deadline', async () => {
    const started: number[] = []
    class CountingClock extends VirtualClock {
      override startTimer(...timer: Parameters<Clock['startTimer']>) {
        started.push(timer[1])
        return super.startTimer(...timer)
      }
    }
    const { connection, clock } = await VirtualPeer.open({
      clock: new CountingClock(),
      connect: { rpcTimeout: 1_000 },
    })
    const channel = await connection.openChannel()
    await clock.settle()
    started.length = 0
    for (let times = 0; times < 1_000; times++) {
      await channel.publish('', 'q', 'x')
      if (times % 100 === 0) await clock.settle()
    }
    expect(started, 'timers for publishes').to.deep.equal([])
    expect(clock.timers).to.have.lengthOf(1)
    await within(1_000, 'close()', connection.close())
    expect(clock.timers).to.deep.equal([])
  })

  it('notices a deadline that comes before the one it waits for', async () => {
    const { connection, clock, peer } = await VirtualPeer.open({
      connect: { heartbeat: 600, rpcTimeout: 1_000 },
      tune: { heartbeat: 600 },
    })
    const channel = await connection.openChannel()
    peer.on('queue.declare', () => undefined)
    const failed = channel.queueDeclare('q').then(
      () => 'declared',
      (error: { code: string }) => error.code,
    )
    await clock.advance(1_000)
    expect(await within(1_000, 'the end of the call', failed)).to.equal('AMQP_CALL_TIMEOUT')
    await within(1_000, 'close()', connection.close())
  })

  it('reads what waits in the socket before a late timer judges anybody', async () => {
    const { connection, clock, peer } = await VirtualPeer.open({ connect: { rpcTimeout: 1_000 } })
    const channel = await connection.openChannel()
    peer.on('queue.declare', () => undefined)
    const declared = channel.queueDeclare('q')
    await clock.settle()
    clock.stall(5_000)
    const args = { queue: 'q', messageCount: 0, consumerCount: 0 }
    peer.send(channel.number, { name: 'queue.declare-ok', args })
    await clock.settle()
    expect((await within(1_000, 'the reply that waited', declared)).queue).to.equal('q')
    await within(1_000, 'close()', connection.close())
  })

  it('has destroyed the stream and dropped its timer when closed is told, and writes nothing afterwards', async () => {
    const { connection, clock, stream, takeWrites } = await VirtualPeer.open()
    const channel = await connection.openChannel()
    const seen: unknown[] = []
    void connection.closed.then(() => seen.push(stream.destroyed, clock.timers.length))
    await within(1_000, 'close()', connection.close())
    takeWrites()
    channel.publish('', 'q', 'late').catch(() => undefined)
    await channel.close()
    expect(connection.sendHeartbeat()).to.equal(false)
    await clock.advance(3_600_000)
    expect(seen).to.deep.equal([true, 0])
    expect(takeWrites().map(toHex)).to.deep.equal([])
  })

  it('tells the end of a stream that the application destroys', async () => {
    const { connection, stream } = await VirtualPeer.open()
    stream.destroy()
    const reason = await within(1_000, 'closed', connection.closed)
    expect(reason.by).to.equal('transport')
  })

  it('lets errors of a stream that it has destroyed go by', async () => {
    const { connection, clock, stream } = await VirtualPeer.open()
    const reason = await within(1_000, 'close()', connection.close())
    stream.emit('error', new Error('late'))
    stream.emit('end')
    stream.emit('data', Buffer.from('late'))
    await clock.settle()
    expect(await connection.closed).to.equal(reason)
  })

  it('hands an event on when the listeners of the one before are done, though octets come inside them', async () => {
    const { connection, clock, peer, stream } = await VirtualPeer.open()
    const blocked = (reason: string): Buffer =>
      peer.codec.method(0, { name: 'connection.blocked', args: { reason } })
    const story: string[] = []
    connection.on('blocked', reason => {
      story.push(`begin ${reason}`)
      // A stream of the application's may do that: what was written is answered before write returns.
      if (reason === 'one') stream.push(blocked('two'))
      story.push(`end ${reason}`)
    })
    peer.sendOctets(blocked('one'))
    await clock.settle()
    expect(story).to.deep.equal(['begin one', 'end one', 'begin two', 'end two'])
    await within(1_000, 'close()', connection.close())
  })

  it('hands events on in order, also those that a listener causes', async () => {
    const { connection, clock, peer } = await VirtualPeer.open()
    const story: string[] = []
    connection.on('blocked', reason => {
      story.push(`blocked ${reason}`)
      void connection.close().then(({ by }) => story.push(`closed by ${by}`))
    })
    connection.on('unblocked', () => story.push('unblocked'))
    peer.sendOctets(
      Buffer.concat([
        peer.codec.method(0, { name: 'connection.blocked', args: { reason: 'one' } }),
        peer.codec.method(0, { name: 'connection.blocked', args: { reason: 'two' } }),
        peer.codec.method(0, { name: 'connection.unblocked', args: {} }),
      ]),
    )
    await clock.settle()
    expect(story).to.deep.equal([
      'blocked one',
      'blocked two',
      'unblocked',
      'closed by client',
      'closed by client',
    ])
  })
})

describe('Driver, on a stream that does what no socket does', () => {
  it('ends when write throws, and connect() rejects with what was thrown', async () => {
    const [stream] = MemoryStream.pair()
    Object.assign(stream, { write: raise })
    const error = await rejectionOf(connect({ stream: () => stream }), ConnectError)
    expect(error.message).to.include('the stream is broken')
    expect(stream.destroyed).to.equal(true)
  })

  it('ends when write throws later on, and everybody who waits is told', async () => {
    const { connection, stream, clock } = await VirtualPeer.open()
    const channel = await connection.openChannel()
    Object.assign(stream, { write: raise })
    const declared = rejectionOf(channel.queueDeclare('q'), ChannelClosedError)
    const reason = await within(1_000, 'closed', connection.closed)
    expect(reason).to.include({ by: 'transport' })
    expect(reason.text).to.include('the stream is broken')
    expect((await declared).reason).to.equal(reason)
    expect(clock.timers).to.deep.equal([])
  })

  it('closes all the same when destroy throws, with a warning', async () => {
    expectWarning(/ThumpWarning: the stream's destroy threw: Error: the stream is broken/)
    const { connection, stream, clock } = await VirtualPeer.open()
    Object.assign(stream, { destroy: raise })
    expect((await within(1_000, 'close()', connection.close())).by).to.equal('client')
    expect(clock.timers).to.deep.equal([])
  })

  it('rejects connect() all the same when destroy throws, with a warning', async () => {
    expectWarning(/ThumpWarning: the stream's destroy threw: Error: the stream is broken/)
    const { stream, peer, connecting } = unopened()
    Object.assign(stream, { destroy: raise })
    const failed = rejectionOf(connecting(), ConnectError)
    await peer.start()
    peer.send(0, { name: 'connection.open-ok', args: {} })
    expect((await failed).message).to.include('broke the protocol')
  })

  it('gives octets that the stream may keep: what is written later does not change them', async () => {
    const { connection, clock, stream } = await VirtualPeer.open()
    const channel = await connection.openChannel()
    await clock.settle()
    const kept: Buffer[] = []
    const write = stream.write.bind(stream)
    Object.assign(stream, {
      write(...given: Parameters<typeof write>) {
        kept.push(given[0] as Buffer)
        return write(...given)
      },
    })
    stream.writes.length = 0
    for (let turn = 0; turn < 5; turn++) {
      void channel.publish('', 'q', Buffer.alloc(100, turn))
      await clock.settle()
    }
    expect(Buffer.concat(kept).equals(Buffer.concat(stream.writes))).to.equal(true)
    await within(1_000, 'close()', connection.close())
  })

  it('hears a peer that answers before the first write returns', async () => {
    const { stream, peer, connecting } = unopened()
    const write = stream.write.bind(stream)
    let answered = false
    Object.assign(stream, {
      write(...given: Parameters<typeof write>) {
        const taken = write(...given)
        if (!answered) stream.emit('data', START)
        answered = true
        return taken
      },
    })
    const opened = connecting()
    await peer.expect('connection.start-ok')
    await peer.tune()
    peer.send(0, { name: 'connection.open-ok', args: {} })
    peer.answerCalls()
    const connection = await within(1_000, 'connect()', opened)
    await within(1_000, 'close()', connection.close())
  })
})

/** The first octets of a server. */
const START = new PeerCodec().method(0, {
  name: 'connection.start',
  args: {
    versionMajor: 0,
    versionMinor: 9,
    serverProperties: {},
    mechanisms: Buffer.from('PLAIN'),
    locales: Buffer.from('en_US'),
  },
})

function raise(): never {
  throw new Error('the stream is broken')
}

function unopened() {
  const virtual = new VirtualPeer()
  return { stream: virtual.stream, peer: virtual.peer, connecting: () => virtual.connect() }
}
