// What a driver sends in answer to octets of which more follow in the same turn of the event loop.

import { expect } from 'chai'
import { Driver } from '../../src/connection/driver.js'
import type { ProtocolEvent } from '../../src/protocol/index.js'
import { MemoryStream } from '../support/peer/memory-stream.js'
import { PeerCodec } from '../support/peer/peer-codec.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import { VirtualClock } from '../support/virtual-clock.js'

const CODEC = new PeerCodec()
const ACK_SIZE = 21

describe('Driver, when more octets follow in the same turn', () => {
  let clock: VirtualClock
  let stream: MemoryStream
  let driver: Driver
  let deliveryTag: number

  beforeEach(() => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.consume(channel, { consumerTag: 'c' })
    pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 'c' } })
    deliveryTag = 0
    clock = new VirtualClock()
    const [one, other] = MemoryStream.pair()
    other.resume()
    stream = one
    /** Acknowledges each delivery, as a handler does that is done at once. */
    const onEvent = (event: ProtocolEvent): void => {
      if (event.type !== 'delivered') return
      channel.settle(event.delivery.deliveryTag, { kind: 'ack', multiple: false })
      driver.flush()
    }
    driver = new Driver(stream, clock, () => pair.protocol, onEvent, false)
  })

  afterEach(() => {
    stream.destroy()
  })

  function deliver(moreFollow: boolean): void {
    const args = {
      consumerTag: 'c',
      deliveryTag: ++deliveryTag,
      redelivered: false,
      exchange: '',
      routingKey: 'q',
    }
    driver.receive(CODEC.content(1, { name: 'basic.deliver', args }, Buffer.from('x')), moreFollow)
  }

  /** Sizes of the writes so far. */
  function writes(): number[] {
    return stream.writes.splice(0).map(({ length }) => length)
  }

  const microtasks = (): Promise<void> => new Promise(resolve => process.nextTick(resolve))

  it('goes together when they have come, or the socket was looked at for nothing', async () => {
    for (let count = 0; count < 5; count++) {
      deliver(true)
      await microtasks()
    }
    expect(writes()).to.deep.equal([])
    await clock.settle()
    expect(writes()).to.deep.equal([5 * ACK_SIZE])
  })

  it('goes at the latest with the end of the turn, also when the last octets have no answer', async () => {
    deliver(true)
    driver.receive(CODEC.heartbeat(), false)
    await clock.settle()
    expect(writes()).to.deep.equal([ACK_SIZE])
  })

  it('goes at once with the last of them', async () => {
    deliver(false)
    await microtasks()
    expect(writes()).to.deep.equal([ACK_SIZE])
  })

  it('does not wait when the connection is closing, nor for the end of the stream', async () => {
    deliver(true)
    stream.emit('end')
    expect(writes()).to.deep.equal([ACK_SIZE])
  })

  it('does not wait with the answer to a close', () => {
    const args = { replyCode: 320, replyText: 'CONNECTION_FORCED', classId: 0, methodId: 0 }
    driver.receive(CODEC.method(0, { name: 'connection.close', args }), true)
    expect(writes()).to.deep.equal([12])
  })

  it('reads no further when something throws that must not', () => {
    driver.onEvent = event => {
      if (event.type === 'delivered') throw new RangeError('a mistake')
    }
    expect(() => deliver(true)).to.throw(RangeError)
    expect(stream.destroyed).to.equal(true)
  })

  it('is asked for once in a turn, also when there is nothing to send', async () => {
    for (let count = 0; count < 10; count++) driver.receive(CODEC.heartbeat(), true)
    expect(clock.afterPolls).to.equal(1)
    await clock.settle()
    expect(writes()).to.deep.equal([])
  })
})
