import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { connect } from '../../src/index.js'
import { heldOctets } from '../support/invariants/growth.js'
import { within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'

const MIB = 1024 * 1024
const HEARTBEAT_S = 2

describe('heartbeats with RabbitMQ', function () {
  this.timeout(60_000)

  it('keep an idle connection open for 20 s at an interval of 2 s, and are counted both ways', async function () {
    this.timeout(40_000)
    const { url } = await sharedBroker()
    const connection = await connect(url, { heartbeat: HEARTBEAT_S })
    const before = connection.stats
    await delay(20_000)
    const { heartbeatsSent, heartbeatsReceived, octetsSent, octetsReceived } = connection.stats
    expect(connection.state).to.equal('open')
    expect(connection.heartbeat).to.equal(HEARTBEAT_S)
    // Each side beats every second; the ends of the 20 s may cut off one, and late timers cost a few.
    expect(heartbeatsSent - before.heartbeatsSent).to.be.within(15, 21)
    expect(heartbeatsReceived - before.heartbeatsReceived).to.be.within(15, 21)
    // Nothing but heartbeats passed.
    expect(octetsSent - before.octetsSent).to.equal(8 * (heartbeatsSent - before.heartbeatsSent))
    expect(octetsReceived - before.octetsReceived).to.equal(
      8 * (heartbeatsReceived - before.heartbeatsReceived),
    )
    expect(await within(5_000, 'close()', connection.close())).to.deep.equal({ by: 'client' })
  })

  it('survive five seconds of nothing but awaited publishes on a plain channel, in bounded memory', async () => {
    const { url } = await sharedBroker()
    // A broker that lags behind the loop answers Close when it has read all of it.
    const connection = await connect(url, { heartbeat: HEARTBEAT_S, closeTimeout: 30_000 })
    const channel = await connection.openChannel()
    const { queue } = await channel.queueDeclare('', { arguments: { 'x-max-length': 100 } })
    const held = await heldOctets()
    let most = 0
    let longestGapMs = 0
    let ranAt = performance.now()
    let runs = 0
    const timer = setInterval(() => {
      longestGapMs = Math.max(longestGapMs, performance.now() - ranAt)
      ranAt = performance.now()
      runs++
      most = Math.max(most, connection.stats.bufferedOctets)
    }, 10)
    const body = Buffer.alloc(100)
    const before = connection.stats
    const until = performance.now() + 5_000
    let published = 0
    for (; performance.now() < until; published++) await channel.publish('', queue, body)
    clearInterval(timer)

    expect(connection.state).to.equal('open')
    expect(runs, 'timers that ran meanwhile').to.be.at.least(20)
    expect(longestGapMs, 'the longest that a timer waited').to.be.below((HEARTBEAT_S * 1000) / 2)
    expect(connection.stats.octetsSent - before.octetsSent).to.be.greaterThan(published * 100 - MIB)
    expect(connection.stats.heartbeatsReceived - before.heartbeatsReceived, 'of the broker').to.be.at.least(2)
    // The high-water mark and the budget of a turn, with the frames of the last publish.
    expect(most, 'octets waiting').to.be.at.most(1.3 * MIB)
    expect((await heldOctets()) - held, 'octets held afterwards').to.be.below(16 * MIB)
    const reason = await within(30_000, 'close()', connection.close())
    expect(reason).to.deep.equal({ by: 'client' })
  })
})
