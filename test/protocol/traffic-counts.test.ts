import { expect } from 'chai'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

describe('countTraffic', () => {
  it('counts frames, heartbeats and octets both ways', () => {
    const pair = ProtocolPair.opened({ heartbeat: 10 })
    const before = pair.protocol.counts
    pair.openChannel()
    pair.run(() => pair.protocol.sendHeartbeat())
    const { counts } = pair.protocol
    const grown = Object.fromEntries(
      Object.entries(counts).map(([name, count]) => [name, count - before[name as keyof typeof before]]),
    )
    // channel.open with an empty text, its answer with an empty long text, and the heartbeat.
    expect(grown).to.deep.equal({
      framesSent: 2,
      framesReceived: 1,
      octetsSent: 13 + 8,
      octetsReceived: 16,
      heartbeatsSent: 1,
      heartbeatsReceived: 0,
    })
  })
})
