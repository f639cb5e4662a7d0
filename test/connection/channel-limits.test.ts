import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import { CallTimeoutError, type Channel, ChannelClosedError } from '../../src/index.js'
import type { Method } from '../../src/protocol/method-types.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'
import { answerAll, CHANNEL_CALLS, type ChannelCall, replyTo } from './every-call.js'

const RPC_TIMEOUT_MS = 20_000

/** All calls, and the one that is two on the wire. */
const CALLS: readonly ChannelCall[] = [
  ...CHANNEL_CALLS,
  {
    name: 'consume',
    method: 'basic.consume',
    mayGoUnanswered: true,
    run: (channel, limits = {}) => channel.consume('q', { noAck: true, ...limits }),
  },
]

describe('the limits of a call', () => {
  let virtual: Awaited<ReturnType<typeof VirtualPeer.open>>
  let channel: Channel
  let asked: Method[]
  let controller: AbortController
  const reason = new Error('enough')

  beforeEach(async () => {
    virtual = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    asked = answerAll(virtual.peer)
    channel = await virtual.connection.openChannel()
    asked.length = 0
    controller = new AbortController()
  })

  afterEach(async () => {
    expect(getEventListeners(controller.signal, 'abort'), 'listeners left on the signal').to.deep.equal([])
    const closing = virtual.connection.close()
    await virtual.clock.advance(6_000)
    await within(1_000, 'close()', closing)
    expect(virtual.clock.timers).to.deep.equal([])
  })

  /** The peer no longer answers this method, but notes that it was asked. */
  function keepSilent(method: Method['name']): void {
    virtual.peer.on(method, received => void asked.push(received.method))
  }

  const askedNames = () => asked.map(({ name }) => name)

  for (const { name, method, run } of CALLS) {
    describe(`${name}`, () => {
      it('sends nothing when its signal has been aborted before, and rejects with the reason', async () => {
        const rejected = run(channel, { signal: AbortSignal.abort(reason) })
        expect(await rejectionOf(rejected, Error)).to.equal(reason)
        await virtual.clock.settle()
        expect(asked).to.deep.equal([])
        expect(channel.state).to.equal('open')
      })

      it('is never sent when the signal fires while it is queued', async () => {
        keepSilent('exchange.declare')
        const first = channel.exchangeDeclare('before', 'direct')
        const queued = run(channel, { signal: controller.signal })
        await virtual.clock.settle()
        expect(getEventListeners(controller.signal, 'abort')).to.have.length(1)
        controller.abort(reason)
        expect(await rejectionOf(queued, Error)).to.equal(reason)
        virtual.peer.send(channel.number, { name: 'exchange.declare-ok', args: {} })
        await within(1_000, 'the call before', first)
        await virtual.clock.settle()
        expect(askedNames()).to.deep.equal(['exchange.declare'])
        expect(channel.state).to.equal('open')
      })

      it('rejects when the signal fires after it was sent, and the next call waits for the late reply', async () => {
        keepSilent(method)
        const sent = run(channel, { signal: controller.signal })
        await virtual.clock.settle()
        expect(askedNames()).to.deep.equal([method])
        controller.abort('a reason that is no error')
        expect(await rejectionOf(sent, Error)).to.include({ cause: 'a reason that is no error' })
        const next = channel.queueBind('next', 'e')
        await virtual.clock.settle()
        if (method === 'queue.bind') expect(asked).to.have.length(1)
        else expect(askedNames()).to.not.include('queue.bind')
        answerAll(virtual.peer)
        virtual.peer.send(channel.number, replyTo(method))
        await within(1_000, 'the next call', next)
        expect(channel.state).to.equal('open')
      })

      it('leaves no listener behind when it is answered', async () => {
        await within(1_000, name, run(channel, { signal: controller.signal }))
        expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([])
        controller.abort(reason)
        await virtual.clock.settle()
        expect(channel.state).to.equal('open')
      })

      it('has its own timeout instead of rpcTimeout', async () => {
        keepSilent(method)
        const slow = run(channel, { timeout: 500 })
        await virtual.clock.advance(499)
        expect(channel.state).to.equal('open')
        await virtual.clock.advance(1)
        const error = await rejectionOf(slow, CallTimeoutError)
        expect(error.message).to.match(new RegExp(`^${method}: no reply within 500 ms`))
        expect(await channel.closed).to.include({ by: 'timeout', error })
      })

      it('may have a longer timeout than rpcTimeout', async () => {
        keepSilent(method)
        const slow = run(channel, { timeout: 2 * RPC_TIMEOUT_MS })
        await virtual.clock.advance(2 * RPC_TIMEOUT_MS - 1)
        expect(channel.state).to.equal('open')
        await virtual.clock.advance(1)
        await rejectionOf(slow, CallTimeoutError)
      })

      it('rejects with the end of its channel though it has a signal', async () => {
        keepSilent(method)
        const pending = run(channel, { signal: controller.signal })
        await virtual.clock.settle()
        const args = { replyCode: 404, replyText: 'NOT_FOUND', classId: 0, methodId: 0 }
        virtual.peer.send(channel.number, { name: 'channel.close', args })
        await rejectionOf(pending, ChannelClosedError)
        controller.abort(reason)
      })
    })
  }

  it('is one listener on a signal for all calls of a channel', async () => {
    keepSilent('queue.declare')
    const { signal } = controller
    const calls = Array.from({ length: 20 }, (_, n) => channel.queueDeclare(`q${n}`, { signal }))
    await virtual.clock.settle()
    expect(getEventListeners(signal, 'abort')).to.have.length(1)
    controller.abort(reason)
    for (const call of calls) expect(await rejectionOf(call, Error)).to.equal(reason)
  })

  it('of a consume that was given up leaves no consumer behind', async () => {
    keepSilent('basic.consume')
    const consume = channel.consume('q', { noAck: true, consumerTag: 'mine', signal: controller.signal })
    await virtual.clock.settle()
    controller.abort(reason)
    expect(await rejectionOf(consume, Error)).to.equal(reason)
    virtual.peer.send(channel.number, { name: 'basic.consume-ok', args: { consumerTag: 'mine' } })
    await virtual.clock.settle()
    expect(asked.at(-1)).to.deep.include({ name: 'basic.cancel' })
    await within(1_000, 'close()', channel.close())
  })
})

describe('the limits of openChannel', () => {
  const reason = new Error('enough')

  it('sends nothing when its signal has been aborted before', async () => {
    const { connection, peer, clock } = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    const asked = answerAll(peer)
    const opening = connection.openChannel({ signal: AbortSignal.abort(reason) })
    expect(await rejectionOf(opening, Error)).to.equal(reason)
    await clock.settle()
    expect(asked).to.deep.equal([])
    await within(1_000, 'close()', connection.close())
  })

  for (const [what, silent, options] of [
    ['open-ok', 'channel.open', {}],
    ['select-ok', 'confirm.select', { confirm: true }],
  ] as const) {
    it(`rejects when the signal fires before ${what}, and the channel is closed again`, async () => {
      const { connection, peer, clock } = await VirtualPeer.open({ connect: { heartbeat: 0 } })
      const asked = answerAll(peer)
      peer.on(silent, ({ method }) => void asked.push(method))
      const controller = new AbortController()
      const opening = connection.openChannel({ ...options, signal: controller.signal })
      await clock.settle()
      expect(asked.at(-1)?.name).to.equal(silent)
      controller.abort(reason)
      expect(await rejectionOf(opening, Error)).to.equal(reason)
      peer.send(1, replyTo(silent))
      await clock.settle()
      expect(asked.map(({ name }) => name)).to.include('channel.close')
      expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([])
      await within(1_000, 'close()', connection.close())
    })

    it(`gives up when ${what} does not come within its timeout, all of it together`, async () => {
      const { connection, peer, clock } = await VirtualPeer.open({ connect: { heartbeat: 0 } })
      answerAll(peer)
      peer.on('channel.open', ({ channelNumber }) => {
        if (silent === 'confirm.select') {
          clock.startTimer(() => peer.send(channelNumber, replyTo('channel.open')), 300)
        }
      })
      if (silent === 'confirm.select') peer.on(silent, () => undefined)
      const opening = connection.openChannel({ ...options, timeout: 500 })
      const outcome = rejectionOf(opening, CallTimeoutError)
      await clock.advance(499)
      expect(clock.timers).to.not.deep.equal([])
      await clock.advance(1)
      await clock.settle()
      await outcome
      const closing = connection.close()
      await clock.advance(6_000)
      await within(1_000, 'close()', closing)
    })
  }
})
