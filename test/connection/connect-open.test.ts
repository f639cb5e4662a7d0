import { expect } from 'chai'
import { type Connection, connect } from '../../src/index.js'
import { type ScriptedPeer, ScriptedServer } from '../support/peer/scripted-peer.js'

describe('connect, when it succeeds', () => {
  let server: ScriptedServer

  beforeEach(async () => {
    server = await ScriptedServer.listen()
  })

  afterEach(() => server.close())

  it('says who it is, and what it can do', async () => {
    const connecting = connect(server.url, { connectionName: 'billing', clientProperties: { team: 'x' } })
    const peer = await server.accept()
    const { args } = await peer.start()
    expect(args.mechanism).to.equal('PLAIN')
    expect(args.response.toString()).to.equal('\0guest\0guest')
    const { capabilities, ...properties } = args.clientProperties
    expect(properties).to.include({ product: 'thump', connection_name: 'billing', team: 'x' })
    expect({ ...(capabilities as object) }).to.include({
      authentication_failure_close: true,
      consumer_cancel_notify: true,
      'connection.blocked': true,
    })
    await peer.tune()
    await peer.expect('connection.open')
    peer.send(0, { name: 'connection.open-ok', args: {} })
    await closed(await connecting, peer)
  })

  it('asks for the virtual host of the URI', async () => {
    for (const [path, virtualHost] of [
      ['', '/'],
      ['/', ''],
      ['/%2F', '/'],
      ['/a%2Fb', 'a/b'],
      ['/%E2%82%AC', '€'],
    ]) {
      const connecting = connect(`${server.url}${path}`)
      const peer = await server.accept()
      await peer.start()
      await peer.tune()
      const { method } = await peer.expect('connection.open')
      expect(method.args.virtualHost).to.equal(virtualHost)
      peer.send(0, { name: 'connection.open-ok', args: {} })
      await closed(await connecting, peer)
    }
  })

  it('sends Tune-Ok and Open together, without waiting', async () => {
    const connecting = connect(server.url)
    const peer = await server.accept()
    await peer.start()
    await peer.tune()
    await peer.expect('connection.open')
    peer.send(0, { name: 'connection.open-ok', args: {} })
    await closed(await connecting, peer)
  })

  it('shows what was agreed on, and what the server says of itself', async () => {
    const connecting = connect(server.url, { connectionName: 'billing' })
    const peer = await server.accept()
    await peer.start({ product: 'RabbitMQ', version: '9.9.9', capabilities: { 'basic.nack': true } })
    await peer.tune({ heartbeat: 7, frameMax: 9000, channelMax: 3 })
    await peer.expect('connection.open')
    peer.send(0, { name: 'connection.open-ok', args: {} })
    const connection = await connecting
    expect(connection).to.include({
      heartbeat: 7,
      frameMax: 9000,
      channelMax: 3,
      name: 'billing',
      state: 'open',
    })
    expect(connection.blocked).to.equal(undefined)
    expect(connection.serverProperties).to.include({ product: 'RabbitMQ', version: '9.9.9' })
    await closed(connection, peer)
  })

  it('loses nothing that the server says together with Open-Ok', async () => {
    const connecting = connect(server.url)
    const peer = await server.accept()
    await peer.start()
    await peer.tune()
    await peer.expect('connection.open')
    const openOk = peer.codec.method(0, { name: 'connection.open-ok', args: {} })
    const blocked = peer.codec.method(0, { name: 'connection.blocked', args: { reason: 'low on disk' } })
    peer.sendOctets(Buffer.concat([openOk, blocked]))
    const connection = await connecting
    expect(connection.blocked).to.equal('low on disk')
    await closed(connection, peer)
  })

  it('gives a connection that has ended already when the server closes together with Open-Ok', async () => {
    const connecting = connect(server.url)
    const peer = await server.accept()
    await peer.start()
    await peer.tune()
    await peer.expect('connection.open')
    const openOk = peer.codec.method(0, { name: 'connection.open-ok', args: {} })
    const args = { replyCode: 320, replyText: 'CONNECTION_FORCED - going down', classId: 0, methodId: 0 }
    const close = peer.codec.method(0, { name: 'connection.close', args })
    peer.sendOctets(Buffer.concat([openOk, close]))
    const connection = await connecting
    expect(await connection.closed).to.include({ by: 'server', code: 320 })
  })

  async function closed(connection: Connection, peer: ScriptedPeer): Promise<void> {
    peer.answerCalls()
    expect((await connection.close()).by).to.equal('client')
  }
})
