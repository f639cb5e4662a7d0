// Limits that are no options: AMQP's own (a short string has 255 octets, a frame is at least 4096) and thump's (tables are 64 deep
// at most). Through the public door: one more than allowed is refused where it was given, and the most that is allowed arrives.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  ArgumentError,
  type Channel,
  ConnectError,
  type Connection,
  type ConnectOptions,
} from '../../src/index.js'
import type { FieldTable, Method } from '../../src/protocol/index.js'
import { METHODS, type MethodName, type MethodRow } from '../../src/protocol/methods.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { projectRoot } from '../support/rabbitmq/project-root.js'
import { rejectionOf } from '../support/rejection.js'
import { answerAll } from './every-call.js'

/** By the name of its constant: what it limits. Each is tripped, and met, in the test that is named. */
const TESTED: Readonly<Record<string, string>> = {
  SHORTSTR_MAX: 'here: a short string',
  DEPTH_MAX: 'here: a table inside tables; hostile-tables',
  INITIAL_FRAME_MAX: 'here: what is said before Tune; hostile-frames',
  CHALLENGES_MAX: 'handshake; hostile-peer: challenges while connecting',
  TOLD_MAX: 'handshake: what is offered',
  FRAME_MIN_SIZE: "here: a server's frame-max",
  LARGEST_FRAME_MAX: 'every-limit: frameMax',
  TRUSTED_BODY_SIZE: 'content-assembler; hostile-numbers: bodies of sizes that cannot be',
  REPLY_TEXT_LIMIT: 'reply-codes; connection-protocol: the text of a violation',
  OFFSET_MAX: 'typed-arguments: streamOffset',
  TIMER_MAX: 'every-limit: messageTtl, expires, consumerTimeout',
  LONGEST_TIMER_MS: 'every-limit: the times',
  ENDING_LIMIT_MS: 'connection-life',
  REST_MAX_MS: 'drain-connection',
  TURN_BUDGET: 'publish-gate',
  GREETING_SIZE: 'connection-protocol: who it is that answers',
  DATE_SECONDS_MAX: 'field-table: a Date; hostile-numbers: a timestamp',
}

/** Constants that decide how work is done, and not whether. */
const WAYS_TO_WORK: readonly string[] = [
  ...['SIZE_OFFSET', 'FRAME_HEADER_SIZE', 'FRAME_OVERHEAD', 'CONTENT_HEADER_SIZE', 'TABLE_LENGTH_SIZE'],
  ...['SLOTS', 'LONGEST', 'BODY_SIZE_LOW', 'SETTLEMENT_SIZE', 'CHARACTER_LOOP_MAX'],
  ...['COPY_LIMIT', 'JOB_LIMIT', 'BATCH_LIMIT', 'JOB_FRAME_LIMIT'],
  ...['HOLES', 'SAMPLE', 'COMMAND_OVERHEAD', 'DELIVERY_OVERHEAD'],
  ...['STRIDE_MAX', 'NAMES_MAX', 'SCRATCH_MAX', 'UNLIMITED_CHANNEL_MAX', 'UNLIMITED_FRAME_MAX'],
]

const BOUND =
  /^(?:export )?const ([A-Z_0-9]*(?:MAX|LIMIT|LARGEST|LONGEST|BUDGET|MIN|TRUSTED|SIZE|SAMPLE|SLOTS|HOLES|OVERHEAD|FLUSH)[A-Z_0-9]*)\b/gm

describe('every limit that is no option', () => {
  it('is known here by the name of its constant', () => {
    const source = join(projectRoot(), 'src')
    const names = readdirSync(source, { recursive: true, encoding: 'utf8' })
      .filter(path => path.endsWith('.ts'))
      .flatMap(path => [...readFileSync(join(source, path), 'utf8').matchAll(BOUND)].map(([, name]) => name))
    expect(names.sort()).to.deep.equal([...Object.keys(TESTED), ...WAYS_TO_WORK].sort())
  })
})

describe('a short string', () => {
  let virtual: VirtualPeer & { readonly connection: Connection }
  let channel: Channel
  let asked: Method[]

  beforeEach(async () => {
    virtual = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    asked = answerAll(virtual.peer)
    virtual.peer.on('basic.publish', ({ method, content }) => {
      asked.push({ ...method, args: { ...method.args, ...content?.properties } } as Method)
    })
    channel = await virtual.connection.openChannel()
    asked.length = 0
  })

  afterEach(async () => {
    await within(1_000, 'close()', virtual.connection.close())
  })

  const places: readonly (readonly [path: string, use: (text: string) => Promise<unknown>])[] = [
    ['queue', text => channel.queueDeclare(text)],
    ['exchange', text => channel.exchangeDeclare(text, 'direct')],
    ['destination', text => channel.exchangeBind(text, 's')],
    ['source', text => channel.exchangeBind('d', text)],
    ['routingKey', text => channel.queueBind('q', 'e', text)],
    ['exchange', text => channel.publish(text, 'q', 'x')],
    ['routingKey', text => channel.publish('', text, 'x')],
    ['options.consumerTag', text => channel.consume('q', { consumerTag: text })],
    ['queue', text => channel.get(text)],
    ['reason', text => virtual.connection.updateSecret('s', text)],
    ...[
      ...(['contentType', 'contentEncoding', 'correlationId', 'replyTo', 'messageId'] as const),
      ...(['type', 'userId', 'appId', 'clusterId'] as const),
    ].map(
      property =>
        [
          `options.${property}`,
          (text: string) => channel.publish('', 'q', 'x', { [property]: text }),
        ] as const,
    ),
  ]
  for (const [place, [path, use]] of places.entries()) {
    it(`has 255 octets and not one more (${place + 1}: ${path})`, async () => {
      for (const tooLong of ['x'.repeat(256), 'é'.repeat(128), '\u{1f407}'.repeat(64)]) {
        const error = await rejectionOf(use(tooLong), ArgumentError)
        expect(error.path).to.equal(path)
        expect(error.message).to.include('at most 255 octets of UTF-8')
        expect(error.message).not.to.include(tooLong)
      }
      await virtual.clock.settle()
      expect(asked, 'what is sent of it').to.deep.equal([])
      for (const longest of ['x'.repeat(255), `${'é'.repeat(127)}x`, `${'\u{1f407}'.repeat(63)}xyz`]) {
        await within(1_000, path, use(longest))
        await virtual.clock.settle()
        const told = asked.splice(0).flatMap(({ args }) => Object.values<unknown>(args))
        expect(told).to.include(longest)
      }
      expect(channel.state).to.equal('open')
    })
  }

  it('has 255 octets as the name of a header or argument, and not one more', async () => {
    const [longest, tooLong] = ['n'.repeat(255), 'n'.repeat(256)]
    for (const use of [
      (table: FieldTable) => channel.publish('', 'q', 'x', { headers: table }),
      (table: FieldTable) => channel.queueDeclare('q', { arguments: table }),
    ]) {
      expect((await rejectionOf(use({ [tooLong]: 1 }), ArgumentError)).message).to.include(
        'at most 255 octets',
      )
      await within<unknown>(1_000, 'the longest name', use({ [longest]: 1 }))
    }
  })

  it('has 255 octets in every method of the table, which knows no other text but long strings', () => {
    const domains = new Set(
      (Object.keys(METHODS) as MethodName[]).flatMap(name => {
        const { args }: MethodRow = METHODS[name]
        return Object.values(args)
      }),
    )
    expect([...domains].filter(domain => /str/.test(domain)).sort()).to.deep.equal(
      ['longstr', 'reservedLongstr', 'reservedShortstr', 'shortstr'].sort(),
    )
  })
})

describe('a table inside tables', () => {
  function deep(levels: number): FieldTable {
    let table: FieldTable = {}
    for (let level = 1; level < levels; level++) table = { a: table }
    return table
  }

  it('is 64 deep at most, where it is given: headers, arguments of a queue and of a consumer', async () => {
    const { connection, peer } = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    answerAll(peer)
    const channel = await connection.openChannel()
    for (const use of [
      (headers: FieldTable) => channel.publish('', 'q', 'x', { headers }),
      (given: FieldTable) => channel.queueDeclare('q', { arguments: given }),
      (given: FieldTable) => channel.consume('q', { arguments: given }),
    ]) {
      for (const levels of [65, 15_000])
        expect((await rejectionOf(use(deep(levels)), ArgumentError)).message).to.include('64 levels')
      await within<unknown>(1_000, 'the deepest', use(deep(64)))
    }
    await within(1_000, 'close()', connection.close())
  })
})

describe('what is said before Tune', () => {
  /** How long Start-Ok gets, by the length of one property. */
  async function startOk(filling: string): Promise<number | ConnectError> {
    const virtual = new VirtualPeer({ connect: { heartbeat: 0, clientProperties: { filling } } })
    const connecting = virtual.connect()
    const failed = rejectionOf(connecting, ConnectError)
    const outcome = await Promise.race([failed, virtual.peer.start().catch(() => failed)])
    const sent = virtual.stream.writes.at(-1)?.length ?? 0
    virtual.stream.reset()
    const error = await failed
    return outcome instanceof ConnectError ? error : sent
  }

  it('fits a frame of 8192 octets, to the last of them, or is refused as what the application gave', async () => {
    const empty = (await startOk('')) as number
    expect(empty).to.be.within(200, 1_000)
    expect(await startOk('x'.repeat(8192 - empty))).to.equal(8192)
    const error = (await startOk('x'.repeat(8192 - empty + 1))) as ConnectError
    expect(error).to.be.instanceOf(ConnectError)
    expect(error.cause).to.be.instanceOf(ArgumentError)
    expect(error.message).to.include('8193').and.to.include('8192')
  })
})

describe("a server's frame-max", () => {
  async function tuned(frameMax: number, options: ConnectOptions = {}): Promise<number | Error> {
    const virtual = new VirtualPeer({ connect: { heartbeat: 0, ...options } })
    const connecting = virtual.connect()
    connecting.catch(() => {})
    await virtual.peer.start()
    virtual.peer.send(0, { name: 'connection.tune', args: { channelMax: 0, frameMax, heartbeat: 0 } })
    await virtual.clock.settle()
    virtual.peer.send(0, { name: 'connection.open-ok', args: {} })
    const outcome = await within(
      1_000,
      'the outcome of connect()',
      connecting.then(
        connection => connection.frameMax,
        (error: Error) => error,
      ),
    )
    virtual.stream.reset()
    await virtual.clock.settle()
    return outcome
  }

  it('is at least 4096, or the server breaks the protocol; and what is agreed at most a mebibyte', async () => {
    expect(await tuned(4096)).to.equal(4096)
    const error = await tuned(4095)
    expect(error).to.be.instanceOf(ConnectError)
    expect((error as Error).message).to.include('frame-max 4095')
    expect(await tuned(2 ** 32 - 1)).to.equal(1_048_576)
    expect(await tuned(1_048_577)).to.equal(1_048_576)
    expect(await tuned(0)).to.equal(131_072)
  })
})
