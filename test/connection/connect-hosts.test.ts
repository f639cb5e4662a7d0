import type { LookupFunction } from 'node:net'
import { expect } from 'chai'
import { AuthenticationError, ConnectError, connect } from '../../src/index.js'
import { expectNoSecret, PASSWORD } from '../support/connect-failure.js'
import { type ScriptedPeer, ScriptedServer } from '../support/peer/scripted-peer.js'
import { until } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'
import { VirtualClock } from '../support/virtual-clock.js'

/** Keeps several URIs in the order given. */
const inOrder = (): number => 0.999

function uriOf(host: string | number): string {
  const at = typeof host === 'number' ? `127.0.0.1:${host}` : host
  return `amqp://guest:${encodeURIComponent(PASSWORD)}@${at}`
}

describe('connect, with several URIs', () => {
  let hosts: string[]
  let servers: ScriptedServer[]

  beforeEach(async () => {
    hosts = []
    servers = [await ScriptedServer.listen(), await ScriptedServer.listen()]
  })

  afterEach(async () => {
    for (const server of servers) await server.close()
  })

  const lookup: LookupFunction = (host, _options, done) => {
    hosts.push(host)
    process.nextTick(() => done(new Error(`no ${host}`), '', 4))
  }

  function uris(): string[] {
    return servers.map(server => uriOf(server.port))
  }

  /** Lets the first server do this, and says what connect() came to. */
  async function whenFirst(act: (peer: ScriptedPeer) => unknown): Promise<ConnectError | 'tried the next'> {
    const connecting = connect(uris(), { random: inOrder })
    const second = servers[1]?.accept().then(async peer => {
      await peer.handshake()
      peer.answerCalls()
    })
    await act((await servers[0]?.accept()) as ScriptedPeer)
    try {
      const connection = await connecting
      await second
      await connection.close()
      return 'tried the next'
    } catch (error) {
      expectNoSecret(error)
      return error as ConnectError
    }
  }

  it('tries each once, in random order', async () => {
    const names = ['a', 'b', 'c']
    const orders = new Map<string, number>()
    for (const first of [0, 0.34, 0.67]) {
      for (const second of [0, 0.5]) {
        hosts = []
        const numbers = [first, second]
        const random = (): number => numbers.shift() ?? 0
        await rejectionOf(connect(names.map(uriOf), { lookup, random }), ConnectError)
        expect([...hosts].sort()).to.deep.equal(names)
        orders.set(hosts.join(''), (orders.get(hosts.join('')) ?? 0) + 1)
      }
    }
    expect([...orders.values()], 'each order once').to.deep.equal([1, 1, 1, 1, 1, 1])
  })

  it('leaves the list that it was given alone', async () => {
    const given = Object.freeze(['a', 'b', 'c'].map(uriOf))
    await rejectionOf(connect(given, { lookup, random: () => 0 }), ConnectError)
    expect(given).to.deep.equal(['a', 'b', 'c'].map(uriOf))
  })

  it('gives all errors when all have failed', async () => {
    const error = await rejectionOf(connect(['a', 'b'].map(uriOf), { lookup, random: inOrder }), ConnectError)
    expect(error.message).to.equal(
      'cannot connect to any of 2 servers: cannot connect to a:5672: no a; cannot connect to b:5672: no b',
    )
    const { errors } = error.cause as AggregateError
    expect(errors).to.have.length(2)
    for (const each of errors) expect(each).to.be.instanceOf(ConnectError)
    expectNoSecret(error)
  })

  it('gives the error itself when there was one URI', async () => {
    const error = await rejectionOf(connect([uriOf('a')], { lookup }), ConnectError)
    expect(error.message).to.equal('cannot connect to a:5672: no a')
  })

  it('goes on to the next when a server refuses, hangs up, is something else, or goes down', async () => {
    const close = (replyCode: number) => async (peer: ScriptedPeer) => {
      await peer.start()
      await peer.tune()
      await peer.expect('connection.open')
      peer.send(0, { name: 'connection.close', args: { replyCode, replyText: '', classId: 0, methodId: 0 } })
    }
    const ends: [what: string, act: (peer: ScriptedPeer) => unknown][] = [
      ['resets', peer => peer.socket.resetAndDestroy()],
      ['speaks HTTP', peer => peer.sendOctets(Buffer.from('HTTP/1.1 400 Bad Request'))],
      ['hangs up after Start-Ok', peer => peer.start().then(() => peer.socket.end())],
      ['is shut down', close(320)],
      ['has a virtual host that is down', close(541)],
    ]
    for (const [what, act] of ends) expect(await whenFirst(act), what).to.equal('tried the next')
  })

  it('gives every URI the whole connectTimeout', async () => {
    const clock = new VirtualClock()
    const connecting = connect(uris(), { random: inOrder, connectTimeout: 100, clock })
    const silent = await servers[0]?.accept()
    await clock.advance(100)
    const peer = (await servers[1]?.accept()) as ScriptedPeer
    await clock.advance(99)
    await peer.handshake()
    peer.answerCalls()
    const connection = await connecting
    await until(2_000, 'the end of the first attempt', () => silent?.ended === true)
    await connection.close()
  })

  it('stops at once when a server refuses the credentials', async () => {
    const error = await whenFirst(async peer => {
      await peer.start()
      const args = { replyCode: 403, replyText: 'ACCESS_REFUSED', classId: 0, methodId: 0 }
      peer.send(0, { name: 'connection.close', args })
    })
    expect(error).to.be.instanceOf(AuthenticationError)
  })

  it('stops at once when a server refuses the virtual host', async () => {
    const error = await whenFirst(async peer => {
      await peer.start()
      await peer.tune()
      const args = { replyCode: 530, replyText: 'NOT_ALLOWED', classId: 10, methodId: 40 }
      peer.send(0, { name: 'connection.close', args })
    })
    expect(error).to.include({ phase: 'open', replyCode: 530 })
  })
})
