import { createHash, randomFillSync } from 'node:crypto'
import { expect } from 'chai'
import { ArgumentError, type FieldTable } from '../../src/index.js'
import { within } from '../support/rabbitmq/deadline.js'
import { needsControl, RabbitMqNode } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { ScenarioSession } from './scenario-session.js'

const KIB = 1024
const MIB = KIB * KIB
const FRAME_OVERHEAD = 8
/**
 * What of a content header frame is not the value of a header `story`: the frame, class, weight, body size and flags; the
 * table's length, the name, the type and the length of the value; the delivery mode.
 */
const HEADER_OVERHEAD = FRAME_OVERHEAD + (2 + 2 + 8 + 2) + (4 + 6 + 1 + 4) + 1
const TRIP_MS = 20_000

describe('messages of every size, through RabbitMQ,', function () {
  this.timeout(30_000)
  let node: RabbitMqNode
  let session: ScenarioSession

  before(async function () {
    needsControl(this)
    this.timeout(90_000)
    // 16 MiB by default from RabbitMQ 4.0 on.
    node = await RabbitMqNode.start({ settings: { max_message_size: 128 * MIB } })
  })

  after(async () => {
    await node?.stop()
  })

  afterEach(() => session?.close())

  const open = (options: { frameMax?: number } = {}): Promise<ScenarioSession> =>
    ScenarioSession.open({ broker: node.url, maxBuffered: 256 * MIB, ...options })

  const hashOf = (body: Buffer): string => `${body.length} ${createHash('sha256').update(body).digest('hex')}`

  /** Publishes on one channel and consumes on another connection; resolves when all are there unchanged. */
  async function send(sizes: readonly number[]): Promise<void> {
    const queue = await session.queue()
    const publisher = await session.connection.openChannel({ confirm: true })
    const receiver = await (await session.join()).openChannel()
    const consumer = await receiver.consume(queue, { prefetch: 1 })
    const bodies = sizes.map(size => randomFillSync(Buffer.alloc(size)))
    const publishes = bodies.map(body => publisher.publish('', queue, body))
    const received: string[] = []
    for await (const delivery of consumer) {
      received.push(hashOf(delivery.body))
      delivery.ack()
      if (received.length === sizes.length) break
    }
    await Promise.all(publishes)
    expect(received).to.deep.equal(bodies.map(hashOf))
  }

  it('arrive unchanged, the largest and the smallest at once, each on a channel of its own', async () => {
    session = await open()
    const full = session.connection.frameMax - FRAME_OVERHEAD
    const edges = [0, 1, full - 1, full, full + 1, 2 * full - 1, 2 * full, 2 * full + 1]
    const loads = [[64 * MIB], [16 * MIB, 0, 16 * MIB], [MIB, 1, MIB, MIB], edges, [0, 0, 1, 1]]
    await within(TRIP_MS, 'all bodies', Promise.all(loads.map(sizes => send(sizes))))
  })

  it('arrive unchanged with the smallest frames', async () => {
    session = await open({ frameMax: 8192 })
    const full = 8192 - FRAME_OVERHEAD
    const edges = [0, 1, full - 1, full, full + 1, 2 * full, 2 * full + 1]
    await within(TRIP_MS, 'all bodies', Promise.all([[16 * MIB], edges, [MIB, 65_535, 65_536]].map(send)))
  })

  /** Many names, texts, numbers and tables, with at least so many octets. */
  function manyHeaders(octets: number): FieldTable {
    const headers: FieldTable = {}
    for (let each = 0; each * 100 < octets; each++) {
      const name = `header-${each}`
      headers[name] = [
        'x'.repeat(90),
        each * 1_000_003,
        each % 2 === 0,
        Buffer.alloc(90, each),
        { [`deep-${each}`]: [null, each / 7, 'π'.repeat(45)] },
      ][each % 5]
    }
    return headers
  }

  /** A table that was received, with the prototypes that literals have. */
  const plain = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(plain)
    if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return value
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]))
  }

  it('have 100 KiB of headers and more', async () => {
    session = await open()
    const queue = await session.ownQueue()
    for (const headers of [manyHeaders(100 * KIB), { story: 'y'.repeat(100 * KIB) }]) {
      await session.channel.publish('', queue, 'x', { headers })
      const delivery = await session.channel.get(queue, { noAck: true })
      expect(plain(delivery?.properties.headers)).to.deep.equal(headers)
    }
  })

  for (const frameMax of [8192, 131_072]) {
    it(`have headers up to the last octet of a frame of ${frameMax}, and are refused beyond`, async () => {
      session = await open({ frameMax })
      const { channel } = session
      const queue = await session.ownQueue()
      const fitting = { story: 'z'.repeat(frameMax - HEADER_OVERHEAD) }
      const beyond = { story: `${fitting.story}z` }
      const confirming = await session.connection.openChannel({ confirm: true })
      for (const publisher of [channel, confirming]) {
        await publisher.publish('', queue, 'before', { headers: fitting })
        const refused = publisher.publish('', queue, 'refused', { headers: beyond })
        const behind = publisher.publish('', queue, 'behind')
        const error = await rejectionOf(refused, ArgumentError)
        expect(error.path).to.equal('options.headers')
        expect(error.message).to.include(`${frameMax + 1} octets`)
        await behind
        await session.channel.queueDeclare('')
      }
      await channel.close()
      const bodies: string[] = []
      const reader = await session.connection.openChannel()
      for await (const { body, properties } of await reader.consume(queue, { noAck: true })) {
        bodies.push(String(body))
        if (bodies.length % 2 === 1) expect(plain(properties.headers)).to.deep.equal(fitting)
        if (bodies.length === 4) break
      }
      expect(bodies).to.deep.equal(['before', 'behind', 'before', 'behind'])
    })
  }

  it('are refused with arguments that fit no frame, and the channel goes on', async () => {
    session = await open({ frameMax: 8192 })
    const declare = session.channel.queueDeclare('', { arguments: { 'x-story': 'x'.repeat(8192) } })
    await rejectionOf(declare, ArgumentError)
    await session.channel.queueDeclare('')
  })
})
