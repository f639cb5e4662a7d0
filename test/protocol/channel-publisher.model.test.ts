// Thousands of publishes to one exchange and key, many of them alike, against a broker that returns, confirms and refuses in
// any order it may: what every promise says is counted by hand. Of messages that are alike nobody can say which is which, so
// of those the numbers must be right.

import { expect } from 'chai'
import fc from 'fast-check'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import { NackedError, ReturnedError } from '../../src/protocol/errors.js'
import type { ProtocolEvent } from '../../src/protocol/events.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import { runs } from '../support/runs.js'

const PUBLISHES = 10_000
/** Publishes that are unconfirmed at a time, at most. */
const WINDOW = 1500
/** So many contents are published over and over. */
const CONTENTS = 60
const NO_ROUTE = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'q' }

type Fate = 'confirmed' | 'returned' | 'refused'

interface Published {
  readonly tag: number
  readonly body: string
  readonly token: object
  /** What the broker does with it. */
  readonly fate: Fate
  isReturned: boolean
}

/** Numbers from 0 up to, and without, 1 (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

class Run {
  readonly #pair = ProtocolPair.opened({ heartbeat: 0 })
  readonly #channel: ChannelProtocol = this.#pair.openChannel({ confirm: true, maxUnconfirmed: PUBLISHES })
  readonly #random: () => number
  readonly #published: Published[] = []
  /** Not settled yet, in the order of their tags. */
  #open: Published[] = []

  constructor(seed: number) {
    this.#random = randomFrom(seed)
  }

  play(): void {
    while (this.#published.length < PUBLISHES || this.#open.length > 0) {
      const choice = this.#random()
      const mayPublish = this.#published.length < PUBLISHES && this.#open.length < WINDOW
      if (mayPublish && choice < 0.6) this.#publish()
      else if (choice < 0.75) this.#settleSeveral()
      else this.#settleOne()
    }
  }

  check(): void {
    const actual = this.#fatesByToken()
    const expectedOf = new Map<string, Fate[]>()
    const actualOf = new Map<string, (Fate | undefined)[]>()
    for (const { body, token, fate } of this.#published) {
      expectedOf.set(body, [...(expectedOf.get(body) ?? []), fate])
      actualOf.set(body, [...(actualOf.get(body) ?? []), actual.get(token)])
    }
    expect(expectedOf.size, 'contents').to.be.above(CONTENTS * 10)
    for (const [body, fates] of expectedOf) {
      expect(actualOf.get(body)?.sort(), `the fates of '${body}'`).to.deep.equal(fates.sort())
    }
    expect(this.#pair.eventsOf('returned'), 'returns that fit nothing').to.deep.equal([])
    expect(this.#channel.unconfirmed).to.equal(0)
  }

  #publish(): void {
    const count = this.#published.length
    const isAlike = this.#random() < 0.8
    const body = isAlike ? `alike ${Math.floor(this.#random() * CONTENTS)}` : `only ${count}`
    const choice = this.#random()
    const fate = choice < 0.3 ? 'returned' : choice < 0.4 ? 'refused' : 'confirmed'
    const token = this.#pair.publish(this.#channel, { mandatory: true, body: Buffer.from(body) }) as object
    const published: Published = { tag: count + 1, body, token, fate, isReturned: false }
    this.#published.push(published)
    this.#open.push(published)
  }

  /** One of them, wherever it stands: a return is sent when its turn comes, and the confirms of others overtake it. */
  #settleOne(): void {
    const index = Math.floor(this.#random() * this.#open.length)
    const published = this.#open[index]
    if (published === undefined) return
    if (published.fate === 'returned' && !published.isReturned) return this.#return(published)
    this.#open.splice(index, 1)
    this.#settle(published, false)
  }

  /** The oldest of them that can be settled together. */
  #settleSeveral(): void {
    const isRefused = this.#open[0]?.fate === 'refused'
    const until = this.#open.findIndex(
      ({ fate, isReturned }) => (fate === 'refused') !== isRefused || (fate === 'returned' && !isReturned),
    )
    const most = until < 0 ? this.#open.length : until
    const last = this.#open[Math.ceil(this.#random() * most) - 1]
    if (last === undefined) return
    this.#open = this.#open.filter(({ tag }) => tag > last.tag)
    this.#settle(last, true)
  }

  #return(published: Published): void {
    published.isReturned = true
    this.#pair.sendContent(1, { name: 'basic.return', args: NO_ROUTE }, Buffer.from(published.body))
  }

  #settle({ tag, fate }: Published, multiple: boolean): void {
    const args = { deliveryTag: tag, multiple }
    if (fate !== 'refused') this.#pair.send(1, { name: 'basic.ack', args })
    else this.#pair.send(1, { name: 'basic.nack', args: { ...args, requeue: false } })
  }

  #fatesByToken(): Map<object, Fate> {
    const fates = new Map<object, Fate>()
    for (const event of this.#pair.events) {
      for (const [token, fate] of fatesIn(event)) {
        expect(fates.has(token), 'a publish was settled twice').to.equal(false)
        fates.set(token, fate)
      }
    }
    return fates
  }
}

function fatesIn(event: ProtocolEvent): (readonly [token: object, fate: Fate])[] {
  if (event.type === 'confirmed') return event.tokens.map(token => [token, 'confirmed'] as const)
  if (event.type !== 'failed') return []
  const { token, error } = event
  if (error instanceof NackedError) return [[token, 'refused']]
  expect(error).to.be.instanceOf(ReturnedError)
  return [[token, 'returned']]
}

describe('ChannelPublisher, ten thousand publishes, a third of them returned', () => {
  it('says of each what became of it, in whatever order the broker returns, confirms and refuses', () => {
    fc.assert(
      fc.property(fc.integer(), seed => {
        const run = new Run(seed)
        run.play()
        run.check()
      }),
      runs(2),
    )
  }).timeout(60_000)
})
