import { expect } from 'chai'
import { connect } from '../../src/index.js'
import { ChildProgram } from '../support/child-programs/child-program.js'
import { until, within } from '../support/rabbitmq/deadline.js'

const HEARTBEAT = '08000000000000ce'
const INTERVAL_MS = 1_000

describe('heartbeats between two processes', function () {
  this.timeout(40_000)
  let peer: ChildProgram

  beforeEach(() => {
    peer = new ChildProgram('beating-peer', String(INTERVAL_MS / 1000))
  })

  afterEach(async () => {
    await peer.end()
  })

  it('survive an event loop that is blocked for three intervals, and say so', async () => {
    const connection = await connect(String((await peer.report('listening'))['url']))
    const stalls: number[] = []
    connection.on('stalled', lagMs => stalls.push(lagMs))
    const channel = await connection.openChannel()
    const blockedMs = 3 * INTERVAL_MS
    block(blockedMs)
    // What is published during the stall is ready to be written when it ends.
    void channel.publish('', 'q', 'x')

    const heard = await peer.report('heard')
    expect(heard['octets']).to.match(new RegExp(`^${HEARTBEAT}`))
    expect(heard['silenceMs']).to.be.at.least(blockedMs - INTERVAL_MS)
    await until(2_000, 'the stall to be told', () => stalls.length > 0)
    expect(stalls).to.have.lengthOf(1)
    expect(stalls[0]).to.be.at.least(blockedMs - INTERVAL_MS)
    const received = connection.stats.heartbeatsReceived
    expect(received, 'heartbeats that waited in the socket').to.be.at.least(4)
    await until(5_000, 'more heartbeats', () => connection.stats.heartbeatsReceived > received + 2)
    expect(connection.state).to.equal('open')
    expect(await within(2_000, 'close()', connection.close())).to.deep.equal({ by: 'client' })
    await peer.exit()
  })

  it('survive an event loop that is blocked again and again', async () => {
    const connection = await connect(String((await peer.report('listening'))['url']))
    for (let times = 0; times < 4; times++) {
      block(1.5 * INTERVAL_MS)
      await new Promise(resolve => setImmediate(resolve))
    }
    const received = connection.stats.heartbeatsReceived
    await until(
      5_000,
      'a heartbeat after the last stall',
      () => connection.stats.heartbeatsReceived > received,
    )
    expect(connection.state).to.equal('open')
    await within(2_000, 'close()', connection.close())
    await peer.exit()
  })
})

/** Blocks the event loop, as a long computation would. */
function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}
