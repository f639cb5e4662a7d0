import { expect } from 'chai'
import { type CallOptions, CallTimeoutError, ChannelClosedError } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { ProxiedSession } from './methods-proxied.js'

/** A call of the session's channel, under a limit. */
type Call = (session: ProxiedSession, limit: CallOptions) => Promise<unknown>

const CALLS: Record<string, Call> = {
  exchangeDeclare: ({ channel, exchange }, limit) => channel.exchangeDeclare(exchange, 'fanout', limit),
  exchangeDelete: ({ channel }, limit) => channel.exchangeDelete('no such exchange', limit),
  exchangeBind: ({ channel, exchange }, limit) =>
    channel.exchangeBind(exchange, 'amq.direct', 'k', {}, limit),
  exchangeUnbind: ({ channel, exchange }, limit) =>
    channel.exchangeUnbind(exchange, 'amq.direct', 'k', {}, limit),
  queueDeclare: ({ channel, queue }, limit) => channel.queueDeclare(queue, limit),
  queueBind: ({ channel, queue, exchange }, limit) => channel.queueBind(queue, exchange, 'k', {}, limit),
  queueUnbind: ({ channel, queue, exchange }, limit) => channel.queueUnbind(queue, exchange, 'k', {}, limit),
  // Of the queue that the channel declared last.
  queuePurge: ({ channel }, limit) => channel.queuePurge('', limit),
  queueDelete: ({ channel }, limit) => channel.queueDelete('no such queue', limit),
  prefetch: ({ channel }, limit) => channel.prefetch(7, limit),
  consume: ({ channel, queue }, limit) => channel.consume(queue, limit, () => {}),
  get: ({ channel, queue }, limit) => channel.get(queue, limit),
  recover: ({ channel }, limit) => channel.recover(limit),
  confirmSelect: ({ channel }, limit) => channel.confirmSelect(limit),
  txSelect: ({ channel }, limit) => channel.txSelect(limit),
}

const WHY = new Error('no longer wanted')

describe('limits of calls, with RabbitMQ', () => {
  let session: ProxiedSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await ProxiedSession.open(3)
    await session.channel.queueDeclare()
  })

  afterEach(() => session.close())

  for (const [name, call] of Object.entries(CALLS)) {
    describe(name, () => {
      it('sends nothing under a signal that was aborted before', async () => {
        const before = session.framesSent
        expect(await rejectionOf(call(session, { signal: AbortSignal.abort(WHY) }), Error)).to.equal(WHY)
        const reason = await rejectionOf(call(session, { signal: AbortSignal.abort('words') }), Error)
        expect(reason.cause).to.equal('words')
        expect(session.framesSent).to.equal(before)
        await session.expectUsable()
      })

      it('is taken back when it is aborted while another call is answered', async () => {
        session.proxy.freeze('toClient')
        const controller = new AbortController()
        const ahead = session.channel.prefetch(5)
        const before = session.framesSent
        const aborted = call(session, { signal: controller.signal })
        controller.abort(WHY)
        expect(await rejectionOf(aborted, Error)).to.equal(WHY)
        session.proxy.thaw()
        await ahead
        await session.expectUsable()
        expect(session.framesSent - before, 'frames: the last call').to.equal(1)
      })

      it('is not waited for when it is aborted after it was sent, and its channel goes on', async () => {
        session.proxy.freeze('toClient')
        const controller = new AbortController()
        const aborted = call(session, { signal: controller.signal })
        const next = session.channel.queueDeclare(session.queue, { passive: true })
        controller.abort(WHY)
        expect(await rejectionOf(aborted, Error)).to.equal(WHY)
        expect(session.channel.state).to.equal('open')
        session.proxy.thaw()
        expect((await within(5_000, 'the next answer', next)).queue).to.equal(session.queue)
        await session.expectUsable()
      })

      it('closes its channel, and no other, when it is not answered in time', async () => {
        const other = await session.connection.openChannel()
        session.proxy.freeze('toClient')
        const error = await rejectionOf(call(session, { timeout: 40 }), CallTimeoutError)
        expect(error).to.include({ code: 'AMQP_CALL_TIMEOUT', connectionName: 'methods' })
        expect(error.message).to.include('within 40 ms')
        const reason = await within(1_000, 'the end of the channel', session.channel.closed)
        expect(reason).to.include({ by: 'timeout', method: error.method, error })
        const later = await rejectionOf(session.channel.queueDeclare(), ChannelClosedError)
        expect(later).to.include({ reason, cause: error })
        expect([session.channel.state, other.state, session.connection.state]).to.deep.equal([
          'closed',
          'open',
          'open',
        ])
        session.proxy.thaw()
        await session.expectUsable(other)
        // Its number, the only one that is left, is free when the close is answered.
        await session.connection.openChannel()
        expect((await session.openWhenPossible()).number).to.equal(session.channel.number)
      })

      it('is given up alone when its time ends before it could be sent', async () => {
        session.proxy.freeze('toClient')
        const ahead = session.channel.prefetch(5)
        const before = session.framesSent
        const error = await rejectionOf(call(session, { timeout: 40 }), CallTimeoutError)
        expect(error.message).to.include('not sent within 40 ms')
        session.proxy.thaw()
        await ahead
        await session.expectUsable()
        expect(session.framesSent - before, 'frames: the last call').to.equal(1)
      })
    })
  }
})
