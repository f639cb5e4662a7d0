import { expect } from 'chai'
import {
  BackpressureError,
  CallTimeoutError,
  type Delivery,
  describeReason,
  UnconfirmedError,
} from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { type RabbitMqNode, sharedNode } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { MethodsSession } from './methods-session.js'

// RabbitMQ blocks a connection when it publishes during an alarm, and from then on reads nothing from it: what is sent is
// answered when the alarm is over. A connection that does not publish hears nothing of it.
describe('connection.blocked, with RabbitMQ', function () {
  this.timeout(30_000)
  let node: RabbitMqNode
  let session: MethodsSession
  let queue: string
  let alarm = false

  before(async function () {
    this.timeout(BROKER_START_MS)
    node = await sharedNode(this)
  })

  beforeEach(async () => {
    session = await MethodsSession.open({ confirm: true, heartbeat: 1 })
    queue = await session.sharedQueue()
    for (const body of ['0', '1', '2']) await session.channel.publish('', queue, body)
  })

  afterEach(async () => {
    await unblock()
    await session.close()
  })

  /** Raises the alarm and publishes what makes the broker block the connection; that is confirmed when it is over. */
  async function block(): Promise<{ first: Promise<void>; reason: string }> {
    await node.block()
    alarm = true
    const told = new Promise<string>(resolve => session.connection.once('blocked', resolve))
    const first = session.channel.publish('', queue, 'first')
    return { first, reason: await within(5_000, 'connection.blocked', told) }
  }

  async function unblock(): Promise<void> {
    if (alarm) await node.unblock()
    alarm = false
  }

  /** Frames but heartbeats. */
  function methodsSent(): number {
    const { framesSent, heartbeatsSent } = session.connection.stats
    return framesSent - heartbeatsSent
  }

  function methodsReceived(): number {
    const { framesReceived, heartbeatsReceived } = session.connection.stats
    return framesReceived - heartbeatsReceived
  }

  it('is told with the reason, and unblocked too', async () => {
    const { connection } = session
    expect(connection.blocked).to.equal(undefined)
    const { first, reason } = await block()
    expect(reason).to.equal('low on memory')
    expect(connection.blocked).to.equal(reason)
    const told = new Promise<void>(resolve => connection.once('unblocked', resolve))
    await unblock()
    await within(5_000, 'connection.unblocked', told)
    expect(connection.blocked).to.equal(undefined)
    await within(5_000, 'the confirm', first)
  })

  it('lets publishes wait on every channel, in order, and unblocked lets them go', async () => {
    const { connection, channel } = session
    const plain = await connection.openChannel()
    const { first } = await block()
    const sentBefore = methodsSent()
    const waiting = [first, ...['a', 'b'].map(body => channel.publish('', queue, body))]
    let passed = false
    const unconfirmed = plain.publish('', queue, 'plain').then(() => {
      passed = true
    })
    await channel.publish('', queue, 'x', { headers: { n: Number.NaN } }).catch(() => {})
    await new Promise(setImmediate)
    expect(methodsSent(), 'frames').to.equal(sentBefore)
    expect(passed).to.equal(false)
    expect(connection.stats.bufferedOctets).to.be.above(0)
    await unblock()
    await within(5_000, 'the confirms', Promise.all([...waiting, unconfirmed]))
    const bodies: string[] = []
    for await (const delivery of await channel.consume(queue, { noAck: true })) {
      bodies.push(String(delivery.body))
      if (bodies.length === 7) break
    }
    const confirmed = bodies.filter(body => body !== 'plain')
    expect(confirmed).to.deep.equal(['0', '1', '2', 'first', 'a', 'b'])
  })

  it('sends calls and acks all the same: they take effect when the broker reads again', async () => {
    const { connection, channel } = session
    const other = await connection.openChannel()
    const deliveries: Delivery[] = []
    await other.consume(queue, { prefetch: 2, autoSettle: false }, delivery => deliveries.push(delivery))
    await until(5_000, 'two deliveries', () => deliveries.length === 2)
    const { first } = await block()
    const [sentBefore, receivedBefore] = [methodsSent(), methodsReceived()]
    expect(deliveries.map(delivery => delivery.ack())).to.deep.equal([true, true])
    const answers: Promise<unknown>[] = [other.queueDeclare(), connection.openChannel(), channel.prefetch(5)]
    expect(methodsSent() - sentBefore, 'two acks and three calls').to.equal(5)
    // What is issued after a publish of the same channel comes after it.
    answers.push(channel.publish('', queue, 'waits'), channel.queueDeclare())
    expect(methodsSent() - sentBefore, 'nothing more').to.equal(5)
    const { heartbeatsReceived } = connection.stats
    await until(5_000, 'heartbeats', () => connection.stats.heartbeatsReceived >= heartbeatsReceived + 2)
    expect(methodsReceived() - receivedBefore, 'answers').to.equal(0)
    await unblock()
    await within(5_000, 'all answers', Promise.all([first, ...answers]))
    await until(5_000, 'the deliveries that the acks made room for', () => deliveries.length === 4)
  })

  it('keeps the connection alive by heartbeats of both sides, longer than a silence may last', async () => {
    const { connection } = session
    await block()
    const { heartbeatsSent, heartbeatsReceived } = connection.stats
    await until(10_000, 'heartbeats', () => connection.stats.heartbeatsSent >= heartbeatsSent + 7)
    expect(connection.stats.heartbeatsReceived).to.be.at.least(heartbeatsReceived + 4)
    expect(connection.state).to.equal('open')
    await unblock()
    await session.channel.queueDeclare()
  })

  it('rejects a call that is not answered in time with the reason, and its channel goes on afterwards', async () => {
    const { first } = await block()
    const { channel } = session
    const error = await rejectionOf(channel.queueDeclare(queue, { timeout: 50 }), CallTimeoutError)
    expect(error.message).to.match(/low on memory/)
    expect(channel.state).to.equal('open')
    // Those behind it wait for the answer that still comes.
    const behind = channel.queueDeclare(queue, { passive: true })
    const given = await rejectionOf(channel.get(queue, { timeout: 50 }), CallTimeoutError)
    expect(given.message).to.match(/not sent.*low on memory/)
    await unblock()
    expect((await within(5_000, 'the answer', behind)).queue).to.equal(queue)
    await first
    expect(channel.state).to.equal('open')
  })

  it('rejects a publish that is not sent in time, and beyond maxBuffered at once', async () => {
    const { first } = await block()
    const { channel } = session
    const late = await rejectionOf(channel.publish('', queue, 'late', { timeout: 50 }), UnconfirmedError)
    expect(late.outcome).to.equal('not-sent')
    expect(late.message).to.match(/low on memory/)
    const controller = new AbortController()
    const aborted = channel.publish('', queue, 'aborted', { signal: controller.signal })
    controller.abort()
    expect((await rejectionOf(aborted, UnconfirmedError)).outcome).to.equal('not-sent')
    await rejectionOf(channel.publish('', queue, Buffer.alloc(65 * 1024 * 1024)), BackpressureError)
    await unblock()
    await first
    expect(await session.messagesIn(queue)).to.equal(4)
  })

  it('does not concern a connection that only consumes', async () => {
    const consumer = await MethodsSession.open()
    const { first } = await block()
    const bodies: string[] = []
    await consumer.channel.consume(queue, ({ body }) => bodies.push(String(body)))
    await until(5_000, 'the messages', () => bodies.length === 3)
    expect(await consumer.channel.queueDeclare(queue, { passive: true })).to.include({
      messageCount: 0,
      consumerCount: 1,
    })
    expect(consumer.connection.blocked).to.equal(undefined)
    expect(describeReason(await consumer.connection.close())).to.equal('closed by the application')
    expect(await consumer.connection.closed).to.deep.equal({ by: 'client' })
    await unblock()
    await first
    await consumer.close()
  })
})
