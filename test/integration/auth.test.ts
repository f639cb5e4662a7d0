import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectSocket, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { expect } from 'chai'
import {
  AuthenticationError,
  ConnectError,
  type ConnectOptions,
  connect,
  type SecretRefreshError,
} from '../../src/index.js'
import type { CertificateAuthority, Identity } from '../support/certificates/certificate-authority.js'
import { expectNoSecret, PASSWORD } from '../support/connect-failure.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { type RabbitMqNode, sharedNode } from '../support/rabbitmq/index.js'
import { ensureInstallation } from '../support/rabbitmq/installation.js'
import { TokenIssuer } from '../support/rabbitmq/oauth.js'
import { configure, startPlugin } from '../support/rabbitmq/plugins.js'
import { rejectionOf } from '../support/rejection.js'

const USER = 'certified user'
const SLOW_MS = 30_000

interface Seen {
  readonly user: string
  readonly mechanism: string
}

/**
 * Who RabbitMQ takes the client at this port for, and how it has logged in. Each connection is asked for itself: one that was
 * refused sleeps for three seconds before it answers.
 */
async function seenAt(node: RabbitMqNode, port: number | undefined): Promise<Seen> {
  const answer = await node.evaluate(
    `Self = self(),
     [spawn(fun() ->
        Self ! (catch rabbit_networking:connection_info(Each, [peer_port, user, auth_mechanism]))
      end) || Each <- rabbit_networking:connections()],
     Wait = fun Wait() ->
       receive
         [{peer_port, ${port}}, {user, User}, {auth_mechanism, Mechanism}] -> iolist_to_binary([User, "|", Mechanism]);
         _ -> Wait()
       after 2000 -> <<"nobody">>
       end
     end,
     Wait()`,
  )
  const [user = '', mechanism = ''] = answer.split('|')
  return { user, mechanism }
}

describe('logging in, with RabbitMQ', function () {
  this.timeout(SLOW_MS)
  let node: RabbitMqNode
  let url: string
  /** What the node offered before. */
  let offered: string

  before(async function () {
    this.timeout(BROKER_START_MS)
    node = await sharedNode(this)
    url = node.url
    await node.evaluate(
      `rabbit_auth_backend_internal:add_user(<<"${USER}">>, ${binary(PASSWORD)}, <<"test">>),
       rabbit_auth_backend_internal:set_permissions(<<"${USER}">>, <<"/">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)`,
    )
    offered = await node.evaluate(
      '{ok, Mechanisms} = application:get_env(rabbit, auth_mechanisms), Mechanisms',
    )
    const mechanisms = "['PLAIN', 'AMQPLAIN', 'EXTERNAL', 'RABBIT-CR-DEMO']"
    await configure(node, 'rabbit', 'auth_mechanisms', mechanisms)
  })

  after(async () => {
    await configure(node, 'rabbit', 'auth_mechanisms', offered)
    await node.evaluate(`rabbit_auth_backend_internal:delete_user(<<"${USER}">>, <<"test">>)`)
  })

  /** Opens, has the broker say who is there, and closes. */
  async function loggedIn(options: ConnectOptions, dial = plainly, uri = 'amqp://localhost'): Promise<Seen> {
    const socket = dial()
    const connection = await connect(uri, { stream: () => socket, ...options })
    try {
      await connection.openChannel()
      return await seenAt(node, socket.localPort)
    } finally {
      await connection.close()
    }
  }

  const plainly = (): Socket => connectSocket({ host: '127.0.0.1', port: node.port })

  for (const mechanism of ['PLAIN', 'AMQPLAIN'] as const) {
    it(`logs in by ${mechanism}`, async () => {
      const options = { auth: mechanism, username: USER, password: PASSWORD }
      expect(await loggedIn(options)).to.deep.equal({ user: USER, mechanism })
    })

    it(`is refused with a wrong password by ${mechanism}`, async () => {
      const connecting = connect(url, { auth: mechanism, username: USER, password: `${PASSWORD}!` })
      const error = await rejectionOf(connecting, AuthenticationError)
      expect(error).to.include({ phase: 'tune', replyCode: 403 })
      expectNoSecret(error)
    })
  }

  /** RabbitMQ's demonstration of challenges: the username, and then the password in a sentence. */
  function demo(password: string, asked: string[] = []): ConnectOptions {
    return {
      auth: {
        mechanism: 'RABBIT-CR-DEMO',
        initialResponse: () => Buffer.from(USER),
        answer: challenge => {
          asked.push(Buffer.from(challenge).toString())
          return Buffer.from(`My password is ${password}`)
        },
      },
    }
  }

  it('answers a challenge', async () => {
    const asked: string[] = []
    expect(await loggedIn(demo(PASSWORD, asked))).to.deep.equal({ user: USER, mechanism: 'RABBIT-CR-DEMO' })
    expect(asked).to.deep.equal(['Please tell me your password'])
  })

  it('is refused for a wrong answer to a challenge', async () => {
    const error = await rejectionOf(connect(url, demo(`${PASSWORD}!`)), AuthenticationError)
    expect(error).to.include({ phase: 'tune', replyCode: 403 })
    expectNoSecret(error)
  })

  it('takes the first of its mechanisms that the broker offers: EXTERNAL is not, without TLS', async () => {
    const options = { auth: ['EXTERNAL', 'AMQPLAIN', 'PLAIN'], username: USER, password: PASSWORD } as const
    expect(await loggedIn(options)).to.include({ mechanism: 'AMQPLAIN' })
    const error = await rejectionOf(connect(url, { auth: 'EXTERNAL' }), ConnectError)
    expect(error.message).to.include('the server does not offer the authentication mechanism EXTERNAL')
    expect(error.hint).to.match(/^it offers .*PLAIN.*; RabbitMQ offers EXTERNAL on TLS only/)
  })

  it('asks a function for the credentials, each time', async () => {
    const passwords = [`${PASSWORD}!`, PASSWORD]
    const credentials = async () => ({ username: USER, password: passwords.shift() ?? '' })
    await rejectionOf(connect(url, { credentials }), AuthenticationError)
    expect(await loggedIn({ credentials })).to.include({ user: USER })
  })

  describe('with more than fits the first frame', () => {
    after(() => node.evaluate('application:unset_env(rabbit, initial_frame_max)'))

    it('is told so before it sends it, and is let in where the operator has raised the limit', async () => {
      const clientProperties = { filling: 'x'.repeat(9_000) }
      const error = await rejectionOf(connect(url, { clientProperties }), ConnectError)
      const limit = /^(3|4\.0)\./.test(node.version) ? 4096 : 8192
      expect(error.message).to.match(new RegExp(`would make 9\\d{3} octets, .* the server takes ${limit}`))
      await configure(node, 'rabbit', 'initial_frame_max', '16384')
      await (await connect(url, { clientProperties, initialFrameMax: 16_384 })).close()
    })
  })

  describe('with a client certificate', () => {
    let authority: CertificateAuthority
    let port: number

    before(async function () {
      // Of one in a container no other port than AMQP's is to be reached.
      if ((await ensureInstallation()).kind !== 'local') this.skip()
      authority = node.tls.authority
      port = node.tls.port
      await startPlugin(node, 'rabbitmq_auth_mechanism_ssl')
      await configure(node, 'rabbit', 'ssl_cert_login_from', 'common_name')
    })

    function dialling(identity?: Identity): () => Socket {
      return () => connectTls({ host: '127.0.0.1', port, ca: authority.cert, ...identity })
    }

    it('logs in by EXTERNAL as the one whom the certificate names', async () => {
      const seen = await loggedIn(
        { auth: ['EXTERNAL', 'PLAIN'] },
        dialling(authority.issue({ commonName: USER })),
      )
      expect(seen).to.deep.equal({ user: USER, mechanism: 'EXTERNAL' })
    })

    it('logs in by EXTERNAL when the URI says so, with the files that it names', async () => {
      const { cert, key } = authority.issue({ commonName: USER })
      const folder = mkdtempSync(join(tmpdir(), 'thump-external-'))
      const file = join(folder, 'client.pem')
      try {
        writeFileSync(file, `${cert}${key}`)
        const files = [node.tls.cacertfile, file].map(encodeURIComponent)
        const query = `cacertfile=${files[0]}&certfile=${files[1]}&auth_mechanism=external&auth_mechanism=plain`
        const seen = await loggedIn(
          {},
          () => connectSocket({ host: '127.0.0.1', port }),
          `amqps://localhost?${query}`,
        )
        expect(seen).to.deep.equal({ user: USER, mechanism: 'EXTERNAL' })
      } finally {
        rmSync(folder, { recursive: true })
      }
    })

    it('is refused when the broker does not know whom it names', async () => {
      const stream = dialling(authority.issue({ commonName: 'a stranger' }))
      const error = await rejectionOf(connect({ auth: 'EXTERNAL', stream }), AuthenticationError)
      expect(error).to.include({ phase: 'tune', replyCode: 403 })
    })

    it('is told that it needs one for EXTERNAL, and may use its password instead', async () => {
      const password = { username: USER, password: PASSWORD }
      expect(await loggedIn({ auth: 'PLAIN', ...password }, dialling())).to.include({ user: USER })
      const stream = dialling()
      const error = await rejectionOf(connect({ auth: 'EXTERNAL', stream, ...password }), ConnectError)
      expect(error).to.include({ phase: 'tune', replyCode: 403 })
      expect(error.hint).to.match(/client certificate/)
    })
  })

  describe('with OAuth 2 tokens', () => {
    let issuer: TokenIssuer

    before(async () => {
      issuer = await TokenIssuer.start(node)
    })

    after(() => configure(node, 'rabbit', 'auth_backends', '[rabbit_auth_backend_internal]'))

    it('outlives its first token, because the broker is given another in time', async () => {
      let asked = 0
      const failures: SecretRefreshError[] = []
      const credentials = () => {
        asked++
        const expiresAt = new Date(1000 * Math.floor(Date.now() / 1000 + 3))
        return { password: issuer.token(expiresAt), expiresAt }
      }
      const refreshed = await connect(url, { credentials })
      refreshed.on('secretRefreshFailed', error => failures.push(error))
      const expiresAt = new Date(Date.now() + 3_000)
      const forgotten = await connect(url, { credentials: () => ({ password: issuer.token(expiresAt) }) })
      const [channel, other] = [await refreshed.openChannel(), await forgotten.openChannel()]
      await channel.queueDeclare('', { exclusive: true })
      await other.queueDeclare('', { exclusive: true })
      await until(10_000, 'the third token', () => asked >= 3 && Date.now() > expiresAt.getTime() + 1_000)
      await channel.queueDeclare('', { exclusive: true })
      const refused = await rejectionOf(other.queueDeclare('', { exclusive: true }), Error)
      expect(refused).to.include({ replyCode: 403 })
      expect(failures).to.deep.equal([])
      await Promise.all([refreshed.close(), forgotten.close()])
    })

    it('is refused with a token that has expired, and shows it nowhere', async () => {
      const password = issuer.token(new Date(Date.now() - 5_000))
      const error = await rejectionOf(connect(url, { password }), AuthenticationError)
      expect(`${error.message}${error.stack}`).to.not.include(password)
    })

    it('ends when the broker refuses the next token', async () => {
      const connection = await connect(url, { password: issuer.token(new Date(Date.now() + 60_000)) })
      const updating = rejectionOf(connection.updateSecret(`no ${PASSWORD}`, 'a test'), Error)
      const reason = await connection.closed
      expect(reason).to.include({ by: 'server', code: 530 })
      expectNoSecret(reason)
      expectNoSecret(await updating)
    })
  })
})

function binary(text: string): string {
  return `base64:decode("${Buffer.from(text).toString('base64')}")`
}
