import { expect } from 'chai'
import type { FieldTable } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { everywhere, FIELD_CASES, HEADER_NAMES, PROPERTY_CASES } from './interop-cases.js'
import { InteropSession } from './interop-session.js'

const SENDABLE = FIELD_CASES.filter(each => each.sent !== undefined)

describe('fields and properties, from thump to thump', () => {
  let session: InteropSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
    session = await InteropSession.open()
  })

  after(() => session?.close())

  afterEach(() => session.drain())

  /** RabbitMQ adds headers of its own when it dead-letters: only those that were sent are looked at. */
  async function expectBack(through: string, sent: FieldTable, received: FieldTable): Promise<void> {
    await session.live.channel.publish('', through, '', { headers: sent })
    const { headers = {} } = (await session.take()).properties
    for (const [name, value] of Object.entries(received)) {
      expect(headers[name], `header '${name}'`).to.deep.equal(value)
    }
  }

  // RabbitMQ 3.10 hands the octets of the headers on as they came, 4.x writes them anew.
  describe('through a queue', () => {
    for (const { title, sent, received } of SENDABLE) {
      it(`gives back ${title}`, () => expectBack(session.queue, everywhere(sent), everywhere(received)))
    }

    it('gives back every name, and nothing beside', async () => {
      const headers = numbered(HEADER_NAMES)
      await session.live.channel.publish('', session.queue, '', { headers })
      expect((await session.take()).properties.headers).to.deep.equal(headers)
    })

    for (const { title, properties } of PROPERTY_CASES) {
      it(`gives back properties: ${title}`, async () => {
        const sent = properties(session.userId)
        await session.live.channel.publish('', session.queue, '', sent)
        // Persistent unless it is said otherwise.
        expect((await session.take()).properties).to.deep.equal({ deliveryMode: 2, ...sent })
      })
    }

    it('takes a time to live as a number and a timestamp as a Date', async () => {
      const sent = { expiration: 600_000, timestamp: new Date(1_700_000_000_999) }
      await session.live.channel.publish('', session.queue, '', sent)
      const received = { expiration: '600000', timestamp: 1_700_000_000 }
      expect((await session.take()).properties).to.deep.equal({ deliveryMode: 2, ...received })
    })

    it('gives a time to live that the broker obeys', async () => {
      await session.live.channel.publish('', session.queue, 'short-lived', { expiration: 1 })
      const isEmpty = async (): Promise<boolean> =>
        (await session.live.channel.get(session.queue)) === undefined
      await until(5_000, 'the end of the message', isEmpty)
    })
  })

  describe('through a queue that dead-letters, where RabbitMQ reads the headers and writes them anew', () => {
    let deadLettering: string

    before(async () => {
      deadLettering = await session.deadLettering()
    })

    for (const { title, sent, received } of SENDABLE) {
      it(`gives back ${title}`, () => expectBack(deadLettering, everywhere(sent), everywhere(received)))
    }

    it('gives back every name', () =>
      expectBack(deadLettering, numbered(HEADER_NAMES), numbered(HEADER_NAMES)))
  })
})

function numbered(names: readonly string[]): FieldTable {
  return Object.fromEntries(names.map((name, index) => [name, index]))
}
