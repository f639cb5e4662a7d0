// Numbers at the ends of their range: tags that were never given out, sizes that nothing can have, integers of 64 bits in both
// directions. A number in JavaScript is exact up to 2^53 only; what is beyond is a bigint, or refused, and never rounded.

import { expect } from 'chai'
import { type FieldTable, field } from '../../src/frames/index.js'
import type { Method } from '../../src/protocol/method-types.js'
import type { PublishProperties } from '../../src/protocol/properties.js'
import { heldOctets } from '../support/invariants/growth.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import {
  CONSUMER_TAG,
  consuming,
  contentHeader,
  deliverFrame,
  expectRefused,
  frame,
} from './hostile-octets.js'

const MIB = 1024 * 1024

/** An ack (80), nack (120) or delivery (60) with a tag of which all 64 bits are said. */
function tagged(name: 'ack' | 'nack' | 'deliver', deliveryTag: bigint, multiple = false): Buffer {
  const methodId = { ack: 80, nack: 120, deliver: 60 }[name]
  const tag = Buffer.alloc(8)
  tag.writeBigUInt64BE(deliveryTag)
  const before = name === 'deliver' ? Buffer.from(`\u0001${CONSUMER_TAG}`) : Buffer.alloc(0)
  const after = name === 'deliver' ? Buffer.from([0, 0, 1, 0x71]) : Buffer.from([multiple ? 1 : 0])
  return frame(1, 1, Buffer.concat([Buffer.from([0, 60, 0, methodId]), before, tag, after]))
}

describe('confirms with tags that cannot be', () => {
  function publishing() {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const tokens = [pair.publish(channel), pair.publish(channel)]
    const settled = (): (string | undefined)[] => tokens.map(token => pair.settlementOf(token)?.type)
    return { pair, channel, settled }
  }

  for (const name of ['ack', 'nack'] as const) {
    for (const [what, tag, multiple] of [
      ['0', 0n, false],
      ['3, of two', 3n, false],
      ['3, of two, and all before', 3n, true],
      ['2^32 + 1', 2n ** 32n + 1n, true],
      ['2^53 - 1', 2n ** 53n - 1n, false],
      ['2^53 - 1 and all before', 2n ** 53n - 1n, true],
    ] as const) {
      it(`${name} of ${what} settles nothing, and the channel goes on`, () => {
        const { pair, channel, settled } = publishing()
        pair.sendOctets(tagged(name, tag, multiple))
        expect(settled()).to.deep.equal([undefined, undefined])
        expect(channel.state).to.equal('open')
        pair.sendOctets(tagged('ack', 2n, true))
        expect(settled()).to.deep.equal(['confirmed', 'confirmed'])
      })
    }

    for (const [what, tag] of [
      ['2^53', 2n ** 53n],
      ['2^53 + 1', 2n ** 53n + 1n],
      ['2^63', 2n ** 63n],
      ['2^64 - 1', 2n ** 64n - 1n],
    ] as const) {
      for (const multiple of [false, true]) {
        it(`${name} of ${what}${multiple ? ' and all before' : ''} ends the connection (502), and says so to whoever waits`, () => {
          const { pair, settled } = publishing()
          pair.sendOctets(tagged(name, tag, multiple))
          expectRefused(pair, 502, /cannot decode basic\.n?ack: delivery tag beyond 2\^53/)
          expect(settled()).to.deep.equal(['failed', 'failed'])
          for (const { error } of pair.eventsOf('failed')) expect(error).to.include({ outcome: 'unknown' })
        })
      }
    }
  }

  it('ack of 0 and all before settles everything, as the specification has it', () => {
    const { pair, settled } = publishing()
    pair.sendOctets(tagged('ack', 0n, true))
    expect(settled()).to.deep.equal(['confirmed', 'confirmed'])
  })
})

describe('deliveries with tags that cannot be', () => {
  function receiving() {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.consume(channel, { consumerTag: CONSUMER_TAG })
    pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: CONSUMER_TAG } })
    pair.forget()
    const deliver = (tag: bigint): void =>
      pair.sendOctets(Buffer.concat([tagged('deliver', tag), contentHeader(1, 0)]))
    return { pair, channel, deliver }
  }

  it('2^53 - 1 can be settled, exactly', () => {
    const { pair, channel, deliver } = receiving()
    deliver(2n ** 53n - 1n)
    const settlement = { kind: 'ack', multiple: false } as const
    expect(pair.run(() => channel.settle(Number.MAX_SAFE_INTEGER, settlement))).to.equal(true)
    expect(Buffer.concat(pair.batches.flat()).toString('hex')).to.include('001fffffffffffff')
  })

  for (const [what, tag, code, text] of [
    ['0', 0n, 502, /delivery tag 0 out of order/],
    ['2^53', 2n ** 53n, 502, /delivery tag beyond 2\^53/],
    ['2^53 + 1', 2n ** 53n + 1n, 502, /delivery tag beyond 2\^53/],
    ['2^64 - 1', 2n ** 64n - 1n, 502, /delivery tag beyond 2\^53/],
  ] as const) {
    it(`${what} ends the connection (${code}): acknowledged, it could be another message`, () => {
      const { pair, deliver } = receiving()
      deliver(tag)
      expectRefused(pair, code, text)
      expect(pair.eventsOf('delivered')).to.deep.equal([])
    })
  }
})

describe('bodies of sizes that cannot be', () => {
  for (const [what, size] of [
    ['128 MiB and an octet', 128n * 1024n * 1024n + 1n],
    ['2^40', 2n ** 40n],
    ['2^53 - 1', 2n ** 53n - 1n],
  ] as const) {
    it(`${what}: the channel is closed (311) at the announcement, and the connection goes on`, async () => {
      const before = await heldOctets()
      const pair = consuming()
      pair.sendOctets(Buffer.concat([deliverFrame(pair), contentHeader(1, size)]))
      const [ended, ...others] = pair.eventsOf('channelClosed')
      expect(ended?.reason).to.include({ by: 'protocol', code: 311 })
      expect(others).to.deep.equal([])
      expect(pair.methods).to.deep.equal(['channel.close'])
      pair.sendOctets(frame(3, 1, Buffer.alloc(100_000)))
      expect(pair.methods, 'what comes is skipped').to.deep.equal(['channel.close'])
      expect(pair.eventsOf('delivered')).to.deep.equal([])
      expect([pair.protocol.state, pair.other.state]).to.deep.equal(['open', 'open'])
      expect((await heldOctets()) - before).to.be.below(MIB)
    })
  }

  for (const [what, size] of [
    ['2^53', 2n ** 53n],
    ['2^63', 2n ** 63n],
    ['2^64 - 1', 2n ** 64n - 1n],
  ] as const) {
    it(`${what}: the connection is closed (501)`, () => {
      const pair = consuming()
      pair.sendOctets(Buffer.concat([deliverFrame(pair), contentHeader(1, size)]))
      expectRefused(pair, 501, /body size beyond 2\^53/)
    })
  }

  it('announced on every channel at once, just below the limit, cost a mebibyte each and no more', () => {
    const pair = ProtocolPair.opened()
    const channels = Array.from({ length: 20 }, () => pair.openChannel())
    const before = process.memoryUsage().arrayBuffers
    const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'q' }
    for (const { number } of channels) {
      pair.send(number, { name: 'basic.return', args })
      pair.sendOctets(contentHeader(number, 128 * MIB))
    }
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(21 * MIB)
    for (const channel of channels) expect(channel.state).to.equal('open')
  })

  it('0, of a maxMessageSize of 0, are messages; one octet is too many', () => {
    const pair = consuming({ limits: { maxMessageSize: 0 } })
    pair.sendOctets(Buffer.concat([deliverFrame(pair), contentHeader(1, 0)]))
    expect(pair.eventsOf('delivered')).to.have.length(1)
    pair.sendOctets(Buffer.concat([deliverFrame(pair, 2), contentHeader(1, 1)]))
    expect(pair.eventsOf('channelClosed')[0]?.reason).to.include({ code: 311 })
  })
})

describe('integers of 64 bits', () => {
  const TWO_53 = 2n ** 53n
  const SIGNED = [-(2n ** 63n), -TWO_53 - 1n, -TWO_53, TWO_53, TWO_53 + 1n, 2n ** 63n - 1n]
  const SAFE = [Number.MIN_SAFE_INTEGER, -1, 0, 1, Number.MAX_SAFE_INTEGER]

  /** What the other side reads when this is published, and what is read here when it comes from there. */
  function bothWays(properties: PublishProperties) {
    const pair = consuming()
    pair.publish(pair.other, { properties })
    const [published] = pair.received
    const content = published?.type === 'method' ? published.content : undefined
    const octets = content?.propertyOctets ?? Buffer.alloc(0)
    pair.sendOctets(Buffer.concat([deliverFrame(pair), contentHeader(1, 0, octets)]))
    const delivered = pair.eventsOf('delivered')[0]?.delivery.content
    expect(delivered?.propertyOctets).to.deep.equal(octets)
    return { octets, properties: delivered?.properties ?? {} }
  }

  function octetsOf(value: bigint): string {
    return BigInt.asUintN(64, value).toString(16).padStart(16, '0')
  }

  for (const value of SIGNED) {
    it(`${value} is a bigint in headers, both ways and exactly`, () => {
      const headers: FieldTable = { plain: value, typed: field.int64(value) }
      const { octets, properties } = bothWays({ headers })
      expect(octets.toString('hex').split(`6c${octetsOf(value)}`), 'fields on the wire').to.have.length(3)
      expect({ ...properties.headers }).to.deep.equal({ plain: value, typed: value })
    })
  }

  for (const value of SAFE) {
    it(`${value} is a number in headers, however it was said`, () => {
      const headers: FieldTable = { plain: BigInt(value), typed: field.int64(value), number: value }
      const { properties } = bothWays({ headers })
      expect({ ...properties.headers }).to.deep.equal({ plain: value, typed: value, number: value })
    })
  }

  for (const value of [0n, 1n, TWO_53 - 1n, TWO_53, 2n ** 63n, 2n ** 64n - 1n]) {
    it(`${value} seconds are a timestamp, as a property and as a header`, () => {
      const given = value < TWO_53 ? Number(value) : value
      const { octets, properties } = bothWays({
        timestamp: value,
        headers: { at: field.timestamp(value) },
      })
      expect(octets.toString('hex').split(octetsOf(value)).length, 'on the wire').to.be.at.least(3)
      expect(properties.timestamp).to.equal(given)
      const { at } = (properties.headers ?? {}) as { at?: unknown }
      if (value <= 8_640_000_000_000n) expect(at).to.deep.equal(new Date(Number(value) * 1000))
      else expect(at).to.deep.equal(field.timestamp(given))
    })
  }

  for (const [what, properties, path] of [
    ['2^63 in headers', { headers: { n: 2n ** 63n } }, 'options.headers.n'],
    ['below -2^63 in headers', { headers: { n: -(2n ** 63n) - 1n } }, 'options.headers.n'],
    ['2^64 seconds', { timestamp: 2n ** 64n }, 'options.timestamp'],
    ['-1 seconds', { timestamp: -1n }, 'options.timestamp'],
    ['2^53 seconds as a number', { timestamp: 2 ** 53 }, 'options.timestamp'],
    [
      '2^53 as a number that is to be an int64',
      { headers: { n: field.int64(2 ** 53) } },
      'options.headers.n',
    ],
  ] as const) {
    it(`${what} cannot be sent, and nothing of it is`, () => {
      const pair = consuming()
      expect(() => pair.publish(pair.other, { properties }))
        .to.throw()
        .that.includes({ path })
      expect(pair.received).to.deep.equal([])
    })
  }

  it('counts of 2^32 - 1 are told as they are', () => {
    const pair = consuming()
    const token = pair.call(pair.other, {
      name: 'queue.declare',
      args: {
        ...{ queue: 'q', passive: false, durable: true, exclusive: false, autoDelete: false },
        ...{ noWait: false, arguments: {} },
      },
    })
    const counts = { messageCount: 2 ** 32 - 1, consumerCount: 2 ** 32 - 1 }
    const reply: Method = { name: 'queue.declare-ok', args: { queue: 'q', ...counts } }
    pair.send(pair.other.number, reply)
    const answer = pair.settlementOf(token)
    expect(answer?.type === 'replied' && answer.reply?.args).to.deep.include(counts)
  })
})
