import { expect } from 'chai'
import { CloseTimeoutError, UnconfirmedError } from '../../src/index.js'
import { type VirtualOptions, VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'

const CLOSE_TIMEOUT_MS = 5_000

/** A connection without heartbeats, so that nothing but the close timeout ends it. */
async function open(options: VirtualOptions['connect'] = {}) {
  const virtual = await VirtualPeer.open({ connect: { heartbeat: 0, ...options } })
  const { clock, connection } = virtual
  let closedAt: number | undefined
  void connection.closed.then(() => {
    closedAt = clock.now()
  })
  return { ...virtual, closedAt: () => closedAt }
}

describe('Connection.close(), when the peer does not play along', () => {
  it('of a silent peer settles after closeTimeout and says that it gave up', async () => {
    const { connection, clock, peer, stream, closedAt } = await open()
    peer.on('connection.close', () => undefined)
    const calledAt = clock.now()
    const closing = connection.close()
    await clock.advance(CLOSE_TIMEOUT_MS)
    const reason = await within(1_000, 'close()', closing)
    expect((closedAt() as number) - calledAt).to.equal(CLOSE_TIMEOUT_MS)
    expect(reason.by).to.equal('client')
    expect(reason.error).to.be.instanceOf(CloseTimeoutError)
    expect(reason.text).to.equal(
      'close not completed within 5000 ms: 0 publishes unconfirmed, 0 octets not sent',
    )
    expect(stream.destroyed).to.equal(true)
    expect(clock.timers).to.deep.equal([])
  })

  it('of a peer that reads nothing settles within closeTimeout and says how much was not sent', async () => {
    const { connection, clock, peer, stream } = await open()
    const channel = await connection.openChannel()
    peer.socket.pause()
    void channel.publish('', 'q', Buffer.alloc(200_000)).catch(() => undefined)
    const closing = connection.close()
    await clock.advance(CLOSE_TIMEOUT_MS)
    const reason = await within(1_000, 'close()', closing)
    expect(reason.by).to.equal('client')
    expect(reason.text).to.match(
      /^close not completed within 5000 ms: 0 publishes unconfirmed, 200\d{3} octets not sent$/,
    )
    expect(stream.destroyed).to.equal(true)
  })

  it('that waits for a confirm in vain still says Close in time, and tells what was given up', async () => {
    const { connection, clock, peer, closedAt } = await open()
    const channel = await connection.openChannel({ confirm: true })
    const publishes = Array.from({ length: 3 }, () =>
      channel.publish('', 'q', 'x').then(
        () => undefined,
        (error: unknown) => error,
      ),
    )
    const calledAt = clock.now()
    const closing = connection.close()
    await clock.advance(CLOSE_TIMEOUT_MS)
    const reason = await within(1_000, 'close()', closing)
    expect((closedAt() as number) - calledAt).to.be.below(CLOSE_TIMEOUT_MS)
    expect(reason).to.include({
      by: 'client',
      text: 'closed before everything was answered: 3 publishes unconfirmed, 0 octets not sent',
    })
    expect(reason.error).to.be.instanceOf(CloseTimeoutError)
    for (const error of await Promise.all(publishes)) {
      expect(error)
        .to.be.instanceOf(UnconfirmedError)
        .and.include({ outcome: 'unknown', cause: reason.error })
    }
    expect(peer.ended).to.equal(true)
  })

  it('of a connection that the broker blocks settles within closeTimeout; what waited was not sent', async () => {
    const { connection, clock, peer } = await open()
    const channel = await connection.openChannel({ confirm: true })
    peer.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    await clock.settle()
    const blocked = channel.publish('', 'q', 'x').then(
      () => undefined,
      (error: unknown) => error,
    )
    // A broker that blocks reads nothing any more.
    peer.socket.pause()
    const closing = connection.close()
    await clock.advance(CLOSE_TIMEOUT_MS)
    const reason = await within(1_000, 'close()', closing)
    expect(reason.by).to.equal('client')
    expect(reason.text).to.include('1 publishes unconfirmed')
    expect(await within(1_000, 'the publish', blocked))
      .to.be.instanceOf(UnconfirmedError)
      .and.include({ outcome: 'not-sent' })
  })

  it('does not stand inside a large body that is half sent', async () => {
    const { connection, clock, peer } = await open()
    const channel = await connection.openChannel()
    void channel.publish('', 'q', Buffer.alloc(3_000_000)).catch(() => undefined)
    const closing = connection.close()
    // A slow peer: one batch now and then.
    const reading = clock.every(1_000, () => {
      peer.socket.resume()
      setImmediate(() => peer.socket.pause())
    })
    await clock.settle()
    peer.socket.pause()
    await clock.advance(CLOSE_TIMEOUT_MS)
    reading.cancel()
    await within(1_000, 'close()', closing)
    // Whole or not at all: a half content is fine only if nothing at all follows it.
    const names = peer.inbox.map(each => (each.type === 'method' ? each.method.name : each.type))
    expect(names.indexOf('connection.close')).to.be.oneOf([-1, names.length - 1])
  })

  it('lets nothing follow Close: not what finds room later, nor the close of a channel whose call is overdue', async () => {
    const { connection, clock, peer } = await open({ highWaterMark: 1_000, rpcTimeout: 4_500 })
    peer.on('connection.close', method => void peer.inbox.push(method))
    peer.on('queue.declare', () => undefined)
    const channel = await connection.openChannel()
    const other = await connection.openChannel()
    const overdue = other.queueDeclare('never').catch((error: unknown) => error)
    const closingChannel = other.close()
    await clock.settle()
    peer.socket.pause()
    const publishes = Array.from({ length: 10 }, () =>
      channel.publish('', 'q', Buffer.alloc(1_000)).catch((error: unknown) => error),
    )
    const closing = connection.close()
    await clock.advance(CLOSE_TIMEOUT_MS * 0.8)
    peer.socket.resume()
    await clock.advance(CLOSE_TIMEOUT_MS * 0.2)
    const reason = await within(1_000, 'close()', closing)
    expect(reason.text).to.match(/^close not completed within 5000 ms/)
    const names = peer.inbox.map(each => (each.type === 'method' ? each.method.name : each.type))
    expect(names.at(-1)).to.equal('connection.close')
    expect(names).to.not.include('channel.close')
    expect(await within(1_000, 'the overdue call', overdue)).to.be.instanceOf(Error)
    expect(await within(1_000, 'the close of the channel', closingChannel)).to.equal(reason)
    await within(1_000, 'the publishes', Promise.all(publishes))
  })

  it('settles within 1 s of an answer that our socket cannot take: the server closes and reads nothing', async () => {
    const { connection, clock, peer, stream } = await open()
    const channel = await connection.openChannel()
    peer.socket.pause()
    void channel.publish('', 'q', Buffer.alloc(200_000)).catch(() => undefined)
    await clock.settle()
    const args = { replyCode: 320, replyText: 'bye', classId: 0, methodId: 0 }
    peer.send(0, { name: 'connection.close', args })
    await clock.advance(1_000)
    const { by, code } = await within(1_000, 'closed', connection.closed)
    expect({ by, code }).to.deep.equal({ by: 'server', code: 320 })
    expect(stream.destroyed).to.equal(true)
  })

  it('keeps to the time of the first call', async () => {
    const { connection, clock, peer, closedAt } = await open()
    peer.on('connection.close', () => undefined)
    const calledAt = clock.now()
    const again = clock.every(100, () => void connection.close())
    void connection.close()
    await clock.advance(CLOSE_TIMEOUT_MS)
    again.cancel()
    expect(closedAt()).to.equal(calledAt + CLOSE_TIMEOUT_MS)
  })

  it('keeps to the time of the first call also while it waits for confirms', async () => {
    const { connection, clock, closedAt } = await open()
    const channel = await connection.openChannel({ confirm: true })
    const published = channel.publish('', 'q', 'x').catch((error: unknown) => error)
    const calledAt = clock.now()
    const again = clock.every(100, () => void connection.close())
    void connection.close()
    await clock.advance(CLOSE_TIMEOUT_MS)
    again.cancel()
    expect(closedAt()).to.be.at.most(calledAt + CLOSE_TIMEOUT_MS)
    expect(await published).to.be.instanceOf(UnconfirmedError)
  })

  it('keeps to the closeTimeout that was asked for', async () => {
    const { connection, clock, peer, closedAt } = await open({ closeTimeout: 50 })
    peer.on('connection.close', () => undefined)
    const calledAt = clock.now()
    void connection.close()
    await clock.advance(50)
    expect(closedAt()).to.equal(calledAt + 50)
  })
})
