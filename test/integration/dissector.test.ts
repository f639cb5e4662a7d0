// What Wireshark's dissector makes of our octets. It shares no line, and no author, with this project. Where it knows less
// than RabbitMQ, that is said, and shown on what RabbitMQ itself sends where it can be.

import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { ChannelClosedError, type FieldTable, field, type MessageProperties } from '../../src/index.js'
import { encodeAhead, encodeContentHeader, encodeMethodFrame } from '../../src/protocol/frame-writers.js'
import type { Method } from '../../src/protocol/method-types.js'
import { METHODS, type MethodName, type MethodRow } from '../../src/protocol/methods.js'
import { EXPECTED_METHODS } from '../protocol/method-table.expected.js'
import { hex, toHex } from '../support/hex.js'
import { LiveSession } from '../support/live-session.js'
import { type KeptFrame, OctetTap } from '../support/octet-tap.js'
import { Pcap } from '../support/pcap.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { type DissectedFrame, TSHARK_MS, Tshark } from '../support/tshark.js'

/** RabbitMQ's own, which tshark has no names for; 51 is what a broker sends, where tshark has 41. */
const UNKNOWN: Readonly<Record<string, string>> = {
  'connection.update-secret': 'Connection.Unknown',
  'connection.update-secret-ok': 'Connection.Unknown',
  'exchange.unbind-ok': 'Exchange.Unknown',
}

/** Labels that tshark takes for others: of bindings between exchanges, and from AMQP 0-8. */
const LABELS: Readonly<Record<string, string>> = {
  'exchange.bind source': 'destination',
  'exchange.unbind source': 'destination',
  'basic.consume arguments': 'filter',
}

const UNKNOWN_METHOD = /Unknown connection method 7[01]\]$/

const PROPERTIES: Readonly<MessageProperties> = {
  contentType: 'text/plain',
  contentEncoding: 'gzip',
  deliveryMode: 2,
  priority: 5,
  correlationId: 'correlation',
  replyTo: 'answers',
  expiration: '60000',
  messageId: 'message',
  timestamp: 1_700_000_000,
  type: 'greeting',
  appId: 'tests',
  clusterId: 'cluster',
}

const PROPERTY_LINES = [
  'Content-Type: text/plain',
  'Content-Encoding: gzip',
  'Delivery-Mode: 2',
  'Priority: 5',
  'Correlation-Id: correlation',
  'Reply-To: answers',
  'Expiration: 60000',
  'Message-Id: message',
  'Timestamp: Nov 14, 2023 22:13:20.000000000 UTC',
  'Type: greeting',
  'App-Id: tests',
  'Cluster-Id: cluster',
]

/** A value of each type that thump writes, the last and the first where there are such, and what tshark shows of it. */
const FIELDS: readonly (readonly [name: string, value: FieldTable[string], shown: string])[] = [
  ['true', true, '(boolean): true'],
  ['false', false, '(boolean): false'],
  ['b-', field.int8(-128), '(byte): -128'],
  ['b+', field.int8(127), '(byte): 127'],
  ['B', field.uint8(255), '(unsigned byte): 255'],
  ['s-', field.int16(-32_768), '(short int): -32768'],
  ['s+', field.int16(32_767), '(short int): 32767'],
  ['u', field.uint16(65_535), '(short uint): 65535'],
  ['I-', -2_147_483_648, '(integer): -2147483648'],
  ['I+', 2_147_483_647, '(integer): 2147483647'],
  ['i', field.uint32(4_294_967_295), '(unsigned integer): 4294967295'],
  ['l-', -(2n ** 63n), '(long int): -9223372036854775808'],
  ['l+', 2n ** 63n - 1n, '(long int): 9223372036854775807'],
  ['f', field.float(-0.5), '(float): -0.500000'],
  ['d', Math.PI, '(double): 3.141593'],
  ['D', field.decimal(2, 12_345), '(decimal): 123.450000'],
  ['D unsigned', field.decimal(2, 4_294_967_295), '(decimal): 42949672.950000'],
  ['S', 'hello', '(string): hello'],
  ['S empty', '', '(string):'],
  ['x', hex`00ff10`, '(byte array): 00ff10'],
  ['T', new Date(1_700_000_000_000), '(timestamp): Nov 14, 2023 22:13:20.000000000 UTC'],
  ['V', null, '(void):'],
]

describe('our octets, dissected by tshark', () => {
  let tshark: Tshark

  before(async function () {
    this.timeout(TSHARK_MS)
    tshark = await Tshark.need(this)
  })

  it('are complained of when they are wrong: tshark does look', async () => {
    const wrong = [
      // A short string longer than its frame; a table longer than its frame; an unknown type of frame.
      hex`0100010000000a 003c0028 0000 09 7100 00 ce`,
      hex`0100010000000f 0032000a 0000 0171 00 000000ff 0161 ce`,
      hex`04000100000000ce`,
    ]
    const dissections = wrong.map(octets => {
      const pcap = openedCapture()
      pcap.add('toServer', octets)
      return tshark.dissect(pcap)
    })
    for (const [index, { complaints }] of (await Promise.all(dissections)).entries()) {
      expect(complaints, toHex(wrong[index] as Buffer)).to.have.length.at.least(1)
    }
  })

  it('have every method of the table, by name, with its arguments by name, order and value', async () => {
    const pcap = openedCapture()
    const expected = Object.entries(METHODS).map(([name, row]) => {
      const { method, shown } = sample(name as MethodName, row)
      const channelNumber = row.classId === 10 ? 0 : 7
      const direction = row.sender === 'server' ? 'toClient' : 'toServer'
      pcap.add(direction, encodeAhead(encodeMethodFrame, channelNumber, 131_072, method))
      return { method: tsharkName(name), channelNumber, shown: name in UNKNOWN ? [] : shown }
    })
    const { frames, complaints } = await tshark.dissect(pcap)
    const seen = frames.map(({ method, channelNumber, lines }) => ({
      method,
      channelNumber,
      shown: argumentsIn(lines),
    }))
    expect(seen).to.deep.equal(expected)
    expect(complaints.filter(complaint => !UNKNOWN_METHOD.test(complaint))).to.deep.equal([])
  })

  it('have the fourteen properties, and every type of field, alone, in tables and in arrays', async () => {
    const pcap = openedCapture()
    const headers: FieldTable = Object.fromEntries(FIELDS.map(([name, value]) => [name, value]))
    const nested = {
      ...headers,
      table: headers,
      array: FIELDS.map(([, value]) => value),
      none: {},
      empty: [],
    }
    pcap.add('toServer', hex`0100010000000a003c0028000000017100ce`)
    const content = { properties: { ...PROPERTIES, userId: 'guest', headers: nested }, body: Buffer.alloc(0) }
    pcap.add('toServer', encodeAhead(encodeContentHeader, 1, 131_072, content))
    const { frames, complaints } = await tshark.dissect(pcap)
    expect(complaints).to.deep.equal([])
    const lines = frames.at(-1)?.lines.map(line => line.trim()) ?? []
    const named = FIELDS.map(([name, , shown]) => `${name} ${shown}`)
    const numbered = FIELDS.map(([, , shown], index) => `[${index}] ${shown}`)
    expect(lines).to.include.members([...PROPERTY_LINES, 'User-Id: guest', ...named, ...numbered])
  })

  // The one type that thump reads and tshark does not: RabbitMQ takes it, and writes `l` itself. thump writes none.
  it('have no field of the type L, whose value tshark takes for other fields', async () => {
    const pcap = openedCapture()
    pcap.add('toServer', hex`0100010000000a003c0028000000017100ce`)
    const table = hex`016c 4c 0000000000000005 0174 74 01`
    pcap.add('toServer', hex`020001 00000021 003c0000 0000000000000000 2000 0000000f ${table} ce`)
    const lines = (await tshark.dissect(pcap)).frames.at(-1)?.lines ?? []
    expect(lines.join('\n')).to.match(/ l: unknown type 4c \(L\)/)
    const content = { properties: { headers: { l: 2n ** 40n, t: true } }, body: Buffer.alloc(0) }
    expect(toHex(encodeAhead(encodeContentHeader, 1, 131_072, content))).to.include(
      toHex(hex`016c 6c 0000010000000000 0174 74 01`),
    )
  })

  describe('between thump and RabbitMQ', () => {
    let frames: KeptFrame[]

    before(async function () {
      this.timeout(90_000)
      const { url } = await sharedBroker()
      const tap = await OctetTap.start(url)
      try {
        await workThrough(tap.url(url), url)
      } finally {
        await tap.close()
      }
      frames = tap.frames
    })

    it('are a whole session with each method that a client of RabbitMQ can be made to send', () => {
      const sent = new Set(frames.filter(({ direction }) => direction === 'toServer').map(nameOf))
      const expected = EXPECTED_METHODS.filter(({ sender }) => sender !== 'server').map(({ name }) => name)
      const notSent = [
        // To a challenge; to a close by an operator; to channel.flow, which RabbitMQ never sends; to a broker of AMQP 0-8.
        ...[
          'connection.secure-ok',
          'connection.close-ok',
          'channel.flow',
          'channel.flow-ok',
          'access.request',
        ],
        // To a cancel that wants an answer; and what basic.recover has taken the place of.
        ...['basic.cancel-ok', 'basic.recover-async'],
      ]
      expect(expected.filter(name => !sent.has(name))).to.have.members(notSent)
    })

    for (const [how, segmentMax] of [
      ['a packet for each frame', undefined],
      ['packets of 1000 octets', 1000],
    ] as const) {
      it(`are the same frames to tshark, in ${how}`, async () => {
        const pcap = new Pcap()
        // By its first frame of the server tshark sees which AMQP it is: if the frame is whole.
        for (const [index, { direction, octets }] of frames.entries()) {
          pcap.add(direction, octets, index < 2 ? undefined : segmentMax)
        }
        const { frames: seen, complaints } = await tshark.dissect(pcap)
        expect(seen.map(summary)).to.deep.equal(frames.filter(isFrame).map(summaryOfOctets))
        expect(complaints.filter(complaint => !UNKNOWN_METHOD.test(complaint))).to.deep.equal([])
      })
    }
  })
})

/** A capture that begins as tshark wants to see a connection begin. */
function openedCapture(): Pcap {
  const pcap = new Pcap()
  pcap.add('toServer', hex`414d515000000901`)
  return pcap
}

/** `basic.get-ok`, as tshark writes it: `Basic.Get-Ok`. */
function tsharkName(name: string): string {
  return UNKNOWN[name] ?? name.replace(/\b[a-z]/g, letter => letter.toUpperCase())
}

/** A method whose arguments tell themselves from each other, and how tshark shows them. */
function sample(name: MethodName, row: MethodRow): { method: Method; shown: string[] } {
  const args: Record<string, unknown> = {}
  const shown: string[] = []
  let number = row.methodId
  for (const [argument, domain] of Object.entries(row.args)) {
    number++
    const label = LABELS[`${name} ${argument}`] ?? argument.toLowerCase()
    const [value, text] = SAMPLES[domain](number)
    if (!domain.startsWith('reserved')) args[argument] = value
    shown.push(domain === 'table' ? text : `${label}: ${text}`)
  }
  return { method: { name, args } as Method, shown }
}

const SAMPLES: Record<
  MethodRow['args'][string],
  (number: number) => readonly [value: unknown, shown: string]
> = {
  bit: number => [number % 2 === 0, number % 2 === 0 ? 'True' : 'False'],
  octet: number => [number, `${number}`],
  short: number => [number + 0xff00, `${number + 0xff00}`],
  long: number => [number + 0xffff_ff00, `${number + 0xffff_ff00}`],
  longlong: number => [number + 2 ** 40, `${number + 2 ** 40}`],
  shortstr: number => [`text ${number}`, `text ${number}`],
  longstr: number => [Buffer.from([number, 0xff]), Buffer.from([number, 0xff]).toString('hex')],
  table: number => [{ key: number }, `key (integer): ${number}`],
  reservedBit: () => [undefined, 'False'],
  reservedShort: () => [undefined, '0'],
  reservedShortstr: () => [undefined, ''],
  reservedLongstr: () => [undefined, '<MISSING>'],
}

/** What stands below the line `Arguments`, with labels as the arguments are called here; tables have none. */
function argumentsIn(lines: readonly string[]): string[] {
  const below = lines.slice(lines.indexOf('Arguments') + 1)
  return below
    .map(line => line.trim().replace(/^[.01 ]+ = /, ''))
    .filter(line => line.includes(':'))
    .map(line => {
      if (line.includes(' (')) return line
      const [label = '', ...rest] = line.split(':')
      return `${label.toLowerCase().replaceAll('-', '')}: ${rest.join(':').trim()}`
    })
}

/** All that a client can do, on a connection that is tapped. */
async function workThrough(tapped: string, url: string): Promise<void> {
  const session = await LiveSession.open({ url: tapped, heartbeat: 10 })
  const { connection, channel } = session
  const [inner, outer] = [`thump-tshark-${randomUUID()}`, `thump-tshark-${randomUUID()}`]
  await channel.exchangeDeclare(outer, 'topic', { durable: false, autoDelete: true })
  await channel.exchangeDeclare(inner, 'headers', { durable: false, alternateExchange: 'amq.fanout' })
  await channel.exchangeBind(inner, outer, 'a.*', { 'x-match': 'all' })
  const queue = await session.queue({ maxLength: 1_000, arguments: { 'x-max-priority': 5 } })
  await channel.queueBind(queue, inner, 'k', { 'x-match': 'any', kind: 'test' })
  connection.sendHeartbeat()

  await channel.confirmSelect()
  const headers = Object.fromEntries(FIELDS.map(([name, value]) => [name, value]))
  const { username } = new URL(url)
  const userId = decodeURIComponent(username) || 'guest'
  await channel.publish('', queue, 'rich', {
    ...PROPERTIES,
    userId,
    headers: { ...headers, nested: headers },
  })
  await channel.publish('', queue, '')
  await channel.publish('', queue, Buffer.alloc(300_000, 'large'))
  await channel.publish(outer, 'nobody', 'returned', { mandatory: true }).catch(() => {})
  await channel.prefetch(1)
  ;(await channel.get(queue))?.ack()
  ;(await channel.get(queue))?.nack({ requeue: true })
  ;(await channel.get(queue))?.reject({ requeue: true })
  await channel.get(queue)
  await channel.recover()
  let consumed = 0
  for await (const delivery of await channel.consume(queue, { priority: 1 })) {
    delivery.ack()
    if (++consumed === 2) break
  }
  expect(await channel.get('amq.rabbitmq.reply-to.none').catch(error => error)).to.be.instanceOf(
    ChannelClosedError,
  )

  const transacted = await connection.openChannel()
  await transacted.txSelect()
  void transacted.publish('', queue, 'committed')
  await transacted.txCommit()
  await transacted.txRollback()
  await transacted.queueUnbind(queue, inner, 'k', { 'x-match': 'any', kind: 'test' })
  await transacted.exchangeUnbind(inner, outer, 'a.*', { 'x-match': 'all' })
  expect(await transacted.queuePurge(queue)).to.equal(1)
  await transacted.queueDelete(queue)
  await transacted.exchangeDelete(inner)
  await transacted.exchangeDelete(outer)
  await transacted.close()
  const lost = await connection.openChannel()
  await rejectionOf(lost.queueBind('thump no such queue', 'amq.direct'), ChannelClosedError)
  await connection.updateSecret(decodeURIComponent(new URL(url).password) || 'guest', 'a test')
  connection.sendHeartbeat()
  await connection.close()
}

const TYPES: Readonly<Record<number, string>> = {
  1: 'Method',
  2: 'Content header',
  3: 'Content body',
  8: 'Heartbeat',
}

function isFrame({ octets }: KeptFrame): boolean {
  return octets[0] !== 0x41
}

/** The method in a frame, by its ids (AMQP 0-9-1 section 4.2.4) and the list that shares nothing with the source. */
function nameOf({ octets }: KeptFrame): string | undefined {
  if (octets[0] !== 1) return undefined
  const [classId, methodId] = [octets.readUInt16BE(7), octets.readUInt16BE(9)]
  return EXPECTED_METHODS.find(each => each.classId === classId && each.methodId === methodId)?.name
}

function summaryOfOctets(frame: KeptFrame): string {
  const name = nameOf(frame)
  const { octets } = frame
  const what = name === undefined ? TYPES[octets.readUInt8()] : tsharkName(name)
  return `${octets.readUInt16BE(1)} ${what} ${octets.readUInt32BE(3)}`
}

function summary({ channelNumber, type, method, lines }: DissectedFrame): string {
  const length = lines.find(line => line.startsWith('Length: '))?.slice('Length: '.length)
  return `${channelNumber} ${method ?? type} ${length}`
}
