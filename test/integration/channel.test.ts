import { connect as connectSocket } from 'node:net'
import { expect } from 'chai'
import { ChannelClosedError, ConnectionClosedError, UnconfirmedError } from '../../src/index.js'
import { grows } from '../support/invariants/index.js'
import { BROKER_START_MS, LiveSession } from '../support/live-session.js'
import { within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'

describe('channels, with RabbitMQ', () => {
  let session: LiveSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await LiveSession.open({ connectionName: 'channels' })
  })

  afterEach(() => session.close())

  it('reject all that was pending when the server closes one', async () => {
    const channel = await session.connection.openChannel({ confirm: true })
    const consumer = await channel.consume(await session.queue(), () => {})
    const calls = [
      channel.get('no such queue'),
      channel.queueDeclare(),
      channel.prefetch(5),
      channel.consume('q'),
    ]
    const publishes = [1, 2, 3].map(each => channel.publish('', 'nowhere', String(each)))
    for (const call of calls) {
      expect(await rejectionOf(call, ChannelClosedError)).to.include({ replyCode: 404, method: 'basic.get' })
    }
    for (const publish of publishes) {
      expect(await rejectionOf(publish, UnconfirmedError)).to.include({ replyCode: 404, outcome: 'not-sent' })
    }
    expect(await consumer.closed).to.equal(await channel.closed)
  })

  it('harm nobody when the server closes one and nobody awaits anything', async () => {
    const channel = await session.connection.openChannel({ confirm: true })
    void channel.consume(await session.queue(), () => {})
    void channel.publish('no such exchange', 'k', 'x')
    void channel.queueDeclare()
    void channel.get('no such queue')
    await within(2_000, 'the end of the channel', channel.closed)
    void channel.queueDeclare()
    await session.channel.queueDeclare()
  })

  it('use the number of one that was closed again, by whoever it was', async () => {
    await session.close()
    session = await LiveSession.open({ channelMax: 2 })
    for (let round = 0; round < 20; round++) {
      const channel = await session.connection.openChannel()
      expect(channel.number).to.equal(2)
      if (round % 2 === 0) await channel.close()
      else await rejectionOf(channel.get('no such queue'), ChannelClosedError)
    }
  })

  it('open by the hundred at once', async () => {
    const channels = await Promise.all(Array.from({ length: 500 }, () => session.connection.openChannel()))
    expect(new Set(channels.map(channel => channel.number)).size).to.equal(500)
    await Promise.all(channels.map(channel => channel.queueDeclare()))
    await Promise.all(channels.map(channel => channel.close()))
  })

  it('leave nothing behind when they are closed', async function () {
    this.timeout(30_000)
    const queue = await session.queue()
    await grows(
      async () => {
        const channel = await session.connection.openChannel({ confirm: true })
        await channel.publish('', queue, 'x')
        const iterator = (await channel.consume(queue))[Symbol.asyncIterator]()
        ;(await iterator.next()).value?.ack()
        await iterator.return?.()
        await channel.close()
      },
      { times: 200, maxOctets: 200_000, emitters: [session.connection] },
    )
  })

  it('pass on what a mistake that costs the connection was', async () => {
    await session.close()
    const { hostname, port } = new URL(session.url)
    const socket = connectSocket({ host: hostname, port: Number(port || 5672) })
    session = await LiveSession.open({ connectionName: 'channels', stream: () => socket })
    const pending = session.channel.publish('', 'q', 'x')
    const other = await session.connection.openChannel()
    // Every version refuses it with the connection, but no method of ours makes it: a prefetch that counts octets.
    socket.write(
      Buffer.from(`0100${other.number.toString(16).padStart(2, '0')}0000000b003c000a00000001000100ce`, 'hex'),
    )
    const error = await rejectionOf(other.queueDeclare(), ChannelClosedError)
    const reason = await session.connection.closed
    expect(reason).to.include({ by: 'server', code: 540, method: 'basic.qos' })
    expect(error.reason).to.equal(reason)
    expect(await session.channel.closed).to.equal(reason)
    await pending
    expect((await rejectionOf(session.connection.openChannel(), ConnectionClosedError)).reason).to.equal(
      reason,
    )
  })

  it('do what they are told in the order in which they are told', async () => {
    const { channel } = session
    const exchange = 'in order'
    void channel.exchangeDeclare(exchange, 'direct', { durable: false, autoDelete: true })
    const declared = channel.queueDeclare('in order', { exclusive: true, durable: false })
    void channel.queueBind('in order', exchange, 'k')
    void channel.publish(exchange, 'k', 'published before anything was answered')
    const delivery = await channel.get('in order')
    expect(String(delivery?.body)).to.equal('published before anything was answered')
    expect((await declared).queue).to.equal('in order')
    expect(await channel.queueDelete('in order')).to.equal(0)
  })
})
