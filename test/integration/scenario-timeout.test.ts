import { expect } from 'chai'
import {
  ChannelClosedError,
  type CloseReason,
  type Consumer,
  ConsumerClosedError,
  type Delivery,
} from '../../src/index.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { needsControl, RabbitMqNode } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { ScenarioSession } from './scenario-session.js'

const CONSUMER_TIMEOUT_MS = 500
/** How often the broker looks. It has no name in rabbitmq.conf, and is 60 s by default. */
const TICK_MS = 200
const END_WITHIN_MS = 15_000

// Up to RabbitMQ 4.2 it closes the channel; from 4.3 on it cancels the consumer, and only of a quorum queue.
describe('a consumer that settles nothing for too long, with RabbitMQ,', function () {
  this.timeout(60_000)
  let node: RabbitMqNode
  let session: ScenarioSession
  let closesChannel: boolean

  before(async function () {
    needsControl(this)
    node = await RabbitMqNode.start({ settings: { consumer_timeout: CONSUMER_TIMEOUT_MS } })
    await node.evaluate(
      `[application:set_env(rabbit, Name, ${TICK_MS}) || Name <- [channel_tick_interval, quorum_tick_interval]]`,
    )
    const [major = 0, minor = 0] = node.version.split('.').map(Number)
    closesChannel = major < 4 || (major === 4 && minor < 3)
  })

  after(async () => {
    await node?.stop()
  })

  let queue: string

  beforeEach(async () => {
    session = await ScenarioSession.open({ broker: node.url, confirm: true })
    queue = await session.queue({ type: 'quorum' })
    await session.channel.publish('', queue, 'x')
  })

  afterEach(() => session.close())

  function expectTimeout(reason: CloseReason): void {
    expect(reason.by).to.equal('server')
    if (closesChannel) {
      expect(reason.code).to.equal(406)
      expect(reason.text).to.match(/^PRECONDITION_FAILED - delivery acknowledgement on channel .* timed out/)
    } else expect(reason.method).to.equal('basic.cancel')
  }

  /** The broker has the message again, and the connection serves others. */
  async function expectReturned(): Promise<void> {
    expect(session.connection.state).to.equal('open')
    const channel = await session.connection.openChannel()
    let again: Delivery | undefined
    await until(END_WITHIN_MS, 'the message again', async () => {
      again = await channel.get(queue)
      return again !== undefined
    })
    expect(again?.redelivered).to.equal(true)
    expect(again?.ack()).to.equal(true)
  }

  it('is told by its iterator', async () => {
    const channel = await session.connection.openChannel()
    const consumer = await channel.consume(queue, { prefetch: 1 })
    const iterator = consumer[Symbol.asyncIterator]()
    const { value: delivery } = await iterator.next()
    expect(String(delivery?.body)).to.equal('x')
    const waiting = iterator.next()
    const error = await rejectionOf(waiting, ConsumerClosedError, END_WITHIN_MS)
    expectTimeout(error.reason)
    expect(await consumer.closed).to.equal(error.reason)
    if (closesChannel) {
      expect(await channel.closed).to.equal(error.reason)
      expect(delivery?.state).to.equal('stale')
      expect(delivery?.ack()).to.equal(false)
      expect((await rejectionOf(channel.queueDeclare(''), ChannelClosedError)).reason).to.equal(error.reason)
    } else await channel.queueDeclare('')
    await expectReturned()
  })

  it('is told though its handler goes on, which may end as it likes', async () => {
    const channel = await session.connection.openChannel()
    const begun: Delivery[] = []
    const ends: (() => void)[] = []
    const failures: unknown[] = []
    channel.on('handlerError', error => failures.push(error))
    const consumer: Consumer = await channel.consume(queue, { prefetch: 1 }, async delivery => {
      begun.push(delivery)
      await new Promise<void>(resolve => ends.push(resolve))
    })
    expectTimeout(await within(END_WITHIN_MS, 'the end of the consumer', consumer.closed))
    expect(begun).to.have.length(1)
    for (const end of ends) end()
    await expectReturned()
    expect(failures).to.deep.equal([])
  })
})
