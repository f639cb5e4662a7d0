import { inspect } from 'node:util'
import { expect } from 'chai'
import {
  ArgumentError,
  type Channel,
  ChannelClosedError,
  ChannelLimitError,
  ConnectionClosedError,
  Delivery,
  type ReturnedMessage,
  UnconfirmedError,
} from '../../src/index.js'
import { expectWarning } from '../support/invariants/index.js'
import { FakeLife } from '../support/peer/fake-life.js'
import { ScriptedSession } from '../support/peer/scripted-session.js'
import { rejectionOf, thrownBy } from '../support/rejection.js'

describe('Channel', () => {
  let session: ScriptedSession

  beforeEach(async () => {
    session = await ScriptedSession.open({ closeTimeout: 300, connectionName: 'billing' }, { channelMax: 2 })
  })

  afterEach(() => session.close())

  function open(): Promise<Channel> {
    return session.connection.openChannel()
  }

  /** The server closes the channel as it does for an entity that does not exist. */
  function closeByServer(channel: Channel): void {
    const args = { replyCode: 404, replyText: "NOT_FOUND - no queue 'q'", classId: 50, methodId: 10 }
    session.peer.send(channel.number, { name: 'channel.close', args })
  }

  it('opens with a number of its own', async () => {
    const [first, second] = [await open(), await open()]
    expect([first.number, second.number]).to.deep.equal([1, 2])
    expect(first.state).to.equal('open')
  })

  it('is refused, with nothing sent, when all numbers are in use, and opens again when one is free', async () => {
    const first = await open()
    await open()
    const before = session.connection.stats.framesSent
    const error = await rejectionOf(open(), ChannelLimitError)
    expect(error).to.include({ code: 'AMQP_CHANNEL_LIMIT', connectionName: 'billing' })
    expect(error.message).to.include('2 channels')
    expect(session.connection.stats.framesSent).to.equal(before)
    await first.close()
    expect((await open()).number).to.equal(1)
  })

  it('closes, and says that it was asked to', async () => {
    const channel = await open()
    const closing = channel.close()
    expect(channel.state).to.equal('closing')
    expect(await closing).to.deep.equal({ by: 'client' })
    expect(await channel.closed).to.deep.equal({ by: 'client' })
    expect(channel.state).to.equal('closed')
  })

  it('closes once, however often it is asked', async () => {
    let closes = 0
    session.peer.on('channel.close', ({ channelNumber }) => {
      closes++
      session.peer.send(channelNumber, { name: 'channel.close-ok', args: {} })
    })
    const channel = await open()
    const reasons = await Promise.all([channel.close(), channel.close(), channel[Symbol.asyncDispose]()])
    await channel.close()
    expect(reasons[0]).to.equal(reasons[1])
    expect(closes).to.equal(1)
  })

  it('takes nothing more once it closes', async () => {
    const channel = await open()
    const closing = channel.close()
    const errors = [
      await rejectionOf(channel.queueDeclare('q'), ChannelClosedError),
      await rejectionOf(channel.publish('', 'q', 'x'), ChannelClosedError),
      await rejectionOf(channel.consume('q'), ChannelClosedError),
      await rejectionOf(channel.get('q'), ChannelClosedError),
    ]
    for (const error of errors) expect(error.reason).to.include({ by: 'client' })
    expect(errors.map(error => error.method)).to.deep.equal([
      'queue.declare',
      'basic.publish',
      'basic.consume',
      'basic.get',
    ])
    await closing
    expect((await rejectionOf(channel.publish('', 'q', 'x'), ChannelClosedError)).reason.by).to.equal(
      'client',
    )
  })

  it('sends what was issued before it was closed', async () => {
    const channel = await open()
    const declared = channel.queueDeclare('q')
    void channel.publish('', 'q', 'last words')
    const closing = channel.close()
    expect((await declared).queue).to.equal('q')
    const { content } = await session.peer.expect('basic.publish')
    expect(content?.body.toString()).to.equal('last words')
    await closing
  })

  it('gives up closing when the server does not answer, and says so', async () => {
    const channel = await open()
    session.peer.on('channel.close', () => {})
    const reason = await channel.close()
    expect(reason).to.include({ by: 'client' })
    expect(reason.text).to.match(/not closed within 300 ms/)
    expect(reason.error).to.include({ code: 'AMQP_CLOSE_TIMEOUT' })
    expect(session.connection.state).to.equal('open')
  })

  describe('closed by the server', () => {
    it('rejects all that was pending, with code, text and method', async () => {
      const channel = await session.connection.openChannel({ confirm: true })
      session.peer.on('queue.declare', () => closeByServer(channel))
      const published = channel.publish('', 'q', 'x')
      const [call, queued, consuming, getting] = [
        channel.queueDeclare('q'),
        channel.queueDelete('q'),
        channel.consume('q'),
        channel.get('q'),
      ]
      const late = channel.publish('', 'q', 'behind the calls')
      const details = {
        replyCode: 404,
        replyText: "NOT_FOUND - no queue 'q'",
        method: 'queue.declare',
        connectionName: 'billing',
      }
      const { reason } = await rejectionOf(call, ChannelClosedError)
      expect(reason).to.include({
        by: 'server',
        code: 404,
        method: 'queue.declare',
        classId: 50,
        methodId: 10,
      })
      for (const pending of [call, queued, consuming, getting]) {
        const error = await rejectionOf(pending, ChannelClosedError)
        expect(error).to.include(details)
        expect(error.reason).to.equal(reason)
        expect(error.localPort).to.be.a('number')
      }
      for (const [pending, outcome] of [
        [published, 'unknown'],
        [late, 'not-sent'],
      ] as const) {
        const error = await rejectionOf(pending, UnconfirmedError)
        expect(error).to.include({ ...details, outcome })
        expect(error.cause).to.equal(reason.error)
      }
      expect(await channel.closed).to.equal(reason)
      await session.peer.expect('channel.close-ok')
    })

    it('harms nobody when nobody awaits anything', async () => {
      const channel = await session.connection.openChannel({ confirm: true })
      const other = await open()
      session.peer.on('queue.declare', () => closeByServer(channel))
      void channel.publish('', 'q', 'x')
      void channel.queueDeclare('q')
      void channel.consume('q', () => {})
      void channel.queueDelete('q')
      await channel.closed
      void channel.queueDelete('q')
      void channel.publish('', 'q', 'x')
      void session.connection.openChannel()
      await other.exchangeDeclare('e', 'direct')
    })

    it('says to whoever uses it afterwards why it is gone', async () => {
      const channel = await open()
      closeByServer(channel)
      const reason = await channel.closed
      const error = await rejectionOf(channel.publish('', 'q', 'x'), ChannelClosedError)
      expect(error).to.include({ replyCode: 404, method: 'queue.declare', cause: reason.error })
      expect(error.message).to.include('closed by the server: 404 NOT_FOUND')
      expect(await channel.close()).to.equal(reason)
    })

    it('ends its consumers for the same reason', async () => {
      const channel = await open()
      const consumers = [await channel.consume('q'), await channel.consume('q', () => {})]
      closeByServer(channel)
      const reason = await channel.closed
      for (const consumer of consumers) expect(await consumer.closed).to.equal(reason)
    })

    it('leaves connection and other channels alone, and its number is used again', async () => {
      const [channel, other] = [await open(), await open()]
      closeByServer(channel)
      await channel.closed
      await other.exchangeDeclare('e', 'direct')
      expect(session.connection.state).to.equal('open')
      expect((await open()).number).to.equal(channel.number)
    })
  })

  it('ends with its connection, for the same reason', async () => {
    const channel = await open()
    const consumer = await channel.consume('q')
    const pending = channel.publish('', 'q', 'x')
    session.peer.socket.resetAndDestroy()
    const reason = await session.connection.closed
    expect(reason.by).to.equal('transport')
    expect(await channel.closed).to.equal(reason)
    expect(await consumer.closed).to.equal(reason)
    await pending
    const error = await rejectionOf(channel.queueDeclare('q'), ChannelClosedError)
    expect(error.cause).to.equal(reason.error)
    expect((await rejectionOf(open(), ConnectionClosedError)).reason).to.equal(reason)
  })

  it('is not opened on a connection that closes', async () => {
    const closing = session.connection.close()
    const error = await rejectionOf(open(), ConnectionClosedError)
    expect(error.reason).to.include({ by: 'client' })
    await closing
    expect(session.connection.state).to.equal('closed')
  })

  it('closes itself when a body is larger than maxMessageSize, and the connection lives', async () => {
    await session.close()
    session = await ScriptedSession.open({ maxMessageSize: 10 })
    const [channel, other] = [await open(), await open()]
    const consumer = await channel.consume('q')
    const args = {
      consumerTag: consumer.consumerTag,
      deliveryTag: 1,
      redelivered: false,
      exchange: '',
      routingKey: 'q',
    }
    session.peer.sendContent(channel.number, { name: 'basic.deliver', args }, Buffer.alloc(10_000))
    expect(await channel.closed).to.include({ by: 'protocol', code: 311 })
    await other.exchangeDeclare('e', 'direct')
  })

  it('tells of messages that come back', async () => {
    const channel = await open()
    const returned = new Promise<ReturnedMessage>(resolve => channel.once('returned', resolve))
    const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange: 'e', routingKey: 'k' }
    session.peer.sendContent(channel.number, { name: 'basic.return', args }, Buffer.from('x'), {
      messageId: '1',
    })
    const { body, properties, ...rest } = await returned
    expect(rest).to.deep.equal(args)
    expect(body.toString()).to.equal('x')
    expect(properties).to.deep.equal({ messageId: '1' })
  })

  it('survives listeners that throw', async () => {
    const channel = await open()
    channel.on('returned', () => {
      throw new Error('listener is broken')
    })
    expectWarning(/a listener of 'returned' threw: Error: listener is broken/)
    const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange: 'e', routingKey: 'k' }
    session.peer.sendContent(channel.number, { name: 'basic.return', args }, Buffer.from('x'))
    await channel.exchangeDeclare('e', 'direct')
  })

  it('settles deliveries, and nothing but deliveries', async () => {
    const channel = await open()
    const life = new FakeLife()
    const delivery = (): Delivery => new Delivery(life.incoming(), () => {})
    expect(channel.ack(delivery())).to.equal(true)
    expect(channel.ack(delivery(), { multiple: true })).to.equal(true)
    expect(channel.nack(delivery(), { requeue: true, multiple: true })).to.equal(true)
    const settled = delivery()
    settled.ack()
    expect(channel.ack(settled)).to.equal(false)
    expect(life.settlements.map(({ kind }) => kind)).to.deep.equal(['ack', 'ack', 'nack', 'ack'])
    for (const tag of [1, '1', 1n, undefined, null, { deliveryTag: 1 }]) {
      for (const settle of ['ack', 'nack'] as const) {
        const error = thrownBy(() => channel[settle](tag as never), ArgumentError)
        expect(error.path).to.equal('delivery')
        expect(error.message).to.match(/a delivery tag alone does not say/)
      }
    }
  })

  it('cancels consumers, and nothing but consumers', async () => {
    const channel = await open()
    const consumer = await channel.consume('q')
    expect(await channel.cancel(consumer)).to.deep.equal({ by: 'client' })
    for (const odd of [consumer.consumerTag, undefined, {}]) {
      expect((await rejectionOf(channel.cancel(odd as never), ArgumentError)).path).to.equal('consumer')
    }
  })

  it('can be inspected', async () => {
    const channel = await open()
    expect(inspect(channel, { depth: Number.POSITIVE_INFINITY }).length).to.be.below(1000)
    expect(JSON.stringify(channel)).to.be.a('string')
  })
})
