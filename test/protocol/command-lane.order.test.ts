// What waits for what on one channel: plain publishes that somebody asks after, waits for confirms, calls with times of their
// own, many calls, and settlements among transactions.

import { expect } from 'chai'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import { Content } from '../../src/protocol/content.js'
import { BackpressureError, CallTimeoutError, UnconfirmedError } from '../../src/protocol/errors.js'
import type { IncomingDelivery, Settlement } from '../../src/protocol/events.js'
import type { Method, MethodOf } from '../../src/protocol/method-types.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import { NaiveSettling } from './naive-settling.js'

const KIB = 1024
const ACK: Settlement = { kind: 'ack', multiple: false }
const ACK_MULTIPLE: Settlement = { kind: 'ack', multiple: true }
const PURGE_OK: Method = { name: 'queue.purge-ok', args: { messageCount: 0 } }
const COMMIT: MethodOf<'tx.commit'> = { name: 'tx.commit', args: {} }
const ROLLBACK: MethodOf<'tx.rollback'> = { name: 'tx.rollback', args: {} }
const RECOVER: MethodOf<'basic.recover'> = { name: 'basic.recover', args: { requeue: true } }

function purge(queue = 'q'): MethodOf<'queue.purge'> {
  return { name: 'queue.purge', args: { queue, noWait: false } }
}

function block(pair: ProtocolPair): void {
  pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
}

function unblock(pair: ProtocolPair): void {
  pair.send(0, { name: 'connection.unblocked', args: {} })
}

/** Publishes on a plain channel under a token. */
function publishPlain(pair: ProtocolPair, channel: ChannelProtocol, timeoutMs?: number, routingKey = 'q') {
  const token = {}
  const publishing = { exchange: '', routingKey, mandatory: false, properties: {}, body: Buffer.from('x') }
  const how = pair.run(() => channel.publish(publishing, token, pair.now, timeoutMs))
  return { token, how }
}

/** A channel in a transaction, with a consumer that has been sent messages 1 to `deliveries`. */
function inTransaction(deliveries: number) {
  const pair = ProtocolPair.opened({ heartbeat: 0 })
  const channel = pair.openChannel()
  pair.consume(channel)
  pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
  pair.call(channel, { name: 'tx.select', args: {} })
  pair.send(1, { name: 'tx.select-ok', args: {} })
  for (let tag = 1; tag <= deliveries; tag++) pair.deliver(channel, 't', tag)
  pair.forget()
  return { pair, channel }
}

function deliveryOf(channel: ChannelProtocol, deliveryTag: number): IncomingDelivery {
  const content = new Content(Buffer.from([0, 0]), Buffer.alloc(0))
  const rest = { redelivered: false, exchange: '', routingKey: 'q', noAck: false }
  return { life: channel, consumerTag: 't', deliveryTag, content, ...rest }
}

/** What RabbitMQ would say to all that it has been sent, in a transaction with messages 1 to `deliveries`. */
function refusalsOf(pair: ProtocolPair, deliveries: number): string[] {
  pair.settle()
  const broker = new NaiveSettling()
  broker.aside = []
  broker.unacked = Array.from({ length: deliveries }, (_, index) => index + 1)
  return pair.received.flatMap(received =>
    received.type === 'method' ? (broker.take(received.method) ?? []) : [],
  )
}

describe('CommandLane, plain publishes that somebody asks after', () => {
  it('say nothing more when they go at once, and that they have gone when they had to wait', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const sent = publishPlain(pair, channel)
    expect(sent.how).to.equal('sent')
    block(pair)
    const waiting = publishPlain(pair, channel)
    expect(waiting.how).to.equal('queued')
    expect(pair.eventsOf('replied')).to.deep.equal([])
    unblock(pair)
    expect(pair.settlementOf(sent.token)).to.equal(undefined)
    expect(pair.settlementOf(waiting.token)).to.deep.equal({
      type: 'replied',
      token: waiting.token,
      reply: undefined,
    })
    expect(pair.eventsOf('drained'), 'nobody else waited').to.deep.equal([])
    expect(channel.unconfirmed).to.equal(0)
  })

  it('are told beside those that nobody asks after, whose end is told when the last has gone', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    block(pair)
    const first = publishPlain(pair, channel)
    for (let count = 0; count < 2; count++) pair.publish(channel)
    const last = publishPlain(pair, channel)
    unblock(pair)
    expect(pair.events.filter(({ type }) => type === 'replied' || type === 'drained')).to.deep.equal([
      { type: 'replied', token: first.token, reply: undefined },
      { type: 'drained', channel: channel.owner },
      { type: 'replied', token: last.token, reply: undefined },
    ])
  })

  it('fail as not sent after a time of their own, and those behind them go', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const channel = pair.openChannel()
    block(pair)
    const patient = publishPlain(pair, channel, undefined, 'patient')
    const hasty = publishPlain(pair, channel, 1000, 'hasty')
    pair.advance(1000)
    const error = pair.errorOf(hasty.token)
    expect(error).to.be.instanceOf(UnconfirmedError).and.include({ outcome: 'not-sent', routingKey: 'hasty' })
    expect(error?.message).to.match(
      /not sent within 1000 ms; the broker blocks the connection: low on memory$/,
    )
    pair.advance(1_000_000)
    expect(pair.settlementOf(patient.token), 'it waits as long as its channel lives').to.equal(undefined)
    unblock(pair)
    expect(pair.settlementOf(patient.token)?.type).to.equal('replied')
    expect(pair.methods).to.deep.equal(['basic.publish'])
    expect(pair.protocol.buffered).to.equal(0)
  })

  it('fail with their channel as not sent', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    block(pair)
    const { token } = publishPlain(pair, channel)
    pair.cut()
    expect(pair.errorOf(token)).to.be.instanceOf(UnconfirmedError).and.include({ outcome: 'not-sent' })
  })
})

describe('CommandLane, times that a command brings along', () => {
  it('close the channel of a call that is not answered within its own', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const channel = pair.openChannel()
    const token = {}
    pair.run(() => channel.call(purge(), token, pair.now, 700))
    pair.advance(699)
    expect(channel.state).to.equal('open')
    pair.advance(1)
    expect(pair.errorOf(token)).to.be.instanceOf(CallTimeoutError)
    expect(pair.errorOf(token)?.message).to.equal('queue.purge: no reply within 700 ms')
    expect(pair.eventsOf('channelClosed')[0]?.reason).to.include({ by: 'timeout' })
  })

  it('end the wait of a call in the queue alone, whatever stands in front of it', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const channel = pair.openChannel()
    const [outstanding, hasty, patient] = [{}, {}, {}]
    pair.run(() => channel.call(purge('a'), outstanding, pair.now, 60_000))
    pair.run(() => channel.call(purge('b'), hasty, pair.now, 100))
    pair.run(() => channel.call(purge('c'), patient, pair.now, 50_000))
    pair.advance(100)
    expect(pair.errorOf(hasty)?.message).to.equal('queue.purge: not sent within 100 ms')
    pair.advance(49_000)
    pair.send(1, PURGE_OK)
    pair.send(1, PURGE_OK)
    expect([outstanding, patient].map(token => pair.settlementOf(token)?.type)).to.deep.equal([
      'replied',
      'replied',
    ])
  })

  it('are for the start of a consumer as a whole, and for the opening of a channel', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const opening = {}
    pair.run(() => pair.protocol.openChannel({}, 1, opening, pair.now, 400))
    pair.advance(400)
    expect(pair.errorOf(opening)?.message).to.equal('channel.open: no reply within 400 ms')
    const channel = pair.openChannel()
    const token = {}
    const command = {
      queue: 'q',
      consumerTag: 't',
      prefetch: 5,
      noAck: false,
      exclusive: false,
      noWait: false,
    }
    pair.run(() => channel.consume({ ...command, arguments: {}, consumer: {} }, token, pair.now, 1000))
    pair.advance(800)
    pair.send(channel.number, { name: 'basic.qos-ok', args: {} })
    pair.advance(200)
    expect(pair.errorOf(token)?.message).to.equal('basic.consume: no reply within 1000 ms')
  })

  it('fail a publish on a confirm channel sooner or later than others', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const channel = pair.openChannel({ confirm: true })
    const publishing = {
      exchange: '',
      routingKey: 'q',
      mandatory: false,
      properties: {},
      body: Buffer.from('x'),
    }
    const [patient, hasty] = [{}, {}]
    pair.run(() => channel.publish(publishing, patient, pair.now, 90_000))
    pair.run(() => channel.publish(publishing, hasty, pair.now, 50))
    const usual = pair.publish(channel)
    pair.advance(50)
    expect(pair.errorOf(hasty)?.message).to.match(/no confirm within 50 ms$/)
    pair.advance(29_950)
    expect(pair.errorOf(usual)?.message).to.match(/no confirm within 30000 ms$/)
    pair.advance(59_999)
    expect(pair.settlementOf(patient)).to.equal(undefined)
    pair.advance(1)
    expect(pair.errorOf(patient)?.message).to.match(/no confirm within 90000 ms$/)
  })

  it('are for the close of a channel and of a connection too', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const channel = pair.openChannel({ confirm: true })
    pair.publish(channel)
    pair.run(() => channel.close(pair.now, 1500))
    pair.advance(1500)
    expect(pair.eventsOf('channelClosed')[0]?.reason.text).to.match(/^not closed within 1500 ms/)
    const other = pair.openChannel({ confirm: true })
    pair.publish(other)
    pair.run(() => pair.protocol.close(pair.now, 1000))
    pair.advance(799)
    expect(pair.methods).not.to.include('connection.close')
    pair.advance(1)
    expect(pair.methods).to.include('connection.close')
    pair.advance(200)
    expect(pair.eventsOf('closed')[0]?.reason.text).to.match(/^close not completed within 1000 ms/)
  })
})

describe('CommandLane, many calls', () => {
  it('are refused, and a cancel is taken all the same: nothing else ends its consumer', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0, limits: { maxBuffered: 2 * KIB } })
    const channel = pair.openChannel()
    for (let count = 0; count < 4; count++) pair.call(channel, purge())
    expect(() => pair.call(channel, purge())).to.throw(BackpressureError)
    const token = pair.call(channel, { name: 'basic.cancel', args: { consumerTag: 't', noWait: false } })
    for (let count = 0; count < 4; count++) pair.send(1, PURGE_OK)
    expect(pair.methods.at(-1)).to.equal('basic.cancel')
    pair.send(1, { name: 'basic.cancel-ok', args: { consumerTag: 't' } })
    expect(pair.settlementOf(token)?.type).to.equal('replied')
  })

  it('that wait are refused beyond maxBuffered, nothing of them is kept, and others are taken when some have gone', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0, limits: { maxBuffered: 100 * KIB } })
    const channel = pair.openChannel()
    const tokens: object[] = []
    const callMany = (): void => {
      for (let count = 0; count < 1000; count++) tokens.push(pair.call(channel, purge()))
    }
    expect(callMany)
      .to.throw(
        BackpressureError,
        /^a call of \d+ octets would join \d+ that wait to be sent; the limit is 102400$/,
      )
      .with.property('outcome', 'not-sent')
    expect(tokens.length).to.be.within(150, 210)
    expect(channel.hasConsumer('t')).to.equal(false)
    expect(() => pair.consume(channel)).to.throw(BackpressureError)
    expect(channel.hasConsumer('t')).to.equal(false)
    pair.send(1, PURGE_OK)
    pair.call(channel, purge())
    expect(() => pair.call(channel, purge())).to.throw(BackpressureError)
    pair.cut()
    expect(pair.eventsOf('failed')).to.have.length(tokens.length)
    expect(pair.protocol.buffered).to.equal(0)
  })

  it('are not refused for publishes that wait: while the broker blocks these, calls go on', () => {
    const pair = ProtocolPair.opened({ limits: { maxBuffered: 10 * KIB } })
    const channel = pair.openChannel()
    block(pair)
    const publishMany = (): void => {
      for (let count = 0; count < 100; count++) pair.publish(channel)
    }
    expect(publishMany).to.throw(BackpressureError)
    pair.call(channel, purge())
  })

  it('are counted per channel', () => {
    const pair = ProtocolPair.opened({ limits: { maxBuffered: 10 * KIB } })
    const [channel, other] = [pair.openChannel(), pair.openChannel()]
    const callMany = (): void => {
      for (let count = 0; count < 100; count++) pair.call(channel, purge())
    }
    expect(callMany).to.throw(BackpressureError)
    for (let count = 0; count < 5; count++) pair.call(other, purge())
  })
})

describe('CommandLane, settlements among transactions', () => {
  it('go at once past calls and publishes as long as no transaction method is in front', () => {
    const { pair, channel } = inTransaction(2)
    pair.call(channel, purge())
    pair.call(channel, purge())
    block(pair)
    pair.publish(channel)
    channel.settle(1, ACK)
    pair.settle()
    expect(pair.methods).to.deep.equal(['queue.purge', 'basic.ack'])
  })

  it('wait for a transaction method that waits itself, and go in the order in which they were issued', () => {
    const { pair, channel } = inTransaction(4)
    pair.call(channel, purge())
    pair.call(channel, COMMIT)
    channel.settle(2, ACK_MULTIPLE)
    channel.settle(4, { kind: 'nack', multiple: false, requeue: true })
    pair.call(channel, ROLLBACK)
    channel.settle(3, { kind: 'reject', requeue: false })
    pair.send(1, PURGE_OK)
    pair.send(1, { name: 'tx.commit-ok', args: {} })
    pair.send(1, { name: 'tx.rollback-ok', args: {} })
    expect(pair.methods).to.deep.equal([
      'queue.purge',
      'tx.commit',
      'basic.ack',
      'basic.nack',
      'tx.rollback',
      'basic.reject',
    ])
    expect(refusalsOf(pair, 4)).to.deep.equal([])
  })

  it('overtake none that waits: one with multiple would cover it', () => {
    const { pair, channel } = inTransaction(2)
    for (const method of [COMMIT, purge('a'), purge('b')]) pair.call(channel, method)
    expect(channel.settle(1, ACK)).to.equal(true)
    pair.send(1, { name: 'tx.commit-ok', args: {} })
    expect(channel.settle(2, ACK_MULTIPLE)).to.equal(true)
    pair.send(1, PURGE_OK)
    pair.send(1, PURGE_OK)
    expect(refusalsOf(pair, 2)).to.deep.equal([])
  })

  it('overtake none that waits behind a publish that the broker blocks', () => {
    const { pair, channel } = inTransaction(2)
    pair.call(channel, COMMIT)
    pair.publish(channel)
    channel.settle(1, ACK)
    block(pair)
    pair.send(1, { name: 'tx.commit-ok', args: {} })
    channel.settle(2, ACK_MULTIPLE)
    unblock(pair)
    expect(refusalsOf(pair, 2)).to.deep.equal([])
  })

  it('settle nothing twice that a rollback has put back and another one that waits covers', () => {
    const { pair, channel } = inTransaction(2)
    channel.settle(1, ACK)
    pair.call(channel, ROLLBACK)
    pair.call(channel, ROLLBACK)
    channel.settle(2, ACK_MULTIPLE)
    pair.send(1, { name: 'tx.rollback-ok', args: {} })
    channel.settle(1, ACK)
    pair.send(1, { name: 'tx.rollback-ok', args: {} })
    expect(refusalsOf(pair, 2)).to.deep.equal([])
  })

  it('that were given back for nobody go back again after a rollback, and stay gone after a commit', () => {
    const { pair, channel } = inTransaction(3)
    const deliveries = [1, 2, 3].map(tag => deliveryOf(channel, tag))
    channel.settle(1, ACK)
    channel.giveBack(deliveries[1] as IncomingDelivery)
    pair.call(channel, ROLLBACK)
    pair.send(1, { name: 'tx.rollback-ok', args: {} })
    expect([1, 2, 3].map(tag => channel.stateOf(tag))).to.deep.equal(['unsettled', 'settled', 'unsettled'])
    expect(pair.methods).to.deep.equal(['basic.ack', 'basic.nack', 'tx.rollback', 'basic.nack'])
    pair.call(channel, COMMIT)
    pair.send(1, { name: 'tx.commit-ok', args: {} })
    pair.call(channel, ROLLBACK)
    pair.send(1, { name: 'tx.rollback-ok', args: {} })
    expect(channel.stateOf(2)).to.equal('settled')
    expect(refusalsOf(pair, 3)).to.deep.equal([])
  })

  it('are made settleable again by a rollback, in order', () => {
    const { pair, channel } = inTransaction(4)
    channel.settle(3, ACK)
    channel.settle(2, ACK_MULTIPLE)
    pair.call(channel, ROLLBACK)
    expect(channel.stateOf(2), 'not yet').to.equal('settled')
    pair.send(1, { name: 'tx.rollback-ok', args: {} })
    expect([1, 2, 3, 4].map(tag => channel.stateOf(tag))).to.deep.equal(Array(4).fill('unsettled'))
    expect(channel.settle(3, ACK_MULTIPLE)).to.equal(true)
    expect([1, 2, 3, 4].map(tag => channel.stateOf(tag))).to.deep.equal([
      'settled',
      'settled',
      'settled',
      'unsettled',
    ])
    expect(refusalsOf(pair, 4)).to.deep.equal([])
  })

  it('that wait behind a recover are not sent: the broker has the messages back', () => {
    const { pair, channel } = inTransaction(1)
    for (const method of [purge(), RECOVER, COMMIT]) pair.call(channel, method)
    channel.settle(1, ACK)
    pair.send(1, PURGE_OK)
    pair.send(1, { name: 'basic.recover-ok', args: {} })
    pair.deliver(channel, 't', 2)
    pair.send(1, { name: 'tx.commit-ok', args: {} })
    expect(channel.settle(2, ACK)).to.equal(true)
    pair.settle()
    expect(pair.methods).to.deep.equal(['queue.purge', 'basic.recover', 'tx.commit', 'basic.ack'])
  })

  it('that wait are sent before a close of the channel', () => {
    const { pair, channel } = inTransaction(1)
    pair.call(channel, COMMIT)
    channel.settle(1, ACK)
    pair.run(() => channel.close(pair.now))
    pair.send(1, { name: 'tx.commit-ok', args: {} })
    expect(pair.methods).to.deep.equal(['tx.commit', 'basic.ack', 'channel.close'])
  })

  it('that wait are dropped with the channel, and nothing of them is kept', () => {
    const { pair, channel } = inTransaction(2)
    pair.call(channel, COMMIT)
    channel.settle(1, ACK)
    expect(pair.protocol.buffered).to.be.above(500)
    const args = { replyCode: 406, replyText: 'PRECONDITION_FAILED', classId: 90, methodId: 20 }
    pair.send(1, { name: 'channel.close', args })
    expect(pair.methods).to.deep.equal(['tx.commit', 'channel.close-ok'])
    expect(pair.protocol.buffered).to.equal(0)
    expect(channel.stateOf(2)).to.equal('stale')
  })
})
