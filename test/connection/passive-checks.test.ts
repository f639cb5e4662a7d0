import { expect } from 'chai'
import { ArgumentError, CallTimeoutError, ChannelClosedError } from '../../src/index.js'
import type { Method } from '../../src/protocol/method-types.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'
import { answerAll, plain } from './every-call.js'

describe('checkQueue and checkExchange', () => {
  let virtual: Awaited<ReturnType<typeof VirtualPeer.open>>
  let asked: Method[]

  beforeEach(async () => {
    virtual = await VirtualPeer.open({ connect: { heartbeat: 0 }, tune: { channelMax: 1 } })
    asked = answerAll(virtual.peer)
  })

  afterEach(async () => {
    const closing = virtual.connection.close()
    await virtual.clock.advance(6_000)
    await within(1_000, 'close()', closing)
  })

  /** The broker refuses such a declaration and closes its channel. */
  function refuse(method: 'queue.declare' | 'exchange.declare', replyCode: number): void {
    virtual.peer.on(method, ({ channelNumber }) => {
      const args = { replyCode, replyText: 'refused', classId: 0, methodId: 0 }
      virtual.peer.send(channelNumber, { name: 'channel.close', args })
    })
  }

  it('ask passively on a channel of their own, which is closed again', async () => {
    virtual.peer.on('queue.declare', ({ channelNumber, method }) => {
      asked.push(method)
      const args = { queue: 'q', messageCount: 3, consumerCount: 1 }
      virtual.peer.send(channelNumber, { name: 'queue.declare-ok', args })
    })
    const { connection } = virtual
    expect(await within(1_000, 'checkQueue', connection.checkQueue('q'))).to.deep.equal({
      queue: 'q',
      messageCount: 3,
      consumerCount: 1,
    })
    // There is one channel number: the channel of the first question must be gone.
    expect(await within(1_000, 'checkExchange', connection.checkExchange('e'))).to.equal(true)
    expect(asked.map(({ name }) => name)).to.deep.equal([
      'channel.open',
      'queue.declare',
      'channel.close',
      'channel.open',
      'exchange.declare',
      'channel.close',
    ])
    expect(plain(asked[1]?.args ?? {})).to.include({ queue: 'q', passive: true, noWait: false })
    expect(plain(asked[4]?.args ?? {})).to.include({ exchange: 'e', type: '', passive: true, noWait: false })
  })

  it('say that there is none when the broker does, again and again', async () => {
    refuse('queue.declare', 404)
    refuse('exchange.declare', 404)
    for (let times = 0; times < 3; times++) {
      expect(await within(1_000, 'checkQueue', virtual.connection.checkQueue('q'))).to.equal(undefined)
      expect(await within(1_000, 'checkExchange', virtual.connection.checkExchange('e'))).to.equal(false)
    }
    expect((await virtual.connection.openChannel()).number).to.equal(1)
  })

  for (const replyCode of [403, 405]) {
    it(`reject when the broker does not say (${replyCode})`, async () => {
      refuse('queue.declare', replyCode)
      refuse('exchange.declare', replyCode)
      const { connection } = virtual
      expect(await rejectionOf(connection.checkQueue('q'), ChannelClosedError)).to.include({ replyCode })
      expect(await rejectionOf(connection.checkExchange('e'), ChannelClosedError)).to.include({ replyCode })
    })
  }

  it('refuse what cannot be asked for, before a channel is opened', async () => {
    const { connection } = virtual
    const long = 'x'.repeat(256)
    for (const [call, path] of [
      [connection.checkQueue(''), 'queue'],
      [connection.checkQueue(long), 'queue'],
      [connection.checkQueue(5 as never), 'queue'],
      [connection.checkQueue('q', { timeout: 0 }), 'options.timeout'],
      [connection.checkQueue('q', { confirm: true } as object), 'options.confirm'],
      [connection.checkExchange(''), 'exchange'],
      [connection.checkExchange(long), 'exchange'],
      [connection.checkExchange('e', null as never), 'options'],
    ] as const) {
      expect((await rejectionOf(call, ArgumentError)).path).to.equal(path)
    }
    await virtual.clock.settle()
    expect(asked).to.deep.equal([])
  })

  it('end with their signal at once, and with their timeout, all of it together', async () => {
    const { connection, clock, peer } = virtual
    peer.on('queue.declare', () => undefined)
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = connection.checkQueue('q', { signal: controller.signal })
    await clock.settle()
    controller.abort(reason)
    expect(await rejectionOf(aborted, Error)).to.equal(reason)
    peer.send(1, { name: 'queue.declare-ok', args: { queue: 'q', messageCount: 0, consumerCount: 0 } })
    await clock.settle()

    peer.on('channel.open', ({ channelNumber }) => {
      clock.startTimer(() => peer.send(channelNumber, { name: 'channel.open-ok', args: {} }), 300)
    })
    const slow = rejectionOf(connection.checkQueue('q', { timeout: 500 }), CallTimeoutError)
    await clock.advance(500)
    expect((await slow).message).to.match(/^queue\.declare: no reply within 200 ms/)
  })
})
