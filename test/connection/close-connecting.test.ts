import { getEventListeners, once } from 'node:events'
import { Duplex } from 'node:stream'
import { expect } from 'chai'
import { ConnectError, connect } from '../../src/index.js'
import { ScriptedServer } from '../support/peer/scripted-peer.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { VirtualClock } from '../support/virtual-clock.js'

/** How connect() was rejected. */
async function rejectionOf(connecting: Promise<unknown>): Promise<Error> {
  const failed = connecting.then(
    () => expect.fail('connect() resolved'),
    (error: Error) => error,
  )
  return within(1_000, 'the rejection of connect()', failed)
}

/** A stream that never becomes connected. */
class ConnectingStream extends Duplex {
  readonly connecting = true
  override _read(): void {}
}

describe('aborting connect() by its signal', () => {
  let aborter: AbortController
  const why = new Error('the application changed its mind')

  beforeEach(() => {
    aborter = new AbortController()
  })

  afterEach(() => {
    expect(getEventListeners(aborter.signal, 'abort'), 'listeners on the signal').to.deep.equal([])
  })

  it('before it begins makes no stream and looks nothing up', async () => {
    aborter.abort(why)
    const calls: string[] = []
    const options = {
      signal: aborter.signal,
      lookup: () => void calls.push('lookup'),
      clock: new VirtualClock(),
    }
    expect(await rejectionOf(connect('amqp://broker.example', options))).to.equal(why)
    const stream = () => {
      calls.push('stream')
      return new ConnectingStream()
    }
    expect(await rejectionOf(connect({ ...options, stream }))).to.equal(why)
    expect(calls).to.deep.equal([])
    expect(options.clock.timers).to.deep.equal([])
  })

  it('while the name resolution hangs ends it, also when the answer comes after that', async () => {
    const clock = new VirtualClock()
    const answers: (() => void)[] = []
    const connecting = connect('amqp://broker.example', {
      signal: aborter.signal,
      clock,
      lookup: (_host, _options, done) => void answers.push(() => done(null, '127.0.0.1', 4)),
    })
    await until(1_000, 'the look-up', () => answers.length > 0)
    aborter.abort(why)
    expect(await rejectionOf(connecting)).to.equal(why)
    expect(clock.timers).to.deep.equal([])
    for (const answer of answers) answer()
  })

  it('while TCP connects destroys the stream', async () => {
    const clock = new VirtualClock()
    const stream = new ConnectingStream()
    const connecting = connect({ signal: aborter.signal, clock, stream: () => stream })
    await clock.settle()
    aborter.abort(why)
    expect(await rejectionOf(connecting)).to.equal(why)
    expect(stream.destroyed).to.equal(true)
    expect(clock.timers).to.deep.equal([])
  })

  const phases: [string, (virtual: VirtualPeer) => Promise<unknown>][] = [
    ['Connection.Start', ({ peer }) => peer.expectHeader()],
    ['Connection.Tune', ({ peer }) => peer.start()],
    ['Connection.Open-Ok', ({ peer }) => peer.start().then(() => peer.tune())],
  ]
  for (const [what, reach] of phases) {
    it(`while ${what} is awaited destroys the stream without a word`, async () => {
      const virtual = new VirtualPeer({ connect: { signal: aborter.signal } })
      const { clock, peer, stream } = virtual
      const connecting = virtual.connect()
      await reach(virtual)
      await clock.settle()
      virtual.takeWrites()
      peer.inbox.length = 0
      aborter.abort(why)
      expect(await rejectionOf(connecting)).to.equal(why)
      await clock.settle()
      expect(stream.destroyed).to.equal(true)
      expect(peer.ended).to.equal(true)
      expect(virtual.takeWrites()).to.deep.equal([])
      expect(clock.timers).to.deep.equal([])
    })
  }

  it('closes the socket of a real connection', async () => {
    const server = await ScriptedServer.listen()
    const connecting = connect(server.url, { signal: aborter.signal })
    const peer = await server.accept()
    await peer.start()
    aborter.abort(why)
    expect(await rejectionOf(connecting)).to.equal(why)
    await until(1_000, 'the end of the socket at the server', () => peer.ended)
    await server.close()
  })

  it('tries no further server', async () => {
    const server = await ScriptedServer.listen()
    const connecting = connect([server.url, server.url, server.url], { signal: aborter.signal })
    const peer = await server.accept()
    await peer.start()
    aborter.abort(why)
    expect(await rejectionOf(connecting)).to.equal(why)
    let accepted = 1
    const more = server.accept().then(() => {
      accepted++
    })
    void more
    await until(1_000, 'the end of the socket at the server', () => peer.ended)
    expect(accepted).to.equal(1)
    await server.close()
  })

  it('with a reason that is no error rejects with an error that carries it', async () => {
    const virtual = new VirtualPeer({ connect: { signal: aborter.signal } })
    const connecting = virtual.connect()
    aborter.abort('enough')
    const error = await rejectionOf(connecting)
    expect(error).to.be.instanceOf(Error).and.include({ cause: 'enough' })
    await virtual.clock.settle()
  })

  it('has no effect once the connection is open', async () => {
    const { connection, clock } = await VirtualPeer.open({ connect: { signal: aborter.signal } })
    aborter.abort(why)
    await clock.settle()
    expect(connection.state).to.equal('open')
    expect(await within(1_000, 'close()', connection.close())).to.deep.equal({ by: 'client' })
  })

  it('by AbortSignal.timeout rejects with its TimeoutError', async () => {
    const signal = AbortSignal.timeout(10)
    const virtual = new VirtualPeer({ connect: { signal } })
    const connecting = virtual.connect()
    if (!signal.aborted) await within(1_000, 'the abort', once(signal, 'abort'))
    expect(await rejectionOf(connecting)).to.have.property('name', 'TimeoutError')
    await virtual.clock.settle()
    expect(virtual.stream.destroyed).to.equal(true)
  })
})

describe('heartbeats while connecting', () => {
  it('leave the judgement to connectTimeout: silence after Tune-Ok is explained by its phase', async () => {
    const virtual = new VirtualPeer({ connect: { heartbeat: 1, connectTimeout: 10_000 } })
    const { clock, peer, stream } = virtual
    const connecting = virtual.connect()
    await peer.start()
    await peer.tune()
    await clock.advance(9_999)
    expect(stream.destroyed).to.equal(false)
    expect(peer.heartbeats, 'ours are sent from Tune-Ok on').to.be.at.least(19)
    await clock.advance(1)
    const error = await rejectionOf(connecting)
    expect(error).to.be.instanceOf(ConnectError).and.include({ phase: 'open' })
    await clock.settle()
    expect(stream.destroyed).to.equal(true)
  })

  it('count from Open-Ok: a peer that is silent after it has two intervals', async () => {
    const virtual = new VirtualPeer({ connect: { heartbeat: 1, connectTimeout: 10_000 } })
    const { clock, peer } = virtual
    const connecting = virtual.connect()
    await peer.start()
    await peer.tune()
    await clock.advance(9_000)
    peer.send(0, { name: 'connection.open-ok', args: {} })
    const connection = await within(1_000, 'connect()', connecting)
    await clock.advance(1_999)
    expect(connection.state).to.equal('open')
    await clock.advance(1)
    expect((await within(1_000, 'the death', connection.closed)).by).to.equal('heartbeat')
  })
})
