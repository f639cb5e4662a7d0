import { expect } from 'chai'
import { Link } from '../../src/connection/link.js'
import { settle } from '../../src/connection/options.js'
import { ConnectError } from '../../src/index.js'
import { ScriptedServer } from '../support/peer/scripted-peer.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

function silentPeer(connectTimeout: number) {
  const virtual = new VirtualPeer({ connect: { connectTimeout } })
  return { clock: virtual.clock, peer: virtual.peer, connecting: () => virtual.connect() }
}

describe('Link', () => {
  let server: ScriptedServer

  beforeEach(async () => {
    server = await ScriptedServer.listen()
  })

  afterEach(() => server.close())

  it('keeps what comes before anybody listens, in order, and says its local port', async () => {
    const link = new Link(settle({ host: '127.0.0.1', port: server.port, connectionName: 'billing' }))
    const peer = await server.accept()
    await peer.start()
    await peer.tune()
    const methods = [
      { name: 'connection.open-ok', args: {} },
      { name: 'connection.blocked', args: { reason: 'disk' } },
      { name: 'connection.unblocked', args: {} },
    ] as const
    peer.sendOctets(Buffer.concat(methods.map(method => peer.codec.method(0, method))))
    await link.opened.promise
    await until(2_000, 'the frames', () => link.driver.protocol.counts.framesReceived === 5)
    const events: string[] = []
    link.attach(event => events.push(event.type))
    expect(events).to.deep.equal(['blocked', 'unblocked'])
    expect(link.endpoint).to.deep.equal({ connectionName: 'billing', localPort: peer.socket.remotePort })
    peer.socket.destroy()
    await until(2_000, 'the end', () => events.length === 3)
    expect(events).to.deep.equal(['blocked', 'unblocked', 'closed'])
  })

  it('reads what came while the event loop was blocked before it gives up', async () => {
    const { clock, peer, ...virtual } = silentPeer(1_000)
    const connecting = virtual.connecting()
    await peer.start()
    await peer.tune()
    clock.stall(5_000)
    peer.send(0, { name: 'connection.open-ok', args: {} })
    await clock.settle()
    const connection = await within(1_000, 'the connection whose Open-Ok waited', connecting)
    expect(connection.state).to.equal('open')
    peer.answerCalls()
    await within(1_000, 'close()', connection.close())
  })

  it('gives up after a stall when nothing has come', async () => {
    const { clock, peer, ...virtual } = silentPeer(1_000)
    const failed = rejectionOf(virtual.connecting(), ConnectError)
    await peer.start()
    clock.stall(5_000)
    await clock.settle()
    expect((await failed).message).to.include('no answer within 1000 ms')
    expect(clock.timers).to.deep.equal([])
  })

  it('opens never when it has failed before', async () => {
    const link = new Link(settle({ host: '127.0.0.1', port: server.port, connectTimeout: 50 }))
    const peer = await server.accept()
    await rejectionOf(link.opened.promise, ConnectError)
    await until(2_000, 'the end of the connection', () => peer.ended)
  })
})
