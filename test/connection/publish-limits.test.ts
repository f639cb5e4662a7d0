import { getEventListeners } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import {
  ArgumentError,
  CallTimeoutError,
  type Channel,
  ChannelClosedError,
  PublishesFailedError,
  UnconfirmedError,
} from '../../src/index.js'
import type { Method } from '../../src/protocol/method-types.js'
import { grows } from '../support/invariants/index.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'
import { answerAll } from './every-call.js'

const KIB = 1024

describe('the limits of a publish', () => {
  let virtual: Awaited<ReturnType<typeof VirtualPeer.open>>
  let asked: Method[]
  let controller: AbortController
  const reason = new Error('enough')

  beforeEach(async () => {
    virtual = await VirtualPeer.open({ connect: { heartbeat: 0, highWaterMark: 512 * KIB } })
    asked = answerAll(virtual.peer)
    virtual.peer.on('basic.publish', ({ method }) => void asked.push(method))
    controller = new AbortController()
  })

  afterEach(async () => {
    virtual.peer.socket.resume()
    expect(listeners(), 'listeners left on the signal').to.equal(0)
    const closing = virtual.connection.close()
    await virtual.clock.advance(6_000)
    await within(1_000, 'close()', closing)
    expect(virtual.clock.timers).to.deep.equal([])
  })

  const listeners = (): number => getEventListeners(controller.signal, 'abort').length
  /** Those of a publish; the connection's own is set for later. */
  const ownTimers = () => virtual.clock.timers.filter(delayMs => delayMs < 10_000)
  const published = (): number => asked.filter(({ name }) => name === 'basic.publish').length

  function confirm(channel: Channel, deliveryTag: number, multiple = false): void {
    virtual.peer.send(channel.number, { name: 'basic.ack', args: { deliveryTag, multiple } })
  }

  for (const confirms of [true, false]) {
    it(`sends nothing when the signal has been aborted before, on a ${confirms ? 'confirm' : 'plain'} channel`, async () => {
      const channel = await virtual.connection.openChannel({ confirm: confirms })
      const publish = channel.publish('e', 'k', 'x', { signal: AbortSignal.abort(reason) })
      const error = await rejectionOf(publish, UnconfirmedError)
      expect(error).to.include({ outcome: 'not-sent', cause: reason, exchange: 'e', routingKey: 'k' })
      const odd = channel.publish('e', 'k', 'x', { signal: AbortSignal.abort('why not') })
      const { cause } = await rejectionOf(odd, UnconfirmedError)
      expect(cause).to.be.instanceOf(Error).and.to.include({ cause: 'why not' })
      await virtual.clock.settle()
      expect(published()).to.equal(0)
    })
  }

  describe('on a confirm channel', () => {
    let channel: Channel

    beforeEach(async () => {
      channel = await virtual.connection.openChannel({ confirm: true, maxUnconfirmed: 2 })
    })

    it('resolves like any other when it is confirmed, and leaves no listener behind', async () => {
      const publish = channel.publish('e', 'k', 'x', { signal: controller.signal, timeout: 50 })
      await virtual.clock.settle()
      expect(listeners()).to.equal(1)
      confirm(channel, 1)
      await within(1_000, 'the publish', publish)
      expect(listeners()).to.equal(0)
    })

    it('rejects all that share a signal, and says of each whether it was sent', async () => {
      const { signal } = controller
      const publishes = Array.from({ length: 4 }, () => channel.publish('e', 'k', 'x', { signal }))
      const another = channel.publish('e', 'k', 'x')
      await virtual.clock.settle()
      expect(listeners()).to.equal(1)
      controller.abort(reason)
      const errors = await Promise.all(publishes.map(publish => rejectionOf(publish, UnconfirmedError)))
      expect(errors.map(({ outcome }) => outcome)).to.deep.equal([
        'unknown',
        'unknown',
        'not-sent',
        'not-sent',
      ])
      for (const error of errors) expect(error.cause).to.equal(reason)
      confirm(channel, 2, true)
      await virtual.clock.settle()
      confirm(channel, 3)
      await within(1_000, 'the publish without a signal', another)
      expect(published()).to.equal(3)
    })

    it('rejects after its own timeout, sent or not', async () => {
      const [first, second] = [
        channel.publish('e', 'k', '1'),
        channel.publish('e', 'k', '2', { timeout: 100 }),
      ]
      const third = channel.publish('e', 'k', '3', { timeout: 200 })
      const outcomes = [
        rejectionOf(second, UnconfirmedError).then(({ outcome, message }) => ({ outcome, message })),
        rejectionOf(third, UnconfirmedError).then(({ outcome, message }) => ({ outcome, message })),
      ]
      await virtual.clock.advance(200)
      const [late, unsent] = await Promise.all(outcomes)
      expect(late).to.include({ outcome: 'unknown' })
      expect(late?.message).to.include('no confirm within 100 ms')
      expect(unsent).to.include({ outcome: 'not-sent' })
      expect(unsent?.message).to.include('200 ms')
      confirm(channel, 2, true)
      await within(1_000, 'the first publish', first)
    })

    it('refuses limits that are none, by their path', async () => {
      for (const [given, path] of [
        [{ timeout: 0 }, 'options.timeout'],
        [{ timeout: '5' }, 'options.timeout'],
        [{ signal: {} }, 'options.signal'],
        [{ signal: null }, 'options.signal'],
      ] as const) {
        const error = await rejectionOf(channel.publish('e', 'k', 'x', given as object), ArgumentError)
        expect(error.path).to.equal(path)
      }
    })
  })

  it('is one listener for a hundred thousand publishes', async function () {
    // Looking at all of them for each of them would take longer.
    this.timeout(60_000)
    const channel = await virtual.connection.openChannel({ confirm: true, maxUnconfirmed: 10 })
    const options = { signal: controller.signal }
    const publishes = Array.from({ length: 100_000 }, () => channel.publish('e', 'k', '', options))
    const settled = Promise.allSettled(publishes)
    expect(listeners()).to.equal(1)
    await virtual.clock.settle()
    controller.abort(reason)
    const statuses = await settled
    expect(new Set(statuses.map(({ status }) => status))).to.deep.equal(new Set(['rejected']))
  })

  describe('on a plain channel', () => {
    let channel: Channel

    beforeEach(async () => {
      channel = await virtual.connection.openChannel()
    })

    /** The peer stops reading, and as much is published as makes publishes wait. */
    async function fill(): Promise<void> {
      virtual.peer.socket.pause()
      void channel.publish('', 'q', Buffer.alloc(600 * KIB))
      await virtual.clock.settle()
    }

    /**
     * The peer stops reading, and so much is on its way that what is published now is accepted, and its publisher waits. The
     * last publish before that.
     */
    async function holdUp(): Promise<{ readonly last: Promise<void> }> {
      virtual.peer.socket.pause()
      let last = Promise.resolve()
      for (let turn = 0; turn < 2; turn++) {
        for (let n = 0; n < 10; n++) last = channel.publish('', 'q', Buffer.alloc(30 * KIB))
        if (turn === 0) await virtual.clock.settle()
      }
      return { last }
    }

    it('resolves at once as long as there is room, and listens to nothing', async () => {
      const publish = channel.publish('e', 'k', 'x', { signal: controller.signal, timeout: 50 })
      expect(listeners()).to.equal(0)
      await within(1_000, 'the publish', publish)
      expect(ownTimers()).to.deep.equal([])
    })

    it('rejects by itself when it waits in the queue: the others go on waiting', async () => {
      await fill()
      const shared = channel.publish('', 'q', 'shared')
      const own = channel.publish('', 'q', 'own', { signal: controller.signal })
      const slow = channel.publish('', 'q', 'slow', { timeout: 100 })
      expect(own).to.not.equal(shared)
      controller.abort(reason)
      expect(await rejectionOf(own, UnconfirmedError)).to.include({ outcome: 'not-sent', cause: reason })
      const late = rejectionOf(slow, UnconfirmedError)
      await virtual.clock.advance(100)
      expect(await late).to.include({ outcome: 'not-sent' })
      virtual.peer.socket.resume()
      await within(1_000, 'the publish that shares its wait', shared)
      await virtual.clock.settle()
      expect(published()).to.equal(2)
    })

    it('resolves when it has waited in the queue and goes', async () => {
      await fill()
      const own = channel.publish('', 'q', 'own', { signal: controller.signal, timeout: 1_000 })
      virtual.peer.socket.resume()
      await within(1_000, 'the publish', own)
      await virtual.clock.settle()
      expect(published()).to.equal(2)
    })

    it('rejects as unknown when it was accepted and only its publisher waits for room', async () => {
      const { last: shared } = await holdUp()
      const own = channel.publish('e', 'k', 'own', { signal: controller.signal })
      const slow = channel.publish('e', 'k', 'slow', { timeout: 100 })
      await virtual.clock.settle()
      controller.abort(reason)
      expect(await rejectionOf(own, UnconfirmedError)).to.include({
        outcome: 'unknown',
        cause: reason,
        exchange: 'e',
        routingKey: 'k',
      })
      const late = rejectionOf(slow, UnconfirmedError)
      await virtual.clock.advance(100)
      const error = await late
      expect(error.outcome).to.equal('unknown')
      expect(error.message).to.include('no room to send more within 100 ms')
      virtual.peer.socket.resume()
      await within(1_000, 'the publish that shares its wait', shared)
      await virtual.clock.settle()
      expect(published()).to.equal(22)
    })

    it('resolves when its publisher has waited for room and there is', async () => {
      const own = channel.publish('', 'q', Buffer.alloc(300 * KIB), {
        signal: controller.signal,
        timeout: 50,
      })
      expect(listeners()).to.equal(1)
      await virtual.clock.settle()
      await within(1_000, 'the publish', own)
      expect(listeners()).to.equal(0)
      expect(ownTimers()).to.deep.equal([])
    })

    it('rejects with the end of the connection when that comes first', async () => {
      await fill()
      const own = channel.publish('', 'q', 'own', { signal: controller.signal, timeout: 100 })
      virtual.stream.destroy()
      await rejectionOf(own, Error)
      expect(virtual.clock.timers).to.deep.equal([])
    })
  })
})

describe('waitForConfirms', () => {
  let virtual: Awaited<ReturnType<typeof VirtualPeer.open>>
  let channel: Channel

  beforeEach(async () => {
    virtual = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    answerAll(virtual.peer)
    channel = await virtual.connection.openChannel({ confirm: true })
  })

  afterEach(async () => {
    const closing = virtual.connection.close()
    await virtual.clock.advance(6_000)
    await within(1_000, 'close()', closing)
    expect(virtual.clock.timers).to.deep.equal([])
  })

  function settle(name: 'basic.ack' | 'basic.nack', deliveryTag: number): void {
    const args = { deliveryTag, multiple: true, requeue: false }
    virtual.peer.send(channel.number, { name, args } as Method)
  }

  it('resolves at once when nothing was published', async () => {
    expect(await within(1_000, 'the wait', channel.waitForConfirms())).to.equal(undefined)
  })

  it('resolves when all that was published before is confirmed, and not before', async () => {
    void channel.publish('e', 'k', '1')
    void channel.publish('e', 'k', '2')
    let isOver = false
    const wait = channel.waitForConfirms().then(() => {
      isOver = true
    })
    const after = channel.publish('e', 'k', '3')
    settle('basic.ack', 1)
    await virtual.clock.settle()
    expect(isOver).to.equal(false)
    settle('basic.ack', 2)
    await within(1_000, 'the wait', wait)
    settle('basic.ack', 3)
    await within(1_000, 'the publish after it', after)
  })

  it('rejects when some of it was not, once', async () => {
    const [good, bad] = [channel.publish('e', 'k', '1'), channel.publish('e', 'k', '2')]
    settle('basic.ack', 1)
    settle('basic.nack', 2)
    const error = await rejectionOf(channel.waitForConfirms(), PublishesFailedError)
    expect(error).to.include({ code: 'AMQP_PUBLISHES_FAILED', failed: 1 })
    expect(error.cause).to.equal(await rejectionOf(bad, Error))
    await good
    await within(1_000, 'the second wait', channel.waitForConfirms())
  })

  it('ends with its signal and with its timeout, and the channel goes on', async () => {
    const publish = channel.publish('e', 'k', '1')
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = channel.waitForConfirms({ signal: controller.signal })
    const slow = rejectionOf(channel.waitForConfirms({ timeout: 100 }), CallTimeoutError)
    await virtual.clock.settle()
    controller.abort(reason)
    expect(await rejectionOf(aborted, Error)).to.equal(reason)
    await virtual.clock.advance(100)
    expect((await slow).message).to.equal('waitForConfirms: not all publishes were confirmed within 100 ms')
    expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([])
    const before = channel.waitForConfirms({ signal: AbortSignal.abort(reason) })
    expect(await rejectionOf(before, Error)).to.equal(reason)
    const last = channel.waitForConfirms({ timeout: 1_000 })
    settle('basic.ack', 1)
    await within(1_000, 'the publish', publish)
    await within(1_000, 'the last wait', last)
    expect(virtual.clock.timers.filter(delayMs => delayMs < 10_000)).to.deep.equal([])
  })

  it('leaves nothing behind of publishes with a timeout that were refused, though nothing is sent', async () => {
    const headers = { a: Symbol('no field') as never }
    const refused = async (): Promise<void> => {
      await rejectionOf(channel.publish('e', 'k', '', { headers, timeout: 10_000 }), ArgumentError)
      await nextTurn()
    }
    await grows(refused, { times: 20_000, maxOctets: 600_000 })
  })

  it('rejects on a channel that does not confirm, and on one that is closed', async () => {
    const plain = await virtual.connection.openChannel()
    await rejectionOf(plain.waitForConfirms(), ArgumentError)
    await rejectionOf(plain.waitForConfirms({ timeout: -1 }), ArgumentError)
    await channel.close()
    await rejectionOf(channel.waitForConfirms(), ChannelClosedError)
  })
})
