import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { Connection, ConsumeOptions, Delivery } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { sharedBroker, sharedVersion } from '../support/rabbitmq/index.js'
import { ScenarioSession } from './scenario-session.js'

const ARRIVAL_MS = 5_000
const QUIET_MS = 150
const COUNT = 100
/** RabbitMQ's granularity for points in time. */
const SECOND_MS = 1_000

describe('a stream, with RabbitMQ,', () => {
  let session: ScenarioSession
  let queue: string
  let halfTime: Date
  /** A connection of each test. */
  let reader: Connection

  /** Two halves, with a second between them. */
  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
    session = await ScenarioSession.open({ confirm: true })
    queue = await session.queue({ type: 'stream', maxAge: '1D', maxSegmentSizeBytes: 10_000_000 })
    await publish(0, COUNT / 2)
    await delay(SECOND_MS + 100)
    halfTime = new Date()
    await publish(COUNT / 2, COUNT)
  })

  beforeEach(async () => {
    reader = await session.join()
  })

  afterEach(() => reader.close())

  after(() => session?.close())

  async function publish(from: number, to: number, headers = {}): Promise<void> {
    const bodies = Array.from({ length: to - from }, (_, each) => String(from + each))
    await Promise.all(bodies.map(body => session.channel.publish('', queue, body, { headers })))
  }

  const offsetOf = ({ properties }: Delivery): unknown => properties.headers?.['x-stream-offset']

  /** What a consumer is given until it has the message with the body `last`, and acknowledges. */
  async function read(options: ConsumeOptions, last: number): Promise<number[]> {
    const bodies: number[] = []
    const channel = await reader.openChannel()
    await channel.consume(queue, { prefetch: 10, ...options }, delivery => {
      expect(offsetOf(delivery)).to.equal(Number(delivery.body))
      bodies.push(Number(delivery.body))
    })
    await until(ARRIVAL_MS, `message ${last}`, () => bodies.at(-1) === last)
    await channel.close()
    return bodies
  }

  const range = (from: number): number[] => Array.from({ length: COUNT - from }, (_, each) => from + each)

  it("is read from its first message on, more than a prefetch's worth, and again", async () => {
    expect(await read({ streamOffset: 'first' }, COUNT - 1)).to.deep.equal(range(0))
    expect(await read({ streamOffset: 'first', prefetch: 1 }, COUNT - 1)).to.deep.equal(range(0))
  })

  for (const streamOffset of [0, 37, 37n, COUNT - 1]) {
    it(`is read from the offset ${streamOffset} (a ${typeof streamOffset}) on`, async () => {
      const bodies = await read({ streamOffset }, COUNT - 1)
      expect(bodies).to.deep.equal(range(Number(streamOffset)))
    })
  }

  it('is read from its last chunk on', async () => {
    const bodies = await read({ streamOffset: 'last' }, COUNT - 1)
    expect(bodies).to.deep.equal(range(bodies[0] ?? COUNT))
    expect(bodies[0]).to.be.at.least(COUNT / 2)
  })

  it('is read from a point in time on', async () => {
    expect(await read({ streamOffset: halfTime }, COUNT - 1)).to.deep.equal(range(COUNT / 2))
    expect(await read({ streamOffset: new Date(0) }, COUNT - 1)).to.deep.equal(range(0))
  })

  it('is read from an interval ago on', async () => {
    expect(await read({ streamOffset: '1h' }, COUNT - 1)).to.deep.equal(range(0))
  })

  it('goes on where a reader stopped', async () => {
    const channel = await reader.openChannel()
    const consumer = await channel.consume(queue, { prefetch: 10, streamOffset: 'first' })
    let next = 0
    for await (const delivery of consumer) {
      next = Number(offsetOf(delivery)) + 1
      delivery.ack()
      if (next === 42) break
    }
    expect(await read({ streamOffset: next }, COUNT - 1)).to.deep.equal(range(42))
  })

  it('gives the message again to a handler that failed, or leaves it; the connection lives', async () => {
    const channel = await reader.openChannel()
    let failures = 0
    channel.on('handlerError', () => failures++)
    const consumer = await channel.consume(queue, { streamOffset: COUNT - 1 }, () => {
      throw new Error('cannot work on that')
    })
    await until(ARRIVAL_MS, 'a failure', () => failures > 0)
    await consumer.cancel()
    await channel.close()
    await reader.openChannel()
  })

  // These add to it.

  it('is read from what comes next on, which is the default', async () => {
    const received: number[] = []
    const readers = [{ streamOffset: 'next' } as const, {}].map(async options => {
      const channel = await reader.openChannel()
      await channel.consume(queue, options, delivery => received.push(Number(delivery.body)))
      return channel
    })
    const channels = await Promise.all(readers)
    await delay(QUIET_MS)
    expect(received).to.deep.equal([])
    await publish(COUNT, COUNT + 2)
    await until(ARRIVAL_MS, 'two messages, twice', () => received.length === 4)
    expect(received.sort()).to.deep.equal([COUNT, COUNT, COUNT + 1, COUNT + 1])
    for (const channel of channels) await channel.close()
  })

  it('is read through a filter, where there is one', async function () {
    const [major = 0, minor = 0] = (await sharedVersion()).split('.').map(Number)
    if (major < 3 || (major === 3 && minor < 13)) this.skip()
    const first = COUNT + 2
    for (const [index, region] of ['north', 'south', 'none'].entries()) {
      const headers = region === 'none' ? {} : { 'x-stream-filter-value': region }
      await publish(first + index, first + index + 1, headers)
    }
    const filtered = { streamOffset: first, streamFilter: 'south' } as const
    expect(await read(filtered, first + 1)).to.deep.equal([first + 1])
    const withOthers = { ...filtered, streamFilter: ['south', 'west'], matchUnfiltered: true }
    expect(await read(withOthers, first + 2)).to.deep.equal([first + 1, first + 2])
  })
})
