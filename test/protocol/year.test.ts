// A year of the protocol layer, in seconds: nothing in it looks at a clock of its own. A peer that beats, and traffic on
// most days; every life of a connection ends, in one of the ways in which they end.

import { expect } from 'chai'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import type { CloseInitiator } from '../../src/protocol/close-reason.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

const SECOND = 1000
const HEARTBEAT = 60 * SECOND
const DAY = 24 * 60 * 60 * SECOND
const LONG_LIFE_DAYS = 200
const SHORT_LIFE_DAYS = 5
const YEAR_DAYS = 365

/** One life of a connection to a peer that beats. */
class Life {
  readonly pair = ProtocolPair.opened({ heartbeat: HEARTBEAT / SECOND })
  readonly #channel: ChannelProtocol
  #deliveryTag = 0
  #published = 0
  heartbeats = 0
  /** The longest time for which nothing was sent. */
  longestGap = 0
  #lastBatchAt = 0

  constructor() {
    this.#channel = this.pair.openChannel({ confirm: true })
    const command = {
      queue: 'q',
      consumerTag: 't',
      prefetch: 10,
      noAck: false,
      exclusive: false,
      noWait: false,
      arguments: {},
    }
    this.pair.run(() => this.#channel.consume({ ...command, consumer: {} }, {}, this.pair.now))
    this.pair.send(1, { name: 'basic.qos-ok', args: {} })
    this.pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
    this.pair.forget()
  }

  /** A day with a little traffic and much silence; the peer beats twice in an interval, as RabbitMQ does. */
  liveADay(): void {
    const { pair } = this
    const until = pair.now + DAY
    this.#work()
    for (let beats = 0; pair.now < until; beats++) {
      pair.advance(HEARTBEAT / 2)
      pair.sendOctets(pair.peer.heartbeat())
      this.#noteBatches()
      if (beats % 1000 === 0) this.#work()
    }
    expect(pair.events).to.deep.equal([])
  }

  /** The peer freezes: from its last octet on nothing comes. */
  dieOfSilence(): number {
    const { pair } = this
    const lastOctetAt = pair.now
    while (pair.eventsOf('closed').length === 0) pair.advance(SECOND)
    return pair.now - lastOctetAt
  }

  #work(): void {
    const { pair } = this
    const token = pair.publish(this.#channel, { body: Buffer.alloc(1000) })
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: ++this.#published, multiple: false } })
    expect(pair.settlementOf(token)?.type).to.equal('confirmed')
    pair.deliver(this.#channel, 't', ++this.#deliveryTag)
    expect(pair.eventsOf('delivered')).to.have.length(1)
    expect(this.#channel.settle(this.#deliveryTag, { kind: 'ack', multiple: false })).to.equal(true)
    pair.settle()
    expect(pair.methods).to.include('basic.ack')
    this.#noteBatches()
    pair.forget()
  }

  #noteBatches(): void {
    const { pair } = this
    if (pair.batches.length === 0) return
    this.heartbeats += pair.received.filter(({ type }) => type === 'heartbeat').length
    this.longestGap = Math.max(this.longestGap, pair.now - this.#lastBatchAt)
    this.#lastBatchAt = pair.now
    pair.forget()
  }
}

const ENDS: readonly (readonly [by: CloseInitiator, end: (life: Life) => void])[] = [
  ['heartbeat', life => expect(life.dieOfSilence()).to.be.within(2 * HEARTBEAT, 2 * HEARTBEAT + SECOND)],
  [
    'client',
    ({ pair }) => {
      pair.run(() => pair.protocol.close(pair.now))
      pair.send(0, { name: 'connection.close-ok', args: {} })
    },
  ],
  [
    'server',
    ({ pair }) => {
      const args = { replyCode: 320, replyText: 'CONNECTION_FORCED - shutdown', classId: 0, methodId: 0 }
      pair.send(0, { name: 'connection.close', args })
    },
  ],
  ['transport', ({ pair }) => pair.cut(new Error('read ECONNRESET'))],
]

describe('a year of ConnectionProtocol', () => {
  it('passes without a wrong death, a missed heartbeat or an end that is not told', () => {
    let days = 0
    let heartbeats = 0
    for (let lives = 0; days < YEAR_DAYS; lives++) {
      const life = new Life()
      const lifeDays = lives === 0 ? LONG_LIFE_DAYS : SHORT_LIFE_DAYS
      for (let day = 0; day < lifeDays; day++) life.liveADay()
      days += lifeDays
      heartbeats += life.heartbeats
      expect(life.longestGap).to.be.at.most(HEARTBEAT / 2)
      const [by, end] = ENDS[lives % ENDS.length] as (typeof ENDS)[number]
      end(life)
      const { pair } = life
      expect(pair.events.map(({ type }) => type)).to.deep.equal(['consumerEnded', 'channelClosed', 'closed'])
      expect(pair.eventsOf('closed')[0]?.reason).to.include({ by })
      expect(pair.protocol.nextDeadline()).to.equal(Number.POSITIVE_INFINITY)
    }
    // One each half interval, but where a message took its place.
    expect(heartbeats).to.be.within((1.99 * YEAR_DAYS * DAY) / HEARTBEAT, (2 * YEAR_DAYS * DAY) / HEARTBEAT)
  }).timeout(60_000)
})
