// The options that are limits of something, one row each: what trips the limit, and that its largest legal value lets through
// what it should. Each begins with a connection of its own.

import { expect } from 'chai'
import {
  BackpressureError,
  type Channel,
  ChannelLimitError,
  ConnectError,
  type Connection,
  type ConnectOptions,
  type Consumer,
} from '../../src/index.js'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import type { PeerTune } from '../support/peer/scripted-peer.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const MIB = 1024 * 1024
const MOST = Number.MAX_SAFE_INTEGER

export interface Behaviour {
  /** One more than allowed. */
  trips(): Promise<void>
  /** The largest legal value of the option. */
  largest(): Promise<void>
}

type Opened = VirtualPeer & { readonly connection: Connection }

/** Does something on a connection, and resets it. */
async function on(
  options: ConnectOptions,
  tune: PeerTune,
  action: (opened: Opened) => Promise<void>,
): Promise<void> {
  const opened = await VirtualPeer.open({ connect: { heartbeat: 0, ...options }, tune })
  try {
    await action(opened)
  } finally {
    opened.peer.socket.resume()
    opened.stream.reset()
    await within(1_000, 'the end', opened.connection.closed)
  }
}

/** What comes of a Start-Ok with so many octets of properties, and how many octets leave. */
async function startOk(options: ConnectOptions, octets: number): Promise<{ outcome: unknown; sent: number }> {
  const virtual = new VirtualPeer({
    connect: { heartbeat: 0, clientProperties: { filling: 'x'.repeat(octets) }, ...options },
  })
  const failed = rejectionOf(virtual.connect(), ConnectError)
  const outcome = await Promise.race([failed, virtual.peer.start().catch(() => failed)])
  virtual.stream.reset()
  await failed
  return { outcome, sent: virtual.peer.octetsReceived }
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true
  const settle = (): void => {
    pending = false
  }
  promise.then(settle, settle)
  await new Promise(resolve => setImmediate(resolve))
  return pending
}

async function deliver(
  { peer, clock }: VirtualPeer,
  { number }: Channel,
  consumer: Consumer,
  tag: number,
  size: number,
) {
  const { consumerTag } = consumer
  const args = { consumerTag, deliveryTag: tag, redelivered: false, exchange: '', routingKey: 'q' }
  peer.sendContent(number, { name: 'basic.deliver', args }, Buffer.alloc(size))
  await clock.settle()
}

/** How many bodies of so many octets, on a consumer without acknowledgements that nobody iterates over, before it pauses. */
async function takenBeforePause(opened: Opened, size: number, most: number): Promise<number> {
  const channel = await opened.connection.openChannel()
  const consumer = await channel.consume('q', { noAck: true })
  let taken = 0
  while (taken < most && !opened.stream.isPaused()) await deliver(opened, channel, consumer, ++taken, size)
  return taken
}

/** How many handlers run when so many deliveries have come. */
async function running(opened: Opened, options: object, deliveries: number): Promise<number> {
  const { clock, connection } = opened
  const channel = await connection.openChannel()
  let begun = 0
  let release = (): void => undefined
  const busy = new Promise<void>(resolve => {
    release = resolve
  })
  const handler = async (): Promise<void> => {
    begun++
    await busy
  }
  const consumer = await channel.consume('q', options, handler)
  await clock.settle()
  for (let tag = 1; tag <= deliveries; tag++) await deliver(opened, channel, consumer, tag, 1)
  const running = begun
  release()
  await clock.settle()
  return running
}

/** The publishes that a peer has seen which confirms nothing. */
async function publishedUnconfirmed(
  { connection, peer, clock }: Opened,
  maxUnconfirmed: number,
  count: number,
) {
  let seen = 0
  peer.on('basic.publish', () => {
    seen++
  })
  const channel = await connection.openChannel({ confirm: true, maxUnconfirmed })
  for (let sent = 0; sent < count; sent++) channel.publish('', 'q', 'x').catch(() => {})
  await clock.settle()
  const atFirst = seen
  peer.send(channel.number, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
  await clock.settle()
  return { atFirst, afterOne: seen }
}

const prefetch: Behaviour = {
  trips: () =>
    on({}, {}, async opened => {
      expect(await running(opened, { prefetch: 2 }, 3)).to.equal(2)
    }),
  largest: () =>
    on({}, {}, async opened => {
      const told: unknown[] = []
      opened.peer.on('basic.qos', ({ channelNumber, method }) => {
        told.push(method.args)
        opened.peer.send(channelNumber, { name: 'basic.qos-ok', args: {} })
      })
      expect(await running(opened, { prefetch: 65_535 }, 200)).to.equal(200)
      expect(told).to.deep.equal([{ prefetchSize: 0, prefetchCount: 65_535, global: false }])
    }),
}

const concurrency: Behaviour = {
  trips: () =>
    on({}, {}, async opened => {
      expect(await running(opened, { prefetch: 10, concurrency: 2 }, 5)).to.equal(2)
    }),
  largest: () =>
    on({}, {}, async opened => {
      expect(
        await running(opened, { prefetch: 3, concurrency: MOST }, 5),
        'never more than the prefetch',
      ).to.equal(3)
      expect(await running(opened, { prefetch: 0, concurrency: MOST }, 200)).to.equal(200)
    }),
}

export const LIMITS: Readonly<Record<string, Behaviour>> = {
  'connect heartbeat': {
    trips: () =>
      on({ heartbeat: 10 }, { heartbeat: 60 }, async ({ connection, clock }) => {
        await clock.advance(19_999)
        expect(connection.state).to.equal('open')
        await clock.advance(1)
        expect(await within(1_000, 'the death', connection.closed)).to.include({ by: 'heartbeat' })
      }),
    largest: () =>
      on({ heartbeat: 65_535 }, { heartbeat: 0 }, async ({ connection, clock, peer }) => {
        expect(connection.heartbeat).to.equal(65_535)
        await clock.advance(2 * 65_535_000 - 1)
        expect(connection.state).to.equal('open')
        expect(peer.heartbeats).to.be.within(3, 4)
        await clock.advance(1)
        expect(await within(1_000, 'the death', connection.closed)).to.include({ by: 'heartbeat' })
      }),
  },

  'connect frameMax': {
    trips: () =>
      on({ frameMax: 8192 }, { frameMax: 131_072 }, async ({ connection, peer, clock }) => {
        expect(connection.frameMax).to.equal(8192)
        const header = Buffer.from([2, 0, 1, 0, 0, 0, 0])
        header.writeUInt32BE(8192 - 8 + 1, 3)
        peer.sendOctets(header)
        await clock.settle()
        expect(await within(1_000, 'the end', connection.closed)).to.include({ by: 'protocol', code: 501 })
      }),
    largest: () =>
      on({ frameMax: 2 ** 32 - 1 }, { frameMax: 0 }, async opened => {
        const { connection, peer } = opened
        expect(connection.frameMax, 'the largest that is ever agreed').to.equal(MIB)
        const channel = await connection.openChannel()
        const consumer = await channel.consume('q', { noAck: true })
        const next = consumer[Symbol.asyncIterator]().next()
        peer.codec.frameMax = MIB
        await deliver(opened, channel, consumer, 1, MIB - 8)
        expect((await within(1_000, 'a delivery', next)).value?.body.length).to.equal(MIB - 8)
      }),
  },

  'connect initialFrameMax': {
    trips: async () => {
      const { outcome, sent } = await startOk({ initialFrameMax: 4096 }, 4096)
      expect(outcome).to.be.instanceOf(ConnectError)
      expect(sent, 'octets of the header, and nothing else').to.equal(8)
    },
    largest: async () => {
      const { outcome, sent } = await startOk({ initialFrameMax: 2 ** 32 - 1 }, 100_000)
      expect(outcome).not.to.be.instanceOf(Error)
      expect(sent).to.be.above(100_000)
    },
  },

  'connect channelMax': {
    trips: () =>
      on({ channelMax: 2 }, {}, async ({ connection, clock, takeWrites }) => {
        await Promise.all([connection.openChannel(), connection.openChannel()])
        takeWrites()
        await rejectionOf(connection.openChannel(), ChannelLimitError)
        await clock.settle()
        expect(takeWrites(), 'what is sent of it').to.deep.equal([])
      }),
    largest: async () => {
      const pair = ProtocolPair.opened({ channelMax: 65_535, tune: { channelMax: 65_535 } })
      let last: ChannelProtocol | undefined
      for (let opened = 0; opened < 65_535; opened++) last = pair.protocol.openChannel({}, 1, {}, 0)
      expect(last?.number).to.equal(65_535)
      expect(() => pair.protocol.openChannel({}, 1, {}, 0)).to.throw(ChannelLimitError)
      pair.settle()
      pair.send(65_535, { name: 'channel.open-ok', args: {} })
      expect(last?.state).to.equal('open')
    },
  },

  'connect maxMessageSize': {
    trips: () =>
      on({ maxMessageSize: 1_000 }, {}, async opened => {
        const channel = await opened.connection.openChannel()
        const consumer = await channel.consume('q', { noAck: true })
        await deliver(opened, channel, consumer, 1, 1_000)
        expect(channel.state).to.equal('open')
        await deliver(opened, channel, consumer, 2, 1_001)
        expect(await within(1_000, 'the end of the channel', channel.closed)).to.include({ code: 311 })
      }),
    largest: () =>
      on({ maxMessageSize: MOST }, {}, async ({ connection, peer, clock }) => {
        const channel = await connection.openChannel()
        const { consumerTag } = await channel.consume('q', { noAck: true })
        const args = { consumerTag, deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' }
        peer.send(channel.number, { name: 'basic.deliver', args })
        peer.sendOctets(Buffer.from('0200010000000e003c0000001fffffffffffff0000ce', 'hex'))
        peer.sendOctets(Buffer.from('030001000000017ace', 'hex'))
        await clock.settle()
        expect([connection.state, channel.state]).to.deep.equal(['open', 'open'])
      }),
  },

  'connect highWaterMark': {
    trips: () => on({ highWaterMark: 200_000 }, {}, opened => waitsForRoom(opened, true)),
    largest: () => on({ highWaterMark: MOST, maxBuffered: MOST }, {}, opened => waitsForRoom(opened, false)),
  },

  'connect maxBuffered': {
    trips: () =>
      on({ maxBuffered: 100_000 }, {}, async ({ connection, peer }) => {
        const channel = await connection.openChannel()
        peer.socket.pause()
        await rejectionOf(channel.publish('', 'q', Buffer.alloc(100_001)), BackpressureError)
        const allowed = channel.publish('', 'q', Buffer.alloc(100_000))
        await rejectionOf(channel.publish('', 'q', 'x'), BackpressureError)
        peer.socket.resume()
        await within(1_000, 'as much as is allowed', allowed)
      }),
    largest: () =>
      on({ maxBuffered: MOST, highWaterMark: MOST }, {}, async ({ connection, peer }) => {
        const channel = await connection.openChannel()
        peer.socket.pause()
        const body = Buffer.alloc(20 * MIB)
        // More than the default of 64 MiB.
        for (let sent = 0; sent < 4; sent++) void channel.publish('', 'q', body).catch(() => {})
        expect(connection.stats.bufferedOctets).to.be.above(80 * MIB)
      }),
  },

  'connect maxReceiveBuffered': {
    trips: () =>
      // A body of 1000 octets, its properties, and what a delivery takes besides.
      on({ maxReceiveBuffered: 3 * (1_000 + 2 + 256) }, {}, async opened => {
        expect(await takenBeforePause(opened, 1_000, 10)).to.equal(4)
      }),
    largest: () =>
      on({ maxReceiveBuffered: MOST }, {}, async opened => {
        // More than the default of 16 MiB.
        expect(await takenBeforePause(opened, MIB, 20)).to.equal(20)
        expect(opened.stream.isPaused()).to.equal(false)
      }),
  },

  'connection.openChannel maxUnconfirmed': {
    trips: () =>
      on({}, {}, async opened => {
        expect(await publishedUnconfirmed(opened, 2, 5)).to.deep.equal({ atFirst: 2, afterOne: 3 })
      }),
    largest: () =>
      on({}, {}, async opened => {
        expect(await publishedUnconfirmed(opened, MOST, 1_500)).to.deep.equal({
          atFirst: 1_500,
          afterOne: 1_500,
        })
      }),
  },

  'channel.consume prefetch': prefetch,
  'channel.consume concurrency': concurrency,
  'serveRpc prefetch': prefetch,
  'serveRpc concurrency': concurrency,
}

/** Whether publishes that are awaited wait while the peer does not read. */
async function waitsForRoom({ connection, peer, clock }: Opened, waits: boolean): Promise<void> {
  const channel = await connection.openChannel()
  peer.socket.pause()
  // Larger ones would wait for the socket in any case.
  const body = Buffer.alloc(8_000)
  for (let sent = 0; sent < 75; sent++) void channel.publish('', 'q', body).catch(() => {})
  const last = channel.publish('', 'q', body)
  await clock.settle()
  expect(await isPending(last), 'while the peer does not read').to.equal(waits)
  peer.socket.resume()
  await within(1_000, 'the publish, when the peer reads', last)
}
