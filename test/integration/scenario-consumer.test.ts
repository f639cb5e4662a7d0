import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { ConsumerClosedError, type Delivery, type QueueType } from '../../src/index.js'
import { heldOctets } from '../support/invariants/growth.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { ScenarioSession } from './scenario-session.js'

const KIB = 1024
const END_WITHIN_MS = 5_000
const SILENCE_MS = 3_500

describe('a consumer, with RabbitMQ,', () => {
  let session: ScenarioSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await ScenarioSession.open({ confirm: true })
  })

  afterEach(() => session.close())

  async function publishNumbers(queue: string, count: number, size = 0): Promise<void> {
    const padding = Buffer.alloc(size)
    const publishes = Array.from({ length: count }, (_, each) =>
      session.channel.publish('', queue, padding, { messageId: String(each) }),
    )
    await Promise.all(publishes)
  }

  it('whose iterator nobody pulls holds its prefetch and no more, and the connection goes on', async () => {
    const [count, prefetch, size] = [400, 20, 64 * KIB]
    const queue = await session.queue()
    await publishNumbers(queue, count, size)
    const before = await heldOctets()
    const connection = await session.join()
    const channel = await connection.openChannel()
    const consumer = await channel.consume(queue, { prefetch })
    await session.expectMessages(queue, count - prefetch)
    const { octetsReceived } = connection.stats
    expect(octetsReceived).to.be.within(prefetch * size, (prefetch + 1) * size)
    expect((await heldOctets()) - before).to.be.below(2 * prefetch * size)
    // Neither its channel nor any other waits for it.
    await channel.queueDeclare('')
    await (await connection.openChannel()).queueDeclare('')
    const received: (string | undefined)[] = []
    for await (const delivery of consumer) {
      received.push(delivery.properties.messageId)
      delivery.ack()
      if (received.length === count) break
    }
    expect(received).to.deep.equal(Array.from({ length: count }, (_, each) => String(each)))
  })

  it('without a prefetch, and whose iterator nobody pulls, stops reading; both ends outlive the silence', async function () {
    this.timeout(20_000)
    const [count, size] = [400, 64 * KIB]
    const queue = await session.queue()
    await publishNumbers(queue, count, size)
    const connection = await session.join({ heartbeat: 1, maxReceiveBuffered: 1024 * KIB })
    const channel = await connection.openChannel()
    const consumer = await channel.consume(queue, { prefetch: 0 })
    await until(END_WITHIN_MS, 'the limit', () => connection.stats.octetsReceived > 1024 * KIB)
    // The broker gives up after three intervals at most, thump after two.
    await delay(SILENCE_MS)
    expect(connection.state).to.equal('open')
    expect(connection.stats.octetsReceived).to.be.below(4 * 1024 * KIB)
    const received: (string | undefined)[] = []
    for await (const delivery of consumer) {
      received.push(delivery.properties.messageId)
      delivery.ack()
      if (received.length === count) break
    }
    expect(received).to.deep.equal(Array.from({ length: count }, (_, each) => String(each)))
    await channel.close()
    await session.expectMessages(queue, 0)
  })

  const types: readonly QueueType[] = ['classic', 'quorum', 'stream']
  for (const type of types) {
    describe(`of a ${type} queue that somebody deletes`, () => {
      const streamOffset = type === 'stream' ? 'first' : undefined
      let queue: string

      beforeEach(async () => {
        queue = await session.queue({ type })
      })

      const deleteQueue = async (): Promise<void> => {
        const witness = await session.witness()
        await witness.deleteQueue(queue)
        await witness.close()
      }

      it('is told; its handler ends in peace, and its channel lives', async () => {
        await publishNumbers(queue, 1)
        const begun: Delivery[] = []
        let finish = (): void => {}
        const held = new Promise<void>(resolve => {
          finish = resolve
        })
        session.channel.on('handlerError', error => expect.fail(String(error)))
        const consumer = await session.channel.consume(
          queue,
          { prefetch: 1, streamOffset },
          async delivery => {
            begun.push(delivery)
            await held
          },
        )
        await until(END_WITHIN_MS, 'a handler that runs', () => begun.length === 1)
        await deleteQueue()
        const reason = await within(END_WITHIN_MS, 'the end of the consumer', consumer.closed)
        expect(reason).to.include({ by: 'server', method: 'basic.cancel' })
        expect(begun[0]?.state).to.equal('unsettled')
        finish()
        await until(END_WITHIN_MS, 'the acknowledgement', () => begun[0]?.state === 'settled')
        expect(await consumer.cancel()).to.equal(reason)
        await session.channel.queueDeclare('')
        expect(session.channel.state).to.equal('open')
      })

      it('throws from its iterator what it was told, after what had come', async () => {
        await publishNumbers(queue, 2)
        const consumer = await session.channel.consume(queue, { prefetch: 2, streamOffset })
        const iterator = consumer[Symbol.asyncIterator]()
        const first = await iterator.next()
        expect(first.value?.properties.messageId).to.equal('0')
        await deleteQueue()
        const reason = await within(END_WITHIN_MS, 'the end of the consumer', consumer.closed)
        expect(reason).to.include({ by: 'server', method: 'basic.cancel' })
        const second = await iterator.next()
        expect(second.value?.properties.messageId).to.equal('1')
        expect(second.value?.ack({ multiple: true })).to.equal(true)
        expect((await rejectionOf(iterator.next(), ConsumerClosedError)).reason).to.equal(reason)
        await session.channel.queueDeclare('')
        expect(session.channel.state).to.equal('open')
      })
    })
  }
})
