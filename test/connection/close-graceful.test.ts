import { expect } from 'chai'
import { ChannelClosedError, type Delivery, TransportError } from '../../src/index.js'
import { hex, toHex } from '../support/hex.js'
import { grows } from '../support/invariants/index.js'
import type { Received } from '../support/peer/peer-codec.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'

/** connection.close (10, 50), 200, no text, no method. */
const CLOSE = toHex(hex`01 0000 0000000b 000a0032 00c8 00 0000 0000 ce`)

type Open = Awaited<ReturnType<typeof VirtualPeer.open>>

function namesOf(received: readonly Received[]): string[] {
  return received.map(each => (each.type === 'method' ? each.method.name : each.type))
}

/** Delivers a message to the first consumer of channel 1. */
function deliver({ peer }: Open, consumerTag: string, deliveryTag: number): void {
  const args = { consumerTag, deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
  peer.sendContent(1, { name: 'basic.deliver', args }, Buffer.from('body'))
}

describe('Connection.close()', () => {
  it('of an idle connection says so to the peer, waits for Close-Ok and destroys the stream', async () => {
    const { connection, clock, stream, peer, takeWrites } = await VirtualPeer.open()
    peer.on('connection.close', () => undefined)
    takeWrites()
    const closing = connection.close()
    await clock.settle()
    expect(takeWrites().map(toHex)).to.deep.equal([CLOSE])
    expect(connection.state).to.equal('closing')
    expect(stream.destroyed).to.equal(false)
    peer.send(0, { name: 'connection.close-ok', args: {} })
    expect(await within(1_000, 'close()', closing)).to.deep.equal({ by: 'client' })
    expect(connection.state).to.equal('closed')
    expect(stream.destroyed).to.equal(true)
    expect(clock.timers).to.deep.equal([])
  })

  it('may be called twice, concurrently and afterwards: one Close, one reason', async () => {
    const { connection, takeWrites } = await VirtualPeer.open()
    takeWrites()
    const reasons = await within(
      1_000,
      'close(), called three times at once',
      Promise.all([
        connection.close(),
        connection.close(),
        connection[Symbol.asyncDispose](),
        connection.closed,
      ]),
    )
    expect(await connection.close()).to.equal(reasons[0])
    expect(reasons[1]).to.equal(reasons[0])
    expect(reasons[3]).to.equal(reasons[0])
    expect(toHex(Buffer.concat(takeWrites()))).to.equal(CLOSE)
  })

  it('sends everything that was published before it, large bodies too, and then Close, last of all', async () => {
    const { connection, peer, stream } = await VirtualPeer.open()
    const [one, other] = [await connection.openChannel(), await connection.openChannel()]
    const publishes = [
      one.publish('', 'q', 'first'),
      other.publish('', 'q', Buffer.alloc(1_000_000)),
      other.publish('', 'q', 'behind the large one'),
      one.publish('', 'q', 'last'),
    ]
    const reason = await within(5_000, 'close()', connection.close())
    expect(reason).to.deep.equal({ by: 'client' })
    await Promise.all(publishes)
    expect(namesOf(peer.inbox).filter(name => name === 'basic.publish')).to.have.lengthOf(4)
    expect(toHex(Buffer.concat(stream.writes)).endsWith(CLOSE)).to.equal(true)
  })

  it('waits until a large body has left, whole', async () => {
    const { connection, peer, stream } = await VirtualPeer.open()
    const channel = await connection.openChannel()
    const published = channel.publish('', 'q', Buffer.alloc(1_000_000))
    expect(await within(5_000, 'close()', connection.close())).to.deep.equal({ by: 'client' })
    await published
    expect(namesOf(peer.inbox)).to.include('basic.publish')
    expect(toHex(Buffer.concat(stream.writes)).endsWith(CLOSE)).to.equal(true)
  })

  it('waits for confirms and replies that are outstanding', async () => {
    const { connection, clock, peer, takeWrites } = await VirtualPeer.open()
    const channel = await connection.openChannel({ confirm: true })
    peer.on('queue.declare', () => undefined)
    const published = channel.publish('', 'q', 'x')
    const declared = channel.queueDeclare('q')
    const deletedBehind = channel.queueDelete('q')
    const closing = connection.close()
    await clock.settle()
    expect(toHex(Buffer.concat(takeWrites()))).to.not.include(CLOSE)
    peer.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    await within(1_000, 'the confirm', published)
    peer.send(1, { name: 'queue.declare-ok', args: { queue: 'q', messageCount: 0, consumerCount: 0 } })
    await within(1_000, 'the reply', declared)
    await within(1_000, 'the reply to the call behind it', deletedBehind)
    expect(await within(1_000, 'close()', closing)).to.deep.equal({ by: 'client' })
    expect(toHex(Buffer.concat(takeWrites()))).to.include(CLOSE)
  })

  it('takes nothing new', async () => {
    const { connection, clock, peer } = await VirtualPeer.open()
    const channel = await connection.openChannel({ confirm: true })
    void channel.publish('', 'q', 'holds the close').catch(() => undefined)
    const closing = connection.close()
    for (const late of [
      () => channel.publish('', 'q', 'late'),
      () => channel.queueDeclare('late'),
      () => channel.consume('late'),
      () => connection.openChannel(),
    ]) {
      const error = await within(
        1_000,
        'the rejection of a late call',
        late().then(
          () => undefined,
          (error: unknown) => error,
        ),
      )
      expect(error)
        .to.be.instanceOf(Error)
        .and.have.property('code')
        .that.matches(/CLOSED$/)
    }
    peer.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    await within(1_000, 'close()', closing)
    await clock.settle()
  })

  it('ends channels and consumers with the same reason, and an iterator normally', async () => {
    const { connection } = await VirtualPeer.open()
    const channel = await connection.openChannel()
    const consumer = await channel.consume('q')
    const next = consumer[Symbol.asyncIterator]().next()
    const reason = await within(1_000, 'close()', connection.close())
    expect(await within(1_000, 'closed of the channel', channel.closed)).to.equal(reason)
    expect(await within(1_000, 'closed of the consumer', consumer.closed)).to.equal(reason)
    expect(await within(1_000, 'the iterator', next)).to.deep.equal({ done: true, value: undefined })
  })

  it('inside a handler that awaits it settles, and the delivery is stale then', async () => {
    const virtual = await VirtualPeer.open()
    const { connection } = virtual
    const channel = await connection.openChannel()
    const handled = new Promise<[string, boolean]>((resolve, reject) => {
      channel
        .consume('q', { autoSettle: false }, async delivery => {
          const { by } = await connection.close()
          resolve([by, delivery.ack()])
        })
        .then(({ consumerTag }) => deliver(virtual, consumerTag, 1), reject)
    })
    expect(await within(1_000, 'the handler', handled)).to.deep.equal(['client', false])
  })

  it('inside a handler that does not await it lets nothing follow Close, not even the acknowledgement', async () => {
    const virtual = await VirtualPeer.open()
    const { connection, clock, peer, stream } = virtual
    peer.on('connection.close', () => undefined)
    const channel = await connection.openChannel()
    const deliveries: Delivery[] = []
    const { consumerTag } = await channel.consume('q', delivery => {
      deliveries.push(delivery)
      void connection.close()
    })
    stream.writes.length = 0
    deliver(virtual, consumerTag, 1)
    await clock.settle()
    expect(toHex(Buffer.concat(stream.writes))).to.equal(CLOSE)
    expect(deliveries[0]?.state).to.not.equal('settled')
    expect(deliveries[0]?.ack()).to.equal(false)
    await clock.settle()
    expect(toHex(Buffer.concat(stream.writes))).to.equal(CLOSE)
    peer.send(0, { name: 'connection.close-ok', args: {} })
    await within(1_000, 'close()', connection.closed)
  })

  it('lets handlers settle as long as it waits for confirms', async () => {
    const virtual = await VirtualPeer.open()
    const { connection, clock, peer } = virtual
    const channel = await connection.openChannel({ confirm: true })
    let settle: () => boolean = () => false
    const { consumerTag } = await channel.consume('q', { autoSettle: false }, delivery => {
      settle = () => delivery.ack()
    })
    deliver(virtual, consumerTag, 1)
    await clock.settle()
    const published = channel.publish('', 'q', 'x')
    const closing = connection.close()
    await clock.settle()
    expect(settle()).to.equal(true)
    await clock.settle()
    expect(namesOf(peer.inbox)).to.include('basic.ack')
    peer.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    await within(1_000, 'the confirm', published)
    await within(1_000, 'close()', closing)
  })

  it('discards what the peer sends until Close-Ok', async () => {
    const virtual = await VirtualPeer.open()
    const { connection, clock, peer } = virtual
    peer.on('connection.close', () => undefined)
    const channel = await connection.openChannel()
    const seen: Delivery[] = []
    const { consumerTag } = await channel.consume('q', delivery => {
      seen.push(delivery)
    })
    const closing = connection.close()
    await clock.settle()
    for (let tag = 1; tag <= 10; tag++) deliver(virtual, consumerTag, tag)
    peer.send(0, { name: 'connection.blocked', args: { reason: 'late' } })
    peer.sendOctets(peer.codec.heartbeat())
    peer.send(0, { name: 'connection.close-ok', args: {} })
    expect(await within(1_000, 'close()', closing)).to.deep.equal({ by: 'client' })
    expect(seen).to.deep.equal([])
    expect(connection.blocked).to.equal(undefined)
  })

  it('is done also while reading is paused: Close-Ok is read', async () => {
    const virtual = await VirtualPeer.open({ connect: { maxReceiveBuffered: 10 } })
    const { connection, clock, peer } = virtual
    const channel = await connection.openChannel()
    const { consumerTag } = await channel.consume('q', { noAck: true })
    for (let tag = 1; tag <= 100; tag++) {
      deliver(virtual, consumerTag, tag)
      await clock.settle()
    }
    expect(connection.stats.octetsReceived, 'reading is paused').to.be.below(10_000)
    const reason = await within(1_000, 'close() while reading is paused', connection.close())
    expect(reason).to.deep.equal({ by: 'client' })
    expect(namesOf(peer.inbox)).to.not.include('basic.cancel')
  })

  it('that crosses a close by the server is answered, and tells what the server said', async () => {
    const { connection, clock, peer } = await VirtualPeer.open()
    peer.on('connection.close', () => undefined)
    const closing = connection.close()
    await clock.settle()
    const args = { replyCode: 320, replyText: 'CONNECTION_FORCED - shutdown', classId: 0, methodId: 0 }
    peer.send(0, { name: 'connection.close', args })
    const reason = await within(1_000, 'close()', closing)
    await clock.settle()
    expect(namesOf(peer.inbox)).to.include('connection.close-ok')
    expect(reason.by).to.equal('client')
    expect(reason.text).to.include('CONNECTION_FORCED - shutdown')
    expect(reason.error).to.include({ replyCode: 320 })
  })

  it('whose answer is the end of the stream says that nobody knows what arrived', async () => {
    const { connection, clock, peer } = await VirtualPeer.open()
    peer.on('connection.close', () => undefined)
    const closing = connection.close()
    await clock.settle()
    peer.socket.end()
    const reason = await within(1_000, 'close()', closing)
    expect(reason.by).to.equal('client')
    expect(reason.text).to.equal(
      'connection.close was not answered: closed by the transport: the peer ended the connection without connection.close',
    )
    expect(reason.error).to.be.instanceOf(TransportError)
  })

  it('leaves nothing behind, however often', async () => {
    const life = async (): Promise<void> => {
      const { connection } = await VirtualPeer.open()
      const channel = await connection.openChannel()
      await channel.publish('', 'q', Buffer.alloc(10_000))
      await connection.close()
    }
    await grows(life, { times: 50, maxOctets: 50 * 2_000 })
  })

  it('does not wait for a channel that the server closed', async () => {
    const { connection, peer, clock } = await VirtualPeer.open()
    const channel = await connection.openChannel({ confirm: true })
    const published = channel.publish('nowhere', 'q', 'x').catch((error: unknown) => error)
    const closing = connection.close()
    await clock.settle()
    const args = { replyCode: 404, replyText: 'NOT_FOUND', classId: 60, methodId: 40 }
    peer.send(1, { name: 'channel.close', args })
    expect(await within(1_000, 'close()', closing)).to.deep.equal({ by: 'client' })
    const { by, code, method } = await channel.closed
    expect({ by, code, method }).to.deep.equal({ by: 'server', code: 404, method: 'basic.publish' })
    expect((await published) as Error)
      .to.have.property('cause')
      .that.is.instanceOf(ChannelClosedError)
  })
})
