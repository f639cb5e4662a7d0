import { expect } from 'chai'
import { PublishesFailedError, type PublishOptions, UnconfirmedError } from '../../src/index.js'
import { FaultProxy } from '../support/fault-proxy.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { type RabbitMqNode, sharedNode } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { ScenarioSession } from './scenario-session.js'

const MIB = 1024 * 1024
const TIMEOUT_MS = 150
const WINDOW = 100
const MANY = 10_000

describe('a publish with a limit of its own, with RabbitMQ,', () => {
  let node: RabbitMqNode
  let session: ScenarioSession
  let queue: string

  before(async function () {
    this.timeout(BROKER_START_MS)
    node = await sharedNode(this)
  })

  beforeEach(async () => {
    session = await ScenarioSession.open({ confirm: true, maxUnconfirmed: WINDOW })
    queue = await session.queue()
  })

  afterEach(() => session.close())

  const publish = (body: string, options: PublishOptions = {}): Promise<void> =>
    session.channel.publish('', queue, body, options)

  const bodies = async (): Promise<string[]> =>
    (await session.drain(queue)).map(({ content }) => String(content))

  it('is given up while the broker blocks, and never sent when it was not yet', async () => {
    const plain = await session.connection.openChannel()
    await node.block()
    try {
      // What is sent makes the broker say so.
      const sent = publish('sent', { timeout: 2 * TIMEOUT_MS })
      await until(5_000, 'connection.blocked', () => session.connection.blocked !== undefined)
      const overdue = publish('overdue', { timeout: TIMEOUT_MS })
      const abort = new AbortController()
      const reason = new Error('the user left')
      const aborted = publish('aborted', { signal: abort.signal })
      const overduePlain = plain.publish('', queue, 'plain', { timeout: TIMEOUT_MS })
      abort.abort(reason)
      const fates = await Promise.all(
        [sent, overdue, aborted, overduePlain].map(each => rejectionOf(each, UnconfirmedError)),
      )
      const notSent = ['not-sent', 'not-sent', 'not-sent']
      expect(fates.map(({ outcome }) => outcome)).to.deep.equal(['unknown', ...notSent])
      expect(fates[1]?.message).to.match(/not sent within 150 ms.*blocks.*memory/)
      expect(fates[2]?.cause).to.equal(reason)
    } finally {
      await node.unblock()
    }
    const { failed } = await rejectionOf(session.channel.waitForConfirms(), PublishesFailedError)
    expect(failed).to.equal(3)
    await publish('after')
    expect(await bodies()).to.deep.equal(['sent', 'after'])
  })

  it('is given up while the broker is frozen; a confirm that comes later is nobody else’s', async () => {
    await node.freeze()
    const publishes: Promise<void>[] = []
    let outcomes: string[]
    try {
      for (let each = 0; each < 2 * WINDOW; each++) {
        // Those without an end of their own keep their places between the others.
        publishes.push(publish(String(each), each % 2 === 0 ? { timeout: TIMEOUT_MS } : {}))
      }
      const limited = publishes.filter((_, each) => each % 2 === 0)
      const errors = await Promise.all(limited.map(each => rejectionOf(each, UnconfirmedError)))
      outcomes = errors.map(({ outcome }) => outcome)
    } finally {
      await node.thaw()
    }
    await Promise.all(publishes.filter((_, each) => each % 2 === 1))
    const sent = outcomes.filter(outcome => outcome === 'unknown')
    // The first gives its place in the window to another when it is given up.
    expect(sent.length).to.be.within(WINDOW / 2, WINDOW / 2 + 1)
    const { failed } = await rejectionOf(session.channel.waitForConfirms(), PublishesFailedError)
    expect(failed).to.equal(WINDOW)
    await publish('after')
    const isSent = (_: unknown, each: number): boolean => each % 2 === 1 || outcomes[each / 2] === 'unknown'
    const expected = publishes.map((_, each) => String(each)).filter(isSent)
    expect(await bodies()).to.deep.equal([...expected, 'after'])
  })

  it('shares a signal with a thousand others, which all hear of it', async () => {
    const abort = new AbortController()
    await node.freeze()
    try {
      const many = Array.from({ length: 1_000 }, (_, each) => publish(String(each), { signal: abort.signal }))
      const fates = many.map(each => rejectionOf(each, UnconfirmedError))
      abort.abort()
      const outcomes = (await Promise.all(fates)).map(({ outcome }) => outcome)
      const notSent = 1_000 - WINDOW
      expect(outcomes).to.deep.equal([...Array(WINDOW).fill('unknown'), ...Array(notSent).fill('not-sent')])
      const late = await rejectionOf(publish('late', { signal: abort.signal }), UnconfirmedError)
      expect(late.outcome).to.equal('not-sent')
    } finally {
      await node.thaw()
    }
    await publish('after')
    const sent = Array.from({ length: WINDOW }, (_, each) => String(each))
    expect(await bodies()).to.deep.equal([...sent, 'after'])
  })

  it('is given up in the middle of its body, which goes on; what comes behind is in order', async () => {
    const proxy = await FaultProxy.start({ target: { port: node.port } })
    const slow = await ScenarioSession.open({ url: proxy.url(node.url), confirm: true })
    try {
      // The kernel's buffers take ten megabytes at most, and the rest takes a while.
      proxy.throttle(20 * MIB, 'toServer')
      const abort = new AbortController()
      const large = Buffer.alloc(16 * MIB, 'l')
      const given = slow.channel.publish('', queue, large, { signal: abort.signal })
      const behind = slow.channel.publish('', queue, 'behind')
      await until(5_000, 'a part', () => slow.connection.stats.octetsSent > MIB)
      abort.abort()
      expect(slow.connection.stats.octetsSent).to.be.below(large.length)
      expect((await rejectionOf(given, UnconfirmedError)).outcome).to.equal('unknown')
      await behind
      const [first, second] = await session.drain(queue)
      expect(first?.content.equals(large)).to.equal(true)
      expect(String(second?.content)).to.equal('behind')
    } finally {
      await slow.close()
      await proxy.close()
    }
  })

  it('has a signal of its own, as ten thousand others have theirs, and all may end in one turn', async function () {
    this.timeout(60_000)
    await node.freeze()
    try {
      const aborts = Array.from({ length: MANY }, () => new AbortController())
      const publishes = aborts.map(({ signal }, each) => publish(String(each), { signal }))
      for (const abort of aborts) abort.abort()
      for (const each of publishes) await rejectionOf(each, UnconfirmedError)
    } finally {
      await node.thaw()
    }
    await publish('after')
    await session.expectMessages(queue, WINDOW + 1)
  })
})
