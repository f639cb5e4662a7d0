import { getEventListeners } from 'node:events'
import type { LookupFunction } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import { connect } from '../../src/index.js'
import { ScriptedServer } from '../support/peer/scripted-peer.js'
import { until } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

describe('connect, with a signal', () => {
  let server: ScriptedServer
  let controller: AbortController

  beforeEach(async () => {
    server = await ScriptedServer.listen()
    controller = new AbortController()
  })

  afterEach(() => server.close())

  it('rejects at once when the signal is aborted already, and tries nothing', async () => {
    let lookups = 0
    const signal = AbortSignal.abort(new RangeError('not today'))
    const connecting = connect('amqp://rabbit.test', { signal, lookup: () => void lookups++ })
    expect((await rejectionOf(connecting, RangeError)).message).to.equal('not today')
    expect(lookups).to.equal(0)
  })

  it('stops a name resolution', async () => {
    const { signal } = controller
    const connecting = connect('amqp://rabbit.test', { signal, lookup: () => controller.abort() })
    expect((await rejectionOf(connecting, DOMException)).name).to.equal('AbortError')
  })

  it('stops the handshake, and destroys the socket', async () => {
    const { signal } = controller
    const connecting = connect(server.url, { signal })
    const peer = await server.accept()
    await peer.start()
    controller.abort(new RangeError('not today'))
    await rejectionOf(connecting, RangeError)
    await until(2_000, 'the end of the connection', () => peer.ended)
    expect(peer.inbox.filter(received => received.type === 'method')).to.deep.equal([])
  })

  it('stops TCP, and destroys the socket', async () => {
    const { signal } = controller
    const connecting = connect(server.url, { signal })
    controller.abort(new RangeError('not today'))
    await rejectionOf(connecting, RangeError)
    expect(getEventListeners(signal, 'abort')).to.deep.equal([])
  })

  it('stops TLS, and destroys the socket', async () => {
    const { signal } = controller
    const connecting = connect(server.url, { signal, tls: { rejectUnauthorized: false } })
    const peer = await server.accept()
    await until(2_000, 'the first octets of TLS', () => peer.octetsReceived > 0)
    controller.abort(new RangeError('not today'))
    await rejectionOf(connecting, RangeError)
    await until(2_000, 'the end of the connection', () => peer.ended)
  })

  it('stops waiting for what TLS is given, and dials nobody when that comes', async () => {
    const { signal } = controller
    let give: (options: object) => void = () => {}
    let lookups = 0
    const tls = () => new Promise<object>(resolve => (give = resolve))
    const connecting = connect('amqp://rabbit.test', { signal, tls, lookup: () => void lookups++ })
    controller.abort(new RangeError('not today'))
    await rejectionOf(connecting, RangeError)
    give({})
    await nextTurn()
    expect(lookups).to.equal(0)
  })

  it('opens no socket to an address that is found too late', async () => {
    const { signal } = controller
    let answer: () => void = () => {}
    const lookup: LookupFunction = (_host, _options, done) => {
      answer = () => done(null, [{ address: '127.0.0.1', family: 4 }])
    }
    const connecting = connect(`amqp://rabbit.test:${server.port}`, { signal, lookup })
    controller.abort(new RangeError('not today'))
    await rejectionOf(connecting, RangeError)
    answer()
    // The next to come is the next that is dialled.
    const later = connect(server.url)
    const peer = await server.accept()
    await peer.handshake()
    peer.answerCalls()
    await (await later).close()
  })

  it('stops everything, not one URI of several', async () => {
    let lookups = 0
    const { signal } = controller
    const lookup = (): void => {
      lookups++
      controller.abort()
    }
    await rejectionOf(connect(['amqp://a', 'amqp://b'], { signal, lookup }), DOMException)
    expect(lookups).to.equal(1)
  })

  it('makes an error of a reason that is none', async () => {
    const connecting = connect('amqp://rabbit.test', {
      signal: AbortSignal.abort('enough'),
      lookup: () => {},
    })
    const error = await rejectionOf(connecting, Error)
    expect(error.message).to.equal('connecting was aborted')
    expect(error.cause).to.equal('enough')
  })

  it('has no effect, and no listener, once the connection is open', async () => {
    const { signal } = controller
    const connecting = connect(server.url, { signal })
    const peer = await server.accept()
    await peer.handshake()
    peer.answerCalls()
    const connection = await connecting
    expect(getEventListeners(signal, 'abort')).to.deep.equal([])
    controller.abort()
    await (await connection.openChannel()).close()
    await connection.close()
  })

  it('leaves no listener when connecting has failed', async () => {
    const { signal } = controller
    const connecting = connect(server.url, { signal })
    ;(await server.accept()).socket.destroy()
    await rejectionOf(connecting, Error)
    expect(getEventListeners(signal, 'abort')).to.deep.equal([])
  })
})
