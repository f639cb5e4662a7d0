import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import { connect } from '../../src/index.js'
import { ChildProgram } from '../support/child-programs/child-program.js'
import { expectNoSecret, failureOf, PASSWORD } from '../support/connect-failure.js'
import { ScriptedServer } from '../support/peer/scripted-peer.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { VirtualClock } from '../support/virtual-clock.js'
import { HOSTILE_HANDSHAKES, type HostileHandshake } from './hostile-handshakes.js'

const CONNECT_TIMEOUT_MS = 10_000
const ATTEMPTS = 200

describe('connect, to servers that are hostile', () => {
  let server: ScriptedServer

  beforeEach(async () => {
    server = await ScriptedServer.listen()
  })

  afterEach(() => server.close())

  /** One attempt; resolves when nothing is left of it. */
  async function attempt({ script, isSilent = false, options = {} }: HostileHandshake): Promise<void> {
    const clock = new VirtualClock()
    const abort = new AbortController()
    const connecting = connect(`amqp://127.0.0.1:${server.port}`, {
      connectTimeout: CONNECT_TIMEOUT_MS,
      clock,
      signal: abort.signal,
      credentials: async () => ({ username: 'mallory', password: PASSWORD, expiresInMs: 60_000 }),
      ...options,
    })
    const failing = failureOf(connecting, String(server.port))
    const peer = await within(2_000, 'a client', server.accept())
    await script(peer)
    if (isSilent) await clock.advance(CONNECT_TIMEOUT_MS)
    const error = await failing
    expectNoSecret(error)
    await until(2_000, 'the end of the socket', () => peer.ended)
    peer.socket.destroy()
    expect(clock.timers).to.deep.equal([])
    expect(getEventListeners(abort.signal, 'abort')).to.deep.equal([])
  }

  for (const hostile of HOSTILE_HANDSHAKES) {
    it(`fails in order when the server ${hostile.what}`, () => attempt(hostile))
  }

  it(`leaves no socket, no timer and no secret behind, ${ATTEMPTS} times in a row`, async function () {
    this.timeout(30_000)
    for (let count = 0; count < ATTEMPTS; count++) {
      await attempt(HOSTILE_HANDSHAKES[count % HOSTILE_HANDSHAKES.length] as HostileHandshake)
    }
  })
  it('leaves no password in memory once it has done what it was for', async function () {
    this.timeout(30_000)
    const program = new ChildProgram('secret-forgetter')
    try {
      // The program holds one itself, so that the search is seen to find what there is.
      expect(await program.report('open')).to.deep.include({ state: 'open', found: [0] })
      expect(await program.report('searched')).to.deep.include({ asked: 10, found: [0] })
      expect(await program.exit()).to.include({ code: 0, complaints: '' })
    } finally {
      await program.end()
    }
  })
})
