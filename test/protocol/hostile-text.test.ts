// Text that is not UTF-8 wherever a user sees text from a server. RabbitMQ lets most of it pass from other clients, so it must
// end nothing: what cannot be read is U+FFFD, and a long string, which may be octets, is its octets.

import { expect } from 'chai'
import type { FieldTable } from '../../src/frames/index.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import {
  CONSUMER_TAG,
  consuming,
  contentHeader,
  expectRefused,
  frame,
  headersOnly,
} from './hostile-octets.js'

/** Octets, and what a strict decoder that replaces makes of them. */
const INVALID: readonly (readonly [what: string, octets: Buffer])[] = [
  ['a lone octet 0xff', Buffer.from([0xff])],
  ['a lone continuation', Buffer.from([0x61, 0x80, 0x62])],
  ['an overlong slash', Buffer.from([0xc0, 0xaf])],
  ['a surrogate', Buffer.from([0xed, 0xa0, 0x80])],
  ['a sequence that is cut off', Buffer.from([0x61, 0xe2, 0x82])],
  ['beyond U+10FFFF', Buffer.from([0xf4, 0x90, 0x80, 0x80])],
  ['255 octets of 0xfe', Buffer.alloc(255, 0xfe)],
]

function shortstr(octets: Buffer): Buffer {
  return Buffer.concat([Buffer.from([octets.length]), octets])
}

function longstr(octets: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(octets.length)
  return Buffer.concat([size, octets])
}

function method(classId: number, methodId: number, ...args: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([0, classId, 0, methodId]), ...args])
}

const NAME = shortstr(Buffer.from('q'))
const TAG = Buffer.from([0, 0, 0, 0, 0, 0, 0, 1])
const NO_IDS = Buffer.alloc(4)

for (const [what, octets] of INVALID) {
  const text = octets.toString()
  const bad = shortstr(octets)

  describe(`text that is ${what}`, () => {
    it('is told in the exchange and routing key of a delivery, and harms nothing', () => {
      const pair = consuming()
      const deliver = method(60, 60, shortstr(Buffer.from(CONSUMER_TAG)), TAG, Buffer.from([0]), bad, bad)
      pair.sendOctets(Buffer.concat([frame(1, 1, deliver), contentHeader(1, 0)]))
      const [delivered] = pair.eventsOf('delivered')
      expect(delivered?.delivery).to.include({ exchange: text, routingKey: text })
      expect(text).to.include('\ufffd')
      expect(pair.protocol.state).to.equal('open')
    })

    it('in a consumer tag is the tag of nobody: the connection ends (503)', () => {
      const pair = consuming()
      const deliver = method(60, 60, bad, TAG, Buffer.from([0]), NAME, NAME)
      pair.sendOctets(Buffer.concat([frame(1, 1, deliver), contentHeader(1, 0)]))
      expectRefused(pair, 503, /delivery to a consumer that does not exist/)
    })

    it('is told in a message that was fetched, and in one that came back', () => {
      const pair = consuming()
      const token = pair.call(pair.other, { name: 'basic.get', args: { queue: 'q', noAck: true } })
      const getOk = method(60, 71, TAG, Buffer.from([0]), bad, bad, NO_IDS)
      pair.sendOctets(Buffer.concat([frame(1, 2, getOk), contentHeader(2, 0)]))
      const got = pair.settlementOf(token)
      expect(got?.type === 'got' && got.delivery).to.include({ exchange: text, routingKey: text })
      const returned = method(60, 50, Buffer.from([1, 56]), bad, bad, bad)
      pair.sendOctets(Buffer.concat([frame(1, 2, returned), contentHeader(2, 0)]))
      const [told] = pair.eventsOf('returned')
      expect(told?.message).to.include({ replyText: text, exchange: text, routingKey: text })
      expect(pair.other.state).to.equal('open')
    })

    it('is told in every property that is text, and in the names and values of headers', () => {
      const pair = consuming()
      const table = longstr(Buffer.concat([bad, Buffer.from('S'), longstr(octets)]))
      const texts = Array.from({ length: 10 }, () => bad)
      // contentType, contentEncoding, headers, correlationId, replyTo, expiration, messageId, type, userId, appId, clusterId
      const flags = Buffer.from([0b11100111, 0b10111100])
      const list = Buffer.concat([flags, bad, bad, table, ...texts.slice(2)])
      const deliver = method(60, 60, shortstr(Buffer.from(CONSUMER_TAG)), TAG, Buffer.from([0]), NAME, NAME)
      pair.sendOctets(Buffer.concat([frame(1, 1, deliver), contentHeader(1, 0, list)]))
      const [delivered] = pair.eventsOf('delivered')
      const { headers, ...others } = delivered?.delivery.content.properties ?? {}
      expect(Object.values(others)).to.deep.equal(new Array(10).fill(text))
      expect(Object.keys(headers ?? {})).to.deep.equal([text])
      expect(headers?.[text], 'a long string may be octets').to.deep.equal(octets)
    })

    it('as the name of a header is a name like any other', () => {
      const pair = consuming()
      const fields = [bad, Buffer.from('t\u0001'), NAME, Buffer.from('t\u0001')]
      const deliver = method(60, 60, shortstr(Buffer.from(CONSUMER_TAG)), TAG, Buffer.from([0]), NAME, NAME)
      const header = contentHeader(1, 0, headersOnly(longstr(Buffer.concat(fields))))
      pair.sendOctets(Buffer.concat([frame(1, 1, deliver), header]))
      const headers = pair.eventsOf('delivered')[0]?.delivery.content.properties.headers as FieldTable
      expect(Object.entries(headers)).to.deep.equal([
        [text, true],
        ['q', true],
      ])
    })

    it('is told in the name of a queue that the server made', () => {
      const pair = consuming()
      const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false }
      const token = pair.call(pair.other, {
        name: 'queue.declare',
        args: { queue: '', ...flags, arguments: {} },
      })
      pair.sendOctets(frame(1, 2, method(50, 11, bad, NO_IDS, NO_IDS)))
      const answer = pair.settlementOf(token)
      expect(answer?.type === 'replied' && answer.reply?.args).to.deep.include({ queue: text })
    })

    it('is told in the reason of a block, and in those of a close', () => {
      const pair = consuming()
      pair.sendOctets(frame(1, 0, method(10, 60, bad)))
      expect(pair.protocol.blocked).to.equal(text)
      const code = Buffer.from([1, 148])
      pair.sendOctets(frame(1, 2, method(20, 40, code, bad, NO_IDS)))
      expect(pair.eventsOf('channelClosed')[0]?.reason).to.include({ by: 'server', code: 404, text })
      pair.sendOctets(frame(1, 0, method(10, 50, code, bad, NO_IDS)))
      expect(pair.protocol.reason).to.include({ by: 'server', code: 404, text })
      expect(pair.methods).to.deep.equal(['channel.close-ok', 'connection.close-ok'])
    })

    it('is told in the close of a connection that is being opened', () => {
      const pair = new ProtocolPair()
      pair.settle()
      pair.sendOctets(frame(1, 0, method(10, 50, Buffer.from([2, 18]), bad, NO_IDS)))
      expect(pair.protocol.reason).to.include({ by: 'server', code: 530, text })
      expect(pair.protocol.reason?.error?.message).to.include(text)
    })

    it('cancels no consumer: there is none of that tag', () => {
      const pair = consuming()
      pair.sendOctets(frame(1, 1, method(60, 30, bad, Buffer.from([1]))))
      expect(pair.eventsOf('consumerEnded')).to.deep.equal([])
      expect(pair.channel.hasConsumer(CONSUMER_TAG)).to.equal(true)
    })
  })
}

describe('text that was not UTF-8', () => {
  it('is never taken for text that looks like it, nor the other way round', () => {
    const pair = consuming()
    const keys = [
      Buffer.from([0x61, 0xff]),
      Buffer.from('a\ufffd'),
      Buffer.from('a\u00ff'),
      Buffer.from('ab'),
    ]
    let tag = 0
    for (const key of [...keys, ...keys]) {
      const octets = Buffer.from([0, 0, 0, 0, 0, 0, 0, ++tag])
      const before = [shortstr(Buffer.from(CONSUMER_TAG)), octets, Buffer.from([0]), NAME]
      const deliver = method(60, 60, ...before, shortstr(key))
      pair.sendOctets(Buffer.concat([frame(1, 1, deliver), contentHeader(1, 0)]))
    }
    const told = pair.eventsOf('delivered').map(({ delivery }) => delivery.routingKey)
    const expected = ['a\ufffd', 'a\ufffd', 'a\u00ff', 'ab']
    expect(told).to.deep.equal([...expected, ...expected])
  })
})
