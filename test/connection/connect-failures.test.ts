import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type LookupFunction, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { expect } from 'chai'
import fc from 'fast-check'
import { AuthenticationError, ConnectError, type ConnectOptions, connect } from '../../src/index.js'
import { octets } from '../support/arbitraries.js'
import { connectFailure, failureOf, PASSWORD } from '../support/connect-failure.js'
import { hex } from '../support/hex.js'
import { ScriptedServer } from '../support/peer/scripted-peer.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { freePort } from '../support/rabbitmq/free-port.js'
import { runs } from '../support/runs.js'

function portOf(server: { address(): unknown }): number {
  return (server.address() as { port: number }).port
}

/** An error of name resolution, as dns.lookup makes it. */
function lookupFailing(code: string): LookupFunction {
  return (host, _, done) => {
    const error = Object.assign(new Error(`getaddrinfo ${code} ${host}`), { code, syscall: 'getaddrinfo' })
    process.nextTick(() => done(error, '', 4))
  }
}

describe('connect, when there is no server', () => {
  it('says that the connection was refused, and by whom', async () => {
    const error = await connectFailure(await freePort())
    expect(error).to.include({ name: 'ConnectError', code: 'AMQP_CONNECT', phase: 'tcp' })
    expect(error.message).to.match(/^cannot connect to 127\.0\.0\.1:\d+: .*ECONNREFUSED/)
    expect(error.hint).to.match(/is RabbitMQ running there/)
    expect(error.message).to.include(error.hint)
    expect(error.cause).to.include({ code: 'ECONNREFUSED' })
  })

  it('says so for every address of the host', async () => {
    const addresses = [
      { address: '127.0.0.1', family: 4 },
      { address: '127.0.0.2', family: 4 },
    ]
    const lookup: LookupFunction = (_host, _options, done) =>
      process.nextTick(() => done(null, addresses as never))
    const port = await freePort()
    const error = await connectFailure(port, { host: 'rabbit.test', lookup }, `rabbit.test:${port}`)
    expect(error.phase).to.equal('tcp')
    expect(error.message).to.include('127.0.0.1').and.to.include('127.0.0.2')
    expect(error.hint).to.match(/is RabbitMQ running there/)
  })

  const unresolved: [code: string, hint: RegExp | undefined][] = [
    ['ENOTFOUND', /is the host name right/],
    ['EAI_AGAIN', /does not work at the moment/],
    ['ESERVFAIL', undefined],
  ]
  for (const [code, hint] of unresolved) {
    it(`says that the name could not be resolved: ${code}`, async () => {
      const options = { host: 'rabbit.test', lookup: lookupFailing(code) }
      const error = await connectFailure(5672, options, 'rabbit.test:5672')
      expect(error).to.include({ phase: 'dns' })
      expect(error.message).to.include(code)
      if (hint === undefined) expect(error.hint).to.equal(undefined)
      else expect(error.hint).to.match(hint)
    })
  }

  it('gives up on a name resolution that hangs', async () => {
    const options = { host: 'rabbit.test', lookup: () => {}, connectTimeout: 60 }
    const error = await connectFailure(5672, options, 'rabbit.test:5672')
    expect(error).to.include({ phase: 'dns', hint: 'name resolution hangs' })
    expect(error.message).to.include('no answer within 60 ms')
  })

  it('takes a name that is resolved late', async () => {
    const port = await freePort()
    const lookup: LookupFunction = (_host, _options, done) => {
      setTimeout(() => done(null, [{ address: '127.0.0.1', family: 4 }] as never), 20)
    }
    const error = await connectFailure(port, { host: 'rabbit.test', lookup }, `rabbit.test:${port}`)
    expect(error.phase).to.equal('tcp')
  })

  it('carries the connection name', async () => {
    const error = await connectFailure(await freePort(), { connectionName: 'billing' })
    expect(error.connectionName).to.equal('billing')
  })

  it('writes an IPv6 address in brackets', async () => {
    const port = await freePort()
    await connectFailure(port, { host: '::1' }, `[::1]:${port}`)
  })
})

describe('connect, when the server is something else', () => {
  let server: Server | undefined
  const sockets = new Set<Socket>()

  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
    server?.close()
    server = undefined
  })

  async function listen(given: Server): Promise<number> {
    server = given
    server.on('connection', (socket: Socket) => sockets.add(socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return portOf(server)
  }

  /** Sends these octets to whoever comes, and then nothing, or the end. */
  function greeter(greeting: Buffer, ends: boolean): Server {
    return createServer(socket => {
      socket.on('error', () => {})
      socket.resume()
      if (ends) socket.end(greeting)
      else socket.write(greeting)
    })
  }

  it('knows an HTTP server', async () => {
    const port = await listen(createHttpServer())
    const error = await connectFailure(port)
    expect(error).to.be.instanceOf(ConnectError).and.to.include({ phase: 'start' })
    expect(error.message).to.include('an HTTP server answered')
    expect(error.hint).to.match(/management port.*5672/)
  })

  it('suspects a TLS server that hangs up', async () => {
    const port = await listen(createTlsServer({}))
    const error = await connectFailure(port)
    expect(error).to.include({ phase: 'start' })
    expect(error.hint).to.match(/expect TLS/)
  })

  const greetings: [what: string, greeting: Buffer, message: RegExp, hint: RegExp][] = [
    ['a TLS alert', hex`15 0303 0002 022f`, /a TLS server answered/, /with TLS/],
    ['a TLS handshake', hex`16 0303 0031 0200 0000`, /a TLS server answered/, /with TLS/],
    [
      'an AMQP 1.0 header',
      hex`414d5150 03010000`,
      /refused AMQP 0-9-1 and suggests 1\.0\.0/,
      /AMQP 1\.0 broker/,
    ],
    ['another AMQP header', hex`414d5150 00000901`, /suggests 0\.9\.1/, /old or a much newer/],
    [
      'another protocol',
      Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
      /not AMQP \(5353482d322e302d\)/,
      /check host and port/,
    ],
  ]
  for (const [what, greeting, message, hint] of greetings) {
    for (const ends of [true, false]) {
      it(`knows ${what}, ${ends ? 'and the end' : 'and silence'} after it`, async () => {
        const port = await listen(greeter(greeting, ends))
        const error = await connectFailure(port, { connectTimeout: 200 })
        expect(error).to.include({ phase: 'start' })
        expect(error.message).to.match(message)
        expect(error.hint).to.match(hint)
      })
    }
  }

  it('shows the first octets of one that says too little', async () => {
    const port = await listen(greeter(Buffer.from('SSH'), true))
    const error = await connectFailure(port)
    expect(error.message).to.include('(535348)')
  })

  it('fails on whatever the server sends instead of AMQP, and never otherwise than by rejecting', async () => {
    let garbage: Uint8Array = Buffer.alloc(0)
    const port = await listen(
      createServer(
        socket =>
          void socket
            .on('error', () => {})
            .resume()
            .end(garbage),
      ),
    )
    const frames = octets({ minLength: 1, maxLength: 40 }).map(rest =>
      Buffer.concat([Buffer.from([1]), rest]),
    )
    await fc.assert(
      fc.asyncProperty(fc.oneof(octets({ maxLength: 40 }), frames), async given => {
        garbage = given
        const error = await connectFailure(port)
        expect(error.phase).to.equal('start')
      }),
      runs(60),
    )
  })
})

describe('connect, when the handshake does not get on', () => {
  let server: ScriptedServer
  const connectTimeout = 120

  beforeEach(async () => {
    server = await ScriptedServer.listen()
  })

  afterEach(() => server.close())

  function begin(options: ConnectOptions = {}): Promise<ConnectError> {
    return connectFailure(server.port, options)
  }

  async function expectDeadline(failing: Promise<ConnectError>, phase: string): Promise<ConnectError> {
    const error = await within(5_000, 'the end of the attempt', failing)
    expect(error.phase).to.equal(phase)
    expect(error.message).to.include(`no answer within ${connectTimeout} ms`)
    return error
  }

  it('gives up on a server that says nothing', async () => {
    const error = await expectDeadline(begin({ connectTimeout }), 'start')
    expect(error.message).to.match(/waiting for Connection\.Start after \d+ ms/)
    expect(error.hint).to.match(/still be starting/)
  })

  it('gives up on a server that says nothing after Start-Ok', async () => {
    const failing = expectDeadline(begin({ connectTimeout }), 'tune')
    await (await server.accept()).start()
    expect((await failing).message).to.match(/waiting for Connection\.Tune/)
  })

  it('gives up on a server that says nothing after Tune-Ok', async () => {
    const failing = expectDeadline(begin({ connectTimeout }), 'open')
    const peer = await server.accept()
    await peer.start()
    await peer.tune()
    expect((await failing).message).to.match(/waiting for Connection\.Open-Ok/)
  })

  it('gives up on a server that sends an octet now and then: the time is for all of it', async () => {
    const failing = expectDeadline(begin({ connectTimeout }), 'start')
    const peer = await server.accept()
    const args = { versionMajor: 0, versionMinor: 9, serverProperties: { product: 'slow' } }
    const lists = { mechanisms: Buffer.from('PLAIN'), locales: Buffer.from('en_US') }
    const start = peer.codec.method(0, { name: 'connection.start', args: { ...args, ...lists } })
    let sent = 0
    const drip = setInterval(() => peer.sendOctets(start.subarray(sent, ++sent)), 20)
    await failing.finally(() => clearInterval(drip))
    expect(sent).to.be.within(3, 40)
  })

  it('says that the server hung up before it said anything', async () => {
    const failing = begin()
    ;(await server.accept()).socket.end()
    const error = await failing
    expect(error).to.include({ name: 'ConnectError', phase: 'start' })
    expect(error.message).to.include('the peer ended the connection')
    expect(error.hint).to.match(/still be starting, or expect TLS/)
  })

  it('suspects refused credentials when the server hangs up after Start-Ok', async () => {
    const failing = begin()
    const peer = await server.accept()
    await peer.start()
    peer.socket.end()
    const error = await failing
    expect(error).to.include({ name: 'ConnectError', phase: 'tune' }).and.to.not.have.property('replyCode')
    expect(error.hint).to.match(/probably refused the credentials/)
  })

  it('takes hanging up after Tune-Ok for refused tuning, and says what it was', async () => {
    const failing = begin({ heartbeat: 7, channelMax: 99 })
    const peer = await server.accept()
    await peer.start()
    await peer.tune({ frameMax: 9000 })
    peer.socket.end()
    const error = await failing
    expect(error).to.include({ name: 'ConnectError', phase: 'open' })
    expect(error.hint).to.match(/channelMax 99, frameMax 9000, heartbeat 7.*8192/)
  })

  it('names the error of a connection that was reset', async () => {
    const failing = begin()
    const peer = await server.accept()
    await peer.start()
    peer.socket.resetAndDestroy()
    const error = await failing
    expect(error).to.include({ name: 'ConnectError', phase: 'tune' })
    expect(error.message).to.include('ECONNRESET')
  })

  it('carries code and text of a refusal, and closes in order', async () => {
    const failing = begin({ username: 'nobody' })
    const peer = await server.accept()
    await peer.start()
    const replyText = 'ACCESS_REFUSED - Login was refused'
    peer.send(0, { name: 'connection.close', args: { replyCode: 403, replyText, classId: 0, methodId: 0 } })
    await peer.expect('connection.close-ok')
    const error = await failing
    expect(error).to.be.instanceOf(AuthenticationError)
    expect(error).to.include({ phase: 'tune', replyCode: 403, replyText })
    expect(error.hint).to.match(/check username and password.*'guest'.*own host/)
  })

  it('points at the virtual host when it is refused', async () => {
    const failing = begin({ vhost: '' })
    const peer = await server.accept()
    await peer.start()
    await peer.tune()
    const replyText = 'NOT_ALLOWED - vhost  not found'
    peer.send(0, { name: 'connection.close', args: { replyCode: 530, replyText, classId: 10, methodId: 40 } })
    const error = await failing
    expect(error).to.include({ name: 'ConnectError', phase: 'open', replyCode: 530, replyText })
    expect(error.hint).to.include("virtual host '' exists").and.to.include('leave out the slash')
  })

  it('says what the server offers when the mechanism is not among it', async () => {
    const failing = begin({ auth: 'EXTERNAL' })
    ;(await server.accept()).start().catch(() => {})
    const error = await failing
    expect(error.message).to.include('does not offer the authentication mechanism EXTERNAL')
    expect(error.hint).to.match(/^it offers PLAIN, AMQPLAIN; .*EXTERNAL on TLS only/)
  })

  it('takes the first of its mechanisms that the server offers', async () => {
    const failing = begin({ auth: ['EXTERNAL', 'AMQPLAIN', 'PLAIN'], username: 'u', password: PASSWORD })
    const peer = await server.accept()
    const { args } = await peer.start()
    expect(args.mechanism).to.equal('AMQPLAIN')
    expect(args.response.toString('latin1')).to.include('\x05LOGINS\0\0\0\x01u\x08PASSWORDS')
    peer.socket.end()
    await failing
  })

  it('answers challenges by the mechanism given', async () => {
    const auth = {
      mechanism: 'AMQPLAIN',
      initialResponse: () => Buffer.from('first'),
      answer: (challenge: Uint8Array) => Buffer.from(`answer to ${Buffer.from(challenge)}`),
    }
    const failing = begin({ auth })
    const peer = await server.accept()
    const { args } = await peer.start()
    expect(args.mechanism).to.equal('AMQPLAIN')
    expect(args.response.toString()).to.equal('first')
    for (const challenge of ['one', 'two']) {
      peer.send(0, { name: 'connection.secure', args: { challenge: Buffer.from(challenge) } })
      const { method } = await peer.expect('connection.secure-ok')
      expect(method.args.response.toString()).to.equal(`answer to ${challenge}`)
    }
    peer.socket.end()
    await failing
  })

  it('refuses a challenge that the mechanism cannot answer', async () => {
    const failing = begin()
    const peer = await server.accept()
    await peer.start()
    peer.send(0, { name: 'connection.secure', args: { challenge: Buffer.from('who?') } })
    expect((await failing).message).to.include('unexpected challenge for PLAIN')
  })

  it('says that the mechanism given has failed, with its error', async () => {
    const broken = new Error(`cannot fetch a token with ${PASSWORD.length} letters`)
    const initialResponse = (): never => {
      throw broken
    }
    const failing = begin({ auth: { mechanism: 'PLAIN', initialResponse } })
    ;(await server.accept()).start().catch(() => {})
    const error = await failing
    expect(error.message).to.include('the authentication mechanism PLAIN failed')
    expect(error.message).to.not.include('the peer broke')
    expect(error.cause).to.equal(broken)
  })

  it('blames nobody else when what it says of itself fits no frame', async () => {
    const failing = begin({ clientProperties: { story: 'x'.repeat(9000) } })
    ;(await server.accept()).start().catch(() => {})
    const error = await failing
    expect(error.message).to.match(/connection\.start-ok.*8192/)
    expect(error.message).to.not.include('the peer broke')
  })

  const disorders: [what: string, send: (peer: Awaited<ReturnType<ScriptedServer['accept']>>) => void][] = [
    [
      'Tune before Start',
      peer =>
        peer.send(0, { name: 'connection.tune', args: { channelMax: 1, frameMax: 8192, heartbeat: 0 } }),
    ],
    ['Open-Ok before Start', peer => peer.send(0, { name: 'connection.open-ok', args: {} })],
    ['a method on a channel', peer => peer.send(1, { name: 'channel.open-ok', args: {} })],
    [
      'a method that only clients send',
      peer => peer.send(0, { name: 'connection.open', args: { virtualHost: '/' } }),
    ],
  ]
  for (const [what, send] of disorders) {
    it(`refuses ${what}`, async () => {
      const failing = begin()
      send(await server.accept())
      const error = await failing
      expect(error).to.include({ name: 'ConnectError', phase: 'start' })
      expect(error.message).to.match(/the peer broke the protocol \(50\d\)/)
    })
  }

  it('fails once and for all: an Open-Ok after the deadline opens nothing', async () => {
    const connecting = connect(server.url, { connectTimeout })
    const failing = failureOf(connecting, String(server.port))
    const peer = await server.accept()
    await peer.start()
    await peer.tune()
    await failing
    peer.send(0, { name: 'connection.open-ok', args: {} })
    await until(2_000, 'the end of the connection', () => peer.ended)
  })
})
