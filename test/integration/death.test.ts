import { expect } from 'chai'
import {
  type Channel,
  ChannelClosedError,
  type CloseReason,
  type Connection,
  connect,
  HeartbeatError,
  UnconfirmedError,
} from '../../src/index.js'
import { FaultProxy } from '../support/fault-proxy.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker, sharedNode } from '../support/rabbitmq/index.js'

const INTERVAL_MS = 1_000
/** Two intervals and a second, and a second more for a busy machine. */
const DEADLINE_MS = 2 * INTERVAL_MS + 2_000

interface Pending {
  readonly publish: Promise<unknown>
  readonly call: Promise<unknown>
}

async function open(url: string): Promise<{ connection: Connection; channel: Channel; queue: string }> {
  const connection = await connect(url, { heartbeat: INTERVAL_MS / 1000 })
  const channel = await connection.openChannel({ confirm: true, maxUnconfirmed: 1_000_000 })
  const { queue } = await channel.queueDeclare('')
  await channel.publish('', queue, 'before')
  return { connection, channel, queue }
}

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    value => expect.fail(`resolved with ${value}`),
    error => error,
  )

function causesOf(error: unknown): unknown[] {
  return error instanceof Error ? [error, ...causesOf(error.cause)] : []
}

/** The connection dies by heartbeat in time, and what was pending says so. */
async function expectDeath(connection: Connection, pending: Pending): Promise<CloseReason> {
  const since = performance.now()
  const reason = await within(DEADLINE_MS, 'the death of the connection', connection.closed)
  expect(performance.now() - since, 'milliseconds until death').to.be.greaterThan(INTERVAL_MS)
  expect(reason.by).to.equal('heartbeat')
  expect(reason.error).to.be.instanceOf(HeartbeatError)
  const publish = await within(1_000, 'the rejection of the publish', pending.publish)
  expect(publish).to.be.instanceOf(UnconfirmedError)
  expect(causesOf(publish)).to.include(reason.error)
  const call = await within(1_000, 'the rejection of the call', pending.call)
  expect(call).to.be.instanceOf(ChannelClosedError)
  expect(causesOf(call)).to.include(reason.error)
  expect(connection.state).to.equal('closed')
  return reason
}

describe('the death of RabbitMQ', function () {
  this.timeout(40_000)

  it('by SIGSTOP is noticed', async function () {
    const node = await sharedNode(this)
    const { connection, channel, queue } = await open(node.url)
    await node.freeze()
    try {
      const pending = {
        publish: errorOf(channel.publish('', queue, 'x')),
        call: errorOf(channel.queueDelete(queue)),
      }
      const { error } = await expectDeath(connection, pending)
      expect(await pending.publish).to.include({ outcome: 'unknown' })
      expect((error as HeartbeatError).queuedOctets).to.equal(0)
    } finally {
      await node.thaw()
    }
  })

  describe('as the network has it', () => {
    let proxy: FaultProxy
    let url: string

    beforeEach(async () => {
      const broker = await sharedBroker()
      const { port, hostname } = new URL(broker.url)
      proxy = await FaultProxy.start({ target: { port: Number(port), host: hostname } })
      url = proxy.url(broker.url)
    })

    afterEach(async () => {
      await proxy.close()
    })

    it('by a link that takes nothing any more is noticed, with more than every buffer can hold on its way', async () => {
      const { connection, channel, queue } = await open(url)
      proxy.freeze()
      const call = errorOf(channel.queueDelete('never'))
      // What the buffers of both sockets take, which nobody reads, is more than a few megabytes.
      const publishes = Array.from({ length: 400 }, () =>
        errorOf(channel.publish('', queue, Buffer.alloc(60_000))),
      )
      const reason = await expectDeath(connection, { publish: publishes[0] as Promise<unknown>, call })
      expect((reason.error as HeartbeatError).queuedOctets).to.be.greaterThan(200_000)
      const outcomes = (await Promise.all(publishes)).map(error => (error as UnconfirmedError).outcome)
      const notSent = outcomes.indexOf('not-sent')
      expect(notSent, 'the first that was not sent').to.be.greaterThan(0)
      expect(new Set(outcomes.slice(0, notSent))).to.deep.equal(new Set(['unknown']))
      expect(new Set(outcomes.slice(notSent))).to.deep.equal(new Set(['not-sent']))
      proxy.thaw()
      const [link] = proxy.links
      await within(5_000, 'the end of our socket, at the proxy', link?.closed ?? Promise.reject())
    })

    it('by a black hole is noticed, though we publish every 50 ms and every octet leaves', async () => {
      const { connection, channel, queue } = await open(url)
      proxy.blackHole()
      const publishes: Promise<unknown>[] = []
      const publish = (): void => void publishes.push(errorOf(channel.publish('', queue, 'x')))
      publish()
      const publishing = setInterval(publish, 50)
      const call = errorOf(channel.queueDelete('never'))
      const { error } = await expectDeath(connection, { publish: publishes[0] as Promise<unknown>, call })
      clearInterval(publishing)
      expect((error as HeartbeatError).queuedOctets).to.equal(0)
      expect(publishes.length).to.be.greaterThan(10)
      for (const rejection of await Promise.all(publishes)) expect(causesOf(rejection)).to.include(error)
    })

    it('by silence in one direction is noticed, though what we send arrives', async () => {
      const { connection, channel, queue } = await open(url)
      proxy.blackHole('toClient')
      const pending = {
        publish: errorOf(channel.publish('', queue, 'x')),
        call: errorOf(channel.queueDelete('never')),
      }
      await expectDeath(connection, pending)
    })

    it('by a corrupted frame length is noticed within eight intervals, though heartbeats go on', async () => {
      const { connection, channel } = await open(url)
      const beats = connection.stats.heartbeatsReceived
      // Right after a heartbeat, so that the next frame is the reply.
      await until(5_000, 'a heartbeat', () => connection.stats.heartbeatsReceived > beats)
      proxy.corrupt({ direction: 'toClient', nextFrame: 'size', octet: 1, xor: 0x01 })
      const corruptedAt = performance.now()
      const call = errorOf(channel.queueDeclare(''))
      const octets = connection.stats.octetsReceived
      const reason = await within(
        8 * INTERVAL_MS + 3_000,
        'the death of the corrupted stream',
        connection.closed,
      )
      expect(performance.now() - corruptedAt).to.be.at.least(8 * INTERVAL_MS - 50)
      expect(reason.by).to.equal('heartbeat')
      expect(reason.text).to.match(
        /^a frame that the peer began has not ended for 8 heartbeat intervals of 1 s/,
      )
      expect(connection.stats.octetsReceived - octets, 'heartbeats went on').to.be.at.least(10 * 8)
      expect(causesOf(await call)).to.include(reason.error)
    })
  })
})
