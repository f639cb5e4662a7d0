import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { expect } from 'chai'
import { type ConnectOptions, connect } from '../../src/index.js'
import { failureOf } from '../support/connect-failure.js'
import { MemoryStream } from '../support/peer/memory-stream.js'
import { ScriptedPeer, ScriptedServer } from '../support/peer/scripted-peer.js'

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
})
