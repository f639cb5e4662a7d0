import { expect } from 'chai'
import { TurnShare } from '../../src/connection/turn-share.js'
import type { Channel, Consumer } from '../../src/index.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { VirtualClock } from '../support/virtual-clock.js'

describe('TurnShare', () => {
  let clock: VirtualClock
  let share: TurnShare

  beforeEach(() => {
    clock = new VirtualClock()
    share = new TurnShare(clock)
  })

  /** Works until the share of this turn is spent; how often that was. */
  function work(eachMs: number, atMost = 100_000): number {
    for (let times = 0; times < atMost; times++) {
      if (share.isSpent()) return times
      clock.stall(eachMs)
    }
    return atMost
  }

  it('is spent after 20 ms of a turn, and there again in the next', async () => {
    expect(work(5)).to.equal(4)
    expect(share.isSpent()).to.equal(true)
    await clock.settle()
    // It begins to look closely when the first piece of work was slow.
    expect(work(5)).to.equal(5)
  })

  it('is never spent by what takes no time, nor by time that passes between turns', async () => {
    expect(work(0)).to.equal(100_000)
    for (let turns = 0; turns < 100; turns++) {
      expect(work(1, 3)).to.equal(3)
      await clock.advance(1_000)
    }
  })

  it('is looked at rarely as long as work is quick: a little more may pass before it is noticed', () => {
    const times = work(0.01)
    expect(times).to.be.within(2_000, 2_000 + 2 * 8)
  })

  it('is looked at each time when work is slow, also behind work that was quick', async () => {
    work(0.01, 500)
    await clock.settle()
    for (let turns = 0; turns < 3; turns++) {
      expect(work(50)).to.equal(2)
      await clock.settle()
    }
  })

  it('counts nothing of a turn whose end nobody has heard of, however long ago it was', async () => {
    for (let turns = 0; turns < 8; turns++) {
      expect(work(0.1, 1)).to.equal(1)
      await clock.settle()
    }
    await clock.advance(60_000)
    expect(work(100)).to.be.at.most(2)
  })

  it('waits for the end of a turn only now and then as long as turns are short', async () => {
    for (let turns = 0; turns < 1_000; turns++) {
      expect(work(0.01, 10)).to.equal(10)
      await clock.settle()
    }
    // A tenth of a millisecond each, and the first.
    expect(clock.afterPolls).to.be.within(45, 55)
  })

  it('calls those who wait in the next turn, in order, each once', async () => {
    const called: number[] = []
    work(20)
    for (const number of [1, 2, 3]) share.onNextTurn(() => called.push(number))
    expect(called).to.deep.equal([])
    await clock.settle()
    expect(called).to.deep.equal([1, 2, 3])
    work(20)
    await clock.settle()
    expect(called).to.deep.equal([1, 2, 3])
  })
})

describe('a flood of deliveries', () => {
  const COUNT = 200
  let virtual: Awaited<ReturnType<typeof VirtualPeer.open>>
  let channel: Channel
  /** How many deliveries were worked off in each turn of the event loop. */
  let turns: number[]
  let worked: number

  beforeEach(async () => {
    virtual = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    channel = await virtual.connection.openChannel()
    turns = []
    worked = 0
  })

  afterEach(async () => {
    await within(1_000, 'close()', virtual.connection.close())
  })

  /** Each delivery takes five milliseconds in which nothing else runs. */
  const handle = (): void => {
    if (worked++ === 0 || turns.length === 0) count()
    turns[turns.length - 1] = (turns.at(-1) ?? 0) + 1
    virtual.clock.stall(5)
  }

  /** A turn ends where the event loop has looked at its sockets. */
  function count(): void {
    turns.push(0)
    const next = (): void => {
      if (worked < COUNT) {
        turns.push(0)
        virtual.clock.afterPoll(next)
      }
    }
    virtual.clock.afterPoll(next)
  }

  function deliver({ consumerTag }: Consumer): void {
    const octets = Array.from({ length: COUNT }, (_, index) => {
      const args = { consumerTag, deliveryTag: index + 1, redelivered: false, exchange: '', routingKey: 'q' }
      return virtual.peer.codec.content(1, { name: 'basic.deliver', args }, Buffer.from(String(index)))
    })
    virtual.peer.sendOctets(Buffer.concat(octets))
  }

  it('leaves room for everything else between the calls of a handler', async () => {
    const consumer = await channel.consume('q', { noAck: true }, handle)
    deliver(consumer)
    await virtual.clock.settle()
    expect(worked).to.equal(COUNT)
    expect(Math.max(...turns), 'deliveries in one turn').to.be.at.most(12)
  })

  it('is worked off in order, one handler after the other, with acknowledgements, and everything is read', async () => {
    const bodies: string[] = []
    const acks: number[] = []
    virtual.peer.on('basic.ack', ({ method }) => {
      if ('deliveryTag' in method.args) acks.push(method.args.deliveryTag)
    })
    const consumer = await channel.consume('q', { prefetch: COUNT, concurrency: 1 }, async delivery => {
      bodies.push(String(delivery.body))
      handle()
    })
    deliver(consumer)
    await virtual.clock.settle()
    const numbers = Array.from({ length: COUNT }, (_, index) => index)
    expect(bodies).to.deep.equal(numbers.map(String))
    expect(acks).to.deep.equal(numbers.map(number => number + 1))
    expect(Math.max(...turns), 'deliveries in one turn').to.be.at.most(12)
  })

  it('leaves room between the steps of a loop that awaits nothing else', async () => {
    const consumer = await channel.consume('q', { noAck: true })
    deliver(consumer)
    const bodies: string[] = []
    const loop = (async () => {
      for await (const delivery of consumer) {
        bodies.push(String(delivery.body))
        handle()
        if (bodies.length === COUNT) break
      }
    })()
    await virtual.clock.settle()
    await within(1_000, 'the loop', loop)
    expect(bodies).to.deep.equal(Array.from({ length: COUNT }, (_, index) => String(index)))
    expect(Math.max(...turns), 'deliveries in one turn').to.be.at.most(12)
  })

  it('ends with its connection in the middle: what came before it is worked off all the same', async () => {
    const consumer = await channel.consume('q', { noAck: true }, handle)
    deliver(consumer)
    virtual.peer.socket.end()
    await virtual.clock.settle()
    expect(worked).to.equal(COUNT)
    expect((await within(1_000, 'the end', consumer.closed)).by).to.equal('transport')
  })

  it('keeps reading: what came meanwhile is no silence, and answers are heard', async () => {
    await within(1_000, 'close()', virtual.connection.close())
    virtual = await VirtualPeer.open({ connect: { heartbeat: 1, rpcTimeout: 1_000 }, tune: { heartbeat: 1 } })
    channel = await virtual.connection.openChannel()
    const other = await virtual.connection.openChannel()
    const beat = (): void => {
      virtual.peer.send(0, { name: 'connection.blocked', args: { reason: 'a sign of life' } })
    }
    // Five seconds of work: of silence alone the peer would be dead after two.
    const consumer = await channel.consume('q', { noAck: true }, () => {
      handle()
      if (worked % 20 === 0) beat()
    })
    for (let floods = 0; floods < 5; floods++) deliver(consumer)
    const declared = other.queueDeclare('q')
    await virtual.clock.settle()
    expect(worked).to.equal(5 * COUNT)
    expect(virtual.connection.state).to.equal('open')
    expect((await within(1_000, 'the answer', declared)).queue).to.equal('q')
  })
})
