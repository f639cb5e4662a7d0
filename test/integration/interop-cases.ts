// What goes there and back between clients: one table for all directions. A case is one value of one type of field, or one
// set of properties, with what each client takes for it and makes of it. Where one of them, or RabbitMQ, makes something
// else of it than it was given, the title of the case says so.

import { type FieldValue, field, type MessageProperties } from '../../src/index.js'
import type { WireDecimal, WireField } from '../support/librabbitmq/index.js'

export interface FieldCase {
  readonly title: string
  /** Type tag and value on the wire: what librabbitmq sends, and what it is given. */
  readonly wire: WireField
  /** What is on the wire when RabbitMQ has read the headers and written them anew, if that is not the same. */
  readonly rewritten?: WireField
  /** What thump is asked to publish; absent where it has no way to send this. */
  readonly sent?: FieldValue
  /** What thump hands out. */
  readonly received: FieldValue
  /** The same for amqplib, as far as it can. */
  readonly amqplib?: { readonly sent?: unknown; readonly received: unknown }
}

export interface PropertyCase {
  readonly title: string
  /** `userId` is the login: RabbitMQ refuses any other. */
  readonly properties: (userId: string) => MessageProperties
}

/** Each with the first and the last value of its type. */
const SMALL_INTEGERS = [
  { tag: 'b', name: 'int8', type: field.int8, values: [-128, -1, 0, 127] },
  { tag: 'B', name: 'uint8', type: field.uint8, values: [0, 127, 128, 255] },
  { tag: 's', name: 'int16', type: field.int16, values: [-32_768, -1, 0, 32_767] },
  { tag: 'u', name: 'uint16', type: field.uint16, values: [0, 32_768, 65_535] },
  { tag: 'I', name: 'int32', type: field.int32, values: [-2_147_483_648, -1, 0, 2_147_483_647] },
  { tag: 'i', name: 'uint32', type: field.uint32, values: [0, 2_147_483_648, 4_294_967_295] },
] as const

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER)
const INT64_MAX = 2n ** 63n - 1n
const INT64S = [-INT64_MAX - 1n, -SAFE_MAX - 2n, -SAFE_MAX, -1n, 0n, SAFE_MAX, SAFE_MAX + 2n, INT64_MAX]

/** What a float holds exactly: the largest, the smallest, and the smallest that is not denormal, among them. */
const FLOATS = [0, -0, 0.5, -2.5, 2 ** 128 - 2 ** 104, 2 ** -149, 2 ** -126]
const DOUBLES = [0, -0, 0.1, -2.5, Math.PI, 1e21, Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE]

/** The value is unsigned for RabbitMQ and for all three clients; the specification calls it signed. */
const DECIMALS: readonly WireDecimal[] = [
  { scale: 0, value: 0 },
  { scale: 2, value: 12_345 },
  { scale: 255, value: 4_294_967_295 },
]

const STRINGS = {
  nothing: '',
  ASCII: 'hello',
  'a NUL': 'a\0b',
  'characters of two, three and four octets': 'πß€😀',
  'a byte order mark': '\ufeffhello',
  'a replacement character': 'a\ufffdb',
  'many characters': 'long '.repeat(4_000),
}

const BYTE_ARRAYS = {
  nothing: Buffer.alloc(0),
  text: Buffer.from('hello'),
  'each octet once': Buffer.from(Array.from({ length: 256 }, (_, octet) => octet)),
}

/** Seconds. A Date ends at 8.64e12; what is beyond stays a timestamp field. */
const DATE_MAX = 8_640_000_000_000n
const TIMESTAMPS = [
  0n,
  1_700_000_000n,
  DATE_MAX,
  DATE_MAX + 1n,
  SAFE_MAX + 1n,
  INT64_MAX + 1n,
  2n ** 64n - 1n,
]

const LEVELS = 20

/** By their own type. */
const TYPED: readonly FieldCase[] = [
  ...[true, false].map(value => plain(`t: ${value}`, ['t', value], value)),
  ...SMALL_INTEGERS.flatMap(({ tag, name, type, values }) =>
    values.map(value => typed([tag, value], name, type(value), value)),
  ),
  // amqplib has only numbers, and rounds what is beyond them.
  ...INT64S.map(value => typed(['l', value], 'int64', field.int64(value), exact(value), Number(value))),
  ...FLOATS.map(value => typed(['f', value], 'float', field.float(value), value)),
  ...DOUBLES.map(value => typed(['d', value], 'double', field.double(value), value)),
  ...DECIMALS.map(decimalCase),
  ...Object.entries(STRINGS).map(([what, text]) => plain(`S: ${what}`, ['S', text], text)),
  ...Object.entries(BYTE_ARRAYS).map(([what, octets]) => plain(`x: ${what}`, ['x', octets], octets)),
  ...TIMESTAMPS.map(timestampCase),
  plain('V', ['V'], null),
  plain('A: nothing', ['A', []], []),
  plain('A: one of most types', mixedWire(), mixedValue()),
  plain(
    'A: arrays',
    [
      'A',
      [
        ['A', [['A', []]]],
        ['A', [['V']]],
      ],
    ],
    [[[]], [null]],
  ),
  plain('F: nothing', ['F', {}], {}),
  plain('F: tables and arrays', ['F', { a: ['F', { b: ['A', [['F', {}]]] }] }], { a: { b: [{}] } }),
  plain(
    `F: ${LEVELS} levels`,
    nest<WireField>(['V'], n => ['F', { n }]),
    nest<FieldValue>(null, n => ({ n })),
  ),
]

/** JavaScript values whose type thump chooses. */
const CHOSEN: readonly FieldCase[] = [
  chosen('the number 5, as I', ['I', 5], 5),
  chosen('the number -2^31, as I', ['I', -(2 ** 31)], -(2 ** 31)),
  chosen('the number 2^31, as l', ['l', 2n ** 31n], 2 ** 31),
  chosen('the number -2^53+1, as l', ['l', -SAFE_MAX], -Number(SAFE_MAX)),
  chosen('the number 2^60, as d', ['d', 2 ** 60], 2 ** 60),
  chosen('the number 0.1, as d', ['d', 0.1], 0.1),
  chosen('the number -0, as I: it becomes 0', ['I', 0], -0, 0),
  chosen('the bigint 5, as l: it becomes a number', ['l', 5n], 5n, 5),
  chosen(
    '0.1, as f: it becomes the nearest float',
    ['f', Math.fround(0.1)],
    field.float(0.1),
    Math.fround(0.1),
  ),
  chosen('a Date, as T: its milliseconds are dropped', ['T', 1n], new Date(1_999), new Date(1_000), {
    '!': 'timestamp',
    value: 1,
  }),
  chosen('a Uint8Array, as x', ['x', Buffer.from([1])], new Uint8Array([1]), Buffer.from([1])),
  chosen('undefined in an array, as V', ['A', [['V'], ['t', true]]], [undefined, true], [null, true]),
  chosen('undefined in a table: left out', ['F', { b: ['t', true] }], { a: undefined, b: true }, { b: true }),
]

/** What thump does not send, and must read. */
const FOREIGN: readonly FieldCase[] = [
  { title: 'L: 5', wire: ['L', 5n], rewritten: ['l', 5n], received: 5 },
  { title: 'L: 2^63-1', wire: ['L', INT64_MAX], rewritten: ['l', INT64_MAX], received: INT64_MAX },
  {
    // librabbitmq goes by the specification, where it is unsigned.
    title: 'L: 2^64-1, which is -1 for RabbitMQ and for thump',
    wire: ['L', 2n ** 64n - 1n],
    rewritten: ['l', -1n],
    received: -1,
  },
  {
    title: 'S: octets that are no UTF-8',
    wire: ['S', Buffer.from([0xff, 0x41])],
    received: Buffer.from([0xff, 0x41]),
  },
]

export const FIELD_CASES: readonly FieldCase[] = Object.freeze([...TYPED, ...CHOSEN, ...FOREIGN])

/** Names of headers that are awkward for one or another, each once: two of them look the same, and are not. */
export const HEADER_NAMES: readonly string[] = Object.freeze([
  '',
  ' ',
  'a.b c',
  '42',
  '\u00e9',
  'e\u0301',
  '鍵',
  '😀',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'x-own',
  // The specification allows 128 octets, RabbitMQ as many as a short string holds.
  'k'.repeat(128),
  'k'.repeat(255),
  '€'.repeat(85),
  // Of 32 bits each in UTF-16: 128 and 255 octets.
  '😀'.repeat(32),
  `${'😀'.repeat(63)}€`,
])

const ALL_PROPERTIES = Object.freeze({
  contentType: 'text/plain',
  contentEncoding: 'utf-8',
  headers: { header: 'value' },
  deliveryMode: 2,
  priority: 3,
  correlationId: 'correlation',
  replyTo: 'answers',
  expiration: '600000',
  messageId: 'message',
  timestamp: 1_700_000_000,
  type: 'greeting',
  userId: '',
  appId: 'tests',
  clusterId: 'reserved',
})

/** All but userId and expiration, whose text is not free. */
const FREE_TEXTS = [
  'contentType',
  'contentEncoding',
  'correlationId',
  'replyTo',
  'messageId',
  'type',
  'appId',
  'clusterId',
] as const

export const PROPERTY_CASES: readonly PropertyCase[] = Object.freeze([
  { title: 'all fourteen', properties: userId => ({ ...ALL_PROPERTIES, userId }) },
  fixed('none at all', {}),
  ...Object.entries(ALL_PROPERTIES).map(([name, value]) => ({
    title: `${name} alone`,
    properties: (userId: string) => ({ [name]: name === 'userId' ? userId : value }),
  })),
  fixed('deliveryMode 1', { deliveryMode: 1 }),
  fixed('priority 0', { priority: 0 }),
  fixed('priority 255', { priority: 255 }),
  fixed('timestamp 0', { timestamp: 0 }),
  fixed('timestamp 2^53-1', { timestamp: Number.MAX_SAFE_INTEGER }),
  fixed('timestamp 2^64-1', { timestamp: 2n ** 64n - 1n }),
  fixed('no headers in the table', { headers: {} }),
  fixed('empty texts', texts('')),
  fixed('texts of 255 octets', texts('x'.repeat(255))),
  fixed('texts of 255 octets of UTF-8', texts(`${'😀'.repeat(63)}€`)),
] satisfies PropertyCase[])

/** A value at all the places where one can be: RabbitMQ reads tables and arrays by different code. */
export function everywhere<T>(value: T): { value: T; array: T[]; table: { value: T } } {
  return { value, array: [value], table: { value } }
}

export function wireEverywhere(value: WireField): { value: WireField; array: WireField; table: WireField } {
  return { value, array: ['A', [value]], table: ['F', { value }] }
}

/** The same value for all clients. */
function plain(title: string, wire: WireField, value: FieldValue): FieldCase {
  return { title, wire, sent: value, received: value, amqplib: { sent: value, received: value } }
}

/** A number of a type that has a name, in amqplib. */
function typed(
  wire: WireField,
  name: string,
  sent: FieldValue,
  received: FieldValue,
  rounded: unknown = received,
): FieldCase {
  const value = wire[1]
  const text = Object.is(value, -0) ? '-0' : String(value)
  const amqplib = { sent: { '!': name, value }, received: rounded }
  return { title: `${wire[0]}: ${text}`, wire, sent, received, amqplib }
}

function chosen(
  title: string,
  wire: WireField,
  sent: FieldValue,
  received: FieldValue = sent,
  amqplib: unknown = received,
): FieldCase {
  return { title, wire, sent, received, amqplib: { received: amqplib } }
}

function decimalCase(decimal: WireDecimal): FieldCase {
  const { scale, value } = decimal
  const amqplib = { '!': 'decimal', value: { places: scale, digits: value } }
  return {
    title: `D: ${value} / 10^${scale}`,
    wire: ['D', decimal],
    sent: field.decimal(scale, value),
    received: field.decimal(scale, value),
    amqplib: { sent: amqplib, received: amqplib },
  }
}

function timestampCase(seconds: bigint): FieldCase {
  const isDate = seconds <= DATE_MAX
  const value = isDate ? new Date(Number(seconds) * 1000) : field.timestamp(exact(seconds))
  return {
    title: `T: ${seconds} s`,
    wire: ['T', seconds],
    sent: value,
    received: value,
    // Its own form of a timestamp, and rounded.
    amqplib: {
      sent: { '!': 'timestamp', value: seconds },
      received: { '!': 'timestamp', value: Number(seconds) },
    },
  }
}

function mixedWire(): WireField {
  const table: WireField = ['F', { no: ['t', false] }]
  return ['A', [['t', true], ['d', 0.5], ['S', 'two'], ['x', Buffer.from([3])], ['V'], ['A', []], table]]
}

function mixedValue(): FieldValue {
  return [true, 0.5, 'two', Buffer.from([3]), null, [], { no: false }]
}

function nest<T>(innermost: T, around: (inner: T) => T): T {
  let value = innermost
  for (let level = 0; level < LEVELS; level++) value = around(value)
  return value
}

/** A bigint only where a number is not exact. */
function exact(value: bigint): number | bigint {
  return value >= -SAFE_MAX && value <= SAFE_MAX ? Number(value) : value
}

function fixed(title: string, properties: MessageProperties): PropertyCase {
  return { title, properties: () => properties }
}

function texts(text: string): MessageProperties {
  return Object.fromEntries(FREE_TEXTS.map(name => [name, text]))
}
