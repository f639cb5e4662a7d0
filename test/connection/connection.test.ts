import { inspect } from 'node:util'
import { expect } from 'chai'
import { AmqpError, type Channel, type ConnectOptions, connect } from '../../src/index.js'
import { connectFailure, expectNoSecret, PASSWORD } from '../support/connect-failure.js'
import { expectWarning } from '../support/invariants/index.js'
import { ScriptedSession } from '../support/peer/scripted-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { freePort } from '../support/rabbitmq/free-port.js'

describe('Connection', () => {
  let session: ScriptedSession

  async function begin(options: ConnectOptions = {}): Promise<void> {
    session = await ScriptedSession.open({ closeTimeout: 300, ...options })
  }

  afterEach(() => session.close())

  it('counts what goes both ways', async () => {
    await begin()
    const { connection, peer } = session
    const before = connection.stats
    expect(before.octetsSent).to.equal(peer.octetsReceived)
    const channel = await connection.openChannel()
    await channel.publish('', 'q', 'hello')
    await channel.exchangeDeclare('e', 'direct')
    const after = connection.stats
    // channel.open, the three frames of a publish, exchange.declare
    expect(after.framesSent - before.framesSent).to.equal(5)
    expect(after.framesReceived - before.framesReceived).to.equal(2)
    expect(after.octetsSent).to.equal(peer.octetsReceived)
    expect(after.octetsReceived - before.octetsReceived).to.equal(
      peer.codec.method(1, { name: 'channel.open-ok', args: {} }).length +
        peer.codec.method(1, { name: 'exchange.declare-ok', args: {} }).length,
    )
    expect(after.bufferedOctets).to.equal(0)
    expect(after.lastReceivedMs).to.be.within(0, 2_000)
    expect(after.lastSentMs).to.be.within(0, 2_000)
    expect(after.eventLoopLagMs).to.be.at.least(0)
  })

  it('says why it has ended to those who ask afterwards, and always the same', async () => {
    await begin()
    const { connection, peer } = session
    peer.socket.destroy()
    await until(2_000, 'the end', () => connection.state === 'closed')
    const reason = await within(1_000, 'closed', connection.closed)
    expect(reason).to.include({ by: 'transport' })
    expect(await within(1_000, 'closed, asked again', connection.closed)).to.equal(reason)
    expect(await within(1_000, 'close()', connection.close())).to.equal(reason)
  })

  it('closes without ever having had a channel', async () => {
    await begin()
    expect(await within(1_000, 'close()', session.connection.close({ drain: true }))).to.deep.equal({
      by: 'client',
    })
    expect(session.connection.state).to.equal('closed')
  })

  it('gives snapshots that do not change, also when it is closed', async () => {
    await begin()
    const before = session.connection.stats
    const copy = { ...before }
    await session.connection.openChannel()
    expect(before).to.deep.equal(copy)
    await session.connection.close()
    expect(Object.values(session.connection.stats).every(Number.isFinite)).to.equal(true)
  })

  it('says that the broker blocks it, and that it does not any more', async () => {
    await begin()
    const { connection, peer } = session
    const told: unknown[] = []
    connection.on('blocked', reason => told.push(reason, connection.blocked))
    connection.on('unblocked', () => told.push('unblocked', connection.blocked))
    peer.send(0, { name: 'connection.blocked', args: { reason: 'low on disk' } })
    await connection.openChannel()
    peer.send(0, { name: 'connection.unblocked', args: {} })
    await connection.openChannel()
    expect(told).to.deep.equal(['low on disk', 'low on disk', 'unblocked', undefined])
  })

  it('survives listeners that throw', async () => {
    await begin()
    session.connection.on('blocked', () => {
      throw new Error('listener is broken')
    })
    expectWarning(/a listener of 'blocked' threw: Error: listener is broken/)
    session.peer.send(0, { name: 'connection.blocked', args: { reason: 'low on disk' } })
    await session.connection.openChannel()
  })

  it('is disposed of by closing', async () => {
    await begin()
    await session.connection[Symbol.asyncDispose]()
    expect(await session.connection.closed).to.deep.equal({ by: 'client' })
  })

  it('names connection and local port in errors, as RabbitMQ logs them', async () => {
    await begin({ connectionName: 'billing' })
    const channel = await session.connection.openChannel()
    const localPort = session.peer.socket.remotePort
    session.peer.socket.resetAndDestroy()
    const { error } = await session.connection.closed
    expect(error).to.include({ connectionName: 'billing', localPort })
    const later = await channel.queueDeclare('q').catch((each: unknown) => each)
    expect(later).to.include({ connectionName: 'billing', localPort })
  })
})

describe('the password', () => {
  it('is in no error of connecting', async () => {
    const port = await freePort()
    const uri = `amqp://guest:${encodeURIComponent(PASSWORD)}@`
    await connectFailure(port)
    const attempts: [uri: string | string[], options?: unknown][] = [
      [`${uri}127.0.0.1:${port}`],
      [[`${uri}127.0.0.1:${port}`, `${uri}127.0.0.1:${port}/v`]],
      [`${uri}127.0.0.1:${port}?nobody=knows`],
      [`${uri}127.0.0.1:${port}/a/b`],
      [`${uri}127.0.0.1:${port}#x`],
      [`${uri}127.0.0.1:${port}%`],
      [`${uri}:x`],
      [`amqp://guest:${PASSWORD}@x@127.0.0.1:${port}`],
      [`amqp://guest:${PASSWORD}/@127.0.0.1:${port}`],
      [`amqp://guest:${PASSWORD}?@127.0.0.1:${port}`],
      [`amqp://guest:${PASSWORD}%@127.0.0.1:${port}`],
      [`http://guest:${PASSWORD}@127.0.0.1:${port}`],
      [`guest:${PASSWORD}@127.0.0.1:${port}`],
      [`amqp://127.0.0.1:${port}`, { password: PASSWORD, unknown: PASSWORD }],
      [`amqp://127.0.0.1:${port}`, { password: PASSWORD, heartbeat: PASSWORD }],
      [`amqp://127.0.0.1:${port}`, { password: { toString: () => PASSWORD } }],
      [`amqp://127.0.0.1:${port}`, { password: PASSWORD, signal: AbortSignal.abort() }],
      [`amqp://127.0.0.1:${port}`, PASSWORD],
    ]
    for (const [target, options] of attempts) {
      const error: unknown = await connect(target, options as ConnectOptions).catch((each: unknown) => each)
      expect(error, inspect(target)).to.be.instanceOf(Error)
      expectNoSecret(error)
    }
  })

  const ends: [what: string, end: (session: ScriptedSession) => unknown][] = [
    ['a reset', ({ peer }) => peer.socket.resetAndDestroy()],
    ['the end of the stream', ({ peer }) => peer.socket.end()],
    ['garbage', ({ peer }) => peer.sendOctets(Buffer.alloc(20, 0xff))],
    [
      'a close by the server',
      ({ peer }) => {
        const args = { replyCode: 320, replyText: 'CONNECTION_FORCED', classId: 0, methodId: 0 }
        peer.send(0, { name: 'connection.close', args })
      },
    ],
    ['a close by the application', ({ connection }) => connection.close()],
  ]
  for (const [what, end] of ends) {
    it(`is in nothing that can be seen of a connection, before and after ${what}`, async () => {
      const session = await ScriptedSession.open({ password: PASSWORD, closeTimeout: 300 })
      const { connection } = session
      const seen: unknown[] = []
      const channel = await connection.openChannel({ confirm: true })
      const consumer = await channel.consume('q')
      const failing = await failures(channel)
      const look = (): unknown => seen.push(connection, channel, consumer, connection.stats, consumer.closed)
      look()
      for (const each of seen) expectNoSecret(each)
      await end(session)
      const reason = await connection.closed
      const errors = await Promise.all([...failing, ...(await failures(channel))])
      expect(errors.every(error => error instanceof Error)).to.equal(true)
      look()
      for (const each of [...seen, reason, ...errors]) expectNoSecret(each)
      if (reason.error !== undefined) expect(reason.error).to.be.instanceOf(AmqpError)
      await session.close()
    })
  }

  /** What calls of every kind reject with. */
  async function failures(channel: Channel): Promise<Promise<unknown>[]> {
    return [
      channel.publish('', 'q', 'x').catch((error: unknown) => error),
      channel.publish('', 'q', 'x', { mandatory: true }).catch((error: unknown) => error),
      channel.get('q').catch((error: unknown) => error),
    ]
  }
})
