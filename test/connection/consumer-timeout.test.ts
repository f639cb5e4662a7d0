import { expect } from 'chai'
import { type Channel, type Consumer, ConsumerClosedError, type Delivery } from '../../src/index.js'
import { DrainStage, watch } from '../support/peer/drain-stage.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

// From RabbitMQ 4.3 on, by its sources and release notes: when a delivery of a quorum queue is not settled in time, the broker
// cancels the consumer, takes the deliveries back, and leaves the channel. What is settled after that is harmless, or is
// answered with a close of the channel (406); a client must stand either. (test/integration/scenario-timeout.test.ts has the
// real thing for the versions that can be run.)
describe('a consumer that RabbitMQ 4.3 cancels because it settles nothing for too long', () => {
  let stage: DrainStage
  let channel: Channel
  let consumer: Consumer
  const begun: Delivery[] = []
  let ends: (() => void)[] = []

  beforeEach(async () => {
    stage = await DrainStage.open()
    channel = await stage.connection.openChannel()
    begun.length = 0
    ends = []
    consumer = await channel.consume('jobs', { prefetch: 1 }, async delivery => {
      begun.push(delivery)
      await new Promise<void>(resolve => ends.push(resolve))
    })
    await stage.deliver(channel, consumer, 'long job')
    stage.cancelByServer(channel, consumer)
    await stage.clock.settle()
  })

  afterEach(async () => {
    for (const end of ends) end()
    const closing = stage.connection.close()
    await stage.clock.advance(6_000)
    await within(1_000, 'close()', closing)
  })

  it('is told, and its channel and connection go on', async () => {
    const reason = await within(1_000, 'the end of the consumer', consumer.closed)
    expect(reason).to.include({ by: 'server', method: 'basic.cancel' })
    expect(reason.error).to.equal(undefined)
    expect(channel.state).to.equal('open')
    expect(stage.connection.state).to.equal('open')
    expect(await channel.queueDeclare('jobs')).to.include({ queue: 'jobs' })
  })

  it('may acknowledge late, where the broker takes no offence', async () => {
    for (const end of ends) end()
    expect(await stage.told()).to.deep.equal(['ack 1'])
    expect(begun[0]?.state).to.equal('settled')
    expect(channel.state).to.equal('open')
  })

  it('loses its channel, and no more, where the broker takes offence', async () => {
    const other = await stage.connection.openChannel()
    stage.peer.on('basic.ack', ({ channelNumber }) => {
      const replyText = 'PRECONDITION_FAILED - unknown delivery tag 1'
      const args = { replyCode: 406, replyText, classId: 60, methodId: 80 }
      stage.peer.send(channelNumber, { name: 'channel.close', args })
    })
    for (const end of ends) end()
    await stage.clock.settle()
    expect(await within(1_000, 'the end of the channel', channel.closed)).to.include({
      by: 'server',
      code: 406,
      method: 'basic.ack',
    })
    expect(await consumer.closed).to.include({ method: 'basic.cancel' })
    expect(other.state).to.equal('open')
    expect(stage.connection.state).to.equal('open')
  })

  it('can be followed by another on the same channel, which gets the message again under a tag of its own', async () => {
    const again: Delivery[] = []
    const next = await channel.consume('jobs', { prefetch: 1 }, delivery => void again.push(delivery))
    expect(next.consumerTag).to.not.equal(consumer.consumerTag)
    await stage.deliver(channel, next, 'long job')
    expect(await stage.told()).to.deep.equal(['ack 2'])
    expect(again[0]).to.not.equal(begun[0])
    for (const end of ends) end()
    expect(await stage.told()).to.deep.equal(['ack 1'])
  })

  it('is told by its iterator behind what it holds', async () => {
    const iterated = await channel.consume('jobs', { prefetch: 2 })
    await stage.deliver(channel, iterated, 'a', 'b')
    stage.cancelByServer(channel, iterated)
    await stage.clock.settle()
    const iterator = iterated[Symbol.asyncIterator]()
    expect(String((await iterator.next()).value?.body)).to.equal('a')
    expect(String((await iterator.next()).value?.body)).to.equal('b')
    const error = await rejectionOf(iterator.next(), ConsumerClosedError)
    expect(error.reason).to.include({ by: 'server', method: 'basic.cancel' })
    expect(watch(channel.closed)()).to.equal('pending')
  })
})
