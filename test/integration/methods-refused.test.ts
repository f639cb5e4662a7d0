import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { type Channel, ChannelClosedError } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { MethodsSession, type Refusal } from './methods-session.js'

const MISSING = `thump-missing-${randomUUID()}`

interface Mistake extends Refusal {
  readonly what: string
  /** `queue` is one of this connection; `other` a channel beside, for what must have been done before. */
  readonly call: (channel: Channel, queue: string, other: Channel) => Promise<unknown>
}

function mistake(
  what: string,
  code: Refusal['code'],
  method: string,
  text: RegExp,
  call: Mistake['call'],
  more: Pick<Refusal, 'mismatch' | 'unheard'> = {},
): Mistake {
  return { what, code, method, text, call, ...more }
}

const NO_QUEUE = new RegExp(`^NOT_FOUND - no queue '${MISSING}' in vhost`)
const NO_EXCHANGE = new RegExp(`^NOT_FOUND - no exchange '${MISSING}' in vhost`)

const MISTAKES: Mistake[] = [
  mistake('asking for a queue that does not exist', 404, 'queue.declare', NO_QUEUE, channel =>
    channel.queueDeclare(MISSING, { passive: true }),
  ),
  mistake('asking for an exchange that does not exist', 404, 'exchange.declare', NO_EXCHANGE, channel =>
    channel.exchangeDeclare(MISSING, 'direct', { passive: true }),
  ),
  mistake('consuming from a queue that does not exist', 404, 'basic.consume', NO_QUEUE, channel =>
    channel.consume(MISSING, () => {}),
  ),
  mistake('getting from a queue that does not exist', 404, 'basic.get', NO_QUEUE, channel =>
    channel.get(MISSING),
  ),
  mistake('purging a queue that does not exist', 404, 'queue.purge', NO_QUEUE, channel =>
    channel.queuePurge(MISSING),
  ),
  mistake('binding a queue that does not exist', 404, 'queue.bind', NO_QUEUE, channel =>
    channel.queueBind(MISSING, 'amq.direct', 'k'),
  ),
  mistake(
    'binding a queue to an exchange that does not exist',
    404,
    'queue.bind',
    NO_EXCHANGE,
    (channel, queue) => channel.queueBind(queue, MISSING, 'k'),
  ),
  mistake('binding an exchange to one that does not exist', 404, 'exchange.bind', NO_EXCHANGE, channel =>
    channel.exchangeBind('amq.direct', MISSING, 'k'),
  ),
  mistake('binding an exchange that does not exist', 404, 'exchange.bind', NO_EXCHANGE, channel =>
    channel.exchangeBind(MISSING, 'amq.direct', 'k'),
  ),
  mistake(
    'publishing to an exchange that does not exist',
    404,
    'basic.publish',
    NO_EXCHANGE,
    channel => channel.publish(MISSING, 'k', 'x'),
    { unheard: true },
  ),

  mistake(
    'declaring an exchange of a reserved name',
    403,
    'exchange.declare',
    /^ACCESS_REFUSED - .*reserved/,
    channel => channel.exchangeDeclare(`amq.${MISSING}`, 'direct'),
  ),
  mistake(
    'declaring a queue of a reserved name',
    403,
    'queue.declare',
    /^ACCESS_REFUSED - .*reserved/,
    channel => channel.queueDeclare(`amq.${MISSING}`),
  ),
  mistake(
    'deleting an exchange of a reserved name',
    403,
    'exchange.delete',
    /^ACCESS_REFUSED - deletion of system/,
    channel => channel.exchangeDelete('amq.direct'),
  ),
  mistake(
    'declaring the default exchange',
    403,
    'exchange.declare',
    /^ACCESS_REFUSED - .*default exchange/,
    channel => channel.exchangeDeclare('', 'direct'),
  ),
  mistake(
    'deleting the default exchange',
    403,
    'exchange.delete',
    /^ACCESS_REFUSED - .*default exchange/,
    channel => channel.exchangeDelete(''),
  ),
  mistake(
    'binding to the default exchange',
    403,
    'queue.bind',
    /^ACCESS_REFUSED - .*default exchange/,
    (channel, queue) => channel.queueBind(queue, '', 'k'),
  ),
  mistake(
    'unbinding from the default exchange',
    403,
    'queue.unbind',
    /^ACCESS_REFUSED - .*default exchange/,
    (channel, queue) => channel.queueUnbind(queue, '', queue),
  ),
  mistake(
    'consuming beside an exclusive consumer',
    403,
    'basic.consume',
    /^ACCESS_REFUSED - queue '.*' in vhost '.*' in exclusive use/,
    async (channel, queue, other) => {
      await other.consume(queue, { exclusive: true })
      await channel.consume(queue)
    },
  ),
  mistake(
    'consuming exclusively beside another consumer',
    403,
    'basic.consume',
    /^ACCESS_REFUSED - queue '.*' in vhost '.*' in exclusive use/,
    async (channel, queue, other) => {
      await other.consume(queue)
      await channel.consume(queue, { exclusive: true })
    },
  ),
  mistake(
    'publishing to an internal exchange',
    403,
    'basic.publish',
    /^ACCESS_REFUSED - cannot publish to internal exchange/,
    async (channel, _queue, other) => {
      const exchange = `thump-internal-${randomUUID()}`
      await other.exchangeDeclare(exchange, 'fanout', { internal: true, autoDelete: true })
      await other.exchangeBind('amq.fanout', exchange)
      await channel.publish(exchange, '', 'x')
      await channel.closed
      await other.exchangeDelete(exchange)
    },
    { unheard: true },
  ),

  mistake(
    'deleting a queue that has a consumer, if it is unused',
    406,
    'queue.delete',
    /^PRECONDITION_FAILED - queue '.*' in vhost '.*' in use/,
    async (channel, queue, other) => {
      await other.consume(queue, () => {})
      await channel.queueDelete(queue, { ifUnused: true })
    },
  ),
  mistake(
    'deleting a queue that has a message, if it is empty',
    406,
    'queue.delete',
    /^PRECONDITION_FAILED - queue '.*' in vhost '.*' (is )?not empty/,
    async (channel, queue) => {
      await channel.publish('', queue, 'x')
      await channel.queueDelete(queue, { ifEmpty: true })
    },
  ),
  mistake(
    'deleting an exchange that something is bound to, if it is unused',
    406,
    'exchange.delete',
    /^PRECONDITION_FAILED - exchange '.*' in vhost '.*' in use/,
    async (channel, queue, other) => {
      const exchange = `thump-used-${randomUUID()}`
      await other.exchangeDeclare(exchange, 'fanout', { autoDelete: true })
      await other.queueBind(queue, exchange)
      await channel.exchangeDelete(exchange, { ifUnused: true })
    },
  ),
  mistake(
    'an argument of a type that is not taken',
    406,
    'queue.declare',
    /^PRECONDITION_FAILED - invalid arg 'x-max-length'/,
    channel => channel.queueDeclare('', { arguments: { 'x-max-length': 0.5 } }),
  ),
  mistake(
    'publishing in the name of another user',
    406,
    'basic.publish',
    /^PRECONDITION_FAILED - user_id property set to 'somebody else'/,
    (channel, queue) => channel.publish('', queue, 'x', { userId: 'somebody else' }),
    { unheard: true },
  ),
  mistake(
    'a commit without transactions',
    406,
    'tx.commit',
    /^PRECONDITION_FAILED - channel is not transactional/,
    channel => channel.txCommit(),
  ),
  mistake(
    'a rollback without transactions',
    406,
    'tx.rollback',
    /^PRECONDITION_FAILED - channel is not transactional/,
    channel => channel.txRollback(),
  ),
  mistake(
    'transactions on a channel in confirm mode',
    406,
    'tx.select',
    /^PRECONDITION_FAILED - cannot switch from confirm to tx mode/,
    async channel => {
      await channel.confirmSelect()
      await channel.txSelect()
    },
  ),
  mistake(
    'confirm mode on a channel with transactions',
    406,
    'confirm.select',
    /^PRECONDITION_FAILED - cannot switch from tx to confirm mode/,
    async channel => {
      await channel.txSelect()
      await channel.confirmSelect()
    },
  ),
]

describe('methods that RabbitMQ refuses', () => {
  let session: MethodsSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await MethodsSession.open()
  })

  afterEach(() => session.close())

  for (const { what, call, ...refusal } of MISTAKES) {
    it(`${what} ends the channel with ${refusal.code}, and only the channel`, async () => {
      const queue = await session.live.queue()
      await session.expectRefusal(refusal, channel => call(channel, queue, session.channel))
      expect(session.channel.state).to.equal('open')
    })
  }

  describe('because another connection has the queue exclusively', () => {
    const uses: [method: string, call: (channel: Channel, queue: string) => Promise<unknown>][] = [
      ['queue.declare', (channel, queue) => channel.queueDeclare(queue, { exclusive: true, durable: false })],
      ['queue.declare', (channel, queue) => channel.queueDeclare(queue, { passive: true })],
      ['queue.bind', (channel, queue) => channel.queueBind(queue, 'amq.direct', queue)],
      ['queue.unbind', (channel, queue) => channel.queueUnbind(queue, 'amq.direct', queue)],
      ['queue.purge', (channel, queue) => channel.queuePurge(queue)],
      ['queue.delete', (channel, queue) => channel.queueDelete(queue)],
      ['basic.get', (channel, queue) => channel.get(queue)],
      ['basic.consume', (channel, queue) => channel.consume(queue)],
    ]
    for (const [index, [method, call]] of uses.entries()) {
      const form = index === 1 ? ', passive,' : ''
      it(`${method}${form} ends the channel with 405`, async () => {
        const queue = session.name()
        await session.channel.queueDeclare(queue, { exclusive: true, durable: false })
        await session.channel.queueBind(queue, 'amq.direct', queue)
        const other = await MethodsSession.open()
        const refusal = {
          code: 405,
          method,
          text: /^RESOURCE_LOCKED - cannot obtain exclusive access/,
        } as const
        await other.expectRefusal(refusal, channel => call(channel, queue))
        if (method === 'queue.declare') {
          const error = await rejectionOf(other.connection.checkQueue(queue), ChannelClosedError)
          expect(error).to.include({ replyCode: 405, method: 'queue.declare', notFound: false })
        }
        // To publish is nobody's privilege.
        await other.channel.publish('', queue, 'from elsewhere')
        await other.channel.queueDeclare()
        await other.close()
        expect(String((await session.channel.get(queue))?.body)).to.equal('from elsewhere')
      })
    }
  })
})
