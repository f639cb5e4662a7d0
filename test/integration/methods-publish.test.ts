import { expect } from 'chai'
import {
  ArgumentError,
  type Channel,
  ChannelClosedError,
  NackedError,
  PublishesFailedError,
  ReturnedError,
  type ReturnedMessage,
  UnconfirmedError,
} from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { MethodsSession } from './methods-session.js'

describe('publishing and confirms, with RabbitMQ', () => {
  let session: MethodsSession
  let channel: Channel

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await MethodsSession.open()
    channel = session.channel
  })

  afterEach(() => session.close())

  async function confirming(): Promise<Channel> {
    return session.connection.openChannel({ confirm: true })
  }

  /** A queue that takes one message and refuses the rest. */
  async function fullQueue(): Promise<string> {
    const queue = await session.live.queue({ maxLength: 1, overflow: 'reject-publish' })
    const filler = await confirming()
    // The limit is looked at before a message is taken: the first one beyond it may still get in.
    await until(5_000, 'a refusal', () =>
      filler.publish('', queue, 'x').then(
        () => false,
        error => error instanceof NackedError,
      ),
    )
    await filler.close()
    return queue
  }

  it('brings a message as it was given to the other client, persistent unless told otherwise', async () => {
    const queue = await session.sharedQueue()
    const headers = { text: 'πß€', list: [1, 2n ** 40n], nested: { yes: true, nothing: null } }
    const all = {
      contentType: 'text/plain',
      contentEncoding: 'utf-8',
      priority: 3,
      correlationId: 'c',
      replyTo: 'r',
      expiration: '60000',
      messageId: 'm',
      timestamp: new Date(1_700_000_000_000),
      type: 't',
      appId: 'a',
    }
    await channel.publish('', queue, 'πß€', { ...all, headers })
    await channel.publish('', queue, Buffer.of(0, 255), { deliveryMode: 1 })
    await channel.queueDeclare()
    const witness = await session.live.witness()
    const [first, second] = [await witness.get(queue), await witness.get(queue)]
    if (first === false || second === false) throw new Error('a message is missing')
    expect(first.content.toString()).to.equal('πß€')
    expect(first.properties).to.include({ ...all, timestamp: 1_700_000_000, deliveryMode: 2 })
    expect(first.properties.headers).to.deep.equal({ ...headers, list: [1, 2 ** 40] })
    expect([...second.content]).to.deep.equal([0, 255])
    expect(second.properties.deliveryMode).to.equal(1)
    expect(first.fields).to.include({ exchange: '', routingKey: queue })
    witness.ackAll()
    await witness.waitForConfirms()
  })

  it('sends a copy of what else it is to be routed by, and keeps to itself what is blind', async () => {
    const queues = await Promise.all([1, 2, 3].map(() => session.live.queue()))
    const [main = '', copy, blind] = queues
    await channel.publish('', main, 'x', { headers: { CC: [copy ?? ''], BCC: [blind ?? ''] } })
    for (const queue of queues) {
      const delivery = await channel.get(queue)
      expect(String(delivery?.body)).to.equal('x')
      expect(Object.keys(delivery?.properties.headers ?? {})).to.deep.equal(['CC'])
    }
  })

  describe('confirmSelect', () => {
    it('confirms what is published from then on, and once more changes nothing', async () => {
      const queue = await session.live.queue()
      await channel.publish('', queue, 'before')
      expect(await channel.confirmSelect()).to.equal(undefined)
      const published = [channel.publish('', queue, '1'), channel.publish('', queue, '2')]
      await channel.confirmSelect()
      published.push(channel.publish('', queue, '3'))
      await within(5_000, 'three confirms', Promise.all(published))
      expect((await channel.queueDeclare(queue, { passive: true })).messageCount).to.equal(4)
    })

    it('with noWait is not answered, and confirms what is published right behind it', async () => {
      const queue = await session.live.queue()
      const { framesReceived } = session.connection.stats
      void channel.confirmSelect({ noWait: true })
      await channel.publish('', queue, 'x')
      expect(session.connection.stats.framesReceived - framesReceived, 'a confirm').to.equal(1)
      const missing = channel.publish('amq.direct', 'nowhere', 'x', { mandatory: true })
      expect((await rejectionOf(missing, ReturnedError)).code).to.equal('AMQP_RETURNED')
    })

    it('without awaiting it counts what comes after it alone', async () => {
      const queue = await fullQueue()
      void channel.publish('', queue, 'not confirmed, and refused')
      void channel.confirmSelect()
      const refused = channel.publish('', queue, 'refused')
      const free = await session.live.queue()
      const taken = channel.publish('', free, 'taken')
      expect((await rejectionOf(refused, NackedError)).code).to.equal('AMQP_NACKED')
      await taken
    })
  })

  describe('waitForConfirms', () => {
    it('resolves when everything published before is in its queue', async () => {
      const own = await confirming()
      await within(5_000, 'nothing', own.waitForConfirms())
      const queue = await session.live.queue()
      for (let each = 0; each < 100; each++) void own.publish('', queue, String(each))
      expect(await own.waitForConfirms()).to.equal(undefined)
      expect((await channel.queueDeclare(queue, { passive: true })).messageCount).to.equal(100)
      void own.publish('amq.direct', 'nowhere', 'unroutable, and nobody cares')
      await own.waitForConfirms()
    })

    it('waits beyond the window of unconfirmed publishes', async () => {
      const own = await session.connection.openChannel({ confirm: true, maxUnconfirmed: 3 })
      const queue = await session.live.queue()
      for (let each = 0; each < 50; each++) void own.publish('', queue, String(each))
      await own.waitForConfirms()
      expect((await channel.queueDeclare(queue, { passive: true })).messageCount).to.equal(50)
    })

    it('rejects when one of many was refused, and then starts afresh', async () => {
      const own = await confirming()
      const [full, free] = [await fullQueue(), await session.live.queue()]
      for (let each = 0; each < 10; each++) void own.publish('', each === 4 ? full : free, String(each))
      const error = await rejectionOf(own.waitForConfirms(), PublishesFailedError)
      expect(error).to.include({ code: 'AMQP_PUBLISHES_FAILED', failed: 1 })
      expect(error.cause).to.be.instanceOf(NackedError)
      expect((await channel.queueDeclare(free, { passive: true })).messageCount).to.equal(9)
      void own.publish('', free, 'x')
      await own.waitForConfirms()
    })

    it('rejects when one was returned, and tells which', async () => {
      const own = await confirming()
      const free = await session.live.queue()
      void own.publish('', free, 'x', { mandatory: true })
      void own.publish('amq.direct', 'nowhere', 'lost', { mandatory: true })
      const error = await rejectionOf(own.waitForConfirms(), PublishesFailedError)
      expect(error.failed).to.equal(1)
      expect(error.cause).to.be.instanceOf(ReturnedError)
      const { returned } = error.cause as ReturnedError
      expect(returned).to.include({ exchange: 'amq.direct', routingKey: 'nowhere', replyCode: 312 })
      expect(String(returned.body)).to.equal('lost')
    })

    it('counts all that failed: refused, returned, and what could not be sent', async () => {
      const own = await confirming()
      const full = await fullQueue()
      void own.publish('', full, 'x')
      void own.publish('amq.direct', 'nowhere', 'x', { mandatory: true })
      void own.publish('amq.direct', 'nowhere', 'x', { headers: { n: Number.NaN } })
      expect((await rejectionOf(own.waitForConfirms(), PublishesFailedError)).failed).to.equal(3)
    })

    it('rejects with the end of the channel', async () => {
      const own = await confirming()
      const publish = own.publish('no such exchange', 'k', 'x')
      const wait = own.waitForConfirms()
      expect(await rejectionOf(publish, UnconfirmedError)).to.include({ replyCode: 404, outcome: 'unknown' })
      const error = await rejectionOf(wait, ChannelClosedError)
      expect(error).to.include({ replyCode: 404, method: 'basic.publish', channelNumber: own.number })
      expect((await rejectionOf(own.waitForConfirms(), ChannelClosedError)).reason).to.equal(error.reason)
    })

    it('is refused on a channel whose publishes nobody confirms', async () => {
      const { framesSent } = session.connection.stats
      expect((await rejectionOf(channel.waitForConfirms(), ArgumentError)).path).to.equal('channel')
      expect(session.connection.stats.framesSent).to.equal(framesSent)
    })
  })

  it('on a plain channel does not tell of a refusal; what comes back is an event', async () => {
    const full = await fullQueue()
    const returned: ReturnedMessage[] = []
    channel.on('returned', message => returned.push(message))
    await channel.publish('', full, 'refused')
    await channel.publish('amq.direct', 'nowhere', 'lost', { mandatory: true })
    await until(5_000, 'the return', () => returned.length === 1)
    expect(String(returned[0]?.body)).to.equal('lost')
    await channel.queueDeclare()
  })
})
