// Which type of field goes which way between thump and which client: a table without a hole. The values themselves pass in the
// tests beside this one, from the same cases; here stands that no cell is missing, why some must be, and what no
// table of values can have: numbers that are none, and names that come twice.

import amqplib from 'amqplib'
import { expect } from 'chai'
import { ArgumentError, field } from '../../src/index.js'
import {
  INSTALLATION_MS,
  LibrabbitmqPeer,
  needsCompiler,
  PeerProgram,
  type WireEntries,
  type WireField,
} from '../support/librabbitmq/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { FIELD_CASES, type FieldCase, HEADER_NAMES } from './interop-cases.js'
import { InteropSession } from './interop-session.js'

type Tag = WireField[0]

/** All that RabbitMQ knows. (`U` and the short string `s` of the specification's grammar it does not.) */
const TAGS: readonly Tag[] = [...'tbBsuIilLfdDSxTAFV'] as Tag[]

/** By which cases a value of the tag goes that way. */
const WAYS: Readonly<Record<string, (each: FieldCase) => boolean>> = {
  'from thump to librabbitmq': ({ sent }) => sent !== undefined,
  'from librabbitmq to thump': () => true,
  'from thump to amqplib': ({ sent, amqplib }) => sent !== undefined && amqplib !== undefined,
  'from amqplib to thump': ({ amqplib }) => amqplib !== undefined && 'sent' in amqplib,
  'from thump to thump': ({ sent }) => sent !== undefined,
}

const NO_L = 'thump writes `l`: the same octets behind a tag that RabbitMQ writes too'
/** What cannot be had, and why. */
const IMPOSSIBLE: Readonly<Record<string, string>> = {
  'L from thump to librabbitmq': NO_L,
  'L from thump to amqplib': NO_L,
  'L from thump to thump': NO_L,
  'L from amqplib to thump': 'amqplib knows no `L`: it neither writes nor reads it',
}

const INTEGERS: readonly (readonly [tag: Tag, first: bigint, last: bigint])[] = [
  ['b', -(2n ** 7n), 2n ** 7n - 1n],
  ['B', 0n, 2n ** 8n - 1n],
  ['s', -(2n ** 15n), 2n ** 15n - 1n],
  ['u', 0n, 2n ** 16n - 1n],
  ['I', -(2n ** 31n), 2n ** 31n - 1n],
  ['i', 0n, 2n ** 32n - 1n],
  ['l', -(2n ** 63n), 2n ** 63n - 1n],
  ['T', 0n, 2n ** 64n - 1n],
]

describe('the table of types, directions and clients', () => {
  for (const tag of TAGS) {
    it(`has the type ${tag} in each direction, or why it cannot go there`, () => {
      for (const [way, goes] of Object.entries(WAYS)) {
        const cases = FIELD_CASES.filter(each => each.wire[0] === tag && goes(each))
        const cell = `${tag} ${way}`
        if (cell in IMPOSSIBLE) expect(cases, cell).to.deep.equal([])
        else expect(cases, cell).to.have.length.at.least(1)
      }
    })
  }

  for (const [tag, first, last] of INTEGERS) {
    it(`has the first and the last value of ${tag} in each direction`, () => {
      for (const [way, goes] of Object.entries(WAYS)) {
        const cases = FIELD_CASES.filter(each => each.wire[0] === tag && goes(each))
        const values = cases.map(({ wire }) => BigInt(wire[1] as number | bigint))
        expect(values, `${tag} ${way}`).to.include.members([first, last])
      }
    })
  }

  it('has names of 128 and of 255 octets, of characters beyond 16 bits, and such as objects have anyway', () => {
    const sizes = HEADER_NAMES.map(name => Buffer.byteLength(name))
    expect(sizes).to.include.members([0, 128, 255])
    expect(
      HEADER_NAMES.some(name => Buffer.byteLength(name) === 128 && /\p{Emoji_Presentation}/u.test(name)),
    ).to.equal(true)
    expect(HEADER_NAMES).to.include.members(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])
  })
})

describe('what no table of values has', () => {
  let session: InteropSession

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
    session = await InteropSession.open()
  })

  after(() => session?.close())

  afterEach(() => session.drain())

  const NON_FINITE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]

  it('numbers that are none are refused by thump, also when their type is asked for', async () => {
    const values = [...NON_FINITE.flatMap(n => [n, field.double(n), field.float(n)]), field.float(3.5e38)]
    for (const value of values) {
      const published = session.live.channel.publish('', session.queue, '', { headers: { list: [value] } })
      expect((await rejectionOf(published, ArgumentError)).message).to.include('headers.list[0]')
    }
    expect(await session.live.channel.get(session.queue)).to.equal(undefined)
  })

  for (const type of ['double', 'float']) {
    it(`a ${type} that is no number costs amqplib its connection, and nobody gets it`, async () => {
      const connection = await amqplib.connect(session.live.url)
      const failed = new Promise<Error>(resolve => connection.on('error', resolve))
      const channel = await connection.createChannel()
      channel.on('error', () => {})
      const headers = { n: { '!': type, value: Number.NaN } }
      channel.sendToQueue(session.queue, Buffer.alloc(0), { headers })
      expect((await within(5_000, 'the end of the connection', failed)).message).to.include('541')
      expect(await session.live.channel.get(session.queue)).to.equal(undefined)
    })
  }

  describe('of librabbitmq', () => {
    let program: PeerProgram
    let librabbitmq: LibrabbitmqPeer | undefined

    before(async function () {
      this.timeout(INSTALLATION_MS)
      program = await PeerProgram.compile(await needsCompiler(this))
    })

    after(() => program?.remove())

    afterEach(async () => {
      await librabbitmq?.stop()
      librabbitmq = undefined
    })

    async function publish(headers: WireEntries): Promise<void> {
      librabbitmq = await LibrabbitmqPeer.start(program, session.live.url)
      await librabbitmq.publish(session.queue, { body: Buffer.alloc(0), properties: { headers } })
    }

    for (const tag of ['d', 'f'] as const) {
      for (const value of NON_FINITE) {
        it(`${value} as ${tag} costs it its connection, and nobody gets it`, async () => {
          const error = await rejectionOf(publish([['n', [tag, value]]]), Error)
          expect(error.message).to.match(/connection closed: 541/)
          expect(await session.live.channel.get(session.queue)).to.equal(undefined)
        })
      }
    }

    it('names that come twice have their first value', async () => {
      const table: WireEntries = [
        ['k', ['I', 1]],
        ['k', ['S', 'second']],
        ['__proto__', ['t', true]],
        ['__proto__', ['t', false]],
        ['end', ['V']],
      ]
      await publish(table)
      const { headers } = (await session.take()).properties
      expect(headers).to.deep.equal({ k: 1, ['__proto__']: true, end: null })
    })
  })
})
