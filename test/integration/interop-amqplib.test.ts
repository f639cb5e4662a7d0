import type { ConfirmChannel, Message, Options } from 'amqplib'
import { expect } from 'chai'
import type { MessageProperties } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { everywhere, FIELD_CASES, HEADER_NAMES, PROPERTY_CASES } from './interop-cases.js'
import { InteropSession } from './interop-session.js'

describe('fields and properties, between thump and amqplib', () => {
  let session: InteropSession
  let amqplib: ConfirmChannel

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
    session = await InteropSession.open()
    amqplib = await session.live.witness()
  })

  after(() => session?.close())

  afterEach(() => session.drain())

  async function takenByAmqplib(): Promise<Message> {
    const message = await amqplib.get(session.queue, { noAck: true })
    if (message === false) throw new Error('the queue is empty')
    return message
  }

  async function publishByAmqplib(options: Options.Publish): Promise<void> {
    amqplib.publish('', session.queue, Buffer.alloc(0), options)
    await amqplib.waitForConfirms()
  }

  describe('from thump to amqplib', () => {
    for (const { title, sent, amqplib } of FIELD_CASES) {
      if (sent === undefined || amqplib === undefined) continue
      it(`passes ${title}`, async () => {
        await session.live.channel.publish('', session.queue, '', { headers: everywhere(sent) })
        const { headers } = (await takenByAmqplib()).properties
        expect(headers).to.deep.equal(everywhere(amqplib.received))
      })
    }

    it('passes every name but __proto__, which amqplib loses', async () => {
      await session.live.channel.publish('', session.queue, '', { headers: numbered(HEADER_NAMES) })
      const { headers } = (await takenByAmqplib()).properties
      const { ['__proto__']: lost, ...kept } = numbered(HEADER_NAMES)
      expect(lost).to.be.a('number')
      expect(headers).to.deep.equal(kept)
    })

    for (const { title, properties } of PROPERTY_CASES) {
      it(`passes properties: ${title}`, async () => {
        const sent = properties(session.userId)
        await session.live.channel.publish('', session.queue, '', sent)
        const received = Object.entries((await takenByAmqplib()).properties)
        const present = Object.fromEntries(received.filter(([, value]) => value !== undefined))
        expect(present).to.deep.equal(rounded({ deliveryMode: 2, ...sent }))
      })
    }
  })

  describe('from amqplib to thump', () => {
    for (const { title, received, amqplib } of FIELD_CASES) {
      if (amqplib === undefined || !('sent' in amqplib)) continue
      it(`passes ${title}`, async () => {
        await publishByAmqplib({ headers: everywhere(amqplib.sent) })
        expect((await session.take()).properties.headers).to.deep.equal(everywhere(received))
      })
    }

    it('passes every name', async () => {
      await publishByAmqplib({ headers: numbered(HEADER_NAMES) })
      expect((await session.take()).properties.headers).to.deep.equal(numbered(HEADER_NAMES))
    })

    it('passes numbers of the types that amqplib chooses: b, s, I, l, d', async () => {
      const headers = { b: -7, s: 300, I: 70_000, l: 2 ** 45, d: -0.25, beyond: 2 ** 60 }
      await publishByAmqplib({ headers })
      const received = { ...headers, beyond: 2n ** 60n }
      expect((await session.take()).properties.headers).to.deep.equal(received)
    })

    for (const { title, properties } of PROPERTY_CASES) {
      // It takes numbers only, and 2^64-1 is none.
      if (typeof properties('').timestamp === 'bigint') continue
      it(`passes properties: ${title}`, async () => {
        const sent = properties(session.userId)
        // There is no way to have it sent.
        delete sent.clusterId
        await publishByAmqplib(sent as Options.Publish)
        // It sends a table of headers always.
        expect((await session.take()).properties).to.deep.equal({ headers: {}, ...sent })
      })
    }
  })

  it('pass in both directions while both consume', async () => {
    const back = (await session.live.channel.queueDeclare()).queue
    const answerer = await session.live.witness()
    const { consumerTag } = await answerer.consume(session.queue, message => {
      if (message === null) return
      answerer.sendToQueue(back, Buffer.from(`${message.content} back`), message.properties)
      answerer.ack(message)
    })
    const received: string[] = []
    const consumer = await session.live.channel.consume(back, delivery => {
      received.push(`${delivery.body} ${delivery.properties.messageId}`)
    })
    const count = 200
    for (let each = 0; each < count; each++) {
      await session.live.channel.publish('', session.queue, `m${each}`, { messageId: String(each) })
    }
    await until(5_000, 'all answers', () => received.length === count)
    expect(received).to.deep.equal(Array.from({ length: count }, (_, each) => `m${each} back ${each}`))
    await answerer.cancel(consumerTag)
    await consumer.cancel()
  })
})

/** amqplib makes a number of a timestamp. */
function rounded(properties: MessageProperties): MessageProperties {
  const { timestamp } = properties
  return timestamp === undefined ? properties : { ...properties, timestamp: Number(timestamp) }
}

function numbered(names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name, index) => [name, index]))
}
