import type { Message } from 'amqplib'
import { expect } from 'chai'
import { type Delivery, type FieldTable, field, type MessageProperties } from '../../src/index.js'
import { BROKER_START_MS, LiveSession, withSharedQueue } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'

const PROPERTIES = Object.freeze({
  contentType: 'text/plain',
  contentEncoding: 'utf-8',
  deliveryMode: 2,
  priority: 3,
  correlationId: 'c-1',
  replyTo: 'answers',
  expiration: '600000',
  messageId: 'm-1',
  timestamp: 1_700_000_000,
  type: 'greeting',
  userId: 'guest',
  appId: 'tests',
  clusterId: 'reserved',
})

const HEADERS = Object.freeze({
  yes: true,
  no: false,
  nothing: null,
  zero: 0,
  small: -7,
  int32: 2 ** 31 - 1,
  int64: 2 ** 40,
  beyond: 2n ** 62n,
  fraction: 0.1,
  text: 'πß€😀',
  long: 'x'.repeat(1000),
  octets: Buffer.from([0, 255, 1]),
  when: new Date(1_700_000_000_000),
  list: [1, 'two', [3n, null], { four: 4 }],
  table: { inner: { deeper: [true] } },
  empty: {},
  none: [],
  'a.b c': 1,
  ['__proto__x']: 1,
})

const TYPED: FieldTable = Object.freeze({
  b: field.int8(-5),
  B: field.uint8(250),
  s: field.int16(-500),
  u: field.uint16(60_000),
  I: field.int32(-70_000),
  i: field.uint32(4_000_000_000),
  l: field.int64(-5n),
  f: field.float(0.5),
  d: field.double(3),
  D: field.decimal(2, 12_345),
  T: field.timestamp(1_700_000_000),
})

describe('messages, through RabbitMQ and an independent client', () => {
  let session: LiveSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await LiveSession.open({ confirm: true })
  })

  afterEach(() => session.close())

  async function fetch(queue: string): Promise<Delivery> {
    const delivery = await session.channel.get(queue, { noAck: true })
    if (delivery === undefined) throw new Error('the queue is empty')
    return delivery
  }

  async function witnessed(queue: string): Promise<Message> {
    const message = await (await session.witness()).get(queue, { noAck: true })
    if (message === false) throw new Error('the queue is empty')
    return message
  }

  function plainOf(properties: MessageProperties): Record<string, unknown> {
    return { ...properties, ...(properties.headers && { headers: { ...properties.headers } }) }
  }

  it('come back as they were published', async () => {
    const queue = await session.queue()
    await session.channel.publish('', queue, 'hello', { ...PROPERTIES, headers: HEADERS })
    const delivery = await fetch(queue)
    expect(delivery.body.toString()).to.equal('hello')
    const { headers, ...properties } = delivery.properties
    expect(properties).to.deep.equal(PROPERTIES)
    expect(Object.keys(headers ?? {})).to.deep.equal(Object.keys(HEADERS))
    for (const [name, value] of Object.entries(HEADERS)) {
      expect(simplified(headers?.[name]), name).to.deep.equal(simplified(value))
    }
  })

  it('come back with typed headers as numbers', async () => {
    const queue = await session.queue()
    await session.channel.publish('', queue, '', { headers: TYPED })
    const { headers } = (await fetch(queue)).properties
    expect(headers).to.include({ b: -5, B: 250, s: -500, u: 60_000, I: -70_000, i: 4_000_000_000, l: -5 })
    expect(headers).to.include({ f: 0.5, d: 3 })
    expect(headers?.['D']).to.deep.equal(field.decimal(2, 12_345))
  })

  it('need no properties at all', async () => {
    await withSharedQueue(session, {}, async queue => {
      const witness = await session.witness()
      witness.publish('', queue, Buffer.from('bare'))
      await witness.waitForConfirms()
      const delivery = await fetch(queue)
      expect(delivery.body.toString()).to.equal('bare')
      // What the other client sends without being asked to.
      expect(plainOf(delivery.properties)).to.deep.equal({ headers: {} })
    })
  })

  it('are understood by the other client', async () => {
    await withSharedQueue(session, {}, async queue => {
      await session.channel.publish('', queue, 'hello', {
        ...PROPERTIES,
        headers: HEADERS,
        timestamp: HEADERS.when,
      })
      const { content, properties, fields } = await witnessed(queue)
      expect(content.toString()).to.equal('hello')
      expect(fields).to.include({ exchange: '', routingKey: queue, redelivered: false })
      const { headers, ...rest } = properties
      expect(rest).to.deep.equal(PROPERTIES)
      expect(headers).to.include({
        yes: true,
        no: false,
        nothing: null,
        zero: 0,
        small: -7,
        int32: 2 ** 31 - 1,
        int64: 2 ** 40,
        fraction: 0.1,
        text: HEADERS.text,
        long: HEADERS.long,
        'a.b c': 1,
      })
      expect(headers?.['octets']).to.deep.equal(HEADERS.octets)
      expect(headers?.['list']?.slice(0, 2)).to.deep.equal([1, 'two'])
      expect(headers?.['table']).to.deep.equal(HEADERS.table)
      expect([headers?.['empty'], headers?.['none']]).to.deep.equal([{}, []])
      expect(headers?.['when']).to.deep.include({ value: 1_700_000_000 })
    })
  })

  it('of the other client are understood', async () => {
    await withSharedQueue(session, {}, async queue => {
      const witness = await session.witness()
      const headers = {
        yes: true,
        nothing: null,
        number: 5,
        big: 2 ** 45,
        fraction: -0.25,
        text: HEADERS.text,
        octets: Buffer.from([1, 2, 255]),
        list: [1, ['two'], { three: 3 }],
        table: { inner: { deeper: false } },
        typed: { '!': 'uint16', value: 65_535 },
        when: { '!': 'timestamp', value: 1_700_000_000 },
        money: { '!': 'decimal', value: { places: 2, digits: 12_345 } },
      }
      witness.publish('', queue, Buffer.from('hello'), { ...PROPERTIES, persistent: true, headers })
      await witness.waitForConfirms()
      const { body, properties } = await fetch(queue)
      expect(body.toString()).to.equal('hello')
      const { headers: received, ...rest } = properties
      // The other client cannot send that one.
      const { clusterId: _, ...sent } = PROPERTIES
      expect(rest).to.deep.equal(sent)
      expect(received).to.include({
        yes: true,
        nothing: null,
        number: 5,
        big: 2 ** 45,
        fraction: -0.25,
        text: HEADERS.text,
        typed: 65_535,
      })
      expect(received?.['octets']).to.deep.equal(headers.octets)
      expect(simplified(received?.['list'])).to.deep.equal(headers.list)
      expect(simplified(received?.['table'])).to.deep.equal(headers.table)
      expect(received?.['money']).to.deep.equal(field.decimal(2, 12_345))
      expect(received?.['when']).to.deep.equal(HEADERS.when)
    })
  })

  it('pass in both directions while both consume', async () => {
    await withSharedQueue(session, {}, async there => {
      await withSharedQueue(session, {}, async back => {
        const witness = await session.witness()
        await witness.consume(
          there,
          message => {
            if (message === null) return
            witness.sendToQueue(back, Buffer.from(`${message.content} back`), message.properties)
            witness.ack(message)
          },
          {},
        )
        const received: string[] = []
        await session.channel.consume(back, delivery => {
          received.push(`${delivery.body} ${delivery.properties.messageId}`)
        })
        const count = 200
        for (let each = 0; each < count; each++) {
          await session.channel.publish('', there, `m${each}`, { messageId: String(each) })
        }
        await until(5_000, 'all answers', () => received.length === count)
        expect(received).to.deep.equal(Array.from({ length: count }, (_, each) => `m${each} back ${each}`))
      })
    })
  })

  it('carry a time to live that the broker obeys', async () => {
    const queue = await session.queue()
    await session.channel.publish('', queue, 'short-lived', { expiration: 1 })
    await within(
      5_000,
      'the end of the message',
      until(5_000, 'an empty queue', async () => (await session.channel.get(queue)) === undefined),
    )
  })
})

/** Tables that were received have no prototype. */
function simplified(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(simplified)
  if (Buffer.isBuffer(value) || value instanceof Date || typeof value !== 'object' || value === null) {
    return typeof value === 'bigint' && BigInt(Number(value)) === value && Number.isSafeInteger(Number(value))
      ? Number(value)
      : value
  }
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, simplified(each)]))
}
