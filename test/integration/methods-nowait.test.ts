import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { ArgumentError, type Channel } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { MethodsSession, type Refusal } from './methods-session.js'

interface Names {
  /** A queue and an exchange that exist. */
  readonly queue: string
  readonly exchange: string
  /** Nothing of this name exists; what is declared under it is deleted at the end. */
  readonly fresh: string
}

/** One call for each method that can go without an answer. */
const CALLS: Record<string, (channel: Channel, names: Names) => Promise<unknown>> = {
  exchangeDeclare: (channel, { fresh }) => channel.exchangeDeclare(fresh, 'fanout', { noWait: true }),
  exchangeDelete: (channel, { exchange }) => channel.exchangeDelete(exchange, { noWait: true }),
  exchangeBind: (channel, { exchange }) =>
    channel.exchangeBind(exchange, 'amq.direct', 'k', {}, { noWait: true }),
  exchangeUnbind: (channel, { exchange }) =>
    channel.exchangeUnbind(exchange, 'amq.direct', 'k', {}, { noWait: true }),
  queueDeclare: (channel, { fresh }) => channel.queueDeclare(fresh, { noWait: true }),
  queueBind: (channel, { queue, exchange }) => channel.queueBind(queue, exchange, 'k', {}, { noWait: true }),
  queuePurge: (channel, { queue }) => channel.queuePurge(queue, { noWait: true }),
  queueDelete: (channel, { queue }) => channel.queueDelete(queue, { noWait: true }),
  confirmSelect: channel => channel.confirmSelect({ noWait: true }),
}

const MISSING = `thump-missing-${randomUUID()}`
const NO_QUEUE = new RegExp(`^NOT_FOUND - no queue '${MISSING}' in vhost`)
const NO_EXCHANGE = new RegExp(`^NOT_FOUND - no exchange '${MISSING}' in vhost`)

interface Mistake extends Refusal {
  readonly what: string
  readonly call: (channel: Channel, queue: string, other: Channel) => Promise<unknown>
}

function unheard(
  what: string,
  code: Refusal['code'],
  method: string,
  text: RegExp,
  call: Mistake['call'],
): Mistake {
  return { what, code, method, text, call, unheard: true }
}

const MISTAKES: Mistake[] = [
  unheard('declaring a queue of a reserved name', 403, 'queue.declare', /reserved/, channel =>
    channel.queueDeclare(`amq.${MISSING}`, { noWait: true }),
  ),
  unheard('asking for a queue that does not exist', 404, 'queue.declare', NO_QUEUE, channel =>
    channel.queueDeclare(MISSING, { passive: true, noWait: true }),
  ),
  unheard('binding a queue that does not exist', 404, 'queue.bind', NO_QUEUE, channel =>
    channel.queueBind(MISSING, 'amq.direct', 'k', {}, { noWait: true }),
  ),
  unheard('purging a queue that does not exist', 404, 'queue.purge', NO_QUEUE, channel =>
    channel.queuePurge(MISSING, { noWait: true }),
  ),
  unheard(
    'deleting a queue that has a consumer, if it is unused',
    406,
    'queue.delete',
    /in use/,
    async (channel, queue, other) => {
      await other.consume(queue, () => {})
      await channel.queueDelete(queue, { ifUnused: true, noWait: true })
    },
  ),
  unheard('declaring an exchange of a reserved name', 403, 'exchange.declare', /reserved/, channel =>
    channel.exchangeDeclare(`amq.${MISSING}`, 'direct', { noWait: true }),
  ),
  unheard('deleting an exchange of a reserved name', 403, 'exchange.delete', /deletion of system/, channel =>
    channel.exchangeDelete('amq.direct', { noWait: true }),
  ),
  unheard('binding an exchange that does not exist', 404, 'exchange.bind', NO_EXCHANGE, channel =>
    channel.exchangeBind(MISSING, 'amq.direct', 'k', {}, { noWait: true }),
  ),
  unheard('unbinding the default exchange', 403, 'exchange.unbind', /default exchange/, channel =>
    channel.exchangeUnbind('amq.direct', '', 'k', {}, { noWait: true }),
  ),
  unheard('consuming from a queue that does not exist', 404, 'basic.consume', NO_QUEUE, channel =>
    channel.consume(MISSING, { noWait: true }),
  ),
  unheard(
    'confirm mode on a channel with transactions',
    406,
    'confirm.select',
    /from tx to confirm/,
    async channel => {
      await channel.txSelect()
      await channel.confirmSelect({ noWait: true })
    },
  ),
]

describe('methods with noWait, with RabbitMQ', () => {
  let session: MethodsSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await MethodsSession.open()
  })

  afterEach(() => session.close())

  for (const [name, call] of Object.entries(CALLS)) {
    it(`${name} is not answered, tells nothing, and is done before the next call`, async () => {
      const { channel, connection } = session
      const names = { queue: await session.live.queue(), exchange: session.name(), fresh: session.name() }
      await channel.exchangeDeclare(names.exchange, 'fanout')
      const { framesSent, framesReceived } = connection.stats
      expect(await call(channel, names)).to.equal(undefined)
      await channel.prefetch(1)
      expect(connection.stats.framesSent - framesSent, 'frames sent').to.equal(2)
      expect(connection.stats.framesReceived - framesReceived, 'the answer to the next call').to.equal(1)
    })
  }

  for (const { what, call, ...refusal } of MISTAKES) {
    it(`${what} ends the channel with ${refusal.code}, though the call itself resolves`, async () => {
      const queue = await session.live.queue()
      await session.expectRefusal(refusal, channel => call(channel, queue, session.channel))
      expect(session.channel.state).to.equal('open')
    })
  }

  it('nothing else takes it', async () => {
    const { channel } = session
    const queue = await session.live.queue()
    const wrong = { noWait: true } as never
    const calls = [
      channel.queueUnbind(queue, 'amq.direct', 'k', {}, wrong),
      channel.get(queue, wrong),
      channel.prefetch(1, wrong),
      channel.recover(wrong),
      channel.txSelect(wrong),
    ]
    for (const call of calls) expect((await rejectionOf(call, ArgumentError)).path).to.equal('options.noWait')
  })
})
