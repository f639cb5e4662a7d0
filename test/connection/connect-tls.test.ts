import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type LookupFunction, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TlsOptions as ServerOptions, TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { type ConnectError, type ConnectOptions, connect, type TlsOption } from '../../src/index.js'
import { CertificateAuthority } from '../support/certificates/certificate-authority.js'
import { failureOf, PASSWORD } from '../support/connect-failure.js'
import { ScriptedServer } from '../support/peer/scripted-peer.js'
import { within } from '../support/rabbitmq/deadline.js'

const DAY_MS = 86_400_000
const HOST = 'rabbit.test'

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * DAY_MS)
}

/** As OpenSSL 3.0 has it; that of newer Node.js writes SSL/TLS for SSLV3. */
function oldCodeOf({ cause }: ConnectError): string {
  return String((cause as NodeJS.ErrnoException).code).replace('SSL/TLS', 'SSLV3')
}

const lookup: LookupFunction = (_host, _options, done) => {
  process.nextTick(() => done(null, [{ address: '127.0.0.1', family: 4 }] as never))
}

const authority = new CertificateAuthority()
const stranger = new CertificateAuthority('somebody else')
const identity = authority.issue({ names: [HOST, '127.0.0.1'] })
const client = authority.issue({ commonName: 'ada' })
const trust = { ca: authority.cert }
const demanding = { ...identity, ca: authority.cert, requestCert: true, rejectUnauthorized: true }

describe('connect, over TLS', () => {
  let server: ScriptedServer

  afterEach(() => server?.close())

  async function listen(options: ServerOptions = identity): Promise<void> {
    server = await ScriptedServer.listen(options)
  }

  /** Opens, closes, and gives the server's end to be looked at. */
  async function opens(uri: string, options: ConnectOptions = {}): Promise<TLSSocket> {
    const connecting = connect(uri, { lookup, ...options })
    const peer = await within(5_000, 'a TLS client', server.accept())
    await peer.handshake()
    peer.answerCalls()
    const connection = await connecting
    await connection.openChannel()
    await connection.close()
    return peer.socket as TLSSocket
  }

  it('opens by an amqps:// URI', async () => {
    await listen()
    await opens(`amqps://${HOST}:${server.port}`, { tls: trust })
  })

  it('opens by the option alone, and by a function, which may take its time', async () => {
    await listen()
    await opens(`amqp://${HOST}:${server.port}`, { tls: trust })
    await opens(`amqp://${HOST}:${server.port}`, { tls: () => trust })
    await opens(`amqp://${HOST}:${server.port}`, { tls: async () => trust })
  })

  it('opens by the files that a URI names, with a key that has a passphrase', async () => {
    await listen(demanding)
    const folder = mkdtempSync(join(tmpdir(), 'thump-tls-'))
    try {
      const { cert, key } = authority.issue({ commonName: 'ada', passphrase: 'open sesame' })
      const files = { cacertfile: authority.cert, certfile: cert, keyfile: key }
      const query = Object.entries(files).map(([name, text]) => {
        writeFileSync(join(folder, name), text)
        return `${name}=${encodeURIComponent(join(folder, name))}`
      })
      const uri = `amqps://${HOST}:${server.port}?${query.join('&')}&password=open+sesame&verify=verify_peer`
      const socket = await opens(uri)
      expect(socket.getPeerCertificate().subject.CN).to.equal('ada')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('says the name of the host to the server, or the name that it is told, and none for an address', async () => {
    await listen()
    const named = async (host: string, tls: TlsOption): Promise<string | false | null> => {
      return (await opens(`amqps://${host}:${server.port}`, { tls })).servername
    }
    expect(await named(HOST, trust)).to.equal(HOST)
    expect(await named('127.0.0.1', trust)).to.equal(false)
    expect(await named(HOST, { ...trust, servername: '' })).to.equal(false)
    expect(await named('elsewhere.test', { ...trust, servername: HOST })).to.equal(HOST)
    const uri = `amqps://elsewhere.test:${server.port}?server_name_indication=${HOST}`
    expect((await opens(uri, { tls: trust })).servername).to.equal(HOST)
  })

  it('reaches one of several servers behind an address by its name', async () => {
    const other = authority.issue({ names: ['other.test'] })
    await listen(other)
    const failed = await failureOf(
      connect(`amqps://${HOST}:${server.port}`, { lookup, tls: trust }),
      `${HOST}:${server.port}`,
    )
    expect(failed.cause).to.include({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
    await opens(`amqps://other.test:${server.port}`, { tls: trust })
  })

  it('shows a certificate of its own to a server that wants one', async () => {
    await listen(demanding)
    const socket = await opens(`amqps://${HOST}:${server.port}`, { tls: { ...trust, ...client } })
    expect(socket.getPeerCertificate().subject.CN).to.equal('ada')
  })

  it('takes a server at its word when it is told to', async () => {
    await listen(stranger.issue({ names: ['other.test'] }))
    await opens(`amqps://${HOST}:${server.port}?verify=verify_none`)
    await opens(`amqps://${HOST}:${server.port}`, { tls: { rejectUnauthorized: false } })
  })

  it('asks for certificates each time it dials: for each URI, and again for the next connection', async () => {
    await listen(demanding)
    const given = [stranger, stranger, authority, authority].map((issuer, index) =>
      issuer.issue({ commonName: `number ${index}` }),
    )
    let asked = 0
    const tls = () => ({ ...trust, ...given[asked++] })
    const uri = `amqps://${HOST}:${server.port}`
    await failureOf(connect([uri, uri], { lookup, tls }), HOST)
    expect(asked).to.equal(2)
    for (const name of ['number 2', 'number 3']) {
      const socket = await opens(uri, { tls })
      expect(socket.getPeerCertificate().subject.CN).to.equal(name)
    }
  })
})

describe('connect, when TLS does not come about', () => {
  let server: ScriptedServer | undefined
  let plain: Server | undefined
  const sockets = new Set<Socket>()

  afterEach(async () => {
    await server?.close()
    for (const socket of sockets) socket.destroy()
    sockets.clear()
    plain?.close()
    server = undefined
    plain = undefined
  })

  async function failsAt(port: number, options: ConnectOptions): Promise<ConnectError> {
    const given = { host: HOST, port, lookup, password: PASSWORD, connectTimeout: 5_000, ...options }
    return failureOf(connect(given), `${HOST}:${port}`)
  }

  /** The codes are Node's; those of a client's certificate are its server's to choose. */
  const refusals: [what: string, server: ServerOptions, tls: TlsOption, code: string, hint: RegExp][] = [
    [
      'a certificate that has expired',
      authority.issue({ names: [HOST], notBefore: daysFromNow(-3), notAfter: daysFromNow(-1) }),
      trust,
      'CERT_HAS_EXPIRED',
      /too old.*renewed/,
    ],
    [
      'a certificate for later',
      authority.issue({ names: [HOST], notBefore: daysFromNow(1), notAfter: daysFromNow(2) }),
      trust,
      'CERT_NOT_YET_VALID',
      /is a clock wrong/,
    ],
    [
      'a certificate for another name',
      authority.issue({ names: ['other.test'] }),
      trust,
      'ERR_TLS_CERT_ALTNAME_INVALID',
      /another host.*tls\.servername/,
    ],
    [
      'an authority that nobody knows',
      identity,
      true,
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      /tls\.ca.*cacertfile/,
    ],
    [
      'an authority other than that which is trusted',
      identity,
      { ca: stranger.cert },
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      /tls\.ca.*cacertfile/,
    ],
    [
      'a chain to an authority that nobody knows',
      { ...identity, cert: identity.cert + authority.cert },
      true,
      'SELF_SIGNED_CERT_IN_CHAIN',
      /tls\.ca.*cacertfile/,
    ],
    [
      'a server that wants a certificate, in TLS 1.3',
      { ...demanding, minVersion: 'TLSv1.3' },
      trust,
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      /wants a client certificate.*tls\.cert and tls\.key/,
    ],
    [
      'a server that wants a certificate, in TLS 1.2',
      { ...demanding, maxVersion: 'TLSv1.2' },
      trust,
      'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
      /wants a client certificate.*tls\.cert and tls\.key/,
    ],
    [
      'a server that speaks older versions only',
      { ...identity, maxVersion: 'TLSv1.2' },
      { ...trust, minVersion: 'TLSv1.3' },
      'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
      /other versions of TLS/,
    ],
  ]
  for (const [what, options, tls, code, hint] of refusals) {
    it(`says so: ${what}`, async () => {
      server = await ScriptedServer.listen(options)
      const error = await failsAt(server.port, { tls })
      expect(error).to.include({ name: 'ConnectError', code: 'AMQP_CONNECT', phase: 'tls' })
      expect(oldCodeOf(error)).to.equal(code)
      expect(error.hint).to.match(hint)
      expect(error.message).to.not.match(/openssl|\.c:\d|\n/)
    })
  }

  it('suspects the certificate when a server hangs up instead of its first frame', async () => {
    server = await ScriptedServer.listen({ ...demanding, minVersion: 'TLSv1.3' })
    const error = await failsAt(server.port, { tls: { ...trust, ...stranger.issue({ commonName: 'eve' }) } })
    expect(error).to.include({ phase: 'start' })
    expect(error.hint).to.match(/right after the TLS handshake.*client certificate/)
  })

  it('leaves the explanation to the handshake of AMQP once the server has said something', async () => {
    server = await ScriptedServer.listen(identity)
    const failing = failsAt(server.port, { tls: trust })
    ;(await server.accept()).socket.end('220 mail.example ESMTP\r\n')
    expect((await failing).message).to.include('not AMQP')
  })

  const plainServers: [what: string, speak: (socket: Socket) => void, code: string, hint: RegExp][] = [
    [
      'a plain AMQP port',
      socket => void socket.once('data', () => socket.end('AMQP\0\0\x09\x01')),
      'ERR_SSL_WRONG_VERSION_NUMBER',
      /no TLS on that port.*5671.*5672/,
    ],
    [
      'an HTTP port',
      socket => void socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      'ERR_SSL_WRONG_VERSION_NUMBER',
      /no TLS on that port/,
    ],
    [
      'a server that hangs up',
      socket => void socket.resume().end(),
      'ECONNRESET',
      /hung up during.*TLS port/,
    ],
    [
      'a server that resets',
      socket => void socket.once('data', () => socket.resetAndDestroy()),
      'ECONNRESET',
      /hung up during/,
    ],
  ]
  for (const [what, speak, code, hint] of plainServers) {
    it(`says so: TLS to ${what}`, async () => {
      const error = await failsAt(await listenPlain(speak), { tls: trust })
      expect(error).to.include({ phase: 'tls' })
      expect(error.cause).to.include({ code })
      expect(error.hint).to.match(hint)
      expect(error.message).to.not.match(/openssl|\.c:\d|\n/)
    })
  }

  it('gives up on a server that says nothing to TLS, and destroys the socket', async () => {
    const ended: Promise<unknown>[] = []
    const port = await listenPlain(socket => {
      socket.resume()
      ended.push(new Promise(resolve => socket.once('close', resolve)))
    })
    const error = await failsAt(port, { tls: trust, connectTimeout: 80 })
    expect(error).to.include({ phase: 'tls' })
    expect(error.message).to.include('no answer within 80 ms')
    expect(error.hint).to.match(/is it a TLS port/)
    await within(2_000, 'the end of the socket', Promise.all(ended))
  })

  it('gives up on a function that hangs', async () => {
    const error = await failsAt(5671, { tls: () => new Promise(() => {}), connectTimeout: 50 })
    expect(error).to.include({ phase: 'tls' })
    expect(error.message).to.include('no answer within 50 ms')
    expect(error.hint).to.match(/the tls option hangs/)
  })

  const { cert, key } = authority.issue({ commonName: 'ada', passphrase: PASSWORD })
  const materials: [what: string, tls: TlsOption, hint: RegExp | undefined][] = [
    ['a key without its passphrase', { cert, key }, /tls\.passphrase/],
    ['a key with another passphrase', { cert, key, passphrase: `not ${PASSWORD}` }, /tls\.passphrase/],
    ['a key of another certificate', { cert, key: client.key }, /tls\.key is not the key of tls\.cert/],
    ['a certificate that is none', { cert: 'hello', key: client.key }, /not what it should be/],
    ['a key that is none', { ...client, key: PASSWORD }, /not what it should be/],
    ['a cipher that there is not', { ciphers: 'NONE' }, /tls\.ciphers/],
    ['a version that there is not', { minVersion: 'TLSv9' as never }, undefined],
    [
      'a function that fails',
      () => {
        throw new Error('the vault is shut')
      },
      undefined,
    ],
    ['a function that gives nothing', () => undefined as never, undefined],
    ['a function whose promise rejects', () => Promise.reject(new Error('the vault is shut')), undefined],
  ]
  for (const [what, tls, hint] of materials) {
    it(`dials nobody with ${what}`, async () => {
      let dialled = 0
      const error = await failsAt(5671, { tls, lookup: () => void dialled++ })
      expect(error).to.include({ phase: 'tls' })
      if (hint === undefined) expect(error.hint).to.equal(undefined)
      else expect(error.hint).to.match(hint)
      expect(dialled).to.equal(0)
    })
  }

  it('names the file of a URI that cannot be read', async () => {
    const uri = `amqps://ada:${encodeURIComponent(PASSWORD)}@${HOST}?cacertfile=%2Fno%2Fsuch%2Fca.pem&password=${encodeURIComponent(PASSWORD)}`
    const error = await failureOf(connect(uri), `${HOST}:5671`)
    expect(error.message).to.equal(`cannot connect to ${HOST}:5671: the cacertfile '/no/such/ca.pem': ENOENT`)
  })

  async function listenPlain(speak: (socket: Socket) => void): Promise<number> {
    plain = createServer(socket => {
      sockets.add(socket.on('error', () => {}))
      speak(socket)
    })
    const listening = plain
    await new Promise<void>(resolve => listening.listen(0, '127.0.0.1', resolve))
    return (plain.address() as { port: number }).port
  }
})
