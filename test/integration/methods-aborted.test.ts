import { expect } from 'chai'
import {
  type CallOptions,
  CallTimeoutError,
  type Channel,
  ChannelLimitError,
  PublishesFailedError,
  UnconfirmedError,
} from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { ProxiedSession } from './methods-proxied.js'

const WHY = new Error('no longer wanted')

describe('what is given up, with RabbitMQ', () => {
  let session: ProxiedSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await ProxiedSession.open(4)
  })

  afterEach(() => session.close())

  it('consume, aborted before its prefetch was answered, is never sent', async () => {
    session.proxy.freeze('toClient')
    const controller = new AbortController()
    const before = session.framesSent
    const aborted = session.channel.consume(session.queue, { signal: controller.signal, prefetch: 3 })
    controller.abort(WHY)
    expect(await rejectionOf(aborted, Error)).to.equal(WHY)
    session.proxy.thaw()
    await session.expectUsable()
    expect(session.framesSent - before, 'frames: qos and the last call').to.equal(2)
  })

  for (const noAck of [false, true]) {
    it(`consume, aborted after it was sent, leaves no consumer${noAck ? ', without acknowledgements too' : ', and gives back what it was sent'}`, async () => {
      const target = noAck
        ? (await session.direct.channel.queueDeclare(session.direct.name())).queue
        : session.queue
      session.proxy.delay(150, 'toClient')
      const controller = new AbortController()
      const before = session.framesSent
      const aborted = session.channel.consume(target, { signal: controller.signal, noAck }, () =>
        expect.fail('a delivery'),
      )
      aborted.catch(() => {})
      await until(5_000, 'basic.consume, sent', () => session.framesSent - before === (noAck ? 1 : 2))
      // The broker has a consumer, and whatever it sends to it is on its way.
      const consumerCount = async (): Promise<number | undefined> =>
        (await session.direct.connection.checkQueue(target))?.consumerCount
      await until(5_000, 'the consumer', async () => (await consumerCount()) === 1)
      controller.abort(WHY)
      expect(await rejectionOf(aborted, Error)).to.equal(WHY)
      await until(5_000, 'its end', async () => (await consumerCount()) === 0)
      session.proxy.clear()
      await session.expectUsable()
      // Its tag is free.
      const consumer = await session.channel.consume(target, { consumerTag: 'thump-1' }, delivery =>
        delivery.ack(),
      )
      await consumer.cancel()
    })
  }

  it('get, aborted after it was sent, gives its message back', async () => {
    session.proxy.freeze('toClient')
    const controller = new AbortController()
    const aborted = session.channel.get(session.queue, { signal: controller.signal })
    await until(
      5_000,
      'the message, taken',
      async () => (await session.direct.messagesIn(session.queue)) === 2,
    )
    controller.abort(WHY)
    expect(await rejectionOf(aborted, Error)).to.equal(WHY)
    expect(await session.direct.messagesIn(session.queue)).to.equal(2)
    session.proxy.thaw()
    await session.expectUsable()
    const delivery = await session.channel.get(session.queue)
    expect([String(delivery?.body), delivery?.redelivered]).to.deep.equal(['0', true])
    expect(delivery?.nack({ requeue: true })).to.equal(true)
    await session.expectUsable()
  })

  it('cancel, not answered in time, says so; the consumer ends with the answer', async () => {
    const consumer = await session.channel.consume(
      session.queue,
      { prefetch: 1, autoSettle: false },
      () => {},
    )
    session.proxy.freeze('toClient')
    const reason = await within(1_000, 'the end of the wait', consumer.cancel({ timeout: 40 }))
    expect(reason.by).to.equal('client')
    expect(reason.text).to.include('not complete within 40 ms: no answer')
    expect(session.channel.state).to.equal('open')
    session.proxy.thaw()
    expect(await within(5_000, 'its end', consumer.closed)).to.deep.equal({ by: 'client' })
    await session.channel.recover()
    await session.expectUsable()
  })

  it('txCommit, aborted after it was sent, commits, and what is issued behind it is part of the next', async () => {
    const { channel, queue, direct, proxy } = session
    await channel.txSelect()
    const delivery = await channel.get(queue)
    await channel.publish('', queue, 'first')
    proxy.freeze('toClient')
    const controller = new AbortController()
    const commit = channel.txCommit({ signal: controller.signal })
    await until(5_000, 'the commit', async () => (await direct.messagesIn(queue)) === 3)
    controller.abort(WHY)
    expect(await rejectionOf(commit, Error)).to.equal(WHY)
    void channel.publish('', queue, 'second')
    expect(delivery?.ack()).to.equal(true)
    const rollback = channel.txRollback()
    proxy.thaw()
    await within(5_000, 'the rollback', rollback)
    expect(delivery?.state).to.equal('unsettled')
    expect(delivery?.ack()).to.equal(true)
    await within(5_000, 'a commit', channel.txCommit())
    await session.expectUsable()
  })

  it('txCommit that is not answered in time closes its channel; nobody can say whether it has committed', async () => {
    const { channel, queue, direct, proxy } = session
    await channel.txSelect()
    await channel.publish('', queue, 'x')
    proxy.freeze('toClient')
    const published = channel.publish('', queue, 'y')
    const error = await rejectionOf(channel.txCommit({ timeout: 40 }), CallTimeoutError)
    expect(error.method).to.equal('tx.commit')
    expect(await channel.closed).to.include({ by: 'timeout', error })
    await published
    await until(5_000, 'the commit', async () => (await direct.messagesIn(queue)) === 5)
    expect(session.connection.state).to.equal('open')
  })

  describe('openChannel', () => {
    it('sends nothing under a signal that was aborted before', async () => {
      const before = session.framesSent
      const opening = session.connection.openChannel({ signal: AbortSignal.abort(WHY) })
      expect(await rejectionOf(opening, Error)).to.equal(WHY)
      expect(session.framesSent).to.equal(before)
    })

    for (const confirm of [false, true]) {
      it(`${confirm ? 'with confirms ' : ''}leaves no channel when it is aborted or not answered in time`, async () => {
        // Besides the channel that there is, one may be open.
        await session.close()
        session = await ProxiedSession.open(2)
        for (const limit of ['signal', 'timeout'] as const) {
          session.proxy.freeze('toClient')
          const controller = new AbortController()
          const options = limit === 'signal' ? { signal: controller.signal } : { timeout: 40 }
          const opening = session.connection.openChannel({ confirm, ...options })
          controller.abort(WHY)
          const error = await rejectionOf(opening, Error)
          if (limit === 'signal') expect(error).to.equal(WHY)
          else expect(error).to.be.instanceOf(CallTimeoutError).and.include({ method: 'channel.open' })
          await rejectionOf(session.connection.openChannel(), ChannelLimitError)
          session.proxy.thaw()
          await (await session.openWhenPossible()).close()
        }
      })
    }

    it('with confirms leaves none either when it is the confirms that are not answered', async () => {
      await session.close()
      session = await ProxiedSession.open(2)
      session.proxy.delay(150, 'toClient')
      const controller = new AbortController()
      const before = session.framesSent
      const opening = session.connection.openChannel({ confirm: true, signal: controller.signal })
      opening.catch(() => {})
      await until(5_000, 'confirm.select, sent', () => session.framesSent - before === 2)
      controller.abort(WHY)
      expect(await rejectionOf(opening, Error)).to.equal(WHY)
      session.proxy.clear()
      await (await session.openWhenPossible()).close()
    })
  })

  it('checkQueue, checkExchange and updateSecret end as their limits say, and the connection goes on', async () => {
    const { connection } = session
    const asks: ((limit: CallOptions) => Promise<unknown>)[] = [
      limit => connection.checkQueue(session.queue, limit),
      limit => connection.checkExchange('amq.direct', limit),
      limit => connection.updateSecret('guest', 'a test', limit),
    ]
    for (const ask of asks) {
      expect(await rejectionOf(ask({ signal: AbortSignal.abort(WHY) }), Error)).to.equal(WHY)
      session.proxy.freeze('toClient')
      const controller = new AbortController()
      const aborted = ask({ signal: controller.signal })
      controller.abort(WHY)
      expect(await rejectionOf(aborted, Error)).to.equal(WHY)
      await rejectionOf(ask({ timeout: 40 }), CallTimeoutError)
      session.proxy.thaw()
      await within(5_000, 'an answer', ask({}))
    }
    expect(connection.state).to.equal('open')
  })

  describe('publish', () => {
    let confirming: Channel

    beforeEach(async () => {
      confirming = await session.connection.openChannel({ confirm: true, maxUnconfirmed: 1 })
    })

    it('sends nothing under a signal that was aborted before', async () => {
      const before = session.framesSent
      for (const each of [session.channel, confirming]) {
        const error = await rejectionOf(
          each.publish('', session.queue, 'x', { signal: AbortSignal.abort(WHY) }),
          UnconfirmedError,
        )
        expect(error).to.include({ outcome: 'not-sent', cause: WHY, exchange: '', routingKey: session.queue })
      }
      expect(session.framesSent).to.equal(before)
    })

    for (const limit of ['signal', 'timeout'] as const) {
      it(`is taken back by a ${limit} while it waits, and unknown once it is sent`, async () => {
        session.proxy.freeze('toClient')
        const controller = new AbortController()
        const options = limit === 'signal' ? { signal: controller.signal } : { timeout: 60 }
        const [sent, waits] = ['sent', 'waits'].map(body =>
          confirming.publish('', session.queue, body, options),
        )
        const counted = confirming.waitForConfirms()
        if (limit === 'signal') {
          await until(
            5_000,
            'the first message',
            async () => (await session.direct.messagesIn(session.queue)) === 4,
          )
          controller.abort(WHY)
        }
        expect(await rejectionOf(sent ?? counted, UnconfirmedError)).to.include({ outcome: 'unknown' })
        expect(await rejectionOf(waits ?? counted, UnconfirmedError)).to.include({ outcome: 'not-sent' })
        expect((await rejectionOf(counted, PublishesFailedError)).failed).to.equal(2)
        session.proxy.thaw()
        // The late confirm is nobody's; what comes next has its own.
        await within(5_000, 'the next confirm', confirming.publish('', session.queue, 'next'))
        const bodies: string[] = []
        for (let each = 0; each < 6; each++) {
          const delivery = await session.channel.get(session.queue, { noAck: true })
          if (delivery !== undefined) bodies.push(String(delivery.body))
        }
        expect(bodies).to.deep.equal(['0', '1', '2', 'sent', 'next'])
      })
    }

    it('is waited for no longer than waitForConfirms is told, and may still be confirmed', async () => {
      session.proxy.freeze('toClient')
      const published = confirming.publish('', session.queue, 'x')
      await rejectionOf(confirming.waitForConfirms({ timeout: 40 }), CallTimeoutError)
      const controller = new AbortController()
      const aborted = confirming.waitForConfirms({ signal: controller.signal })
      controller.abort(WHY)
      expect(await rejectionOf(aborted, Error)).to.equal(WHY)
      session.proxy.thaw()
      await within(5_000, 'the confirm', published)
      await confirming.waitForConfirms()
    })
  })
})
