import { createPrivateKey, randomFillSync, X509Certificate } from 'node:crypto'
import { createServer, request } from 'node:http'
import { connect as connectSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import {
  type ConnectError,
  type Connection,
  type ConnectOptions,
  connect,
  type TlsOptions,
} from '../../src/index.js'
import { CertificateAuthority } from '../support/certificates/certificate-authority.js'
import { failureOf } from '../support/connect-failure.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { within } from '../support/rabbitmq/deadline.js'
import { freePort } from '../support/rabbitmq/free-port.js'
import { type RabbitMqNode, sharedNode } from '../support/rabbitmq/index.js'
import { ensureInstallation } from '../support/rabbitmq/installation.js'

const DAY_MS = 86_400_000

function erlangBinary(octets: Buffer): string {
  return `base64:decode("${octets.toString('base64')}")`
}

describe('connect, over TLS, with RabbitMQ', () => {
  const stranger = new CertificateAuthority('somebody else')
  let node: RabbitMqNode
  let trust: TlsOptions

  before(async function () {
    this.timeout(BROKER_START_MS)
    node = await sharedNode(this)
    trust = { ca: node.tls.authority.cert }
  })

  function failsAt(port: number, options: ConnectOptions): Promise<ConnectError> {
    return failureOf(connect({ host: 'localhost', port, ...options }), `localhost:${port}`)
  }

  /** Sends a message to itself. */
  async function use(connection: Connection): Promise<void> {
    const channel = await connection.openChannel({ confirm: true })
    const { queue } = await channel.queueDeclare()
    await channel.publish('', queue, 'over TLS')
    expect((await channel.get(queue, { noAck: true }))?.body.toString()).to.equal('over TLS')
    expect(await connection.close()).to.deep.equal({ by: 'client' })
  }

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`speaks ${version}`, async () => {
      const tls = { ...trust, minVersion: version, maxVersion: version }
      await use(await connect(node.tls.url, { tls }))
    })
  }

  it('knows the node by its address too', async () => {
    await use(await connect(`amqps://127.0.0.1:${node.tls.port}`, { tls: trust }))
  })

  it('speaks by the files that the URI names', async () => {
    const { cacertfile } = node.tls
    await use(
      await connect(`${node.tls.url}?cacertfile=${encodeURIComponent(cacertfile)}&verify=verify_peer`),
    )
  })

  it('shows the broker a certificate of its own, asked for when dialling', async () => {
    let asked = 0
    const tls = async () => ({ ...trust, ...node.tls.issueClient(`ada ${++asked}`) })
    const first = await connect(node.tls.url, { tls })
    const second = await connect(node.tls.url, { tls })
    const known = await node.evaluate('rabbit_networking:connection_info_all([peer_cert_subject])')
    expect(known).to.include('ada 1').and.to.include('ada 2')
    await use(first)
    await use(second)
  })

  it('speaks TLS over a stream of the application, a tunnel for instance', async () => {
    const stream = async () => connectSocket(node.tls.port, '127.0.0.1')
    await use(await connect('amqps://localhost', { tls: trust, stream }))
  })

  it('speaks TLS through a proxy, and the proxy learns nothing but where to', async () => {
    const asked: string[] = []
    const tunnels: Duplex[] = []
    const proxy = createServer().on('connect', (request, client: Duplex) => {
      asked.push(request.url ?? '')
      const broker = connectSocket(node.tls.port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n')
        client.pipe(broker).pipe(client)
      })
      for (const end of [client, broker]) tunnels.push(end.on('error', () => {}))
    })
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as { port: number }
    const stream = (): Promise<Duplex> =>
      new Promise((resolve, reject) => {
        const tunnel = { host: '127.0.0.1', port, method: 'CONNECT', path: 'localhost:5671' }
        request(tunnel)
          .once('connect', (_response, socket) => resolve(socket))
          .once('error', reject)
          .end()
      })
    try {
      await use(await connect('amqps://localhost', { tls: trust, stream }))
      expect(asked).to.deep.equal(['localhost:5671'])
    } finally {
      for (const end of tunnels) end.destroy()
      proxy.close()
    }
  })

  it('carries large bodies both ways, as they are', async () => {
    const connection = await connect(node.tls.url, { tls: trust })
    const channel = await connection.openChannel({ confirm: true })
    const { queue } = await channel.queueDeclare()
    const bodies = [1, 65_536, 3_000_000].map(length => randomFillSync(Buffer.alloc(length)))
    await Promise.all(bodies.map(body => channel.publish('', queue, body)))
    for (const body of bodies) {
      const delivery = await channel.get(queue, { noAck: true })
      expect(delivery?.body.equals(body)).to.equal(true)
    }
    await connection.close()
  })

  it('stops reading for a reader that is slow, and goes on, over TLS', async () => {
    const connection = await connect(node.tls.url, { tls: trust, maxReceiveBuffered: 100_000 })
    const channel = await connection.openChannel({ confirm: true })
    const { queue } = await channel.queueDeclare()
    const count = 600
    const body = Buffer.alloc(10_000)
    for (let n = 0; n < count; n++) void channel.publish('', queue, body, { messageId: String(n) })
    await channel.waitForConfirms()
    const consumer = await channel.consume(queue, { noAck: true })
    const iterator = consumer[Symbol.asyncIterator]()
    const begin = connection.stats.octetsReceived
    let next = 0
    for (; next < 10; next++) {
      expect((await iterator.next()).value?.properties.messageId).to.equal(String(next))
    }
    // Of six million octets: what was allowed to wait, and what was in the socket's hands.
    expect(connection.stats.octetsReceived - begin).to.be.below(1_000_000)
    for (; next < count; next++) {
      const { value } = await within(5_000, `delivery ${next}`, iterator.next())
      expect(value?.properties.messageId).to.equal(String(next))
    }
    await connection.close()
  })

  it('does not trust a node whose authority it does not know', async () => {
    for (const tls of [true, { ca: stranger.cert }]) {
      const error = await failsAt(node.tls.port, { tls })
      expect(error).to.include({ phase: 'tls' })
      expect(error.cause).to.include({ code: 'SELF_SIGNED_CERT_IN_CHAIN' })
      expect(error.hint).to.match(/tls\.ca/)
    }
  })

  it('does not take a node for another', async () => {
    const error = await failsAt(node.tls.port, { tls: { ...trust, servername: 'other.test' } })
    expect(error).to.include({ phase: 'tls' })
    expect(error.cause).to.include({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })

  it('knows the port for TLS by what it says to plain AMQP', async () => {
    const error = await failsAt(node.tls.port, {})
    expect(error).to.include({ phase: 'start' })
    expect(error.message).to.include('a TLS server answered')
    expect(error.hint).to.match(/amqps:\/\/.*tls option/)
  })

  it('knows the plain port by what it says to TLS', async () => {
    const error = await failsAt(node.port, { tls: trust })
    expect(error).to.include({ phase: 'tls' })
    expect(error.cause).to.include({ code: 'ERR_SSL_WRONG_VERSION_NUMBER' })
    expect(error.hint).to.match(/no TLS on that port/)
  })

  describe('that wants a certificate', () => {
    let port: number | undefined

    before(async function () {
      // Of a node in a container no other ports are to be reached than those that it was made with.
      if ((await ensureInstallation()).kind !== 'local') this.skip()
      port = await freePort()
      const { cert, key } = node.tls.authority.issue({ names: ['localhost'] })
      const privateKey = createPrivateKey(key).export({ format: 'der', type: 'pkcs8' })
      await node.evaluate(`rabbit_networking:start_ssl_listener({"127.0.0.1", ${port}, inet}, [
        {cert, ${erlangBinary(new X509Certificate(cert).raw)}},
        {key, {'PrivateKeyInfo', ${erlangBinary(privateKey)}}},
        {cacerts, [${erlangBinary(new X509Certificate(node.tls.authority.cert).raw)}]},
        {verify, verify_peer}, {fail_if_no_peer_cert, true}], 1)`)
    })

    after(async () => {
      if (port === undefined) return
      await node.evaluate(`ranch:stop_listener(rabbit_networking:ranch_ref({127,0,0,1}, ${port}))`)
    })

    const dates = { notBefore: new Date(Date.now() - 3 * DAY_MS), notAfter: new Date(Date.now() - DAY_MS) }
    const refused: [what: string, identity: () => TlsOptions, code: string, hint: RegExp][] = [
      [
        'none',
        () => ({}),
        'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
        /wants a client certificate: give tls\.cert and tls\.key/,
      ],
      [
        'none, in TLS 1.2',
        () => ({ maxVersion: 'TLSv1.2' }),
        'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
        /wants a client certificate/,
      ],
      [
        "a stranger's",
        () => stranger.issue({ commonName: 'eve' }),
        'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
        /does not know who issued it/,
      ],
      [
        'one that has expired',
        () => node.tls.authority.issue({ commonName: 'ada', ...dates }),
        'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
        /has expired/,
      ],
    ]
    for (const [what, identity, code, hint] of refused) {
      it(`is told why it refuses: ${what}`, async () => {
        const error = await failsAt(port as number, { tls: { ...trust, ...identity() } })
        expect(error).to.include({ phase: 'tls' })
        // The OpenSSL of newer Node.js writes SSL/TLS for SSLV3.
        const told = String((error.cause as NodeJS.ErrnoException).code).replace('SSL/TLS', 'SSLV3')
        expect(told).to.equal(code)
        expect(error.hint).to.match(hint)
      })
    }

    it('is shown one that it knows', async () => {
      const tls = { ...trust, ...node.tls.issueClient('ada', { passphrase: 'sesame' }), passphrase: 'sesame' }
      await use(await connect(`amqps://localhost:${port}`, { tls }))
    })
  })
})
