import { expect } from 'chai'
import {
  type Channel,
  ChannelClosedError,
  ChannelLimitError,
  ConnectionClosedError,
  connect,
} from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { type RabbitMqNode, sharedBroker, sharedNode } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { ProxiedSession } from './methods-proxied.js'
import { MethodsSession } from './methods-session.js'

describe('channels of a connection, with RabbitMQ', () => {
  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  it('are as many as channelMax says; one more is refused before anything is sent', async () => {
    const session = await MethodsSession.open({ channelMax: 3 })
    const { connection } = session
    expect(connection.channelMax).to.equal(3)
    const [second, third] = [await connection.openChannel(), await connection.openChannel({ confirm: true })]
    const { framesSent } = connection.stats
    const error = await rejectionOf(connection.openChannel(), ChannelLimitError)
    expect(error).to.include({ code: 'AMQP_CHANNEL_LIMIT', connectionName: 'methods' })
    expect(error.message).to.match(/all 3 channels of the connection are in use/)
    await rejectionOf(connection.checkQueue('q'), ChannelLimitError)
    expect(connection.stats.framesSent).to.equal(framesSent)
    await second.close()
    expect((await connection.openChannel()).number).to.equal(second.number)
    await third.queueDeclare()
    await session.close()
  })

  it('have a number again only when the close is answered', async () => {
    const session = await ProxiedSession.open(2)
    const { connection, proxy } = session
    for (let round = 0; round < 3; round++) {
      const channel = await connection.openChannel()
      expect(channel.number).to.equal(2)
      proxy.freeze('toClient')
      const closing = channel.close()
      const { framesSent } = connection.stats
      await rejectionOf(connection.openChannel(), ChannelLimitError)
      expect(connection.stats.framesSent).to.equal(framesSent)
      proxy.thaw()
      expect(await closing).to.deep.equal({ by: 'client' })
    }
    await session.close()
  })

  it('have one again when the close of the server is answered, and at once', async () => {
    const session = await MethodsSession.open({ channelMax: 2 })
    for (let round = 0; round < 50; round++) {
      const channel = await session.connection.openChannel()
      expect(channel.number).to.equal(2)
      await rejectionOf(channel.get('no such queue'), ChannelClosedError)
      expect(await channel.closed).to.include({ by: 'server', code: 404 })
    }
    await session.close()
  })

  it('have one again when both sides have closed at once and both are answered', async () => {
    const session = await MethodsSession.open({ channelMax: 2 })
    for (let round = 0; round < 50; round++) {
      let channel: Channel | undefined
      await until(5_000, 'the number', async () => {
        channel = await session.connection.openChannel().catch(() => undefined)
        return channel !== undefined
      })
      // The close goes right behind the mistake, before the server has said anything.
      void channel?.publish('no such exchange', 'k', 'x')
      expect(await channel?.close()).to.include({ by: 'server', code: 404, method: 'basic.publish' })
    }
    await session.channel.queueDeclare()
    await session.close()
  })

  it('come and go by the thousand, closed by either side, and none is lost', async function () {
    this.timeout(60_000)
    const session = await MethodsSession.open({ channelMax: 40 })
    const { connection } = session
    const open = new Set<number>()
    let most = 0
    /** One channel after another, each closed in another way. */
    const succession = async (lane: number): Promise<void> => {
      for (let round = 0; round < 100; round++) {
        const channel = await connection.openChannel({ confirm: round % 5 === 0 })
        expect(open.has(channel.number), `channel ${channel.number} twice at a time`).to.equal(false)
        open.add(channel.number)
        most = Math.max(most, channel.number)
        void channel.closed.then(() => open.delete(channel.number))
        await end(channel, (lane + round) % 4)
      }
    }
    await Promise.all(Array.from({ length: 30 }, (_, lane) => succession(lane)))
    expect(open.size).to.equal(0)
    expect(most).to.be.within(30, 40)
    const rest = await Promise.all(Array.from({ length: 39 }, () => connection.openChannel()))
    expect(new Set(rest.map(({ number }) => number)).size).to.equal(39)
    await rejectionOf(connection.openChannel(), ChannelLimitError)
    await session.close()
  })

  async function end(channel: Channel, way: number): Promise<void> {
    if (way === 0) await channel.close()
    else if (way === 1) await rejectionOf(channel.get('no such queue'), ChannelClosedError)
    else if (way === 2) {
      void channel.publish('no such exchange', 'k', 'x')
      await channel.closed
    } else {
      void channel.queueDeclare()
      void channel.prefetch(1)
      await Promise.all([channel.close(), channel.close()])
    }
  }

  it('are refused when the connection closes or is closed', async () => {
    const session = await MethodsSession.open()
    const { connection } = session
    const closing = connection.close()
    expect(connection.state).to.equal('closing')
    for (const ask of [
      () => connection.openChannel(),
      () => connection.checkQueue('q'),
      () => connection.updateSecret('s'),
    ]) {
      const error = await rejectionOf(ask(), ConnectionClosedError)
      expect(error).to.include({ code: 'AMQP_CONNECTION_CLOSED' })
      expect(error.reason.by).to.equal('client')
    }
    await closing
    expect((await rejectionOf(connection.openChannel(), ConnectionClosedError)).reason).to.deep.equal({
      by: 'client',
    })
    await session.close()
  })

  it('end with the block of an `await using`, as consumers and the connection do', async () => {
    const session = await MethodsSession.open()
    const queue = await session.sharedQueue()
    const ended: string[] = []
    {
      await using connection = await connect(session.live.url)
      void connection.closed.then(({ by }) => ended.push(`connection ${by}`))
      await using own = await connection.openChannel()
      void own.closed.then(({ by }) => ended.push(`channel ${by}`))
      await using consumer = await own.consume(queue, () => {})
      void consumer.closed.then(({ by }) => ended.push(`consumer ${by}`))
      expect((await session.connection.checkQueue(queue))?.consumerCount).to.equal(1)
      expect([connection.state, own.state]).to.deep.equal(['open', 'open'])
    }
    expect(ended).to.deep.equal(['consumer client', 'channel client', 'connection client'])
    expect((await session.connection.checkQueue(queue))?.consumerCount).to.equal(0)
    await session.close()
  })

  it('leave nothing behind when the block throws: the error is the block’s', async () => {
    let kept: Channel | undefined
    const block = async (): Promise<void> => {
      await using connection = await connect((await sharedBroker()).url)
      await using own = await connection.openChannel()
      kept = own
      throw new Error('of the block')
    }
    expect((await rejectionOf(block(), Error)).message).to.equal('of the block')
    expect(kept?.state).to.equal('closed')
  })
})

describe('updateSecret, with RabbitMQ', () => {
  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  it('is answered, many at a time, beside all else that goes on', async () => {
    const session = await MethodsSession.open({ confirm: true })
    const { connection, channel } = session
    const queue = await session.live.queue()
    const published = Array.from({ length: 100 }, (_, each) => channel.publish('', queue, String(each)))
    const updates = [
      connection.updateSecret('guest'),
      connection.updateSecret(Buffer.from('guest'), 'it expires soon'),
      connection.updateSecret('guest', 'πß€'),
    ]
    expect(await within(5_000, 'the answers', Promise.all(updates))).to.deep.equal(Array(3).fill(undefined))
    await Promise.all(published)
    await session.close()
  })

  it('that is refused ends the connection (530), and the secret is nowhere in what is told', async function () {
    const node = await sharedNode(this)
    const backends = await judgeSecrets(node)
    try {
      const connection = await connect(node.url)
      const channel = await connection.openChannel()
      await connection.updateSecret('right', 'a test')
      const pending = connection.updateSecret('wrong-and-secret', 'a test')
      const error = await rejectionOf(pending, ConnectionClosedError)
      expect(error).to.include({ replyCode: 530, method: 'connection.update-secret' })
      const reason = await within(5_000, 'the end', connection.closed)
      expect(reason).to.include({ by: 'server', code: 530 })
      expect(error.reason).to.equal(reason)
      expect(await channel.closed).to.equal(reason)
      expect(JSON.stringify([error, reason, String(error.stack)])).not.to.include('wrong-and-secret')
    } finally {
      await node.evaluate(`application:set_env(rabbit, auth_backends, ${backends})`)
    }
  })

  /**
   * Has the node ask a module of ours about new secrets; the database of users it ships takes any. Resolves with what it
   * asked before.
   */
  async function judgeSecrets(node: RabbitMqNode): Promise<string> {
    const source = `
      -module(thump_secrets).
      -export([user_login_authorization/2, check_vhost_access/3, check_resource_access/4, check_topic_access/4,
        state_can_expire/0, expiry_timestamp/1, update_state/2]).
      user_login_authorization(_, _) -> {ok, none}.
      check_vhost_access(_, _, _) -> true.
      check_resource_access(_, _, _, _) -> true.
      check_topic_access(_, _, _, _) -> true.
      state_can_expire() -> true.
      expiry_timestamp(_) -> erlang:system_time(second) + 3600.
      update_state(User, <<"right">>) -> {ok, User};
      update_state(_, _) -> {refused, "not that one"}.`
    const before = await node.evaluate(
      '{ok, Backends} = application:get_env(rabbit, auth_backends), Backends',
    )
    await node.evaluate(
      `{ok, Tokens, _} = erl_scan:string(binary_to_list(base64:decode("${Buffer.from(source).toString('base64')}"))),
       Split = fun
         Split([], _, Forms) -> lists:reverse(Forms);
         Split([{dot, _} = Dot | Rest], Form, Forms) ->
           {ok, Parsed} = erl_parse:parse_form(lists:reverse([Dot | Form])), Split(Rest, [], [Parsed | Forms]);
         Split([Token | Rest], Form, Forms) -> Split(Rest, [Token | Form], Forms)
       end,
       {ok, Module, Code} = compile:forms(Split(Tokens, [], [])),
       {module, Module} = code:load_binary(Module, "thump_secrets.erl", Code),
       application:set_env(rabbit, auth_backends, [{rabbit_auth_backend_internal, Module}])`,
    )
    return before
  }
})
