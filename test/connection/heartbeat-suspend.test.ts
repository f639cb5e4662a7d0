import { expect } from 'chai'
import { HEARTBEAT_FRAME } from '../../src/frames/index.js'
import { CallTimeoutError, type Channel, type Connection, UnconfirmedError } from '../../src/index.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const INTERVAL_MS = 10_000
const HOUR_MS = 3_600_000

async function open() {
  const virtual = await VirtualPeer.open({ tune: { heartbeat: INTERVAL_MS / 1000 } })
  const { clock, connection, peer } = virtual
  const beat = clock.every(INTERVAL_MS / 2, () => peer.sendOctets(peer.codec.heartbeat()))
  await clock.advance(INTERVAL_MS + 1)
  beat.cancel()
  let diedAt: number | undefined
  void connection.closed.then(() => {
    diedAt = clock.now()
  })
  return { ...virtual, diedAt: () => diedAt }
}

describe('a machine that slept', () => {
  it('gives its peer one interval from waking, and then takes it for dead', async () => {
    const { connection, clock, diedAt } = await open()
    clock.sleep(HOUR_MS)
    const wokeAt = clock.now()
    // Nothing tells a process that it slept: it finds out when its timer runs, half an interval later at most.
    await clock.advance(INTERVAL_MS - 1)
    expect(connection.state).to.equal('open')
    await clock.advance(INTERVAL_MS / 2 + 1)
    const reason = await within(1_000, 'the death of a peer that went away meanwhile', connection.closed)
    expect(reason.by).to.equal('heartbeat')
    expect((diedAt() as number) - wokeAt)
      .to.be.at.least(INTERVAL_MS)
      .and.at.most(1.5 * INTERVAL_MS)
  })

  it('lives on when the peer beats', async () => {
    const { connection, clock, peer } = await open()
    clock.sleep(HOUR_MS)
    await clock.advance(INTERVAL_MS - 1)
    peer.sendOctets(peer.codec.heartbeat())
    await clock.advance(INTERVAL_MS)
    expect(connection.state).to.equal('open')
    await within(1_000, 'close()', connection.close())
  })

  it('lives on when the peer answers what it was asked on waking', async () => {
    const { connection, clock } = await open()
    clock.sleep(HOUR_MS)
    const channel = await within(1_000, 'a channel on waking', connection.openChannel())
    expect(channel.state).to.equal('open')
    await clock.advance(INTERVAL_MS)
    expect(connection.state).to.equal('open')
    await within(1_000, 'close()', connection.close())
  })

  it('does not let a publish made on waking hang: its peer is dead one interval later', async () => {
    const { connection, clock, peer, diedAt } = await open()
    const channel = await connection.openChannel({ confirm: true })
    clock.sleep(HOUR_MS)
    peer.socket.pause()
    const wokeAt = clock.now()
    const publish = channel.publish('', 'q', 'good morning')
    await clock.advance(INTERVAL_MS)
    const error = await within(
      1_000,
      'the rejection of the publish',
      publish.then(
        () => undefined,
        (error: unknown) => error,
      ),
    )
    expect(error).to.be.instanceOf(UnconfirmedError)
    expect((await connection.closed).by).to.equal('heartbeat')
    // The publish is the first thing that looks at the clock.
    expect((diedAt() as number) - wokeAt).to.equal(INTERVAL_MS)
  })

  it('is not blamed on the event loop', async () => {
    const { connection, clock } = await open()
    const stalls: number[] = []
    connection.on('stalled', lagMs => stalls.push(lagMs))
    clock.sleep(HOUR_MS)
    await clock.advance(2 * INTERVAL_MS)
    const reason = await within(1_000, 'the death', connection.closed)
    expect(stalls).to.deep.equal([])
    expect(reason.text).to.not.include('event loop')
  })

  it('gives one interval for each sleep and no more for each other look at the clock', async () => {
    const { connection, clock, diedAt } = await open()
    clock.sleep(HOUR_MS)
    const wokeAt = clock.now()
    const looking = clock.every(100, () => void connection.sendHeartbeat())
    await clock.advance(2 * INTERVAL_MS)
    looking.cancel()
    await within(1_000, 'the death', connection.closed)
    expect((diedAt() as number) - wokeAt)
      .to.be.at.least(INTERVAL_MS)
      .and.at.most(INTERVAL_MS + 100)
  })

  it('is not what a wall clock looks like that is set back, or that drifts', async () => {
    const { connection, clock, peer, diedAt } = await open()
    clock.sleep(-HOUR_MS)
    await clock.advance(INTERVAL_MS)
    peer.sendOctets(peer.codec.heartbeat())
    const since = clock.now()
    // The most that the kernel slews by: half a millisecond in each second.
    const drift = clock.every(100, () => clock.sleep(0.05))
    await clock.advance(2 * INTERVAL_MS)
    drift.cancel()
    await within(1_000, 'the death', connection.closed)
    expect((diedAt() as number) - since).to.equal(2 * INTERVAL_MS)
  })
})

describe('a machine that slept, and a process that is busy on waking', () => {
  it('beats at once, and again half an interval later, when a command notices the sleep', async () => {
    const { connection, clock, takeWrites } = await open()
    const channel = await connection.openChannel()
    const hasBeaten = (): boolean => takeWrites().some(octets => octets.includes(HEARTBEAT_FRAME))
    clock.sleep(HOUR_MS)
    takeWrites()
    await channel.publish('', 'q', 'good morning')
    await clock.settle()
    expect(hasBeaten(), 'at once').to.equal(true)
    await clock.advance(INTERVAL_MS / 2)
    expect(hasBeaten(), 'half an interval later').to.equal(true)
    await within(1_000, 'close()', connection.close())
  })

  it('has the whole time for a call from when it is made', async () => {
    const { connection, clock, peer } = await VirtualPeer.open({
      connect: { rpcTimeout: 8_000 },
      tune: { heartbeat: INTERVAL_MS / 1000 },
    })
    const channel = await connection.openChannel()
    peer.on('queue.declare', () => undefined)
    clock.sleep(HOUR_MS)
    const failed = rejectionOf(channel.queueDeclare('q'), CallTimeoutError)
    let over = false
    void failed.then(() => {
      over = true
    })
    // Meanwhile a timer of the heartbeat looks at the clock too.
    await clock.advance(7_999)
    expect(over, 'given up before its time').to.equal(false)
    await clock.advance(1)
    expect((await failed).message).to.include('no reply within 8000 ms')
    await within(1_000, 'close()', connection.close())
  })

  for (const noticedBy of ['a command', 'the timer'] as const) {
    it(`does not show the sleep as a lag of the event loop when ${noticedBy} notices it`, async () => {
      const { connection, clock } = await open()
      const channel = await connection.openChannel()
      clock.sleep(HOUR_MS)
      if (noticedBy === 'a command') await channel.publish('', 'q', 'good morning')
      await clock.settle()
      const [dueInMs = Number.NaN] = clock.timers
      expect(dueInMs, 'until the timer runs').to.be.at.most(INTERVAL_MS / 2)
      await clock.advance(dueInMs)
      expect(connection.stats.eventLoopLagMs).to.be.below(50)
      expect(connection.state).to.equal('open')
      await within(1_000, 'close()', connection.close())
    })
  }

  for (const [what, look] of [
    ['the stats are', (connection: Connection) => void connection.stats],
    [
      'a refused call is',
      (_: Connection, channel: Channel) => void channel.queueDeclare('q'.repeat(256)).catch(() => undefined),
    ],
  ] as const) {
    it(`still finds its peer dead when ${what} the only thing that looks at the clock`, async () => {
      const { connection, clock } = await open()
      const channel = await connection.openChannel()
      clock.sleep(HOUR_MS)
      look(connection, channel)
      await clock.advance(2 * INTERVAL_MS)
      expect((await within(1_000, 'the death', connection.closed)).by).to.equal('heartbeat')
    })
  }
})
