import { expect } from 'chai'
import { ArgumentError, type Channel, type PublishOptions } from '../../src/index.js'
import { ScriptedSession } from '../support/peer/scripted-session.js'
import { rejectionOf } from '../support/rejection.js'

const SECRET = 'hunter2'
const LONG = 'x'.repeat(256)

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
    ['a priority that is no octet', 'priority', { priority: 256 }],
    ['a delivery mode that is no octet', 'deliveryMode', { deliveryMode: '2' }],
    ['a message id that is too long', 'messageId', { messageId: LONG }],
    ['a correlation id that is a number', 'correlationId', { correlationId: 5 }],
    ['an expiration that is no number', 'expiration', { expiration: 'soon' }],
    ['a negative expiration', 'expiration', { expiration: -1 }],
    ['a fractional expiration', 'expiration', { expiration: 1.5 }],
    ['a timestamp that is no date', 'timestamp', { timestamp: new Date(Number.NaN) }],
    ['a timestamp that is no whole number', 'timestamp', { timestamp: 1.5 }],
    ['headers that are an array', 'headers', { headers: [1] }],
    ['a header that is NaN', 'headers.load', { headers: { load: Number.NaN } }],
    [
      'a header that is infinite',
      'headers.a.b[2]',
      { headers: { a: { b: [1, 2, Number.NEGATIVE_INFINITY] } } },
    ],
    ['a header that is a function', 'headers.secret', { headers: { secret: () => SECRET } }],
    ['a header that is a symbol', 'headers.s', { headers: { s: Symbol(SECRET) } }],
    ['a header that is beyond 64 bits', 'headers.big', { headers: { big: 2n ** 63n } }],
    ['a header that is an instance of a class', 'headers.map', { headers: { map: new Map() } }],
    ['a header whose name is too long', `headers["${'x'.repeat(64)}…"]`, { headers: { [LONG]: 1 } }],
  ]
  for (const [what, path, given] of options) {
    refuses(what, path, channel => channel.publish('e', 'k', 'x', given as PublishOptions))
  }

  it('headers that contain themselves: rejects, and the channel stays usable', async () => {
    const channel = await session.connection.openChannel()
    const error = await rejectionOf(channel.publish('e', 'k', 'x', { headers: cyclic() }), ArgumentError)
    expect(error.path).to.match(/^headers\.deep\[0\]\.back/)
    await channel.exchangeDeclare('still', 'fanout')
  })

  it('headers that fit no frame: rejects with both sizes, and the channel stays usable', async () => {
    const channel = await session.connection.openChannel()
    const headers = { story: 'x'.repeat(session.connection.frameMax) }
    const error = await rejectionOf(channel.publish('e', 'k', 'x', { headers }), ArgumentError)
    expect(error.path).to.equal('properties')
    expect(error.message).to.match(/\d{6}.*131072/)
    await channel.exchangeDeclare('still', 'fanout')
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

  refuses('exchangeDeclare, a name', 'exchange', channel => channel.exchangeDeclare(LONG, 'direct'))
  refuses('exchangeDeclare, a type', 'type', channel => channel.exchangeDeclare('e', undefined as never))
  refuses('exchangeDeclare, an option', 'options.durable', channel =>
    channel.exchangeDeclare('e', 'direct', { durable: 1 as never }),
  )
  refuses('exchangeDeclare, an unknown option', 'options.passive', channel =>
    channel.exchangeDeclare('e', 'direct', { passive: true } as never),
  )
  refuses('exchangeDeclare, an argument', 'arguments.x', channel =>
    channel.exchangeDeclare('e', 'direct', { arguments: { x: Number.NaN } }),
  )
  refuses('queueDeclare, a name', 'queue', channel => channel.queueDeclare(LONG))
  refuses('queueDeclare, null', 'queue', channel => channel.queueDeclare(null as never))
  refuses('queueDeclare, an unknown option', 'options.exclsive', channel =>
    channel.queueDeclare('q', { exclsive: true } as never),
  )
  refuses('queueDeclare, an argument', 'arguments["a.b"]', channel =>
    channel.queueDeclare('q', { arguments: { 'a.b': () => {} } as never }),
  )
  refuses('queueBind, a key', 'routingKey', channel => channel.queueBind('q', 'e', LONG))
  refuses('queueBind, arguments', 'arguments', channel => channel.queueBind('q', 'e', '', null as never))
  refuses('queueDelete, no name', 'queue', channel => channel.queueDelete(undefined as never))
  refuses('queueDelete, an option', 'options.ifEmpty', channel =>
    channel.queueDelete('q', { ifEmpty: 'yes' as never }),
  )
  refuses('prefetch, too many', 'count', channel => channel.prefetch(65_536))
  refuses('prefetch, no number', 'count', channel => channel.prefetch('5' as never))
  refuses('get, a name', 'queue', channel => channel.get(LONG))
  refuses('get, an option', 'options.noack', channel => channel.get('q', { noack: true } as never))
  refuses('consume, a name', 'queue', channel => channel.consume(LONG))
  refuses('consume, an unknown option', 'options.noack', channel =>
    channel.consume('q', { noack: true } as never),
  )
  refuses('consume, a prefetch', 'options.prefetch', channel => channel.consume('q', { prefetch: -1 }))
  refuses('consume, a concurrency', 'options.concurrency', channel =>
    channel.consume('q', { concurrency: 0 }, () => {}),
  )
  refuses('consume, a policy', 'options.onError', channel =>
    channel.consume('q', { onError: 'retry' as never }, () => {}),
  )
  refuses('consume, a tag', 'consumerTag', channel => channel.consume('q', { consumerTag: LONG }))
  refuses('consume, a handler', 'handler', channel => channel.consume('q', {}, 'handler' as never))
  refuses('consume, an argument', 'arguments.x', channel =>
    channel.consume('q', { arguments: { x: Number.NaN } }),
  )

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
