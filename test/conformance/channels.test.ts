import { expect } from 'chai'
import { type Channel, ChannelClosedError, ChannelLimitError, ConsumerClosedError } from '../../src/index.js'
import { hex } from '../support/hex.js'
import { rejectionOf } from '../support/rejection.js'
import type { OctetSession } from './octet-session.js'
import {
  BODY,
  CHANNEL_CLOSE_406,
  CHANNEL_CLOSE_OK,
  CHANNEL_OPEN,
  CHANNEL_OPEN_OK,
  CONSUME_OK,
  DELIVER,
  HEADER,
  QOS_OK,
  TUNE_ONE_CHANNEL,
} from './octets.js'
import { row } from './rows.js'

const CLOSE_OK = '0100010000000400140029ce'
/** 200, no text, no method. */
const CHANNEL_CLOSE = '0100010000000b0014002800c80000000000ce'

/** A call of the channel is made and answered. */
async function expectWorking(session: OctetSession, channel: Channel, answer: Buffer): Promise<void> {
  const prefetched = channel.prefetch(3)
  await session.say(answer)
  await session.settled('a call', prefetched)
  session.heard()
}

describe('on the wire, channels', () => {
  row(28, 'the consumer ends, the channel does not, and nothing is answered', async sessions => {
    const session = await sessions.open()
    const channel = await session.openChannel()
    const consuming = channel.consume('q', { consumerTag: 'ct', noAck: true })
    await session.settle()
    await session.say(hex`01000100000007003c0015026374ce`)
    const consumer = await session.settled('consume()', consuming)
    const next = consumer[Symbol.asyncIterator]().next()
    session.heard()
    await session.say(hex`01000100000008003c001e02637401ce`)
    expect(await session.settled('closed', consumer.closed)).to.include({ by: 'server' })
    await rejectionOf(next, ConsumerClosedError)
    expect(session.heard()).to.equal('')
    expect(channel.state).to.equal('open')
    await expectWorking(session, channel, QOS_OK)
  })

  row(32, 'it is answered once, all that waits there fails, and other channels live', async sessions => {
    const session = await sessions.open()
    const channel = await session.openChannel({ confirm: true })
    const other = await session.openChannel({}, '0002')
    const calls = [
      channel.get('q'),
      channel.queuePurge('queued behind it'),
      channel.publish('', 'q', 'waits behind them'),
    ]
    await session.settle()
    session.heard()
    await session.say(CHANNEL_CLOSE_406)
    expect(session.heard()).to.equal(CLOSE_OK)
    expect(await session.settled('closed', channel.closed)).to.deep.include({
      by: 'server',
      code: 406,
      text: 'PRECONDITION_FAILED - unknown delivery tag 9',
      classId: 60,
      methodId: 80,
      method: 'basic.ack',
    })
    for (const call of calls) expect(await rejectionOf(call, Error)).to.have.property('cause')
    await rejectionOf(channel.prefetch(1), ChannelClosedError)
    await session.settle()
    expect(session.heard()).to.equal('')
    await expectWorking(session, other, hex`01000200000004003c000bce`)
  })

  // The application is told at once that the channel is gone; its number is not, until both closes are answered: a
  // channel.open before that is a second one for RabbitMQ (504).
  row(33, 'theirs is answered, and the number is free when ours is answered too', async sessions => {
    const session = await sessions.open({ tune: TUNE_ONE_CHANNEL })
    const channel = await session.openChannel()
    const closing = channel.close()
    await session.settle()
    expect(session.heard()).to.equal(CHANNEL_CLOSE)
    await session.say(CHANNEL_CLOSE_406)
    expect(session.heard()).to.equal(CLOSE_OK)
    await session.settled('close()', closing)
    await rejectionOf(session.connection.openChannel(), ChannelLimitError)
    await session.settle()
    expect(session.heard()).to.equal('')
    await session.say(CHANNEL_CLOSE_OK)
    const opening = session.connection.openChannel()
    await session.settle()
    expect(session.heard()).to.equal(CHANNEL_OPEN)
    await session.say(CHANNEL_OPEN_OK)
    expect((await session.settled('openChannel()', opening)).number).to.equal(1)
  })

  row(34, 'it is dropped, and nothing after it is taken for a part of it', async sessions => {
    const session = await sessions.open({ tune: TUNE_ONE_CHANNEL })
    const channel = await session.openChannel()
    const { deliveries } = await session.consume(channel)
    const closing = channel.close()
    // The close tells the broker that nothing of the consumer's is wanted any more.
    await session.settle()
    await session.say(hex`01000100000006003c001f0174ce`)
    expect(session.heard().endsWith(CHANNEL_CLOSE)).to.equal(true)
    await session.say(DELIVER, HEADER.subarray(0, 5))
    await session.say(HEADER.subarray(5), BODY, CHANNEL_CLOSE_OK)
    expect(await session.settled('close()', closing)).to.deep.equal({ by: 'client' })
    expect(deliveries).to.deep.equal([])
    const again = await session.openChannel()
    expect(again.number).to.equal(1)
    await expectWorking(session, again, QOS_OK)
  })

  row(39, 'method 51 of the class exchange is what exchangeUnbind() waits for', async sessions => {
    const session = await sessions.open()
    const channel = await session.openChannel()
    const unbound = channel.exchangeUnbind('d', 's', 'k')
    await session.settle()
    expect(session.heard()).to.equal('0100010000001100280028000001640173016b0000000000ce')
    await session.say(hex`0100010000000400280033ce`)
    expect(await session.settled('exchangeUnbind()', unbound)).to.equal(undefined)
  })

  row(40, 'get() comes to undefined', async sessions => {
    const session = await sessions.open()
    const channel = await session.openChannel()
    const got = channel.get('q')
    await session.settle()
    expect(session.heard()).to.equal('01000100000009003c00460000017100ce')
    await session.say(hex`01000100000005003c004800ce`)
    expect(await session.settled('get()', got)).to.equal(undefined)
  })

  // RabbitMQ would end the whole connection with 530.
  row(49, 'one too many is refused here, and nothing is written', async sessions => {
    const session = await sessions.open({ tune: hex`0100000000000c000a001e000200020000003cce` })
    expect(session.connection.channelMax).to.equal(2)
    const first = await session.openChannel()
    const second = await session.openChannel({}, '0002')
    expect([first.number, second.number]).to.deep.equal([1, 2])
    await rejectionOf(session.connection.openChannel(), ChannelLimitError)
    await session.settle()
    expect(session.heard()).to.equal('')
  })

  // RabbitMQ would end the channel with 406: the tag says nothing to another life of it.
  row(50, 'nothing is written, and it says so', async sessions => {
    const session = await sessions.open({ tune: TUNE_ONE_CHANNEL })
    const { deliveries } = await session.consume(await session.openChannel())
    await session.say(DELIVER, HEADER, BODY, CHANNEL_CLOSE_406)
    const [old] = deliveries
    expect(old?.state).to.equal('stale')
    const { deliveries: anew } = await session.consume(await session.openChannel())
    await session.say(DELIVER, HEADER, BODY)
    expect(old?.ack()).to.equal(false)
    expect(old?.nack({ requeue: true })).to.equal(false)
    expect(old?.reject()).to.equal(false)
    await session.settle()
    expect(session.heard()).to.equal('')
    expect(anew[0]?.ack(), 'the same tag, in its own life').to.equal(true)
    await session.settle()
    expect(session.heard()).to.equal('0100010000000d003c0050000000000000000100ce')
  })

  row(50, 'neither on another connection nor after the end of its own', async sessions => {
    const first = await sessions.open()
    const { deliveries } = await first.consume(await first.openChannel())
    await first.say(DELIVER, HEADER, BODY)
    await first.end()
    first.heard()
    const second = await sessions.open()
    const channel = await second.openChannel()
    const [old] = deliveries
    expect(old?.ack()).to.equal(false)
    expect(old?.state).to.equal('stale')
    if (old !== undefined) expect(channel.ack(old)).to.equal(false)
    await second.settle()
    expect(first.heard() + second.heard()).to.equal('')
  })

  // RabbitMQ answers qos before a consume that was sent in front of it. So one call of a channel is outstanding at a time:
  // there is no order to mistake.
  row(51, 'the second call of a channel leaves when the first is answered', async sessions => {
    const session = await sessions.open()
    const channel = await session.openChannel()
    const consuming = channel.consume('q', { consumerTag: 't', noAck: true })
    const prefetching = channel.prefetch(7)
    await session.settle()
    expect(session.heard()).to.equal('0100010000000f003c00140000017101740200000000ce')
    await session.say(CONSUME_OK)
    expect((await session.settled('consume()', consuming)).consumerTag).to.equal('t')
    expect(session.heard()).to.equal('0100010000000b003c000a00000000000700ce')
    await session.say(QOS_OK)
    await session.settled('prefetch()', prefetching)
  })

  row(51, 'those of two channels reach their own callers', async sessions => {
    const session = await sessions.open()
    const [first, second] = [await session.openChannel(), await session.openChannel({}, '0002')]
    const consuming = first.consume('q', { consumerTag: 't', noAck: true })
    const prefetching = second.prefetch(7)
    await session.settle()
    await session.say(hex`01000200000004003c000bce ${CONSUME_OK}`)
    await session.settled('prefetch()', prefetching)
    expect((await session.settled('consume()', consuming)).consumerTag).to.equal('t')
  })

  row(51, 'an answer to what has not been asked is refused with 504', async sessions => {
    const session = await sessions.open()
    const channel = await session.openChannel()
    const consuming = channel.consume('q', { consumerTag: 't', noAck: true })
    const prefetching = channel.prefetch(7)
    await session.settle()
    session.heard()
    await session.say(QOS_OK, CONSUME_OK)
    await session.expectViolation(504)
    for (const call of [consuming, prefetching]) {
      expect((await rejectionOf(call, ChannelClosedError)).reason).to.include({ by: 'protocol', code: 504 })
    }
  })
})
