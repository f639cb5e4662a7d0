import { inspect } from 'node:util'
import { expect } from 'chai'
import { ArgumentError, type FieldTable } from '../../src/frames/index.js'
import { AuthenticationError, ConnectError } from '../../src/protocol/errors.js'
import { encodeAhead, encodeMethodFrame } from '../../src/protocol/frame-writers.js'
import { failsEverywhere, Handshake, type HandshakeOptions } from '../../src/protocol/handshake.js'
import type { MethodArgs } from '../../src/protocol/method-types.js'
import { type AuthMechanism, amqplain, external, plain } from '../../src/protocol/sasl.js'
import { Violation } from '../../src/protocol/violation.js'

const DETAILS = { connectionName: 'orders', localPort: 54_321 }
const TUNE = { channelMax: 2047, frameMax: 131_072, heartbeat: 60 }

const OPTIONS: HandshakeOptions = {
  address: 'broker:5672',
  auth: [plain('guest', 'hunter2')],
  virtualHost: '/orders',
  clientProperties: { product: 'test', capabilities: 'nonsense' },
  tune: { heartbeat: 20 },
}

function start(mechanisms = 'AMQPLAIN PLAIN', versionMinor = 9): MethodArgs<'connection.start'> {
  return {
    versionMajor: 0,
    versionMinor,
    serverProperties: { product: 'RabbitMQ' },
    mechanisms: Buffer.from(mechanisms),
    locales: Buffer.from('en_US'),
  }
}

/** A handshake that has come to this phase. */
function handshakeIn(phase: 'start' | 'tune' | 'open', options: Partial<HandshakeOptions> = {}): Handshake {
  const handshake = new Handshake({ ...OPTIONS, ...options }, 1000)
  if (phase !== 'start') handshake.answerStart(start(), 1100, DETAILS)
  if (phase === 'open') handshake.answerTune(TUNE)
  return handshake
}

/** Octets of the Start-Ok with which it answers. */
function sizeOf(handshake: Handshake): number {
  const answer = handshake.answerStart(start(), 1100, DETAILS)
  return encodeAhead(encodeMethodFrame, 0, Number.POSITIVE_INFINITY, answer).length
}

function thrownBy(act: () => unknown): ConnectError {
  try {
    act()
  } catch (error) {
    expect(error).to.be.instanceOf(ConnectError)
    return error as ConnectError
  }
  throw new Error('nothing was thrown')
}

describe('Handshake.answerStart', () => {
  it('answers with the properties, our capabilities, the mechanism and its first response', () => {
    const handshake = handshakeIn('start')
    const { name, args } = handshake.answerStart(start(), 1100, DETAILS)
    expect(name).to.equal('connection.start-ok')
    expect(args).to.include({ mechanism: 'PLAIN', locale: 'en_US' })
    expect(args.response.toString()).to.equal('\0guest\0hunter2')
    expect(args.clientProperties['product']).to.equal('test')
    expect(handshake.phase).to.equal('tune')
    expect(handshake.serverProperties).to.deep.equal({ product: 'RabbitMQ' })
  })

  it('declares as capabilities, in a table of booleans, what is implemented', () => {
    const { args } = handshakeIn('start').answerStart(start(), 1100, DETAILS)
    const capabilities = args.clientProperties['capabilities'] as FieldTable
    expect(capabilities).to.include({
      authentication_failure_close: true,
      consumer_cancel_notify: true,
      'connection.blocked': true,
      publisher_confirms: true,
    })
    expect(Object.values(capabilities).every(capability => capability === true)).to.equal(true)
  })

  it('refuses a mechanism that is not offered, and names those that are', () => {
    const error = thrownBy(() => handshakeIn('start').answerStart(start('EXTERNAL ANONYMOUS'), 1250, DETAILS))
    expect(error).to.include({ phase: 'start', hint: 'it offers EXTERNAL, ANONYMOUS', ...DETAILS })
    expect(error.message).to.equal(
      'cannot connect to broker:5672: the server does not offer the authentication mechanism PLAIN, ' +
        'waiting for Connection.Start after 250 ms (it offers EXTERNAL, ANONYMOUS)',
    )
  })

  it('takes no mechanism for offered whose name only begins alike', () => {
    expect(() => handshakeIn('start').answerStart(start('PLAINER XPLAIN'), 1100, DETAILS)).to.throw(
      ConnectError,
    )
  })

  it('refuses another version than 0-9', () => {
    const error = thrownBy(() => handshakeIn('start').answerStart(start('PLAIN', 8), 1100, DETAILS))
    expect(error.message).to.include('the server starts AMQP 0-8 instead of 0-9')
    const major = { ...start(), versionMajor: 1 }
    expect(() => handshakeIn('start').answerStart(major, 1100, DETAILS)).to.throw(
      ConnectError,
      'cannot connect to broker:5672: the server starts AMQP 1-9 instead of 0-9, waiting for Connection.Start after 100 ms',
    )
  })

  it('blames the mechanism when it fails, and shows no secret', () => {
    const cause = new Error('no token')
    const failing = {
      mechanism: 'PLAIN',
      initialResponse: (): Uint8Array => {
        throw cause
      },
    }
    const handshake = handshakeIn('start', { auth: [failing] })
    const error = thrownBy(() => handshake.answerStart(start(), 1100, DETAILS))
    expect(error.message).to.include('the authentication mechanism PLAIN failed')
    expect(error.cause).to.equal(cause)
  })

  it('names what the mechanism cannot carry, and does not show it', () => {
    const auth = [plain('guest', 'hunter2\0')]
    const error = thrownBy(() => handshakeIn('start', { auth }).answerStart(start(), 1100, DETAILS))
    expect(error.message).to.include('password must be well-formed Unicode without NUL characters, for PLAIN')
    expect(inspect(error, { depth: 10, showHidden: true })).not.to.include('hunter2')
  })

  const sizes: [what: string, serverProperties: FieldTable, limit: number][] = [
    ['RabbitMQ 3', { product: 'RabbitMQ', version: '3.13.7' }, 4096],
    ['RabbitMQ 4.0', { product: 'RabbitMQ', version: '4.0.5' }, 4096],
    ['RabbitMQ 4.1', { product: 'RabbitMQ', version: '4.1.0' }, 8192],
    ['another server', { product: 'other', version: '1.0' }, 8192],
  ]
  for (const [what, serverProperties, limit] of sizes) {
    it(`sends ${what} at most ${limit} octets to log in, and says so before it sends more`, () => {
      const answer = (length: number) =>
        handshakeIn('start', { auth: [plain('guest', 'x'.repeat(length))] }).answerStart(
          { ...start(), serverProperties },
          1100,
          DETAILS,
        )
      const longest = limit - sizeOf(handshakeIn('start', { auth: [plain('guest', '')] }))
      expect(answer(longest).args.response).to.have.length(longest + 7)
      const error = thrownBy(() => answer(longest + 1))
      expect(error).to.include({ phase: 'start', ...DETAILS })
      expect(error.message).to.include(
        `connection.start-ok would make ${limit + 1} octets, and before it has let anybody in the server takes ${limit}`,
      )
      expect(error.cause).to.be.instanceOf(ArgumentError)
      expect((error.cause as Error).message).to.equal(
        `connection.start-ok must fit one frame of ${limit} octets`,
      )
      expect(error.hint).to.match(
        /shorter token .* initial_frame_max of RabbitMQ and the option initialFrameMax/,
      )
    })
  }

  it('sends more where the option says that the server takes it, and shows no secret beyond that', () => {
    const auth = [plain('guest', 'hunter2'.repeat(2000))]
    const raised = handshakeIn('start', { auth, initialFrameMax: 20_000 })
    expect(raised.answerStart(start(), 1100, DETAILS).args.response).to.have.length(14_007)
    const error = thrownBy(() =>
      handshakeIn('start', { auth, initialFrameMax: 10_000 }).answerStart(start(), 1100, DETAILS),
    )
    expect(error.message).to.match(/would make 14\d{3} octets.* takes 10000/)
    expect(inspect(error, { depth: 10, showHidden: true })).not.to.include('hunter2')
  })

  it('takes the first of its mechanisms that is offered, whatever their order there', () => {
    const chosen = (auth: AuthMechanism[], offered: string) =>
      handshakeIn('start', { auth }).answerStart(start(offered), 1100, DETAILS).args.mechanism
    const [first, second, third] = [external(), amqplain('u', 'p'), plain('u', 'p')]
    expect(chosen([first, second, third], 'PLAIN AMQPLAIN EXTERNAL')).to.equal('EXTERNAL')
    expect(chosen([first, second, third], 'PLAIN AMQPLAIN')).to.equal('AMQPLAIN')
    expect(chosen([first, third, second], 'RABBIT-CR-DEMO AMQPLAIN PLAIN')).to.equal('PLAIN')
  })

  it('names all that were wanted when none is offered, and where EXTERNAL is offered', () => {
    const error = thrownBy(() =>
      handshakeIn('start', { auth: [external(), plain('u', 'p')] }).answerStart(start('  '), 1100, DETAILS),
    )
    expect(error.message).to.include(
      'the server offers none of the authentication mechanisms EXTERNAL, PLAIN, waiting',
    )
    expect(error.hint).to.match(
      /^it offers none; RabbitMQ offers EXTERNAL on TLS only, .*rabbitmq_auth_mechanism_ssl/,
    )
  })

  it('repeats of what is offered only what is a name, and not all of a long list', () => {
    const offered = Array.from({ length: 30 }, (_, index) => `M-${index}`)
    const error = thrownBy(() =>
      handshakeIn('start').answerStart(start(`A\nB \u001b[31m ${offered.join(' ')}`), 1100, DETAILS),
    )
    expect(error.hint).to.equal(`it offers ${offered.slice(0, 10).join(', ')}, 22 more`)
  })
})

describe('Handshake.answerSecure', () => {
  it('asks the mechanism', () => {
    const auth = {
      mechanism: 'PLAIN',
      initialResponse: () => Buffer.from('guest'),
      answer: (challenge: Uint8Array) => Buffer.from(`${Buffer.from(challenge)}? guest`),
    }
    const handshake = handshakeIn('tune', { auth: [auth] })
    const challenge = Buffer.from('Please tell me your password')
    const { name, args } = handshake.answerSecure({ challenge }, 1200, DETAILS)
    expect(name).to.equal('connection.secure-ok')
    expect(args.response.toString()).to.equal('Please tell me your password? guest')
    expect(handshake.phase).to.equal('tune')
  })

  it('asks it as its own method', () => {
    class Digest {
      readonly mechanism = 'PLAIN'
      readonly #key = 'k'

      initialResponse(): Uint8Array {
        return Buffer.from(this.#key)
      }

      answer(challenge: Uint8Array): Uint8Array {
        return Buffer.concat([Buffer.from(this.#key), challenge])
      }
    }
    const handshake = handshakeIn('tune', { auth: [new Digest()] })
    const { args } = handshake.answerSecure({ challenge: Buffer.from('?') }, 1200, DETAILS)
    expect(args.response.toString()).to.equal('k?')
  })

  it('blames a mechanism that gives no octets, or a promise of some', () => {
    for (const answer of [() => undefined, async () => Buffer.from('late')]) {
      const auth = { ...plain('guest', 'hunter2'), answer: answer as unknown as () => Uint8Array }
      const handshake = handshakeIn('tune', { auth: [auth] })
      const error = thrownBy(() => handshake.answerSecure({ challenge: Buffer.alloc(1) }, 1200, DETAILS))
      expect(error.message).to.equal(
        'cannot connect to broker:5672: the authentication mechanism PLAIN failed, waiting for Connection.Tune after 200 ms',
      )
      expect(error.cause).to.be.instanceOf(TypeError)
    }
  })

  it('answers sixteen challenges, and takes one more for a violation (503)', () => {
    const auth = { ...plain('guest', 'hunter2'), answer: (challenge: Uint8Array) => challenge }
    const handshake = handshakeIn('tune', { auth: [auth] })
    const challenge = Buffer.from('again')
    for (let count = 0; count < 16; count++) handshake.answerSecure({ challenge }, 1200, DETAILS)
    expect(() => handshake.answerSecure({ challenge }, 1200, DETAILS))
      .to.throw(Violation, 'more than 16 challenges for PLAIN')
      .with.property('replyCode', 503)
  })

  it('sends no answer that the server does not take', () => {
    const auth = { ...plain('guest', 'hunter2'), answer: () => Buffer.alloc(8192) }
    const handshake = handshakeIn('tune', { auth: [auth] })
    const error = thrownBy(() => handshake.answerSecure({ challenge: Buffer.alloc(1) }, 1200, DETAILS))
    expect(error.message).to.include('connection.secure-ok would make 8208 octets')
  })

  it('takes a challenge to a mechanism that expects none for a violation (503)', () => {
    expect(() => handshakeIn('tune').answerSecure({ challenge: Buffer.alloc(1) }, 1200, DETAILS))
      .to.throw(Violation, 'unexpected challenge for PLAIN')
      .with.property('replyCode', 503)
  })
})

describe('Handshake.answerTune', () => {
  it('answers with Tune-Ok and Open together', () => {
    const handshake = handshakeIn('tune')
    expect(handshake.tune).to.equal(undefined)
    const { tune, answers } = handshake.answerTune(TUNE)
    expect(tune).to.deep.equal({ ...TUNE, heartbeat: 20 })
    expect(handshake.tune).to.equal(tune)
    expect(answers).to.deep.equal([
      { name: 'connection.tune-ok', args: { ...TUNE, heartbeat: 20 } },
      { name: 'connection.open', args: { virtualHost: '/orders' } },
    ])
    expect(handshake.phase).to.equal('open')
  })

  for (const frameMax of [1, 8, 4095]) {
    it(`refuses a server whose frames have at most ${frameMax} octets (502)`, () => {
      expect(() => handshakeIn('tune').answerTune({ ...TUNE, frameMax }))
        .to.throw(Violation, `frame-max ${frameMax} is below the specification's minimum of 4096`)
        .with.property('replyCode', 502)
    })
  }

  it('accepts 4096 octets, and no limit', () => {
    expect(handshakeIn('tune').answerTune({ ...TUNE, frameMax: 4096 }).tune.frameMax).to.equal(4096)
    expect(handshakeIn('tune').answerTune({ ...TUNE, frameMax: 0 }).tune.frameMax).to.equal(131_072)
  })
})

describe('Handshake.refused', () => {
  it('takes 403 after Start-Ok for refused credentials', () => {
    const error = handshakeIn('tune').refused(403, 'ACCESS_REFUSED - Login was refused', 1300, DETAILS)
    expect(error).to.be.instanceOf(AuthenticationError)
    expect(error).to.include({ phase: 'tune', replyCode: 403 })
    expect(error.message).to.equal(
      'cannot connect to broker:5672: the server refused: 403 ACCESS_REFUSED - Login was refused, waiting for ' +
        "Connection.Tune after 300 ms (check username and password; RabbitMQ lets 'guest' in from its own host only)",
    )
  })

  it('points at the certificate when that is what was to tell who it is', () => {
    const handshake = handshakeIn('start', { auth: [external()] })
    handshake.answerStart(start('EXTERNAL'), 1100, DETAILS)
    const error = handshake.refused(403, 'ACCESS_REFUSED', 1300, DETAILS)
    expect(error).to.be.instanceOf(AuthenticationError)
    expect(error.hint).to.match(/^check the client certificate: .*ssl_cert_login_from/)
  })

  it('leaves out the password when the server says it again, as long as it has a use for it', () => {
    const said = "ACCESS_REFUSED - 'hunter2' is not the password of guest"
    const handshake = handshakeIn('tune')
    const error = handshake.refused(403, said, 1300, DETAILS)
    expect(error.replyText).to.equal("ACCESS_REFUSED - '[password]' is not the password of guest")
    expect(inspect(error, { depth: 10, showHidden: true })).not.to.include('hunter2')
    const opened = handshakeIn('open')
    opened.forgetSecrets()
    expect(opened.refused(403, said, 1300, DETAILS).replyText).to.equal(said)
  })

  it('takes 530 after Open for a refused virtual host', () => {
    const error = handshakeIn('open').refused(530, 'NOT_ALLOWED - vhost', 1300, DETAILS)
    expect(error).not.to.be.instanceOf(AuthenticationError)
    expect(error.hint).to.equal("check that the virtual host '/orders' exists and that the user may use it")
    expect(error.message).to.include('waiting for Connection.Open-Ok')
  })

  it('explains an empty virtual host by the slash in the URI', () => {
    const error = handshakeIn('open', { virtualHost: '' }).refused(530, 'NOT_ALLOWED', 1300, DETAILS)
    expect(error.hint).to.equal(
      "check that the virtual host '' exists and that the user may use it; " +
        "in a URI leave out the slash behind the host to get '/'",
    )
  })

  it('has no hint for what it cannot explain', () => {
    expect(handshakeIn('open').refused(541, 'INTERNAL_ERROR', 1300, DETAILS).hint).to.equal(undefined)
    expect(handshakeIn('tune').refused(541, 'INTERNAL_ERROR', 1300, DETAILS).hint).to.equal(undefined)
  })
})

describe('Handshake.failed', () => {
  const phases: readonly (readonly [phase: 'start' | 'tune' | 'open', waiting: string, hint: RegExp])[] = [
    ['start', 'Connection.Start', /still be starting, or expect TLS/],
    ['tune', 'Connection.Tune', /refused the credentials or the mechanism/],
    ['open', 'Connection.Open-Ok', /channelMax 2047, frameMax 131072, heartbeat 20; .* at least 8192/],
  ]
  for (const [phase, waiting, hint] of phases) {
    it(`explains an end in the phase ${phase} by what it waited for`, () => {
      const error = handshakeIn(phase).failed('read ECONNRESET', 4200, DETAILS)
      expect(error.phase).to.equal(phase)
      expect(error.message).to.include(
        `cannot connect to broker:5672: read ECONNRESET, waiting for ${waiting} after 3200 ms (`,
      )
      expect(error.hint).to.match(hint)
      expect(error).not.to.be.instanceOf(AuthenticationError)
    })
  }

  it('suspects the size of what it sent to log in, when the specification does not promise that it is taken', () => {
    const hintFor = (length: number) => {
      const auth = [plain('guest', 'x'.repeat(length))]
      return handshakeIn('tune', { auth }).failed('read ECONNRESET', 4200, DETAILS).hint
    }
    const promised = 4096 - sizeOf(handshakeIn('start', { auth: [plain('guest', '')] }))
    expect(hintFor(promised)).to.match(/without saying why when it is old$/)
    expect(hintFor(promised + 1)).to.match(
      /refused the credentials.*; or 4097 octets are more than it takes before login: use a shorter token/,
    )
  })

  it('shows no password in any error', () => {
    for (const phase of ['start', 'tune', 'open'] as const) {
      const error = handshakeIn(phase).failed('the peer ended the connection', 1300, DETAILS)
      expect(inspect(error, { depth: 10, showHidden: true })).not.to.include('hunter2')
    }
  })
})

describe('Handshake.broken', () => {
  it('says what the peer is, with its hint', () => {
    const error = handshakeIn('start').broken(
      'an HTTP server answered',
      'the management port?',
      1010,
      DETAILS,
    )
    expect(error.message).to.equal(
      'cannot connect to broker:5672: an HTTP server answered, waiting for Connection.Start after 10 ms ' +
        '(the management port?)',
    )
  })
})

describe('failsEverywhere', () => {
  it('takes refused credentials and virtual hosts for final, and nothing that only ended', () => {
    expect(failsEverywhere(handshakeIn('tune').refused(403, '', 0, {}))).to.equal(true)
    expect(failsEverywhere(handshakeIn('open').refused(530, '', 0, {}))).to.equal(true)
    expect(failsEverywhere(handshakeIn('open').refused(541, '', 0, {}))).to.equal(false)
    expect(failsEverywhere(handshakeIn('tune').failed('read ECONNRESET', 0, {}))).to.equal(false)
  })
})
