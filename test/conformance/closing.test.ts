import { expect } from 'chai'
import { ChannelClosedError } from '../../src/index.js'
import { hex, toHex } from '../support/hex.js'
import { rejectionOf } from '../support/rejection.js'
import { BODY, CONNECTION_CLOSE_320, CONNECTION_CLOSE_OK, DELIVER, HEADER, HEARTBEAT } from './octets.js'
import { row } from './rows.js'

/** 200, no text, no method. */
const CONNECTION_CLOSE = '0100000000000b000a003200c80000000000ce'

describe('on the wire, the end of a connection', () => {
  row(
    35,
    'it is answered, and what it said is the reason, whatever happens to the socket',
    async sessions => {
      const session = await sessions.open()
      const channel = await session.openChannel()
      const call = channel.get('q')
      await session.settle()
      session.heard()
      await session.say(CONNECTION_CLOSE_320)
      session.virtual.peer.socket.reset()
      await session.settle()
      const reason = await session.settled('closed', session.connection.closed)
      expect(reason).to.include({ by: 'server', code: 320, text: 'CONNECTION_FORCED - bye' })
      expect((await rejectionOf(call, ChannelClosedError)).reason).to.equal(reason)
    },
  )

  row(35, 'Close-Ok is all that is written', async sessions => {
    const session = await sessions.open()
    await session.say(CONNECTION_CLOSE_320)
    expect(session.heard()).to.equal('01000000000004000a0033ce')
    expect(await session.settled('closed', session.connection.closed)).to.include({ by: 'server', code: 320 })
    await session.expectNothing()
  })

  row(36, 'theirs is answered, ours is over with it, and there is no second one', async sessions => {
    const session = await sessions.open()
    const closing = session.connection.close()
    await session.settle()
    expect(session.heard()).to.equal(CONNECTION_CLOSE)
    await session.say(CONNECTION_CLOSE_320)
    expect(session.heard()).to.equal('01000000000004000a0033ce')
    const reason = await session.settled('close()', closing)
    expect(await session.connection.closed).to.equal(reason)
    await session.expectNothing()
  })

  row(37, 'it is ignored, until Close-Ok comes: then the client ends the socket', async sessions => {
    const session = await sessions.open()
    const channel = await session.openChannel()
    const { deliveries } = await session.consume(channel)
    const closing = session.connection.close()
    await session.settle()
    expect(session.heard().endsWith(CONNECTION_CLOSE)).to.equal(true)
    await session.say(HEARTBEAT, DELIVER, HEADER, BODY)
    expect(session.virtual.stream.destroyed).to.equal(false)
    await session.say(CONNECTION_CLOSE_OK, HEARTBEAT)
    expect(await session.settled('close()', closing)).to.deep.equal({ by: 'client' })
    expect(deliveries).to.deep.equal([])
    await session.expectNothing()
  })

  row(38, 'they are told with the reason, and heartbeats go on between them', async sessions => {
    const session = await sessions.open({ tune: hex`0100000000000c000a001e07ff000200000002ce` })
    const { connection, virtual } = session
    const told: unknown[] = []
    connection.on('blocked', reason => told.push(reason))
    connection.on('unblocked', () => told.push('unblocked'))
    await session.say(hex`01000000000012000a003c0d6c6f77206f6e206d656d6f7279ce`)
    expect(told).to.deep.equal(['low on memory'])
    expect(connection.blocked).to.equal('low on memory')
    await virtual.clock.advance(1_000)
    await session.say(HEARTBEAT)
    await virtual.clock.advance(2_000)
    await session.say(hex`01000000000004000a003dce`)
    expect(session.heard()).to.equal(toHex(HEARTBEAT).repeat(3))
    expect(told).to.deep.equal(['low on memory', 'unblocked'])
    expect(connection.blocked).to.equal(undefined)
  })
})
