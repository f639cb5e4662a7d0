import { expect } from 'chai'
import fc from 'fast-check'
import {
  type AmqpError,
  ChannelClosedError,
  type CloseReason,
  ConnectionClosedError,
  type ConnectOptions,
  ConsumerClosedError,
  HeartbeatError,
  UnconfirmedError,
} from '../../src/index.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { runs } from '../support/runs.js'

const INTERVAL_MS = 10_000
/** Death comes later than one interval after a beating peer falls silent, and not later than two intervals and a second. */
const EARLIEST_MS = INTERVAL_MS
const LATEST_MS = 2 * INTERVAL_MS + 1_000

/** A connection to a peer that beats every half interval until it falls silent. */
async function openBeating(options: ConnectOptions = {}) {
  const virtual = await VirtualPeer.open({ connect: options, tune: { heartbeat: INTERVAL_MS / 1000 } })
  const { clock, connection, peer } = virtual
  const beat = clock.every(INTERVAL_MS / 2, () => peer.sendOctets(peer.codec.heartbeat()))
  let diedAt: number | undefined
  const closed = connection.closed.then(reason => {
    diedAt = clock.now()
    return reason
  })
  return {
    ...virtual,
    silence: () => beat.cancel(),
    /** Moves on until the connection is dead; how it ended, and how long after `since`. */
    async die(since: number): Promise<{ reason: CloseReason; afterMs: number }> {
      await clock.advance(since + LATEST_MS - clock.now())
      const reason = await within(1_000, `closed, ${LATEST_MS} ms after the peer fell silent`, closed)
      return { reason, afterMs: (diedAt as number) - since }
    },
  }
}

/** How a promise was rejected. */
async function rejectionOf(what: string, promise: Promise<unknown>): Promise<AmqpError> {
  return within(
    1_000,
    `the rejection of ${what}`,
    promise.then(
      value => expect.fail(`${what} resolved with ${value}`),
      error => error,
    ),
  )
}

/** The error and what caused it, down to the first cause. */
function chainOf(error: unknown): unknown[] {
  return error instanceof Error ? [error, ...chainOf(error.cause)] : []
}

describe('a dead peer', () => {
  it('is noticed later than one interval and within two and a second, whenever it freezes', async () => {
    const freezeAfterMs = fc.integer({ min: 1, max: 3 * INTERVAL_MS })
    await fc.assert(
      fc.asyncProperty(freezeAfterMs, async afterMs => {
        const { clock, silence, die, peer } = await openBeating()
        // The first beat of a broker comes with Tune-Ok.
        peer.sendOctets(peer.codec.heartbeat())
        await clock.advance(afterMs)
        silence()
        peer.socket.pause()
        const { reason, afterMs: diedAfterMs } = await die(clock.now())
        expect(reason.by).to.equal('heartbeat')
        expect(diedAfterMs).to.be.greaterThan(EARLIEST_MS).and.at.most(LATEST_MS)
      }),
      runs(30),
    )
  })

  it('is told with interval, age of the last octet, octets not sent and lag of the event loop', async () => {
    const { clock, silence, die, connection } = await openBeating()
    await clock.advance(INTERVAL_MS)
    silence()
    const { reason } = await die(clock.now())
    expect(reason).to.include({
      by: 'heartbeat',
      text: `nothing received for ${2 * INTERVAL_MS} ms, heartbeat interval 10 s`,
    })
    expect(reason.error)
      .to.be.instanceOf(HeartbeatError)
      .and.include({
        code: 'AMQP_HEARTBEAT',
        intervalMs: INTERVAL_MS,
        silenceMs: 2 * INTERVAL_MS,
        queuedOctets: 0,
        eventLoopLagMs: 0,
      })
    expect(connection.state).to.equal('closed')
  })

  it('leaves a destroyed stream and no timer, and is sent nothing any more', async () => {
    const { clock, silence, die, connection, stream, peer, takeWrites } = await openBeating()
    const channel = await connection.openChannel()
    silence()
    await die(clock.now())
    expect(stream.destroyed).to.equal(true)
    expect(stream.writableFinished, 'destroyed, not ended').to.equal(false)
    expect(clock.timers).to.deep.equal([])
    takeWrites()
    expect(connection.sendHeartbeat()).to.equal(false)
    await rejectionOf('a publish afterwards', channel.publish('', 'q', 'x'))
    await connection.close()
    await clock.advance(10 * INTERVAL_MS)
    expect(takeWrites()).to.deep.equal([])
    const methods = peer.inbox.flatMap(each => (each.type === 'method' ? [each.method.name] : []))
    expect(methods).to.not.include('connection.close')
  })

  it('fails everything that is pending, with causes that lead to it', async () => {
    const { clock, silence, die, connection, peer } = await openBeating({ rpcTimeout: 60_000 })
    const channel = await connection.openChannel({ confirm: true })
    const plain = await connection.openChannel()
    const consumer = await channel.consume('q')
    const next = consumer[Symbol.asyncIterator]().next()
    peer.on('queue.declare', () => undefined)
    peer.on('channel.open', () => undefined)
    const declared = channel.queueDeclare('never')
    const confirm = channel.publish('', 'q', 'x')
    const queuedBehind = channel.queueDelete('later')
    const opening = connection.openChannel()
    peer.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    await clock.settle()
    const blockedConfirm = channel.publish('', 'q', 'blocked')
    const blocked = plain.publish('', 'q', 'blocked')
    silence()
    const { reason } = await die(clock.now())

    const pending: [string, Promise<unknown>, new (...args: never[]) => Error][] = [
      ['a call', declared, ChannelClosedError],
      ['a call behind it', queuedBehind, ChannelClosedError],
      ['a channel that opens', opening, ChannelClosedError],
      ['an unconfirmed publish', confirm, UnconfirmedError],
      ['a publish that waits for the end of the block', blockedConfirm, UnconfirmedError],
      ['a plain publish that waits for the end of the block', blocked, ChannelClosedError],
      ['an iterator', next, ConsumerClosedError],
    ]
    for (const [what, promise, type] of pending) {
      const error = await rejectionOf(what, promise)
      expect(error, what).to.be.instanceOf(type)
      expect(chainOf(error), what).to.include(reason.error)
    }
    expect(await rejectionOf('an unconfirmed publish', confirm)).to.include({ outcome: 'unknown' })
    expect(await rejectionOf('a blocked publish', blockedConfirm)).to.include({ outcome: 'not-sent' })
    for (const ended of [channel, plain, consumer]) {
      expect(await within(1_000, 'closed of a part', ended.closed)).to.equal(reason)
    }
    const late = await rejectionOf('a channel that is opened afterwards', connection.openChannel())
    expect(late).to.be.instanceOf(ConnectionClosedError)
    expect(chainOf(late)).to.include(reason.error)
  })

  it('is noticed with 200 KB of publishes in a black hole, and tells what was not sent from what may have arrived', async () => {
    const { clock, silence, die, connection, peer, stream } = await openBeating()
    const channel = await connection.openChannel({ confirm: true })
    // What the hole swallows before it is full.
    peer.socket.pause()
    silence()
    const since = clock.now()
    const inTheHole = channel.publish('', 'q', Buffer.alloc(1_000))
    await clock.settle()
    const queued = Array.from({ length: 20 }, () => channel.publish('', 'q', Buffer.alloc(10_000)))
    const { reason, afterMs } = await die(since)

    expect(afterMs).to.be.greaterThan(EARLIEST_MS).and.at.most(LATEST_MS)
    expect(reason.by).to.equal('heartbeat')
    expect((reason.error as HeartbeatError).queuedOctets).to.be.greaterThan(200_000)
    expect(await rejectionOf('the publish in the hole', inTheHole)).to.include({ outcome: 'unknown' })
    for (const publish of queued) {
      const error = await rejectionOf('a publish that never left', publish)
      expect(error).to.be.instanceOf(UnconfirmedError).and.include({ outcome: 'not-sent' })
      expect(chainOf(error)).to.include(reason.error)
    }
    expect(stream.destroyed).to.equal(true)
  })

  it('counts as not sent also what the socket was given and could not take', async () => {
    const { clock, silence, die, connection, peer } = await openBeating()
    const channel = await connection.openChannel()
    peer.socket.pause()
    silence()
    const since = clock.now()
    void channel.publish('', 'q', Buffer.alloc(100_000))
    const { reason } = await die(since)
    expect((reason.error as HeartbeatError).queuedOctets).to.be.greaterThan(100_000)
    expect((reason.error as Error).message).to.match(/; 100\d{3} octets not sent/)
  })

  it('is noticed when it reads everything and answers nothing, though we publish every 50 ms', async () => {
    const { clock, silence, die, connection, peer } = await openBeating()
    const channel = await connection.openChannel({ confirm: true })
    await clock.advance(3 * INTERVAL_MS)
    silence()
    const since = clock.now()
    const outcomes: Promise<unknown>[] = []
    const publishing = clock.every(50, () => {
      outcomes.push(channel.publish('', 'q', 'x').catch((error: unknown) => error))
    })
    const { reason, afterMs } = await die(since)
    publishing.cancel()

    expect(reason.by).to.equal('heartbeat')
    expect(afterMs).to.be.greaterThan(EARLIEST_MS).and.at.most(LATEST_MS)
    const published = peer.inbox.filter(
      each => each.type === 'method' && each.method.name === 'basic.publish',
    ).length
    expect(published).to.be.at.least(380)
    const errors = await within(1_000, 'the rejections of the publishes', Promise.all(outcomes))
    for (const error of errors) expect(chainOf(error)).to.include(reason.error)
  })

  it('is still noticed after an hour of life: nothing that was received long ago counts', async () => {
    const { clock, silence, die } = await openBeating()
    await clock.advance(60 * 60 * 1000)
    silence()
    const { afterMs } = await die(clock.now())
    expect(afterMs).to.be.greaterThan(EARLIEST_MS).and.at.most(LATEST_MS)
  })

  it('is not one that beats in the last moment, over and over', async () => {
    const { clock, silence, connection, peer } = await openBeating()
    silence()
    for (let times = 0; times < 100; times++) {
      await clock.advance(2 * INTERVAL_MS - 1)
      peer.sendOctets(peer.codec.heartbeat())
      await clock.settle()
    }
    expect(connection.state).to.equal('open')
    await within(1_000, 'close()', connection.close())
  })

  it('is not looked for while we do not read, and has two whole intervals when we do again', async () => {
    const { clock, silence, connection, peer } = await openBeating({ maxReceiveBuffered: 10 })
    const channel = await connection.openChannel()
    const consumer = await channel.consume('q', { noAck: true })
    const { consumerTag } = consumer
    const args = { consumerTag, deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' }
    peer.sendContent(channel.number, { name: 'basic.deliver', args }, Buffer.alloc(100))
    await clock.settle()
    silence()
    const beats = peer.heartbeats
    await clock.advance(10 * INTERVAL_MS)
    expect(connection.state, 'while reading is paused').to.equal('open')
    expect(peer.heartbeats - beats, 'heartbeats of ours meanwhile').to.equal(20)
    const iterator = consumer[Symbol.asyncIterator]()
    expect((await iterator.next()).done).to.equal(false)
    await clock.advance(2 * INTERVAL_MS - 1)
    expect(connection.state, 'before two intervals').to.equal('open')
    await clock.advance(1)
    expect((await within(1_000, 'the death', connection.closed)).by).to.equal('heartbeat')
  })

  it('is noticed while it is asked to close', async () => {
    const { clock, silence, die, connection, peer, stream } = await openBeating({ closeTimeout: 60_000 })
    peer.on('connection.close', () => undefined)
    silence()
    const closing = connection.close()
    const { reason, afterMs } = await die(clock.now())
    expect(afterMs).to.be.greaterThan(EARLIEST_MS).and.at.most(LATEST_MS)
    expect(await closing).to.equal(reason)
    // The application's close stands, but nobody knows what of the plain publishes before it arrived.
    expect(reason.by).to.equal('client')
    expect(reason.error).to.be.instanceOf(HeartbeatError)
    expect(stream.destroyed).to.equal(true)
  })
})
