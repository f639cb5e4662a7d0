import { expect } from 'chai'
import { ArgumentError, type Channel, type PublishOptions } from '../../src/index.js'
import { ScriptedSession } from '../support/peer/scripted-session.js'
import { rejectionOf } from '../support/rejection.js'

const SECRET = 'hunter2'
const LONG = 'x'.repeat(256)
const NAN = { arguments: { x: Number.NaN } }

function cyclic(): Record<string, never> {
  const table: Record<string, unknown> = { deep: [] }
  ;(table['deep'] as unknown[]).push({ back: table })
  return table as Record<string, never>
}

describe('arguments of channel methods that cannot be sent', () => {
  let session: ScriptedSession

  before(async () => {
    session = await ScriptedSession.open()
  })

  after(() => session?.close())

  /** Each is refused by its path on a plain and on a confirm channel, sends nothing, and the channel goes on. */
  function refuses(what: string, path: string, call: (channel: Channel) => Promise<unknown>): void {
    for (const confirm of [false, true]) {
      it(`${what}: rejects, naming ${path}, and the ${confirm ? 'confirm ' : ''}channel stays usable`, async () => {
        const channel = await session.connection.openChannel({ confirm })
        const before = session.connection.stats
        const error = await rejectionOf(call(channel), ArgumentError)
        expect(error).to.include({ name: 'ArgumentError', code: 'AMQP_ARGUMENT', path })
        expect(error).to.be.instanceOf(TypeError)
        expect(error.message.startsWith(`${path} `), error.message).to.equal(true)
        expect(error.message).to.not.include(SECRET)
        await new Promise(resolve => setImmediate(resolve))
        expect(session.connection.stats.framesSent).to.equal(before.framesSent)
        expect(session.connection.stats.bufferedOctets).to.equal(0)
        await channel.exchangeDeclare('still', 'fanout')
        await channel.close()
      })
    }
  }

  refuses('an exchange that is too long', 'exchange', channel => channel.publish(LONG, 'k', 'x'))
  refuses('a routing key that is too long', 'routingKey', channel => channel.publish('e', LONG, 'x'))
  refuses('a routing key that is too long in UTF-8', 'routingKey', channel =>
    channel.publish('e', 'π'.repeat(128), 'x'),
  )
  refuses('an exchange that is no string', 'exchange', channel => channel.publish(5 as never, 'k', 'x'))
  refuses('a lone surrogate', 'routingKey', channel => channel.publish('e', '\ud800', 'x'))

  const bodies: unknown[] = [undefined, null, 5, {}, [1], new ArrayBuffer(2), new Uint16Array(2), Symbol('s')]
  for (const body of bodies) {
    refuses(`a body that is ${Object.prototype.toString.call(body)}`, 'body', channel =>
      channel.publish('e', 'k', body as never),
    )
  }

  const options: [what: string, path: string, given: unknown][] = [
    ['an option that nobody knows', 'options.messageID', { messageID: SECRET }],
    ['options that are no object', 'options', SECRET],
    ['options that are null', 'options', null],
    ['mandatory that is no boolean', 'options.mandatory', { mandatory: 1 }],
    ['a priority that is no octet', 'options.priority', { priority: 256 }],
    ['a delivery mode that is no octet', 'options.deliveryMode', { deliveryMode: '2' }],
    ['a message id that is too long', 'options.messageId', { messageId: LONG }],
    ['a correlation id that is a number', 'options.correlationId', { correlationId: 5 }],
    ['an expiration that is no number', 'options.expiration', { expiration: 'soon' }],
    ['a negative expiration', 'options.expiration', { expiration: -1 }],
    ['a fractional expiration', 'options.expiration', { expiration: 1.5 }],
    ['a timestamp that is no date', 'options.timestamp', { timestamp: new Date(Number.NaN) }],
    ['a timestamp that is no whole number', 'options.timestamp', { timestamp: 1.5 }],
    ['headers that are an array', 'options.headers', { headers: [1] }],
    ['a header that is NaN', 'options.headers.load', { headers: { load: Number.NaN } }],
    [
      'a header that is infinite',
      'options.headers.a.b[2]',
      { headers: { a: { b: [1, 2, Number.NEGATIVE_INFINITY] } } },
    ],
    ['a header that is a function', 'options.headers.secret', { headers: { secret: () => SECRET } }],
    ['a header that is a symbol', 'options.headers.s', { headers: { s: Symbol(SECRET) } }],
    ['a header that is beyond 64 bits', 'options.headers.big', { headers: { big: 2n ** 63n } }],
    ['a header that is an instance of a class', 'options.headers.map', { headers: { map: new Map() } }],
    ['a header whose name is too long', `options.headers["${'x'.repeat(64)}…"]`, { headers: { [LONG]: 1 } }],
  ]
  for (const [what, path, given] of options) {
    refuses(what, path, channel => channel.publish('e', 'k', 'x', given as PublishOptions))
  }

  it('headers that contain themselves: rejects, and the channel stays usable', async () => {
    const channel = await session.connection.openChannel()
    const error = await rejectionOf(channel.publish('e', 'k', 'x', { headers: cyclic() }), ArgumentError)
    expect(error.path).to.match(/^options\.headers\.deep\[0\]\.back/)
    await channel.exchangeDeclare('still', 'fanout')
  })

  it('headers that fit no frame: rejects with both sizes, and the channel stays usable', async () => {
    const channel = await session.connection.openChannel()
    const headers = { story: 'x'.repeat(session.connection.frameMax) }
    const error = await rejectionOf(channel.publish('e', 'k', 'x', { headers }), ArgumentError)
    expect(error.path).to.equal('options.headers')
    expect(error.message).to.match(/\d{6}.*131072/)
    await channel.exchangeDeclare('still', 'fanout')
  })

  it('headers that just fit a frame: are sent; one octet more, and the publish rejects with both sizes', async () => {
    const channel = await session.connection.openChannel()
    const { frameMax } = session.connection
    expect(frameMax).to.equal(131_072)
    const publish = (length: number) =>
      channel.publish('e', 'k', 'x', { headers: { story: 'x'.repeat(length) } })
    await publish(100 * 1024)
    const { content } = await session.peer.expect('basic.publish')
    expect(String(content?.properties.headers?.['story'])).to.have.length(100 * 1024)
    // Frame 8, class, weight and size 12, flags 2, table 4, name 6, tag and length 5, delivery mode 1.
    const longest = frameMax - 38
    const { message } = await rejectionOf(publish(longest + 1), ArgumentError)
    expect(message)
      .to.include(`${frameMax + 1} octets`)
      .and.include(`${frameMax}`)
    await publish(longest)
    const last = await session.peer.expect('basic.publish')
    expect(String(last.content?.properties.headers?.['story'])).to.have.length(longest)
  })

  it('headers that throw when they are read: rejects with what they threw, and the channel stays usable', async () => {
    const channel = await session.connection.openChannel({ confirm: true })
    const headers = {
      get broken(): string {
        throw new RangeError('getter is broken')
      },
    }
    expect((await rejectionOf(channel.publish('e', 'k', 'x', { headers }), RangeError)).message).to.equal(
      'getter is broken',
    )
    await channel.exchangeDeclare('still', 'fanout')
  })

  const calls: [what: string, path: string, call: (channel: Channel) => Promise<unknown>][] = [
    ['exchangeDeclare, a name', 'exchange', c => c.exchangeDeclare(LONG, 'direct')],
    ['exchangeDeclare, a type', 'type', c => c.exchangeDeclare('e', undefined as never)],
    ['exchangeDeclare, a type nobody knows', 'type', c => c.exchangeDeclare('e', 'topik')],
    [
      'consume, a handler before the options',
      'handler',
      c => c.consume('q', (() => {}) as never, { noAck: true } as never),
    ],
    ['exchangeDeclare, an argument', 'options.arguments.x', c => c.exchangeDeclare('e', 'direct', NAN)],
    [
      'exchangeDeclare, an alternate exchange',
      'options.alternateExchange',
      c => c.exchangeDeclare('e', 'direct', { alternateExchange: LONG }),
    ],
    ['exchangeDelete, a name', 'exchange', c => c.exchangeDelete(LONG)],
    ['exchangeBind, a destination', 'destination', c => c.exchangeBind(LONG, 's')],
    ['exchangeBind, a source', 'source', c => c.exchangeBind('d', LONG)],
    ['exchangeBind, a key', 'routingKey', c => c.exchangeBind('d', 's', LONG)],
    ['exchangeBind, arguments', 'args.x', c => c.exchangeBind('d', 's', '', { x: Number.NaN })],
    ['exchangeUnbind, a source', 'source', c => c.exchangeUnbind('d', LONG)],
    ['exchangeUnbind, arguments', 'args', c => c.exchangeUnbind('d', 's', '', [] as never)],
    ['queueDeclare, a name', 'queue', c => c.queueDeclare(LONG)],
    ['queueDeclare, null', 'queue', c => c.queueDeclare(null as never)],
    [
      'queueDeclare, an argument',
      'options.arguments["a.b"]',
      c => c.queueDeclare('q', { arguments: { 'a.b': () => {} } as never }),
    ],
    ['queueDeclare, arguments', 'options.arguments', c => c.queueDeclare('q', { arguments: [] as never })],
    ['queueDeclare, no name and no answer', 'queue', c => c.queueDeclare('', { noWait: true })],
    ['queueDeclare, no name and passive', 'queue', c => c.queueDeclare('', { passive: true })],
    ['queueBind, a key', 'routingKey', c => c.queueBind('q', 'e', LONG)],
    ['queueBind, arguments', 'args', c => c.queueBind('q', 'e', '', null as never)],
    ['queueUnbind, a key', 'routingKey', c => c.queueUnbind('q', 'e', LONG)],
    ['queueUnbind, arguments', 'args.a[0]', c => c.queueUnbind('q', 'e', '', { a: [Symbol('s') as never] })],
    [
      'queueUnbind, no wait',
      'options.noWait',
      c => c.queueUnbind('q', 'e', '', {}, { noWait: true } as object),
    ],
    ['queuePurge, a name', 'queue', c => c.queuePurge(5 as never)],
    ['queueDelete, no name', 'queue', c => c.queueDelete(undefined as never)],
    ['prefetch, too many', 'count', c => c.prefetch(65_536)],
    ['prefetch, no number', 'count', c => c.prefetch('5' as never)],
    ['get, a name', 'queue', c => c.get(LONG)],
    ['get, no wait', 'options.noWait', c => c.get('q', { noWait: true } as object)],
    ['consume, a name', 'queue', c => c.consume(LONG)],
    ['consume, a prefetch', 'options.prefetch', c => c.consume('q', { prefetch: -1 })],
    ['consume, a concurrency', 'options.concurrency', c => c.consume('q', { concurrency: 0 }, () => {})],
    ['consume, a policy', 'options.onError', c => c.consume('q', { onError: 'retry' as never }, () => {})],
    ['consume, a tag', 'options.consumerTag', c => c.consume('q', { consumerTag: LONG })],
    ['consume, a handler', 'handler', c => c.consume('q', {}, 'handler' as never)],
    ['consume, an argument', 'options.arguments.x', c => c.consume('q', NAN)],
    ['consume, an offset', 'options.streamOffset', c => c.consume('q', { streamOffset: 'begin' as never })],
    [
      'consume, an offset given twice',
      'options.streamOffset',
      c => c.consume('q', { streamOffset: 5, arguments: { 'x-stream-offset': 6 } }),
    ],
  ]
  for (const [what, path, call] of calls) refuses(what, path, call)

  /** An option of the wrong kind, for each option that is checked by its kind alone. */
  const wrongKinds: [
    name: string,
    options: string[],
    call: (c: Channel, given: object) => Promise<unknown>,
  ][] = [
    [
      'exchangeDeclare',
      ['durable', 'autoDelete', 'internal', 'passive', 'noWait'],
      (c, given) => c.exchangeDeclare('e', 'direct', given),
    ],
    ['exchangeDelete', ['ifUnused', 'noWait'], (c, given) => c.exchangeDelete('e', given)],
    ['exchangeBind', ['noWait'], (c, given) => c.exchangeBind('d', 's', '', {}, given)],
    ['exchangeUnbind', ['noWait'], (c, given) => c.exchangeUnbind('d', 's', '', {}, given)],
    [
      'queueDeclare',
      ['durable', 'exclusive', 'autoDelete', 'passive', 'noWait'],
      (c, given) => c.queueDeclare('q', given),
    ],
    ['queueBind', ['noWait'], (c, given) => c.queueBind('q', 'e', '', {}, given)],
    ['queueUnbind', [], (c, given) => c.queueUnbind('q', 'e', '', {}, given)],
    ['queuePurge', ['noWait'], (c, given) => c.queuePurge('q', given)],
    ['queueDelete', ['ifUnused', 'ifEmpty', 'noWait'], (c, given) => c.queueDelete('q', given)],
    ['prefetch', ['global'], (c, given) => c.prefetch(5, given)],
    ['get', ['noAck'], (c, given) => c.get('q', given)],
    ['consume', ['noAck', 'exclusive', 'autoSettle', 'noWait'], (c, given) => c.consume('q', given)],
    ['recover', [], (c, given) => c.recover(given)],
    ['confirmSelect', ['noWait'], (c, given) => c.confirmSelect(given)],
    ['waitForConfirms', [], (c, given) => c.waitForConfirms(given)],
    ['txSelect', [], (c, given) => c.txSelect(given)],
    ['txCommit', [], (c, given) => c.txCommit(given)],
    ['txRollback', [], (c, given) => c.txRollback(given)],
  ]

  it('options of the wrong kind, unknown or no object at all: each call rejects, naming it, and sends nothing', async () => {
    const channel = await session.connection.openChannel()
    const before = session.connection.stats.framesSent
    for (const [name, options, call] of wrongKinds) {
      for (const option of [...options, 'signal', 'timeout', 'noSuchOption']) {
        for (const value of [1.5, 'true', null]) {
          const error = await rejectionOf(call(channel, { [option]: value }), ArgumentError)
          expect(error.path, name).to.equal(`options.${option}`)
        }
      }
      expect((await rejectionOf(call(channel, null as never), ArgumentError)).path, name).to.equal('options')
    }
    expect(session.connection.stats.framesSent).to.equal(before)
    await channel.exchangeDeclare('still', 'fanout')
  })

  it('openChannel: rejects, naming the option', async () => {
    const before = session.connection.stats.framesSent
    for (const [given, path] of [
      [{ confirm: 1 }, 'options.confirm'],
      [{ maxUnconfirmed: 0 }, 'options.maxUnconfirmed'],
      [{ confirms: true }, 'options.confirms'],
      [null, 'options'],
    ] as const) {
      const error = await rejectionOf(session.connection.openChannel(given as never), ArgumentError)
      expect(error.path).to.equal(path)
    }
    expect(session.connection.stats.framesSent).to.equal(before)
  })
})
