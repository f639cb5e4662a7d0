// A broker that does not keep to what a consumer asked for: more deliveries than the prefetch, bodies that it announces and
// never sends. What waits here is bounded all the same.

import { expect } from 'chai'
import type { Channel, Consumer } from '../../src/index.js'
import { ChannelClosedError, ConsumerClosedError } from '../../src/index.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const KIB = 1024

describe('a broker that delivers more than the prefetch', () => {
  const LIMIT = 100 * KIB
  let virtual: Awaited<ReturnType<typeof VirtualPeer.open>>
  let channel: Channel
  let tag: number

  beforeEach(async () => {
    virtual = await VirtualPeer.open({ connect: { heartbeat: 0, maxReceiveBuffered: LIMIT } })
    channel = await virtual.connection.openChannel()
    tag = 0
  })

  afterEach(async () => {
    await within(1_000, 'close()', virtual.connection.close())
  })

  async function deliver({ consumerTag }: Consumer, count: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) {
      const args = { consumerTag, deliveryTag: ++tag, redelivered: false, exchange: '', routingKey: 'q' }
      virtual.peer.sendContent(channel.number, { name: 'basic.deliver', args }, Buffer.alloc(10 * KIB))
      await virtual.clock.settle()
    }
  }

  it('is not read on when what is too much passes maxReceiveBuffered, and is again as it is taken', async () => {
    const consumer = await channel.consume('q', { prefetch: 5 })
    await deliver(consumer, 5 + 9)
    expect(virtual.stream.isPaused(), 'below the limit').to.equal(false)
    await deliver(consumer, 10)
    expect(virtual.stream.isPaused(), 'above the limit').to.equal(true)
    const iterator = consumer[Symbol.asyncIterator]()
    const bodies: number[] = []
    for (let taken = 0; taken < 5 + 9 + 10; taken++) {
      const { value } = await within(1_000, 'a delivery', iterator.next())
      bodies.push(value?.body.length ?? 0)
      await virtual.clock.settle()
    }
    expect(bodies).to.deep.equal(new Array(24).fill(10 * KIB))
    expect(virtual.stream.isPaused(), 'when all is taken').to.equal(false)
  })

  it('is not read on while handlers are busy, either', async () => {
    let release = (): void => undefined
    const busy = new Promise<void>(resolve => {
      release = resolve
    })
    const consumer = await channel.consume('q', { prefetch: 2, concurrency: 2 }, () => busy)
    await virtual.clock.settle()
    await deliver(consumer, 2 + 2 + 9)
    expect(virtual.stream.isPaused(), 'below the limit').to.equal(false)
    await deliver(consumer, 2)
    expect(virtual.stream.isPaused(), 'above the limit').to.equal(true)
    release()
    await virtual.clock.settle()
    expect(virtual.stream.isPaused(), 'when all is done').to.equal(false)
  })

  it('is read on without end when it keeps to the prefetch, however large the bodies', async () => {
    const consumer = await channel.consume('q', { prefetch: 30 })
    await deliver(consumer, 30)
    expect(virtual.stream.isPaused()).to.equal(false)
    expect(consumer.consumerTag).to.be.a('string')
  })
})

describe('a broker that announces a body above maxMessageSize', () => {
  it('ends the channel (311) at the announcement, though not one octet of it ever comes', async () => {
    const { connection, peer, clock } = await VirtualPeer.open({
      connect: { heartbeat: 0, maxMessageSize: 1_000 },
    })
    const channel = await connection.openChannel()
    const consumer = await channel.consume('q')
    const next = consumer[Symbol.asyncIterator]().next()
    const delivery = { redelivered: false, exchange: '', routingKey: 'q' }
    const args = { consumerTag: consumer.consumerTag, deliveryTag: 1, ...delivery }
    const whole = peer.codec.content(channel.number, { name: 'basic.deliver', args }, Buffer.alloc(1_001))
    const body = 1_001 + 8
    let asked = 0
    peer.on('channel.close', () => {
      asked++
    })
    peer.sendOctets(whole.subarray(0, whole.length - body))
    await clock.settle()
    const reason = await within(1_000, 'the end of the channel', channel.closed)
    expect(reason).to.include({ by: 'protocol', code: 311 })
    expect((await rejectionOf(next, ConsumerClosedError)).cause).to.be.instanceOf(ChannelClosedError)
    peer.sendOctets(whole.subarray(whole.length - body))
    peer.send(channel.number, { name: 'channel.close-ok', args: {} })
    await clock.settle()
    expect(asked).to.equal(1)
    const other = await within(1_000, 'another channel', connection.openChannel())
    expect(other.state, 'what comes late is skipped').to.equal('open')
    await within(1_000, 'close()', connection.close())
  })
})
