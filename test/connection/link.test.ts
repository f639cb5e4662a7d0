import { expect } from 'chai'
import { Link } from '../../src/connection/link.js'
import { settle } from '../../src/connection/options.js'
import { ConnectError } from '../../src/index.js'
import { ScriptedServer } from '../support/peer/scripted-peer.js'
import { until } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

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

  it('opens never when it has failed before', async () => {
    const link = new Link(settle({ host: '127.0.0.1', port: server.port, connectTimeout: 50 }))
    const peer = await server.accept()
    await rejectionOf(link.opened.promise, ConnectError)
    await until(2_000, 'the end of the connection', () => peer.ended)
  })
})
