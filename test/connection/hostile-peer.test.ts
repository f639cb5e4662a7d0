// Peers that keep a client waiting: an octet now and then, challenges and notices without end, tables that want to be more than
// tables. Through the public connect(), in virtual time.

import { expect } from 'chai'
import { HEARTBEAT_FRAME } from '../../src/frames/index.js'
import { ConnectError, type Connection, connect, HeartbeatError } from '../../src/index.js'
import type { FieldTable } from '../../src/protocol/index.js'
import { grows } from '../support/invariants/index.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const INTERVAL_MS = 2_000
/** Never silent for two intervals. */
const DRIP_MS = 1.9 * INTERVAL_MS

describe('a peer that sends an octet now and then', () => {
  for (const [phase, silentFrom] of [
    ['start', 'Connection.Start'],
    ['tune', 'Connection.Tune'],
    ['open', 'Connection.Open-Ok'],
  ] as const) {
    it(`while ${silentFrom} is waited for: connect rejects at connectTimeout, not before and not later`, async () => {
      const virtual = new VirtualPeer({ connect: { heartbeat: INTERVAL_MS / 1000, connectTimeout: 60_000 } })
      const { clock, peer } = virtual
      const begunAt = clock.now()
      const connecting = virtual.connect()
      const rejected = rejectionOf(connecting, ConnectError)
      let rejectedAt = 0
      void rejected.then(() => {
        rejectedAt = clock.now()
      })
      if (phase === 'start') await peer.expectHeader()
      else await peer.start()
      if (phase === 'open') await peer.tune({ heartbeat: INTERVAL_MS / 1000 })
      const octets = Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 16, 0]), Buffer.alloc(4_096)])
      let sent = 0
      const drip = clock.every(DRIP_MS, () => peer.sendOctets(octets.subarray(sent, ++sent)))
      await clock.advance(59_999)
      expect(rejectedAt, 'before its time').to.equal(0)
      await clock.advance(1)
      drip.cancel()
      const error = await within(1_000, 'the end of connect()', rejected)
      expect(rejectedAt - begunAt).to.equal(60_000)
      expect(error.phase).to.equal(phase)
      expect(error.message)
        .to.match(/no answer within 60000 ms/)
        .and.include(silentFrom)
      expect(sent).to.be.above(10)
      await clock.settle()
      expect(virtual.stream.destroyed).to.equal(true)
      expect(clock.timers).to.deep.equal([])
    })
  }

  for (const [what, octets] of [
    ['a method frame', Buffer.concat([Buffer.from([1, 0, 1, 0, 0, 4, 0]), Buffer.alloc(1_024)])],
    ['heartbeats, each of which takes longer than that', Buffer.alloc(800, HEARTBEAT_FRAME)],
  ] as const) {
    it(`inside ${what}, is dead when the frame has not ended after eight intervals`, async () => {
      const virtual = await VirtualPeer.open({ tune: { heartbeat: INTERVAL_MS / 1000 } })
      const { clock, peer, connection } = virtual
      let diedAt = 0
      void connection.closed.then(() => {
        diedAt = clock.now()
      })
      let begunAt = 0
      let sent = 0
      const drip = clock.every(DRIP_MS, () => {
        if (sent === 0) begunAt = clock.now()
        peer.sendOctets(octets.subarray(sent, ++sent))
      })
      await clock.advance(DRIP_MS + 8 * INTERVAL_MS - 1)
      expect(connection.state).to.equal('open')
      await clock.advance(INTERVAL_MS)
      drip.cancel()
      const reason = await within(1_000, 'the death', connection.closed)
      expect(reason).to.include({ by: 'heartbeat' })
      expect(reason.error).to.be.instanceOf(HeartbeatError)
      expect(reason.text).to.include('has not ended for 8 heartbeat intervals')
      expect(diedAt - begunAt).to.be.within(8 * INTERVAL_MS, 8 * INTERVAL_MS + 1_000)
    })
  }

  it('lives as long as its frames end in time, though no two octets come together', async () => {
    const virtual = await VirtualPeer.open({ tune: { heartbeat: INTERVAL_MS / 1000 } })
    const { clock, peer, connection } = virtual
    const heartbeat = peer.codec.heartbeat()
    let sent = 0
    const drip = clock.every(0.9 * INTERVAL_MS, () => {
      peer.sendOctets(heartbeat.subarray(sent % 8, (sent++ % 8) + 1))
    })
    await clock.advance(200 * INTERVAL_MS)
    drip.cancel()
    expect(connection.state).to.equal('open')
    expect(connection.stats.heartbeatsReceived).to.equal(27)
    await within(1_000, 'close()', connection.close())
  })

  it('is judged by nobody without heartbeats, but calls and closes still end in their time', async () => {
    const virtual = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    const { clock, peer, connection } = virtual
    const channel = await connection.openChannel()
    peer.sendOctets(Buffer.from([1, 0, 1, 0, 0]))
    const call = rejectionOf(channel.queueDeclare('q'), Error)
    peer.on('queue.declare', () => undefined)
    await clock.advance(20_000)
    expect(await within(1_000, 'the call', call)).to.include({ code: 'AMQP_CALL_TIMEOUT' })
    const closing = connection.close()
    await clock.advance(5_000)
    const reason = await within(1_000, 'close()', closing)
    expect(reason).to.include({ by: 'client' })
    expect(clock.timers).to.deep.equal([])
  })
})

describe('a peer that sends notices without end', () => {
  let virtual: VirtualPeer & { readonly connection: Connection }

  beforeEach(async () => {
    virtual = await VirtualPeer.open({ connect: { heartbeat: 0 } })
  })

  afterEach(async () => {
    await within(1_000, 'close()', virtual.connection.close())
  })

  it('challenges while connecting: is answered sixteen times, and no more', async () => {
    let answers = 0
    const auth = {
      mechanism: 'PLAIN',
      initialResponse: () => Buffer.from('once'),
      answer: () => {
        answers++
        return Buffer.from('again')
      },
    }
    const opening = new VirtualPeer({ connect: { heartbeat: 0, auth } })
    const rejected = rejectionOf(opening.connect(), ConnectError)
    await opening.peer.start()
    const secure = opening.peer.codec.method(0, {
      name: 'connection.secure',
      args: { challenge: Buffer.from('who is it?') },
    })
    const challenges = opening.clock.every(100, () =>
      opening.peer.sendOctets(Buffer.alloc(50 * secure.length, secure)),
    )
    await opening.clock.advance(100)
    challenges.cancel()
    const error = await rejected
    expect(error).to.include({ phase: 'tune' })
    expect(error.message).to.include('the peer broke the protocol (503): more than 16 challenges for PLAIN')
    expect(answers).to.equal(16)
    expect(opening.clock.timers).to.deep.equal([])
  })

  it('blocks and unblocks: each is told in its turn, and none is kept', async () => {
    const { connection, peer, clock } = virtual
    const told: string[] = []
    connection.on('blocked', reason => told.push(reason))
    connection.on('unblocked', () => told.push('unblocked'))
    const notices = (count: number): Buffer =>
      Buffer.concat(
        Array.from({ length: count }, (_, n) => [
          peer.codec.method(0, { name: 'connection.blocked', args: { reason: `${n}` } }),
          peer.codec.method(0, { name: 'connection.unblocked', args: {} }),
        ]).flat(),
      )
    peer.sendOctets(notices(100))
    await clock.settle()
    expect(told).to.deep.equal(Array.from({ length: 100 }, (_, n) => [`${n}`, 'unblocked']).flat())
    const flood = notices(500)
    const receive = async (): Promise<void> => {
      told.length = 0
      peer.sendOctets(flood)
      await clock.settle()
      peer.socket.writes.length = 0
    }
    await grows(receive, { times: 10, maxOctets: 400_000, emitters: [connection] })
    expect(connection.blocked).to.equal(undefined)
  })

  it('returns messages that were never published, and nobody listens: none is kept', async () => {
    const { connection, peer, clock } = virtual
    const channel = await connection.openChannel({ confirm: true })
    const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'q' }
    const returned = peer.codec.content(1, { name: 'basic.return', args }, Buffer.alloc(1_000))
    const flood = Buffer.alloc(200 * returned.length, returned)
    const receive = async (): Promise<void> => {
      peer.sendOctets(flood)
      await clock.settle()
      peer.socket.writes.length = 0
    }
    await grows(receive, { times: 10, maxOctets: 400_000, emitters: [channel] })
    expect(channel.state).to.equal('open')
  })
})

describe('a peer whose properties have the names of things that JavaScript knows', () => {
  it('changes nothing, and they can be read back, and looked at', async () => {
    const virtual = new VirtualPeer({ connect: { heartbeat: 0 } })
    const connecting = virtual.connect()
    const inner = JSON.parse('{"polluted": true}') as FieldTable
    const names = ['__proto__', 'constructor', 'toString', 'then', 'toJSON']
    const properties = Object.create(null) as FieldTable
    for (const name of names) properties[name] = inner
    await virtual.peer.start(properties)
    await virtual.peer.tune()
    await virtual.peer.expect('connection.open')
    virtual.peer.send(0, { name: 'connection.open-ok', args: {} })
    virtual.peer.answerCalls()
    const connection = await within(1_000, 'connect()', connecting)
    expect(Object.keys(connection.serverProperties)).to.deep.equal(names)
    expect(JSON.parse(JSON.stringify(connection.serverProperties))).to.have.all.keys(names)
    expect(({} as { polluted?: unknown }).polluted).to.equal(undefined)
    await within(1_000, 'close()', connection.close())
  })

  it('is told the same way what the application calls itself', async () => {
    const given = JSON.parse('{"__proto__": {"polluted": true}, "constructor": "c"}') as FieldTable
    const virtual = new VirtualPeer()
    const connecting = connect({
      stream: () => virtual.stream,
      clock: virtual.clock,
      clientProperties: given,
    })
    const { args } = await virtual.peer.start()
    expect(Object.keys(args.clientProperties)).to.include.members(['__proto__', 'constructor'])
    expect(({} as { polluted?: unknown }).polluted).to.equal(undefined)
    virtual.stream.reset()
    await rejectionOf(connecting, ConnectError)
  })
})
