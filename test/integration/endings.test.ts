import { expect } from 'chai'
import { ChildProgram } from '../support/child-programs/child-program.js'
import { FaultProxy } from '../support/fault-proxy.js'
import { needsControl, RabbitMqNode } from '../support/rabbitmq/index.js'

/** How long after its last promise has settled a process may live. */
const EXIT_WITHIN_MS = 250

describe('a busy process that listens to nothing and awaits nothing', function () {
  this.timeout(60_000)
  let node: RabbitMqNode
  let proxy: FaultProxy
  let program: ChildProgram

  before(async function () {
    needsControl(this)
    node = await RabbitMqNode.start()
    proxy = await FaultProxy.start({ target: { port: node.port } })
  })

  after(async () => {
    await proxy?.close()
    await node?.stop()
  })

  afterEach(async () => {
    await program.end()
  })

  /** The last test stops the broker. */
  const endings: [string, () => unknown, Record<string, unknown>, string[]][] = [
    [
      'an operator closes the connection',
      () => node.closeConnections('maintenance'),
      {
        by: 'server',
        code: 320,
        text: 'CONNECTION_FORCED - maintenance',
      },
      ['ConnectionClosedError'],
    ],
    // Behind octets that were on their way a reset looks like the end of the stream: libuv tells no error then.
    ['the connection is reset', () => proxy.reset(), { by: 'transport' }, ['TransportError']],
    [
      'the stream ends',
      () => proxy.halfClose('toClient'),
      { by: 'transport', text: 'the peer ended the connection without connection.close' },
      ['TransportError'],
    ],
    [
      'the network flips the type of a frame',
      () => proxy.corrupt({ direction: 'toClient', nextFrame: 'type' }),
      { by: 'protocol', code: 501 },
      ['ProtocolError', 'FrameError'],
    ],
    [
      'the network flips the end of a frame',
      () => proxy.corrupt({ direction: 'toClient', nextFrame: 'end' }),
      { by: 'protocol', code: 501 },
      ['ProtocolError', 'FrameError'],
    ],
    [
      'the broker is shut down',
      () => node.stop(),
      {
        by: 'server',
        code: 320,
        text: "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
      },
      ['ConnectionClosedError'],
    ],
  ]
  for (const [what, end, closed, causes] of endings) {
    it(`is told how it ended, and exits in peace, when ${what}`, async () => {
      program = new ChildProgram('unattended-client', proxy.url(node.url))
      await program.report('busy')
      await end()
      const told = await program.report('closed')
      const exit = await program.report('exit')
      expect(told).to.include(closed)
      expect((told['causes'] as string[]).slice(0, causes.length)).to.deep.equal(causes)
      expect(exit.at - told.at, 'milliseconds from closed to the exit').to.be.at.most(EXIT_WITHIN_MS)
      expect(await program.exit()).to.deep.equal({ code: 0, signal: null, complaints: '' })
    })
  }
})
