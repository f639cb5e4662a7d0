import { randomInt } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { type FieldTable, type PublishOptions, ReturnedError, type ReturnedMessage } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { ScenarioSession } from './scenario-session.js'

const seed = Number(process.env['FC_SEED'] ?? randomInt(2 ** 31))
const COUNT = 10_000
const WINDOW = 500
const ALL_SETTLED_MS = 15_000

interface Sent {
  readonly body: string
  readonly options: PublishOptions
  readonly isRoutable: boolean
}

describe(`many mandatory messages to one exchange with one key, with RabbitMQ (FC_SEED=${seed})`, function () {
  this.timeout(30_000)
  let session: ScenarioSession
  let exchange: string
  let queue: string
  /** Returned messages that belong to no publish. */
  let strays: ReturnedMessage[]

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await ScenarioSession.open({ confirm: true, maxUnconfirmed: WINDOW })
    exchange = await session.exchange('headers')
    queue = await session.queue()
    await session.channel.queueBind(queue, exchange, '', { 'x-match': 'all', isRoutable: true })
    strays = []
    session.channel.on('returned', message => strays.push(message))
  })

  afterEach(() => session.close())

  const publishAll = (messages: readonly Sent[]): Promise<PromiseSettledResult<void>[]> => {
    const publishes = messages.map(({ body, options }) =>
      session.channel.publish(exchange, 'the key', body, options),
    )
    return within(ALL_SETTLED_MS, `the fates of ${COUNT} publishes`, Promise.allSettled(publishes))
  }

  const expectFates = (messages: readonly Sent[], fates: readonly PromiseSettledResult<void>[]): void => {
    expect(strays.length, 'returned messages that nobody published').to.equal(0)
    const wrong = messages.filter((message, index) => !isFateOf(message, fates[index]))
    expect(wrong.length, `messages with the fate of another, the first ${JSON.stringify(wrong[0])}`).to.equal(
      0,
    )
  }

  it('reject exactly those that came back, with what was sent', async () => {
    // What is taken is confirmed when it is on the disk; what comes back overtakes it.
    const messages = randomDigits().map(
      (digit, index): Sent => ({
        body: `body ${index % 7}`,
        isRoutable: digit >= 3,
        options: {
          mandatory: true,
          messageId: String(index),
          contentType: 'text/plain',
          timestamp: 1_700_000_000 + index,
          headers: { isRoutable: digit >= 3, digit, nested: { index } },
        },
      }),
    )
    const fates = await publishAll(messages)
    expectFates(messages, fates)
    const arrived = (await session.drain(queue)).map(({ properties }) => properties.messageId)
    const routed = messages.filter(({ isRoutable }) => isRoutable)
    expect(arrived).to.deep.equal(routed.map(({ options }) => options.messageId))
  })

  it('reject as many of each kind as came back, of messages that have no identity', async () => {
    const messages = randomDigits().map((digit): Sent => {
      const isRoutable = digit >= 3
      const options = { mandatory: true, headers: { isRoutable } }
      return { body: `body ${digit % 2}`, isRoutable, options }
    })
    const fates = await publishAll(messages)
    expectFates(messages, fates)
    const routed = messages.filter(({ isRoutable }) => isRoutable)
    const arrived = (await session.drain(queue)).map(({ content }) => String(content))
    expect(arrived).to.deep.equal(routed.map(({ body }) => body))
  })

  it('reject as many identical ones as came back while a binding came and went', async () => {
    const options = { mandatory: true, headers: { isRoutable: true } }
    const message: Sent = { body: 'the same', isRoutable: false, options }
    const binder = await (await session.join()).openChannel()
    let isOver = false
    const toggling = (async () => {
      while (!isOver) {
        await binder.queueUnbind(queue, exchange, '', { 'x-match': 'all', isRoutable: true })
        await binder.queueBind(queue, exchange, '', { 'x-match': 'all', isRoutable: true })
      }
    })()
    const fates = await publishAll(Array.from({ length: COUNT }, () => message))
    isOver = true
    await toggling
    const rejected = fates.filter(({ status }) => status === 'rejected')
    expectFates(
      rejected.map(() => message),
      rejected,
    )
    expect(rejected.length, 'publishes that were rejected').to.be.within(1, COUNT - 1)
    expect(await session.drain(queue)).to.have.length(COUNT - rejected.length)
  })

  // From RabbitMQ 3.13 on messages come back with their headers in the order of the names; in every version without BCC.
  const changed: [string, FieldTable][] = [
    ['in the order of their names', { a: 1, b: { z: 1, y: 2 }, c: [{ z: 1, y: 2 }] }],
    ['in another order', { b: 1, a: 2 }],
    ['with CC', { CC: ['nowhere'], a: 1 }],
    ['with BCC', { BCC: ['nowhere'], a: 1 }],
  ]
  for (const [how, headers] of changed) {
    it(`reject a message with headers ${how}`, async () => {
      const publish = session.channel.publish(exchange, '', 'x', { mandatory: true, headers })
      const { returned } = await rejectionOf(publish, ReturnedError)
      const { BCC, ...kept } = headers
      expect({ ...returned.properties.headers }).to.deep.equal(kept)
      expect(strays).to.deep.equal([])
    })
  }
})

/** One for each message; three in ten are below 3. */
function randomDigits(): number[] {
  return fc.sample(fc.noBias(fc.integer({ min: 0, max: 9 })), { seed, numRuns: COUNT })
}

/** Whether a publish resolved, or was rejected with exactly what was sent, as it should have been. */
function isFateOf(
  { body, options, isRoutable }: Sent,
  fate: PromiseSettledResult<void> | undefined,
): boolean {
  if (isRoutable || fate?.status !== 'rejected') return isRoutable && fate?.status === 'fulfilled'
  if (!(fate.reason instanceof ReturnedError)) return false
  const { returned } = fate.reason
  const { mandatory, ...properties } = options
  expect(returned.properties).to.deep.equal({ deliveryMode: 2, ...properties })
  return String(returned.body) === body && returned.replyCode === 312 && mandatory === true
}
