import { randomFillSync } from 'node:crypto'
import { expect } from 'chai'
import { ArgumentError, BackpressureError } from '../../src/index.js'
import { BROKER_START_MS, LiveSession, withSharedQueue } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'

const MIB = 1024 * 1024

describe('bodies of every size, through RabbitMQ', function () {
  this.timeout(30_000)
  let session: LiveSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  afterEach(() => session?.close())

  function random(size: number): Buffer {
    return randomFillSync(Buffer.alloc(size))
  }

  for (const frameMax of [8192, 131_072]) {
    for (const confirm of [false, true]) {
      it(`pass unchanged with frames of ${frameMax} octets, ${confirm ? '' : 'not '}confirmed`, async () => {
        session = await LiveSession.open({ frameMax, confirm })
        expect(session.connection.frameMax).to.equal(frameMax)
        const queue = await session.queue()
        const full = frameMax - 8
        const sizes = [0, 1, full - 1, full, full + 1, 2 * full, 2 * full + 1, 65_535, 65_536, 65_537, MIB]
        const bodies = sizes.map(random)
        for (const body of bodies) await session.channel.publish('', queue, body)
        const received: Buffer[] = []
        for await (const delivery of await session.channel.consume(queue, { noAck: true })) {
          received.push(delivery.body)
          if (received.length === bodies.length) break
        }
        for (const [index, body] of bodies.entries()) {
          expect(received[index]?.equals(body), `${body.length} octets`).to.equal(true)
        }
      })
    }
  }

  it('pass unchanged up to 16 MiB, and a small one after it keeps its place', async () => {
    session = await LiveSession.open({ confirm: true })
    const queue = await session.queue()
    const large = random(16 * MIB)
    await Promise.all([
      session.channel.publish('', queue, large, { messageId: 'large' }),
      session.channel.publish('', queue, 'small', { messageId: 'small' }),
    ])
    const first = await session.channel.get(queue, { noAck: true })
    expect(first?.properties.messageId).to.equal('large')
    expect(first?.body.equals(large)).to.equal(true)
    expect((await session.channel.get(queue, { noAck: true }))?.properties.messageId).to.equal('small')
  })

  it('pass unchanged to and from the other client', async () => {
    session = await LiveSession.open({ confirm: true })
    await withSharedQueue(session, {}, async queue => {
      const witness = await session.witness()
      for (const size of [0, 131_064, 131_065, 2 * MIB]) {
        const body = random(size)
        await session.channel.publish('', queue, body)
        const message = await witness.get(queue, { noAck: true })
        expect(message !== false && message.content.equals(body), `${size} octets out`).to.equal(true)
        witness.sendToQueue(queue, body)
        await witness.waitForConfirms()
        const delivery = await session.channel.get(queue, { noAck: true })
        expect(delivery?.body.equals(body), `${size} octets in`).to.equal(true)
      }
    })
  })

  it('may be text, a buffer, or a view of a part of one', async () => {
    session = await LiveSession.open({ confirm: true })
    const queue = await session.queue()
    const octets = new Uint8Array(random(100_000))
    const bodies = ['πß€😀'.repeat(20_000), Buffer.from(octets), octets, octets.subarray(10, 70_010)]
    for (const body of bodies) {
      await session.channel.publish('', queue, body)
      const expected = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body)
      expect((await session.channel.get(queue, { noAck: true }))?.body.equals(expected)).to.equal(true)
    }
  })

  it('do not hold up other channels', async () => {
    session = await LiveSession.open({ confirm: true })
    const queue = await session.queue()
    const other = await session.connection.openChannel({ confirm: true })
    const order: string[] = []
    const large = session.channel.publish('', queue, random(16 * MIB)).then(() => order.push('large'))
    const small = other.publish('', queue, 'small').then(() => order.push('small'))
    await Promise.all([large, small])
    expect(order).to.deep.equal(['small', 'large'])
  })

  it('close the channel that receives one beyond maxMessageSize, and nothing else', async () => {
    session = await LiveSession.open({ maxMessageSize: 100_000 })
    await withSharedQueue(session, {}, async queue => {
      await session.channel.publish('', queue, random(100_001))
      const receiver = await session.connection.openChannel()
      const consumer = await receiver.consume(queue, () => {})
      const reason = await within(5_000, 'the end of the channel', receiver.closed)
      expect(reason).to.include({ by: 'protocol', code: 311 })
      expect(await consumer.closed).to.equal(reason)
      const witness = await session.witness()
      const isBack = async (): Promise<boolean> => (await witness.checkQueue(queue)).messageCount === 1
      await until(5_000, 'the message, back in its queue', isBack)
    })
    expect(session.connection.state).to.equal('open')
  })

  it('are refused beyond maxBuffered, and headers beyond a frame', async () => {
    session = await LiveSession.open({ maxBuffered: MIB })
    const queue = await session.queue()
    await rejectionOf(session.channel.publish('', queue, random(MIB + 1)), BackpressureError)
    const headers = { story: 'x'.repeat(131_072) }
    await rejectionOf(session.channel.publish('', queue, 'x', { headers }), ArgumentError)
    const fitting = { story: 'x'.repeat(100 * 1024) }
    await session.channel.publish('', queue, 'x', { headers: fitting })
    const delivery = await session.channel.get(queue, { noAck: true })
    expect({ ...delivery?.properties.headers }).to.deep.equal(fitting)
  })
})
