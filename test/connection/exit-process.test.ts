import { expect } from 'chai'
import type { MethodOf } from '../../src/protocol/method-types.js'
import { ChildProgram, type Exit } from '../support/child-programs/child-program.js'
import { type ScriptedPeer, ScriptedServer } from '../support/peer/scripted-peer.js'
import { until } from '../support/rabbitmq/deadline.js'
import { freePort } from '../support/rabbitmq/free-port.js'

/** How long after its last promise has settled a process may live. */
const EXIT_WITHIN_MS = 250
const QUIET_EXIT: Exit = { code: 0, signal: null, complaints: '' }

/** Confirms every publish and delivers it to the first consumer, as a broker would. */
function serveMessages(peer: ScriptedPeer): void {
  let consumer: { readonly channelNumber: number; readonly consumerTag: string } | undefined
  const confirming = new Set<number>()
  const ready: Buffer[] = []
  let confirmed = 0
  let delivered = 0
  const deliver = (): void => {
    for (; consumer !== undefined && ready.length > 0; ready.shift()) {
      const { channelNumber, consumerTag } = consumer
      const args = { consumerTag, deliveryTag: ++delivered, redelivered: false, exchange: '', routingKey: '' }
      peer.sendContent(channelNumber, { name: 'basic.deliver', args }, ready[0] as Buffer)
    }
  }
  peer.answerCalls()
  peer.on('confirm.select', ({ channelNumber }) => {
    confirming.add(channelNumber)
    peer.send(channelNumber, { name: 'confirm.select-ok', args: {} })
  })
  peer.on('basic.consume', ({ channelNumber, method }) => {
    const { consumerTag } = (method as MethodOf<'basic.consume'>).args
    consumer ??= { channelNumber, consumerTag }
    peer.send(channelNumber, { name: 'basic.consume-ok', args: { consumerTag } })
    deliver()
  })
  peer.on('basic.publish', ({ channelNumber, content }) => {
    if (confirming.has(channelNumber)) {
      peer.send(channelNumber, {
        name: 'basic.ack',
        args: { deliveryTag: ++confirmed, multiple: false },
      })
    }
    ready.push(content?.body ?? Buffer.alloc(0))
    deliver()
  })
}

describe('a process with nothing else to do', function () {
  this.timeout(40_000)
  let server: ScriptedServer
  let program: ChildProgram

  beforeEach(async () => {
    server = await ScriptedServer.listen()
  })

  afterEach(async () => {
    await program.end()
    await server.close()
  })

  /** It exits by itself, in order, soon after it has told `what`. */
  async function expectExitAfter(what: string): Promise<void> {
    const told = await program.report(what)
    const exit = await program.report('exit')
    expect(exit.at - told.at, `milliseconds between '${what}' and the exit`).to.be.at.most(EXIT_WITHIN_MS)
    expect(await program.exit()).to.deep.equal(QUIET_EXIT)
  }

  it('exits after close()', async () => {
    program = new ChildProgram('polite-client', server.url)
    const peer = await server.accept()
    await peer.handshake()
    serveMessages(peer)
    expect(await program.report('closed')).to.include({ by: 'client' })
    await expectExitAfter('closed')
    await until(1_000, 'the end of the socket at the server', () => peer.ended)
  })

  it('exits after close() though the peer never answers Close', async () => {
    program = new ChildProgram('polite-client', `${server.url}?heartbeat=1`)
    const peer = await server.accept()
    await peer.handshake()
    serveMessages(peer)
    peer.on('connection.close', () => undefined)
    await expectExitAfter('closed')
  })

  it('exits after the death of its peer by heartbeat', async () => {
    program = new ChildProgram('unattended-client', `${server.url}?heartbeat=1`)
    const peer = await server.accept()
    await peer.handshake()
    serveMessages(peer)
    await program.report('busy')
    // Frozen: it takes nothing and says nothing, and its system keeps the connection.
    peer.socket.pause()
    expect(await program.report('closed')).to.include({ by: 'heartbeat' })
    await expectExitAfter('closed')
  })

  it('exits after a refused connection', async () => {
    program = new ChildProgram('refused-client', `amqp://127.0.0.1:${await freePort()}`)
    expect(await program.report('refused')).to.include({ code: 'AMQP_CONNECT', phase: 'tcp' })
    await expectExitAfter('refused')
  })

  it('exits after a server that accepts and says nothing', async () => {
    program = new ChildProgram('refused-client', `${server.url}?connection_timeout=500`)
    expect(await program.report('refused')).to.include({ code: 'AMQP_CONNECT', phase: 'start' })
    await expectExitAfter('refused')
  })

  describe('and nobody who listens or awaits', () => {
    interface Ending {
      readonly what: string
      end(peer: ScriptedPeer): void
      readonly closed: Record<string, unknown>
      /** The first ones; what everything that was pending leads to comes first. */
      readonly causes: readonly string[]
    }
    const ENDINGS: readonly Ending[] = [
      {
        what: 'the server shuts down',
        end: peer =>
          close(peer, 320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"),
        closed: {
          by: 'server',
          code: 320,
          text: "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
        },
        causes: ['ConnectionClosedError'],
      },
      {
        what: 'the server closes and names what we published',
        end: peer => close(peer, 540, 'NOT_IMPLEMENTED - immediate=true', 60, 40),
        closed: {
          by: 'server',
          code: 540,
          text: 'NOT_IMPLEMENTED - immediate=true',
          method: 'basic.publish',
        },
        causes: ['ConnectionClosedError'],
      },
      {
        what: 'the connection is reset',
        end: peer => void peer.socket.resetAndDestroy(),
        closed: { by: 'transport' },
        // Behind octets that were on their way a reset looks like the end of the stream: libuv tells no error then.
        causes: ['TransportError'],
      },
      {
        what: 'the stream ends',
        end: peer => void peer.socket.end(),
        closed: { by: 'transport', text: 'the peer ended the connection without connection.close' },
        causes: ['TransportError'],
      },
      {
        what: 'the server sends garbage',
        end: peer => peer.sendOctets(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')),
        closed: { by: 'protocol', code: 501, text: 'unknown frame type 72' },
        causes: ['ProtocolError', 'FrameError'],
      },
      {
        what: 'the server breaks the order of frames',
        end: peer => peer.send(1, { name: 'basic.get-empty', args: {} }),
        closed: { by: 'protocol', code: 504, method: 'basic.get-empty' },
        causes: ['ProtocolError', 'Violation'],
      },
    ]
    for (const { what, end, closed, causes } of ENDINGS) {
      it(`is told how it ended, and exits in peace, when ${what}`, async () => {
        program = new ChildProgram('unattended-client', server.url)
        const peer = await server.accept()
        await peer.handshake()
        serveMessages(peer)
        await program.report('busy')
        for (let times = 0; times < 10; times++) await peer.expect('basic.ack')
        end(peer)
        const told = await program.report('closed')
        expect(told).to.include(closed)
        expect((told['causes'] as string[]).slice(0, causes.length)).to.deep.equal(causes)
        await expectExitAfter('closed')
      })
    }
  })
})

function close(peer: ScriptedPeer, replyCode: number, replyText: string, classId = 0, methodId = 0): void {
  peer.send(0, { name: 'connection.close', args: { replyCode, replyText, classId, methodId } })
}
