import { connect as connectSocket } from 'node:net'
import { expect } from 'chai'
import fc from 'fast-check'
import {
  AuthenticationError,
  ChannelLimitError,
  ConnectError,
  type ConnectOptions,
  connect,
} from '../../src/index.js'
import { connectFailure, failureOf } from '../support/connect-failure.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { freePort } from '../support/rabbitmq/free-port.js'
import { sharedBroker, sharedNode } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { runs } from '../support/runs.js'

describe('connect, with RabbitMQ', () => {
  let url: string
  let port: number
  let at: { host: string; port: number }

  before(async function () {
    this.timeout(BROKER_START_MS)
    url = (await sharedBroker()).url
    const { hostname } = new URL(url)
    port = Number(new URL(url).port || 5672)
    at = { host: hostname, port }
  })

  async function opens(target: string | string[], options: ConnectOptions = {}): Promise<void> {
    const connection = await connect(target, options)
    await connection.openChannel()
    expect(await connection.close()).to.deep.equal({ by: 'client' })
  }

  it('opens and closes', () => opens(url))

  it('shows what the server says of itself, and what was agreed on', async () => {
    const connection = await connect(url, { heartbeat: 9 })
    expect(connection.serverProperties).to.include({ product: 'RabbitMQ' })
    expect(connection).to.include({ heartbeat: 9, channelMax: 2047, frameMax: 131_072, state: 'open' })
    await connection.close()
  })

  it('works with the smallest frames, and with a limit of channels', async () => {
    const connection = await connect(url, { frameMax: 8192, channelMax: 1 })
    expect(connection).to.include({ frameMax: 8192, channelMax: 1 })
    const channel = await connection.openChannel()
    await rejectionOf(connection.openChannel(), ChannelLimitError)
    await channel.close()
    await connection.openChannel()
    await connection.close()
  })

  it('is refused with a wrong password', async () => {
    const error = await connectFailure(port, at)
    expect(error).to.be.instanceOf(AuthenticationError)
    expect(error).to.include({ phase: 'tune', replyCode: 403 })
    expect(error.replyText).to.match(/^ACCESS_REFUSED/)
    expect(error.hint).to.match(/check username and password/)
  })

  it('is refused for a virtual host that does not exist', async () => {
    const error = await failureOf(connect(url, { vhost: 'no such place' }), String(port))
    expect(error).to.include({ name: 'ConnectError', phase: 'open', replyCode: 530 })
    expect(error.message).to.include('no such place')
  })

  it("hints at the slash of the URI that asks for the virtual host ''", async () => {
    const { origin } = new URL(url.replace('amqp:', 'http:'))
    const error = await failureOf(connect(`amqp://${origin.slice(7)}/`), String(port))
    expect(error).to.include({ phase: 'open', replyCode: 530 })
    expect(error.hint).to.include('leave out the slash')
  })

  it('does not try other servers after a refusal', async () => {
    const error = await rejectionOf(connect([url, url], { vhost: 'no such place' }), ConnectError)
    expect(error).to.include({ replyCode: 530 })
  })

  it('takes the next server when one does not answer', async () => {
    const dead = `amqp://127.0.0.1:${await freePort()}`
    await opens([dead, url], { random: () => 0.999 })
  })

  it('says what is offered when the mechanism is not', async () => {
    const auth = { mechanism: 'EXTERNAL', initialResponse: () => Buffer.alloc(0) }
    const error = await failureOf(connect(url, { auth }), String(port))
    expect(error.hint).to.match(/it offers .*PLAIN/)
  })

  it('authenticates by a mechanism of the application', async () => {
    const { username, password } = new URL(url)
    const field = (name: string, value: string): Buffer => {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(value.length)
      return Buffer.concat([Buffer.from([name.length]), Buffer.from(`${name}S`), length, Buffer.from(value)])
    }
    const response = Buffer.concat([field('LOGIN', username), field('PASSWORD', password)])
    await opens(url, { auth: { mechanism: 'AMQPLAIN', initialResponse: () => response } })
  })

  it('uses a stream of the application', () => opens(url, { stream: () => connectSocket(at) }))

  it('is known to the broker by its name and its port', async function () {
    const node = await sharedNode(this)
    const connection = await connect(url, { connectionName: 'known by this name' })
    const known = await node.evaluate('rabbit_networking:connection_info_all([peer_port, client_properties])')
    await node.closeConnections('known well enough')
    const { error } = await connection.closed
    expect(error).to.include({ connectionName: 'known by this name' })
    const { localPort } = error as unknown as { localPort: number }
    const own = known
      .replaceAll(/\s+/g, ' ')
      .split('{peer_port,')
      .find(each => each.startsWith(`${localPort}}`))
    expect(own).to.include('<<"known by this name">>')
  })

  it('is refused a virtual host that the user may not use', async function () {
    const node = await sharedNode(this)
    await node.evaluate(
      'rabbit_auth_backend_internal:add_user(<<"nobody">>, <<"hunter2, right">>, <<"test">>)',
    )
    const options = { username: 'nobody', password: 'hunter2, right' }
    const error = await failureOf(connect(url, options), String(port))
    expect(error).to.include({ name: 'ConnectError', phase: 'open', replyCode: 530 })
    expect(error.message).to.match(/access to vhost/)
    await node.evaluate('rabbit_auth_backend_internal:delete_user(<<"nobody">>, <<"test">>)')
  })

  it('logs in with any username and password and to any virtual host, by URI and by options', async function () {
    this.timeout(30_000)
    const node = await sharedNode(this)
    const characters = fc.constantFrom(...'aZ9@:/?#[]%&=+$ !*\'(),;~"<>\\^`{|}äπ€漢😀')
    const name = fc.string({ unit: characters, minLength: 1, maxLength: 12 })
    const binary = (text: string): string => `base64:decode("${Buffer.from(text).toString('base64')}")`
    await fc.assert(
      fc.asyncProperty(name, name, name, async (username, password, vhost) => {
        await node.evaluate(`rabbit_vhost:add(${binary(`v${vhost}`)}, <<"test">>),
          rabbit_auth_backend_internal:add_user(${binary(`u${username}`)}, ${binary(password)}, <<"test">>),
          rabbit_auth_backend_internal:set_permissions(${binary(`u${username}`)}, ${binary(`v${vhost}`)},
            <<".*">>, <<".*">>, <<".*">>, <<"test">>)`)
        try {
          const [user, word, place] = [`u${username}`, password, `v${vhost}`].map(encodeURIComponent)
          await opens(`amqp://${user}:${word}@127.0.0.1:${port}/${place}`)
          await opens(`amqp://127.0.0.1:${port}`, { username: `u${username}`, password, vhost: `v${vhost}` })
        } finally {
          await node.evaluate(`rabbit_auth_backend_internal:delete_user(${binary(`u${username}`)}, <<"test">>),
            rabbit_vhost:delete(${binary(`v${vhost}`)}, <<"test">>)`)
        }
      }),
      runs(6),
    )
  })
})
