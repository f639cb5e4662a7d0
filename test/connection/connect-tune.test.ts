import { expect } from 'chai'
import type { ConnectOptions } from '../../src/index.js'
import type { PeerTune } from '../support/peer/scripted-peer.js'
import { ScriptedSession } from '../support/peer/scripted-session.js'

describe('connect, negotiating limits', () => {
  let session: ScriptedSession | undefined

  afterEach(() => session?.close())

  const MIB = 1024 * 1024
  const cases: [what: string, server: PeerTune, options: ConnectOptions, expected: PeerTune][] = [
    [
      "takes the server's limits",
      { frameMax: 131_072, channelMax: 2047, heartbeat: 60 },
      {},
      { frameMax: 131_072, channelMax: 2047, heartbeat: 20 },
    ],
    ['takes a frameMax of 4096', { frameMax: 4096 }, {}, { frameMax: 4096 }],
    ['takes 4096 though the option wants more', { frameMax: 4096 }, { frameMax: 8192 }, { frameMax: 4096 }],
    ['takes 131072 when nobody sets a limit', { frameMax: 0 }, {}, { frameMax: 131_072 }],
    ['takes its own limit when the server has none', { frameMax: 0 }, { frameMax: 8192 }, { frameMax: 8192 }],
    ['takes at most 1 MiB', { frameMax: 2 ** 32 - 1 }, {}, { frameMax: MIB }],
    ['takes the smaller frameMax', { frameMax: 131_072 }, { frameMax: 9000 }, { frameMax: 9000 }],
    ['takes the smaller channelMax', { channelMax: 10 }, { channelMax: 20 }, { channelMax: 10 }],
    ['takes 2047 channels when nobody sets a limit', { channelMax: 0 }, {}, { channelMax: 2047 }],
  ]
  for (const [what, server, options, expected] of cases) {
    it(`${what}: the server's ${JSON.stringify(server)}, options ${JSON.stringify(options)}`, async () => {
      session = await ScriptedSession.open(options, server)
      expect(session.connection).to.include(expected)
      expect(session.peer.codec.frameMax).to.equal(session.connection.frameMax)
    })
  }

  it('cuts bodies to the frames agreed on', async () => {
    session = await ScriptedSession.open({}, { frameMax: 4096 })
    const { connection, peer } = session
    const channel = await connection.openChannel()
    const before = connection.stats.framesSent
    const body = Buffer.alloc(3 * 4088 + 1, 7)
    await channel.publish('', 'q', body)
    const { content } = await peer.expect('basic.publish')
    expect(content?.body.equals(body)).to.equal(true)
    expect(connection.stats.framesSent - before).to.equal(2 + 4)
  })
})
