import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectSocket, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Duplex } from 'node:stream'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { type ConnectOptions, connect } from '../../src/index.js'
import { CertificateAuthority } from '../support/certificates/certificate-authority.js'
import { failureOf } from '../support/connect-failure.js'
import { MemoryStream } from '../support/peer/memory-stream.js'
import { ScriptedPeer, ScriptedServer } from '../support/peer/scripted-peer.js'
import { until } from '../support/rabbitmq/deadline.js'
import { freePort } from '../support/rabbitmq/free-port.js'
import { rejectionOf } from '../support/rejection.js'

const GIVEN = 'the given stream'

/** A stream that is connecting for ever. */
class Connecting extends Duplex {
  readonly connecting = true
  override _read(): void {}
}

describe('connect, with a stream of the application', () => {
  let server: ScriptedServer

  beforeEach(async () => {
    server = await ScriptedServer.listen()
  })

  afterEach(() => server.close())

  function dialed(): Socket {
    return connectSocket(server.port, '127.0.0.1')
  }

  async function useAndClose(options: ConnectOptions): Promise<void> {
    const connecting = connect(options)
    const peer = await server.accept()
    await peer.handshake()
    peer.answerCalls()
    const connection = await connecting
    await connection.openChannel()
    await connection.close()
  }

  it('uses one that is connecting', async () => {
    await useAndClose({ stream: dialed })
  })

  it('uses one that is connected', async () => {
    const socket = dialed()
    await once(socket, 'connect')
    await useAndClose({ stream: () => socket })
    expect(socket.destroyed).to.equal(true)
  })

  it('uses a Unix socket, or a named pipe', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'thump-socket-'))
    const path = process.platform === 'win32' ? `\\\\.\\pipe\\${basename(folder)}` : join(folder, 'amqp.sock')
    const listening = createServer()
    try {
      await new Promise<void>(resolve => listening.listen(path, resolve))
      const accepted = once(listening, 'connection')
      const connecting = connect({ stream: () => connectSocket(path) })
      const peer = new ScriptedPeer((await accepted)[0] as Socket)
      await peer.handshake()
      peer.answerCalls()
      await (await connecting).close()
      await until(2_000, 'the end at the server', () => peer.ended)
      peer.socket.destroy()
    } finally {
      listening.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('uses one that is no socket', async () => {
    const [ours, theirs] = MemoryStream.pair()
    const peer = new ScriptedPeer(theirs)
    const connecting = connect({ stream: () => ours })
    await peer.handshake()
    peer.answerCalls()
    const connection = await connecting
    expect(connection.state).to.equal('open')
    await connection.close()
    expect(ours.destroyed).to.equal(true)
  })

  it('waits for one that is promised', async () => {
    await useAndClose({ stream: async () => dialed() })
    const socket = dialed()
    await once(socket, 'connect')
    await useAndClose({ stream: () => Promise.resolve(socket) })
  })

  it('says so when the promise rejects, or gives no stream', async () => {
    const cause = new Error('no such proxy')
    const error = await failureOf(connect({ stream: () => Promise.reject(cause) }), GIVEN)
    expect(error).to.include({ phase: 'tcp', cause })
    const none = await failureOf(connect({ stream: () => Promise.resolve({} as Duplex) }), GIVEN)
    expect(none.message).to.include('the stream option gave no stream')
  })

  it('destroys one that is promised and comes too late', async () => {
    const late = new Connecting()
    let deliver: (stream: Duplex) => void = () => {}
    const stream = () => new Promise<Duplex>(resolve => (deliver = resolve))
    const error = await failureOf(connect({ stream, connectTimeout: 30 }), GIVEN)
    expect(error).to.include({ phase: 'tcp' })
    deliver(late)
    await until(2_000, 'the end of the stream', () => late.destroyed)
    const controller = new AbortController()
    const connecting = connect({ stream, signal: controller.signal })
    const second = new Connecting()
    controller.abort(new RangeError('not today'))
    await rejectionOf(connecting, RangeError)
    deliver(second)
    await until(2_000, 'the end of the stream', () => second.destroyed)
  })

  it('destroys one that is given by a function that has aborted meanwhile', async () => {
    for (const tls of [false, true]) {
      const controller = new AbortController()
      const given = new Connecting()
      const stream = (): Duplex => {
        controller.abort(new RangeError('not today'))
        return given
      }
      await rejectionOf(connect({ stream, tls, signal: controller.signal }), RangeError)
      expect(given.destroyed).to.equal(true)
    }
  })

  it('asks for a stream once per URI, after everything was checked', async () => {
    let asked = 0
    const stream = (): Duplex => {
      asked++
      throw new Error('no more streams')
    }
    await failureOf(connect(['amqp://a', 'amqp://b'], { stream }), 'no more streams')
    expect(asked).to.equal(2)
  })

  it('says so when the stream cannot be made', async () => {
    const cause = new Error('no such proxy')
    const stream = (): never => {
      throw cause
    }
    const error = await failureOf(connect({ stream }), GIVEN)
    expect(error).to.include({ phase: 'tcp', cause })
    expect(error.message).to.equal('cannot connect to the given stream: no such proxy')
  })

  it('survives whatever is thrown instead of an error', async () => {
    for (const thrown of ['text', undefined, Object.create(null)]) {
      const stream = (): never => {
        throw thrown
      }
      expect((await failureOf(connect({ stream }), GIVEN)).phase).to.equal('tcp')
    }
  })

  it('refuses what is no stream', async () => {
    for (const stream of [undefined, null, {}, 'stream', Promise.resolve(dialed)]) {
      const error = await failureOf(connect({ stream: () => stream as never }), GIVEN)
      expect(error.message).to.include('the stream option gave no stream')
    }
  })

  it('fails at once on a stream that is destroyed', async () => {
    const stream = dialed().destroy()
    const error = await failureOf(connect({ stream: () => stream }), GIVEN)
    expect(error.message).to.include('destroyed')
  })

  it('names the error of a stream that fails while connecting', async () => {
    const stream = new Connecting()
    const failing = failureOf(connect({ stream: () => stream }), GIVEN)
    stream.destroy(new Error('proxy said 502'))
    const error = await failing
    expect(error).to.include({ phase: 'tcp' })
    expect(error.message).to.include('proxy said 502')
  })

  it('fails on one that closes while connecting', async () => {
    const stream = new Connecting()
    const failing = failureOf(connect({ stream: () => stream }), GIVEN)
    stream.destroy()
    expect((await failing).message).to.include('the stream was closed')
  })

  it('gives up on one that is connecting for ever, and destroys it', async () => {
    const stream = new Connecting()
    const error = await failureOf(connect({ stream: () => stream, connectTimeout: 60 }), GIVEN)
    expect(error).to.include({ phase: 'tcp' })
    expect(error.message).to.include('no answer within 60 ms')
    expect(stream.destroyed).to.equal(true)
  })

  it('names the stream when the handshake fails', async () => {
    const failing = failureOf(connect({ stream: dialed }), GIVEN)
    ;(await server.accept()).socket.end()
    expect((await failing).phase).to.equal('start')
  })

  describe('and TLS on top of it', () => {
    const authority = new CertificateAuthority()
    const identity = authority.issue({ names: ['rabbit.test'] })
    const tls = { ca: authority.cert }
    let front: ScriptedServer

    beforeEach(async () => {
      front = await ScriptedServer.listen(identity)
    })

    afterEach(() => front.close())

    async function use(options: ConnectOptions, accepted = front.accept()): Promise<void> {
      const connecting = connect({ host: 'rabbit.test', ...options })
      const peer = await accepted
      await peer.handshake()
      peer.answerCalls()
      const connection = await connecting
      await connection.openChannel()
      await connection.close()
      await until(2_000, 'the end at the server', () => peer.ended)
    }

    it('speaks TLS over a socket that is connecting, and over one that is connected', async () => {
      await use({ tls, stream: () => connectSocket(front.port, '127.0.0.1') })
      const socket = connectSocket(front.port, '127.0.0.1')
      await once(socket, 'connect')
      await use({ tls, stream: async () => socket })
      await until(2_000, 'the end of the socket', () => socket.destroyed)
    })

    it('speaks TLS over a stream that is no socket, for the host of the URI', async () => {
      const [ours, theirs] = MemoryStream.pair({ bufferOctets: 65_536 })
      const server = new TLSSocket(theirs, { isServer: true, ...identity })
      const accepted = Promise.resolve(new ScriptedPeer(server))
      const stream = () => ours
      const connecting = connect('amqps://rabbit.test', { tls, stream })
      const peer = await accepted
      await peer.handshake()
      peer.answerCalls()
      const connection = await connecting
      expect(server.servername).to.equal('rabbit.test')
      await connection.close()
      await until(2_000, 'the end of the stream', () => ours.destroyed)
      server.destroy()
    })

    it('names the error of a stream that fails below TLS', async () => {
      const [ours] = MemoryStream.pair()
      const failing = failureOf(connect({ tls, stream: () => ours }), GIVEN)
      await until(2_000, 'the first octets of TLS', () => ours.writes.length > 0)
      ours.destroy(new Error('proxy said 502'))
      const error = await failing
      expect(error).to.include({ phase: 'tls' })
      expect(error.message).to.include('proxy said 502')
    })

    it('fails on a stream that cannot be connected, or with a wrong certificate, and destroys it', async () => {
      const refused = connectSocket(await freePort(), '127.0.0.1')
      const error = await failureOf(connect({ tls, stream: () => refused }), GIVEN)
      expect(error.message).to.include('ECONNREFUSED')
      expect(refused.destroyed).to.equal(true)
      const socket = connectSocket(front.port, '127.0.0.1')
      const wrong = await failureOf(connect({ host: 'other.test', tls, stream: () => socket }), GIVEN)
      expect(wrong).to.include({ phase: 'tls' })
      await until(2_000, 'the end of the socket', () => socket.destroyed)
    })

    it('gives up on a stream over which no TLS comes, and destroys it', async () => {
      const [ours] = MemoryStream.pair()
      const error = await failureOf(connect({ tls, stream: () => ours, connectTimeout: 60 }), GIVEN)
      expect(error).to.include({ phase: 'tls' })
      await until(2_000, 'the end of the stream', () => ours.destroyed)
    })

    it('refuses to put TLS on TLS', async () => {
      const socket = connectTls({ port: front.port, host: '127.0.0.1', servername: 'rabbit.test', ...tls })
      const error = await failureOf(connect('amqps://rabbit.test', { stream: () => socket }), GIVEN)
      expect(error.message).to.include('one with TLS')
      expect(socket.destroyed).to.equal(true)
    })
  })
})
