import { expect } from 'chai'
import { HeartbeatError } from '../../src/index.js'
import { hex, toHex } from '../support/hex.js'
import { HEARTBEAT, OPEN_OK, START, TUNE } from './octets.js'
import { row } from './rows.js'

const H = toHex(HEARTBEAT)
/** Two seconds, as the server wants it and the client agrees. */
const TUNE_2 = hex`0100000000000c000a001e07ff000200000002ce`

describe('on the wire, heartbeats', () => {
  const cuts: readonly (readonly [how: string, sizes: readonly number[]])[] = [
    ['whole', [8, 8, 8]],
    ['after one octet and after seven', [8, 1, 7, 7, 1]],
    ['into octets', Array.from({ length: 24 }, () => 1)],
  ]
  for (const [how, sizes] of cuts) {
    row(8, `cut ${how}, it is life with each octet, and is nothing else`, async sessions => {
      const session = await sessions.open({ connect: { heartbeat: 0 } })
      const { connection, virtual } = session
      const told: unknown[] = []
      for (const event of ['blocked', 'unblocked', 'stalled'] as const) {
        connection.on(event, () => told.push(event))
      }
      const octets = Buffer.concat([HEARTBEAT, HEARTBEAT, HEARTBEAT])
      let position = 0
      for (const size of sizes) {
        await virtual.clock.advance(100)
        expect(connection.stats.lastReceivedMs).to.equal(100)
        await session.say(octets.subarray(position, position + size))
        position += size
        expect(connection.stats.lastReceivedMs).to.equal(0)
      }
      expect(connection.stats.heartbeatsReceived).to.equal(3)
      expect(told).to.deep.equal([])
      expect(session.heard(), 'no heartbeat answers one').to.equal('')
    })
  }

  row(9, 'what follows them may be half a frame, which waits for its other half', async sessions => {
    const session = sessions.begin({ connect: { heartbeat: 60 } })
    await session.say(START)
    session.heard()
    await session.say(HEARTBEAT, HEARTBEAT, HEARTBEAT, TUNE.subarray(0, 10))
    expect(session.heard()).to.equal('')
    await session.say(TUNE.subarray(10))
    expect(session.heard()).to.match(/^0100000000000c000a001f07ff00020000003cce/)
    await session.say(OPEN_OK)
    const connection = await session.settled('connect()', session.connecting)
    expect(connection.stats.heartbeatsReceived).to.equal(3)
  })

  row(10, 'the client closes with 501', async sessions => {
    const session = await sessions.open()
    await session.say(hex`08000100000000ce`)
    await session.expectViolation(501)
  })

  row(11, 'the client closes with 501', async sessions => {
    const session = await sessions.open()
    await session.say(hex`0800000000000101ce`)
    await session.expectViolation(501)
  })

  row(46, 'an idle client beats every half of it', async sessions => {
    const session = await sessions.open({ tune: TUNE_2 })
    const { connection, virtual } = session
    expect(connection.heartbeat).to.equal(2)
    for (let second = 1; second <= 10; second++) {
      await virtual.clock.advance(999)
      expect(session.heard(), `at ${second} s less a millisecond`).to.equal('')
      await virtual.clock.advance(1)
      expect(session.heard(), `at ${second} s`).to.equal(H)
      await session.say(HEARTBEAT)
    }
  })

  row(46, 'one octet in each interval is life enough', async sessions => {
    const session = await sessions.open({ tune: TUNE_2 })
    const { connection, virtual } = session
    for (let count = 0; count < 80; count++) {
      await virtual.clock.advance(1_900)
      await session.say(HEARTBEAT.subarray(count % 8, (count % 8) + 1))
    }
    expect(connection.state).to.equal('open')
    expect(connection.stats.heartbeatsReceived).to.equal(10)
  })

  row(46, 'after two of silence the socket is destroyed, and no Close is written', async sessions => {
    const session = await sessions.open({ tune: TUNE_2 })
    const { connection, virtual } = session
    await virtual.clock.advance(3_999)
    expect(connection.state).to.equal('open')
    await virtual.clock.advance(1)
    const { by, error } = await session.settled('closed', connection.closed)
    expect(by).to.equal('heartbeat')
    expect(error).to.be.instanceOf(HeartbeatError)
    expect(virtual.stream.destroyed).to.equal(true)
    // At 1, 2 and 3 s; what fell due together with the end is of no use any more.
    expect(session.heard()).to.match(new RegExp(`^(?:${H}){3,4}$`))
    await virtual.clock.advance(60_000)
    expect(session.heard()).to.equal('')
  })

  row(47, 'there is no timer, nothing is sent, and those that come are ignored', async sessions => {
    const session = await sessions.open({ connect: { heartbeat: 0 } })
    const { connection, virtual } = session
    expect(connection.heartbeat).to.equal(0)
    expect(virtual.clock.timers).to.deep.equal([])
    await virtual.clock.advance(24 * 60 * 60 * 1_000)
    await session.say(HEARTBEAT)
    expect(session.heard()).to.equal('')
    expect(connection.state).to.equal('open')
    expect(connection.stats.heartbeatsReceived).to.equal(1)
  })

  row(48, 'the peer is not dead whose octets wait to be read', async sessions => {
    const session = await sessions.open({ tune: TUNE_2 })
    const { connection, virtual } = session
    virtual.clock.stall(6_000)
    virtual.peer.sendOctets(HEARTBEAT)
    await session.settle()
    expect(connection.state).to.equal('open')
    expect(session.heard(), 'the first thing after it').to.equal(H)
    await virtual.clock.advance(3_999)
    expect(connection.state).to.equal('open')
    await virtual.clock.advance(1)
    expect(await session.settled('closed', connection.closed)).to.include({ by: 'heartbeat' })
  })
})
