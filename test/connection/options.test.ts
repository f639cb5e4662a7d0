import type { LookupFunction } from 'node:net'
import { inspect } from 'node:util'
import { expect } from 'chai'
import fc from 'fast-check'
import { systemClock } from '../../src/connection/clock.js'
import { type ConnectOptions, checkConnectOptions, settle } from '../../src/connection/options.js'
import { parseUri } from '../../src/connection/uri.js'
import { ArgumentError, connect } from '../../src/index.js'
import { rejectionOf, thrownBy } from '../support/rejection.js'

const MIB = 1024 * 1024

function refusalOf(options: unknown): ArgumentError {
  return thrownBy(() => checkConnectOptions(options as ConnectOptions), ArgumentError)
}

/** What the settled mechanism tells the server. */
function credentials(options: ConnectOptions, uri?: string): string[] {
  const [mechanism] = settle(options, uri === undefined ? {} : parseUri(uri)).login.mechanisms()
  return Buffer.from(mechanism?.initialResponse() ?? [])
    .toString()
    .split('\0')
    .slice(1)
}

describe('checkConnectOptions', () => {
  it('accepts no options, every option, and every option undefined', () => {
    const all: Required<Omit<ConnectOptions, 'credentials'>> = {
      host: 'h',
      port: 5672,
      username: 'u',
      password: 'p',
      vhost: '',
      heartbeat: 0,
      frameMax: 8192,
      channelMax: 1,
      connectTimeout: 1,
      rpcTimeout: 1,
      confirmTimeout: 1,
      closeTimeout: 1,
      connectionName: '',
      clientProperties: {},
      auth: { mechanism: 'X', initialResponse: () => Buffer.alloc(0) },
      initialFrameMax: 4096,
      socket: { noDelay: false, keepAlive: false },
      stream: () => {
        throw new Error('not called')
      },
      maxMessageSize: 0,
      highWaterMark: 1,
      maxBuffered: 1,
      maxReceiveBuffered: 1,
      signal: new AbortController().signal,
      tls: { ca: 'pem' },
      recovery: false,
      clock: systemClock,
      random: Math.random,
      lookup: () => {},
    }
    checkConnectOptions({})
    checkConnectOptions(all)
    checkConnectOptions({ ...all, password: undefined, credentials: () => ({ password: 'p' }) })
    checkConnectOptions(Object.fromEntries(Object.keys(all).map(name => [name, undefined])))
  })

  it('refuses an option that nobody knows, by its path, and says which are known', () => {
    const error = refusalOf({ heartBeat: 5 })
    expect(error.path).to.equal('options.heartBeat')
    expect(error.message).to.match(/is unknown; known are host, port, .*heartbeat/)
    expect(refusalOf({ socket: { nodelay: true } }).path).to.equal('options.socket.nodelay')
    expect(refusalOf({ constructor: 1 }).path).to.equal('options.constructor')
    expect(refusalOf(JSON.parse('{"__proto__": 1}')).path).to.equal('options.__proto__')
  })

  const ranges: [name: keyof ConnectOptions, least: number, most: number][] = [
    ['port', 1, 65_535],
    ['heartbeat', 0, 65_535],
    ['frameMax', 8192, 2 ** 32 - 1],
    ['initialFrameMax', 4096, 2 ** 32 - 1],
    ['channelMax', 1, 65_535],
    ['connectTimeout', 1, 2 ** 31 - 1],
    ['rpcTimeout', 1, 2 ** 31 - 1],
    ['confirmTimeout', 1, 2 ** 31 - 1],
    ['closeTimeout', 1, 2 ** 31 - 1],
    ['maxMessageSize', 0, Number.MAX_SAFE_INTEGER],
    ['highWaterMark', 1, Number.MAX_SAFE_INTEGER],
    ['maxBuffered', 1, Number.MAX_SAFE_INTEGER],
    ['maxReceiveBuffered', 1, Number.MAX_SAFE_INTEGER],
  ]
  for (const [name, least, most] of ranges) {
    it(`takes ${name} from ${least} to ${most} and nothing else`, () => {
      checkConnectOptions({ [name]: least })
      checkConnectOptions({ [name]: most })
      for (const value of [
        least - 1,
        most + 1,
        least + 0.5,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        '9000',
        null,
      ]) {
        const error = refusalOf({ [name]: value })
        expect(error.path).to.equal(`options.${name}`)
        expect(error.message).to.include(`${least} to ${most}`)
      }
    })
  }

  it('refuses values of the wrong kind by their path', () => {
    const wrong: [options: Record<string, unknown>, path: string][] = [
      [{ host: 5 }, 'options.host'],
      [{ username: null }, 'options.username'],
      [{ password: Buffer.from('x') }, 'options.password'],
      [{ vhost: ['/'] }, 'options.vhost'],
      [{ connectionName: 1 }, 'options.connectionName'],
      [{ clientProperties: [] }, 'options.clientProperties'],
      [{ auth: 'plain' }, 'options.auth'],
      [{ auth: 5 }, 'options.auth'],
      [{ auth: [] }, 'options.auth'],
      [{ auth: ['PLAIN', 'toString'] }, 'options.auth[1]'],
      [{ auth: ['PLAIN', { mechanism: 'X' }] }, 'options.auth[1].initialResponse'],
      [{ credentials: { username: 'u', password: 'p' } }, 'options.credentials'],
      [{ credentials() {}, password: 'p' }, 'options.password'],
      [{ auth: { mechanism: 'PLAIN' } }, 'options.auth.initialResponse'],
      [{ auth: { mechanism: 1, initialResponse() {} } }, 'options.auth.mechanism'],
      [{ auth: { mechanism: 'X', initialResponse() {}, answer: 1 } }, 'options.auth.answer'],
      [{ tls: 'yes' }, 'options.tls'],
      [{ tls: ['ca'] }, 'options.tls'],
      [{ tls: { host: 'h' } }, 'options.tls.host'],
      [{ tls: { socket: {} } }, 'options.tls.socket'],
      [{ tls: { servername: 5 } }, 'options.tls.servername'],
      [{ tls: { session: 5 } }, 'options.tls.session'],
      [{ tls: { passphrase: 5 } }, 'options.tls.passphrase'],
      [{ socket: true }, 'options.socket'],
      [{ socket: { noDelay: 1 } }, 'options.socket.noDelay'],
      [{ stream: {} }, 'options.stream'],
      [{ signal: new AbortController() }, 'options.signal'],
      [{ recovery: true }, 'options.recovery'],
      [{ clock: { now() {} } }, 'options.clock.wallTime'],
      [{ random: 0.5 }, 'options.random'],
      [{ lookup: '8.8.8.8' }, 'options.lookup'],
    ]
    for (const [options, path] of wrong) expect(refusalOf(options).path, inspect(options)).to.equal(path)
  })

  it('refuses what is no object', () => {
    for (const options of [null, 5, 'amqp://h', [], true]) expect(refusalOf(options).path).to.equal('options')
  })
})

describe('settle', () => {
  it('has the documented defaults', () => {
    const { login, clock, clientProperties, ...rest } = settle({})
    expect(rest).to.deep.equal({
      address: 'localhost:5672',
      host: 'localhost',
      port: 5672,
      vhost: '/',
      heartbeat: 20,
      frameMax: undefined,
      initialFrameMax: undefined,
      channelMax: undefined,
      connectTimeout: 10_000,
      rpcTimeout: 20_000,
      confirmTimeout: 30_000,
      closeTimeout: 5_000,
      connectionName: undefined,
      noDelay: true,
      keepAlive: true,
      tls: undefined,
      stream: undefined,
      maxMessageSize: 128 * MIB,
      highWaterMark: MIB,
      maxBuffered: 64 * MIB,
      maxReceiveBuffered: 16 * MIB,
      signal: undefined,
      lookup: undefined,
    })
    expect(login.mechanisms().map(({ mechanism }) => mechanism)).to.deep.equal(['PLAIN'])
    expect(login.credentials).to.equal(undefined)
    expect(credentials({})).to.deep.equal(['guest', 'guest'])
    expect(clock).to.equal(systemClock)
    expect(clientProperties).to.include({ product: 'thump' })
  })

  it('prefers options to the URI, and the URI to the defaults', () => {
    const uri =
      'amqp://u:p@uri:1/v?heartbeat=1&frame_max=10000&channel_max=1&connection_timeout=1&connection_name=n'
    expect(settle({}, parseUri(uri))).to.include({
      host: 'uri',
      port: 1,
      vhost: 'v',
      heartbeat: 1,
      frameMax: 10_000,
      channelMax: 1,
      connectTimeout: 1,
      connectionName: 'n',
    })
    const options = {
      host: 'options',
      port: 2,
      vhost: 'w',
      heartbeat: 0,
      frameMax: 20_000,
      channelMax: 2,
      connectTimeout: 2,
      connectionName: 'm',
    }
    expect(settle(options, parseUri(uri))).to.include(options)
    expect(credentials({}, uri)).to.deep.equal(['u', 'p'])
    expect(credentials({ username: 'x', password: 'y' }, uri)).to.deep.equal(['x', 'y'])
  })

  it('prefers the password of the options to a function, and a function to the password of the URI', () => {
    const ask = () => ({ password: 'p' })
    expect(settle({ credentials: ask }, parseUri('amqp://u:p@h')).login.credentials).to.equal(ask)
    expect(settle({ password: 'q' }, { credentials: ask }).login.credentials).to.equal(undefined)
    expect(settle({}, { credentials: ask, host: 'h' }).login.credentials).to.equal(ask)
  })

  it('takes options that are there and undefined as absent', () => {
    expect(settle({ heartbeat: undefined, host: undefined }, parseUri('amqp://uri?heartbeat=3'))).to.include({
      heartbeat: 3,
      host: 'uri',
    })
    expect(settle({ vhost: undefined })).to.include({ vhost: '/' })
  })

  it('takes username, password and virtual host as they are, with no encoding', () => {
    const anyText = fc.string({ unit: 'binary' }).filter(text => !text.includes('\0'))
    fc.assert(
      fc.property(anyText, anyText, anyText, (username, password, vhost) => {
        expect(credentials({ username, password })).to.deep.equal([username, password])
        expect(settle({ vhost }).vhost).to.equal(vhost)
      }),
    )
  })

  it("goes to RabbitMQ's port for TLS where there is TLS, unless it is told another", () => {
    expect(settle({}, parseUri('amqps://h'))).to.include({ port: 5671, address: 'h:5671' })
    expect(settle({ tls: true }, parseUri('amqp://h')).port).to.equal(5671)
    expect(settle({ tls: {} }).port).to.equal(5671)
    expect(settle({ tls: false }, parseUri('amqp://h')).port).to.equal(5672)
    expect(settle({ tls: true }, parseUri('amqp://h:7')).port).to.equal(7)
    expect(settle({}, parseUri('amqps://h:7')).port).to.equal(7)
    expect(settle({ port: 8 }, parseUri('amqps://h:7')).port).to.equal(8)
  })

  it('refuses to leave out the TLS that a URI asks for', () => {
    const error = thrownBy(() => settle({ tls: false }, parseUri('amqps://h')), ArgumentError)
    expect(error.path).to.equal('options.tls')
  })

  it("checks the URI's numbers as it does those of the options", () => {
    for (const query of ['heartbeat=65536', 'frame_max=8191', 'channel_max=0', 'connection_timeout=0']) {
      thrownBy(() => settle({}, parseUri(`amqp://h?${query}`)), ArgumentError)
    }
  })

  it('tells the server the connection name, and what the application adds', () => {
    const { clientProperties } = settle({
      connectionName: 'billing',
      clientProperties: { product: 'mine', team: 'x' },
    })
    expect(clientProperties).to.include({ product: 'mine', team: 'x', connection_name: 'billing' })
  })

  it('keeps the password out of everything that can be looked at', () => {
    const options = { password: 'hunter2', tls: { passphrase: 'hunter4' } }
    const settings = settle(options, parseUri('amqps://u:hunter3@h?certfile=c&password=hunter5'))
    const shown = inspect(settings, { depth: Number.POSITIVE_INFINITY, showHidden: true })
    expect(shown + JSON.stringify(settings)).to.not.match(/hunter/)
  })
})

describe('connect, given arguments that are wrong', () => {
  const wrong: [what: string, target: unknown, options: unknown, path: string][] = [
    ['nothing', undefined, undefined, 'uri'],
    ['a number', 5, undefined, 'uri'],
    ['no URI at all', [], undefined, 'uri'],
    ['a URI that is none', 'rabbit', undefined, 'uri'],
    ['one such URI of several', ['amqp://h', 'rabbit'], undefined, 'uri'],
    ['a URI that is no string', [5], undefined, 'uri'],
    ['options that are null', 'amqp://h', null, 'options'],
    ['options that are a number', 'amqp://h', 5, 'options'],
    ['options that are a string', 'amqp://h', 'heartbeat=5', 'options'],
    ['an unknown option', 'amqp://h', { heartBeat: 5 }, 'options.heartBeat'],
    ['an unknown option of the first argument', { uri: 'amqp://h' }, undefined, 'options.uri'],
    ['an unknown option of the second argument', {}, { uri: 'amqp://h' }, 'options.uri'],
    [
      'a client property that cannot be sent',
      { clientProperties: { load: Number.NaN } },
      undefined,
      'options.clientProperties.load',
    ],
    ['a virtual host that is too long', { vhost: 'v'.repeat(256) }, undefined, 'options.vhost'],
    [
      'a mechanism whose name is too long',
      { auth: { mechanism: 'm'.repeat(256), initialResponse() {} } },
      undefined,
      'options.auth.mechanism',
    ],
  ]
  for (const [what, target, options, path] of wrong) {
    it(`rejects with an ArgumentError and tries nothing: ${what}`, async () => {
      let lookups = 0
      const given = typeof target === 'object' && !Array.isArray(target) && target !== null
      const counting = { lookup: () => void lookups++ }
      const connecting = connect(
        (given ? { host: 'h', ...counting, ...target } : target) as never,
        options as never,
      )
      expect((await rejectionOf(connecting, ArgumentError)).path).to.equal(path)
      expect(lookups).to.equal(0)
    })
  }

  it('takes what the second argument leaves undefined from the first', async () => {
    const hosts: string[] = []
    const lookup: LookupFunction = (host, _, done) => {
      hosts.push(host)
      done(new Error('enough'), '', 4)
    }
    await rejectionOf(connect({ host: 'first', lookup }, { host: undefined }), Error)
    expect(hosts).to.deep.equal(['first'])
  })
})
