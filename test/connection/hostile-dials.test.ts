// Servers that do everything wrong while a connection is opened, with and without TLS, one after another through the public
// connect(): each fails with an error that is ours and shows no secret, and nothing stays: no socket, timer, listener. (That
// nothing stays of the last one is what the invariants around each test look at.)

import { getEventListeners } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { expect } from 'chai'
import { ConnectError, type ConnectOptions, connect } from '../../src/index.js'
import { CertificateAuthority } from '../support/certificates/certificate-authority.js'
import { expectNoSecret, PASSWORD } from '../support/connect-failure.js'
import { hex } from '../support/hex.js'
import { PeerCodec } from '../support/peer/peer-codec.js'
import { until } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const HANDSHAKES = 200
const SECRETS = { password: PASSWORD, tls: { rejectUnauthorized: false, passphrase: PASSWORD } }

const codec = new PeerCodec()
const start = codec.method(0, {
  name: 'connection.start',
  args: {
    versionMajor: 0,
    versionMinor: 9,
    serverProperties: { product: 'hostile' },
    mechanisms: Buffer.from('PLAIN'),
    locales: Buffer.from('en_US'),
  },
})
const tune = codec.method(0, {
  name: 'connection.tune',
  args: { channelMax: 10, frameMax: 131_072, heartbeat: 1 },
})
const close = (replyCode: number, replyText: string): Buffer =>
  codec.method(0, { name: 'connection.close', args: { replyCode, replyText, classId: 0, methodId: 0 } })

/** What a server does with whoever comes; it says these things as soon as something has come. */
const MISCHIEF: readonly ((socket: Socket) => unknown)[] = [
  socket => reset(socket),
  socket => socket.end(),
  socket => socket.end(start.subarray(0, 20)),
  socket => socket.write(Buffer.alloc(100_000, 0xff)),
  socket => socket.write(hex`15 0303 0002 0228`),
  socket => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
  socket => socket.end('AMQP\0\0\x09\x01'),
  socket => socket.write(hex`01 0000 ffffffff`),
  socket => socket.write(Buffer.concat([start, hex`08 0000 00000000 ce`, start])),
  socket => socket.write(Buffer.concat([start, hex`01 0000 00000004 000a 001e ce`])),
  socket => socket.write(Buffer.concat([start, tune, tune])),
  socket => socket.write(Buffer.concat([start, close(403, 'ACCESS_REFUSED')])),
  socket => socket.write(Buffer.concat([start, tune, close(530, 'NOT_ALLOWED')])),
  socket => socket.write(Buffer.concat([start, tune, close(541, 'INTERNAL_ERROR')])),
  socket => socket.end(Buffer.concat([start, tune])),
  socket => socket.write(start, () => reset(socket)),
  // And then nothing more: these end by connectTimeout.
  () => undefined,
  socket => socket.write(start),
  socket => socket.write(Buffer.concat([start, tune])),
]

/** A socket with TLS cannot be asked for a reset. */
function reset(socket: Socket): void {
  if ('encrypted' in socket) socket.destroy()
  else socket.resetAndDestroy()
}

describe('connect, to hostile servers', () => {
  const sockets = new Set<Socket>()
  let plain: Server
  let encrypted: Server
  let mischief: (socket: Socket) => unknown

  beforeEach(async () => {
    const { cert, key } = new CertificateAuthority().issue({ names: ['other.test'] })
    const receive = (socket: Socket): void => {
      socket.on('error', () => {})
      socket.once('data', () => mischief(socket))
    }
    plain = createServer(receive)
    encrypted = createTlsServer({ cert, key }, receive)
    for (const server of [plain, encrypted]) {
      server.on('connection', (socket: Socket) => {
        sockets.add(socket)
        socket.on('error', () => {})
        socket.once('close', () => sockets.delete(socket))
      })
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    }
  })

  afterEach(() => {
    for (const server of [plain, encrypted]) server.close()
    for (const socket of sockets) socket.destroy()
  })

  it(`leaves nothing behind after ${HANDSHAKES} handshakes in a row`, async function () {
    this.timeout(60_000)
    const { signal } = new AbortController()
    const phases = new Set<string>()
    for (let n = 0; n < HANDSHAKES; n++) {
      mischief = MISCHIEF[n % MISCHIEF.length] as (socket: Socket) => unknown
      // Every third speaks TLS to a server that does, every fourth of the others to one that does not.
      const isTlsServer = n % 3 === 0
      const { port } = (isTlsServer ? encrypted : plain).address() as { port: number }
      const options: ConnectOptions = { host: '127.0.0.1', port, signal, connectTimeout: 25 }
      const speaksTls = isTlsServer || n % 4 === 0
      const given = { ...options, ...SECRETS, ...(!speaksTls && { tls: false as const }) }
      const error = await rejectionOf(connect(given), ConnectError)
      expectNoSecret(error)
      phases.add(error.phase)
      expect(getEventListeners(signal, 'abort')).to.deep.equal([])
      await until(2_000, `the end of socket ${n}`, () => sockets.size === 0)
    }
    expect([...phases].sort()).to.deep.equal(['open', 'start', 'tls', 'tune'])
  })
})
