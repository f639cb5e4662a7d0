// Limits and deadlines of commands that wait, exactly where they lie.

import { expect } from 'chai'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import { BackpressureError, CallTimeoutError } from '../../src/protocol/errors.js'
import { encodeAhead, encodeMethodFrame } from '../../src/protocol/frame-writers.js'
import type { MethodOf } from '../../src/protocol/method-types.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

const ACK = { kind: 'ack', multiple: false } as const
const LONG_MS = 1_000_000

function purge(queue: string, noWait = false): MethodOf<'queue.purge'> {
  return { name: 'queue.purge', args: { queue, noWait } }
}

function call(
  pair: ProtocolPair,
  channel: ChannelProtocol,
  method: MethodOf<'queue.purge' | 'basic.cancel'>,
  ms?: number,
) {
  const token = {}
  pair.run(() => channel.call(method, token, pair.now, ms))
  return token
}

function publishFor(pair: ProtocolPair, channel: ChannelProtocol, ms: number): object {
  const token = {}
  const message = {
    exchange: '',
    routingKey: 'q',
    mandatory: false,
    properties: {},
    body: Buffer.from('body'),
  }
  expect(pair.run(() => channel.publish(message, token, pair.now, ms))).to.equal('queued')
  return token
}

function block(pair: ProtocolPair): void {
  pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
}

/** Moves on to the moment before, and then to the moment at which the token fails. */
function expectFailureAt(pair: ProtocolPair, token: object, at: number): Error | undefined {
  pair.advance(at - 1 - pair.now)
  expect(pair.settlementOf(token), `before ${at}`).to.equal(undefined)
  pair.advance(1)
  expect(pair.settlementOf(token), `at ${at}`).to.include({ type: 'failed' })
  return pair.errorOf(token)
}

describe('CommandLane, limits', () => {
  it('takes a body of as many octets as may wait, and none of one more', () => {
    const pair = ProtocolPair.opened({ limits: { maxBuffered: 1000 } })
    const channel = pair.openChannel()
    pair.publish(channel, { body: Buffer.alloc(1000) })
    expect(pair.methods).to.deep.equal(['basic.publish'])
    expect(() => pair.publish(channel, { body: Buffer.alloc(1001) })).to.throw(
      BackpressureError,
      'a body of 1001 octets would join 0 that wait to be sent; the limit is 1000',
    )
  })

  it('takes calls of as many octets as may wait, what each occupies besides included', () => {
    const octets = encodeAhead(encodeMethodFrame, 1, 131_072, purge('q')).length + 512
    for (const [maxBuffered, waiting] of [
      [3 * octets, 3],
      [3 * octets - 1, 2],
    ] as const) {
      const pair = ProtocolPair.opened({ limits: { maxBuffered } })
      const channel = pair.openChannel()
      call(pair, channel, purge('q'))
      for (let count = 0; count < waiting; count++) call(pair, channel, purge('q'))
      expect(() => call(pair, channel, purge('q')), `at most ${maxBuffered}`).to.throw(
        BackpressureError,
        `a call of ${octets} octets would join ${waiting * octets}`,
      )
    }
  })

  it('lets publishes go until as many octets wait in order as there is room for', () => {
    const trial = ProtocolPair.opened()
    const other = trial.openChannel()
    trial.reads = false
    trial.publish(other)
    const octets = trial.protocol.unsent
    for (const [highWaterMark, first] of [
      [octets, 'queued'],
      [octets + 1, 'sent'],
    ] as const) {
      const pair = ProtocolPair.opened({ limits: { highWaterMark } })
      const channel = pair.openChannel()
      pair.reads = false
      pair.publish(channel)
      const message = {
        exchange: '',
        routingKey: 'q',
        mandatory: false,
        properties: {},
        body: Buffer.from('body'),
      }
      expect(channel.publish(message, undefined, 0), `room for ${highWaterMark}`).to.equal(first)
    }
  })

  it('holds no settlement up for a wait for confirms', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    pair.consume(channel)
    pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
    pair.deliver(channel, 't', 1)
    block(pair)
    pair.publish(channel)
    pair.run(() => channel.awaitConfirms({}, pair.now))
    pair.forget()
    expect(pair.run(() => channel.settle(1, ACK))).to.equal(true)
    expect(pair.methods).to.deep.equal(['basic.ack'])
  })
})

describe('CommandLane, deadlines', () => {
  it('gives a wait for confirms that never has its turn the confirm timeout', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    call(pair, channel, purge('a'), LONG_MS)
    call(pair, channel, purge('b'), LONG_MS)
    const token = {}
    pair.run(() => channel.awaitConfirms(token, pair.now))
    const error = expectFailureAt(pair, token, 30_000)
    expect(error).to.be.instanceOf(CallTimeoutError)
    expect(error?.message).to.include('what was issued before was not sent within 30000 ms')
  })

  it('gives it as much again as long as a publish in front of it may still be confirmed', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    block(pair)
    call(pair, channel, purge('a'), LONG_MS)
    call(pair, channel, purge('b'), LONG_MS)
    const publish = publishFor(pair, channel, LONG_MS)
    const token = {}
    pair.run(() => channel.awaitConfirms(token, pair.now))
    pair.advance(35_000)
    pair.withdraw(channel, new Error('not wanted'), publish)
    expectFailureAt(pair, token, 60_000)
  })

  it('gives up on a cancel that waits like on any call, but not while the broker blocks', () => {
    const cancel = { name: 'basic.cancel', args: { consumerTag: 't', noWait: false } } as const
    for (const blocks of [false, true]) {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel()
      if (blocks) block(pair)
      call(pair, channel, purge('a'), LONG_MS)
      const token = call(pair, channel, cancel)
      if (blocks) {
        pair.advance(20_000)
        pair.send(0, { name: 'connection.unblocked', args: {} })
      }
      const error = expectFailureAt(pair, token, blocks ? 40_000 : 20_000)
      expect(error?.message).to.equal('basic.cancel: not sent within 20000 ms')
    }
  })

  it('says of a call that wants no reply that it was not sent', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.reads = false
    const token = call(pair, channel, purge('a', true))
    pair.advance(20_000)
    expect(pair.errorOf(token)?.message).to.equal('queue.purge: not sent within 20000 ms')
  })
})
