import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { type Channel, ChannelClosedError } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { within } from '../support/rabbitmq/deadline.js'
import { type RabbitMqNode, sharedNode } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { MethodsSession } from './methods-session.js'

/** What the user of these tests may configure, write and read. */
const OWN = '^own-'

interface Attempt {
  readonly method: string
  /** `theirs` is a queue and an exchange that exist; `own` a queue and an exchange of the user. */
  readonly make: (channel: Channel, names: { theirs: string; own: string }) => Promise<unknown>
  readonly unheard?: boolean
}

const ATTEMPTS: Attempt[] = [
  { method: 'queue.declare', make: (channel, { theirs }) => channel.queueDeclare(`${theirs}-more`) },
  { method: 'queue.delete', make: (channel, { theirs }) => channel.queueDelete(theirs) },
  { method: 'queue.purge', make: (channel, { theirs }) => channel.queuePurge(theirs) },
  { method: 'queue.bind', make: (channel, { theirs, own }) => channel.queueBind(theirs, own, 'k') },
  { method: 'queue.bind', make: (channel, { theirs, own }) => channel.queueBind(own, theirs, 'k') },
  { method: 'queue.unbind', make: (channel, { theirs, own }) => channel.queueUnbind(own, theirs, 'k') },
  {
    method: 'queue.declare',
    make: (channel, { theirs, own }) => channel.queueDeclare(`${own}-dead`, { deadLetterExchange: theirs }),
  },
  {
    method: 'exchange.declare',
    make: (channel, { theirs }) => channel.exchangeDeclare(`${theirs}-more`, 'direct'),
  },
  { method: 'exchange.delete', make: (channel, { theirs }) => channel.exchangeDelete(theirs) },
  { method: 'exchange.bind', make: (channel, { theirs, own }) => channel.exchangeBind(theirs, own) },
  { method: 'exchange.bind', make: (channel, { theirs, own }) => channel.exchangeBind(own, theirs) },
  { method: 'exchange.unbind', make: (channel, { theirs, own }) => channel.exchangeUnbind(own, theirs) },
  {
    method: 'exchange.declare',
    make: (channel, { theirs, own }) =>
      channel.exchangeDeclare(`${own}-more`, 'direct', { alternateExchange: theirs }),
  },
  { method: 'basic.consume', make: (channel, { theirs }) => channel.consume(theirs, () => {}) },
  { method: 'basic.get', make: (channel, { theirs }) => channel.get(theirs) },
  {
    method: 'basic.publish',
    make: (channel, { theirs }) => channel.publish(theirs, 'k', 'x'),
    unheard: true,
  },
  { method: 'basic.publish', make: channel => channel.publish('', 'q', 'x'), unheard: true },
]

describe('what a user has no permission for, with RabbitMQ', () => {
  const user = `thump-limited-${randomUUID()}`
  let node: RabbitMqNode
  let admin: MethodsSession
  let limited: MethodsSession
  let theirs: string
  let own: string

  before(async function () {
    this.timeout(BROKER_START_MS)
    node = await sharedNode(this)
    await node.evaluate(
      `rabbit_auth_backend_internal:add_user(<<"${user}">>, <<"secret">>, <<"test">>),
       rabbit_auth_backend_internal:set_permissions(
         <<"${user}">>, <<"/">>, <<"${OWN}">>, <<"${OWN}">>, <<"${OWN}">>, <<"test">>)`,
    )
  })

  after(async () => {
    await node?.evaluate(`rabbit_auth_backend_internal:delete_user(<<"${user}">>, <<"test">>)`)
  })

  beforeEach(async () => {
    admin = await MethodsSession.open()
    theirs = admin.name()
    await admin.channel.queueDeclare(theirs)
    await admin.channel.exchangeDeclare(theirs, 'fanout')
    limited = await MethodsSession.open({
      username: user,
      password: 'secret',
      url: node.url.replace('guest:guest@', ''),
    })
    own = `own-${randomUUID()}`
    await limited.channel.queueDeclare(own, { exclusive: true, durable: false })
    await limited.channel.exchangeDeclare(own, 'fanout', { durable: false, autoDelete: true })
    await limited.channel.queueBind(own, own)
  })

  afterEach(async () => {
    await limited?.close()
    await admin?.close()
  })

  for (const [index, { method, make, unheard }] of ATTEMPTS.entries()) {
    it(`${method} ends the channel with 403, and only the channel (${index + 1})`, async () => {
      const channel = await limited.connection.openChannel()
      const call = make(channel, { theirs, own })
      if (unheard === true) {
        await call
        await within(5_000, 'the end of the channel', channel.closed)
      }
      const error = await rejectionOf(unheard === true ? channel.prefetch(1) : call, ChannelClosedError)
      expect(error).to.include({
        code: 'AMQP_CHANNEL_CLOSED',
        replyCode: 403,
        method,
        channelNumber: channel.number,
      })
      expect(error).to.include({ notFound: false, mismatch: undefined })
      expect(error.replyText).to.match(
        /^ACCESS_REFUSED - (configure |write |read )?access to (queue|exchange) '.*' in vhost '\/' refused for user 'thump-limited-/,
      )
      const reason = await within(5_000, 'the end of the channel', channel.closed)
      expect(reason).to.include({ by: 'server', code: 403, method, text: error.replyText })
      // Another channel of the same user goes on with what it may do.
      expect([channel.state, limited.channel.state, limited.connection.state]).to.deep.equal([
        'closed',
        'open',
        'open',
      ])
      await limited.channel.publish(own, '', 'allowed')
      expect(String((await limited.channel.get(own, { noAck: true }))?.body)).to.equal('allowed')
      expect(await admin.messagesIn(theirs)).to.equal(0)
      expect(await admin.connection.checkExchange(theirs)).to.equal(true)
    })
  }

  it('costs nothing to be asked after, or is refused on a channel of its own', async () => {
    // Before 4.2.6 everybody may ask whether something exists.
    const answer = await limited.connection.checkQueue(theirs).catch((error: unknown) => error)
    if (answer instanceof ChannelClosedError)
      expect(answer).to.include({ replyCode: 403, method: 'queue.declare' })
    else expect(answer).to.include({ queue: theirs })
    expect(limited.connection.state).to.equal('open')
    await limited.channel.queuePurge(own)
  })
})
