// What inputs are made from at the beginning: what a real broker and its client said, frame by frame and whole; every method of
// the table, full and empty; every type of field and every property; tables as deep as they may be and deeper; and a few octets
// of the specification.

import type { Method } from '../../../src/protocol/method-types.js'
import { METHODS, type MethodName } from '../../../src/protocol/methods.js'
import type { PublishProperties } from '../../../src/protocol/properties.js'
import { captureNames, loadCapture } from '../../support/captures.js'
import { PeerCodec } from '../../support/peer/peer-codec.js'
import { FIELDS, NAMES } from './boundaries.js'
import { FRAME_END, FrameMap } from './frame-map.js'
import { FRAME_MAX } from './stem.js'

/** Longer conversations are there in parts only: an input costs what it is long. */
const LONGEST = 1024
const PEER = new PeerCodec()

export function seeds(): Buffer[] {
  return [...ofCaptures(), ...ofMethods(), ...ofContents(), ...ofTables(), ...ofSpecification()]
}

function ofCaptures(): Buffer[] {
  return captureNames().flatMap(name => {
    const { sent, received } = loadCapture(name)
    // What a client sends begins with a header that is no frame.
    const frames = sent.subarray(0, 4).toString() === 'AMQP' ? sent.subarray(8) : sent
    return [frames, received].flatMap(partsOf)
  })
}

/** The whole, each frame, and each method with the content that follows it. */
function partsOf(octets: Buffer): Buffer[] {
  const map = new FrameMap(octets.length)
  map.read(octets, octets.length, Number.MAX_SAFE_INTEGER)
  const parts = [octets]
  let methodAt = 0
  for (let frame = 0; frame < map.count; frame++) {
    const start = map.startOf(frame)
    if (octets[start] === 1) methodAt = start
    const end = map.endOf(frame) + 1
    parts.push(octets.subarray(start, end), octets.subarray(methodAt, end))
  }
  return parts.filter(({ length }) => length <= LONGEST)
}

/** Something for each argument. */
const FULL = {
  bit: true,
  octet: 9,
  short: 312,
  long: 65_536,
  longlong: 1,
  shortstr: 'a',
  longstr: Buffer.from('PLAIN'),
  table: { a: 1, b: 'two', c: { d: [true, null, 1.5] } },
} as const
const EMPTY = {
  ...FULL,
  bit: false,
  octet: 0,
  short: 0,
  long: 0,
  longlong: 0,
  shortstr: '',
  table: {},
} as const
/** What a server says to open a connection must be as it expects it, or nothing comes after that. */
const START = {
  versionMajor: 0,
  versionMinor: 9,
  serverProperties: { product: 'peer' },
  mechanisms: Buffer.from('PLAIN'),
}

function methodOf(name: MethodName, values: typeof FULL | typeof EMPTY): Method {
  const domains = Object.entries<string>(METHODS[name].args).filter(
    ([, domain]) => !domain.startsWith('reserved'),
  )
  const args = Object.fromEntries(
    domains.map(([argument, domain]) => [argument, values[domain as keyof typeof FULL]]),
  )
  return { name, args: name === 'connection.start' ? { ...args, ...START } : args } as unknown as Method
}

/** On the channels where the state machines expect them, and some where they do not. */
function ofMethods(): Buffer[] {
  return (Object.keys(METHODS) as MethodName[]).flatMap(name => {
    const channels = name.startsWith('connection.') ? [0] : [1, 2, 3]
    return channels.flatMap(channel =>
      [FULL, EMPTY].map(values => PEER.method(channel, methodOf(name, values))),
    )
  })
}

const PROPERTIES: Required<PublishProperties> = {
  contentType: 'text/plain',
  contentEncoding: 'gzip',
  headers: { a: 1, BCC: ['b'], 'x-death': [{ count: 1n }] },
  deliveryMode: 2,
  priority: 5,
  correlationId: 'c',
  replyTo: 'amq.rabbitmq.reply-to.x',
  expiration: '60000',
  messageId: 'm',
  timestamp: 1_700_000_000,
  type: 't',
  userId: 'guest',
  appId: 'a',
  clusterId: 'c',
}

function ofContents(): Buffer[] {
  const publish = methodOf('basic.publish', EMPTY)
  const each = Object.entries(PROPERTIES).map(([name, value]) => ({ [name]: value }))
  const withProperties = [PROPERTIES, ...each].map(properties =>
    PEER.content(1, publish, Buffer.from('abc'), properties),
  )
  const received = (['basic.deliver', 'basic.return', 'basic.get-ok'] as const).flatMap(name =>
    [1, 2, 3].flatMap(channel =>
      ['', 'body'].map(body => PEER.content(channel, methodOf(name, FULL), Buffer.from(body))),
    ),
  )
  return [...withProperties, ...received, ...deliveries()]
}

/** Deliveries one after another, as a consumer gets them: their tags count up. */
function deliveries(): Buffer[] {
  const several = [1, 2, 3, 4].map(deliveryTag => {
    const args = { consumerTag: 'a', deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
    return PEER.content(1, { name: 'basic.deliver', args }, Buffer.from(`body ${deliveryTag}`), {
      messageId: 'm',
    })
  })
  return [
    Buffer.concat(several),
    Buffer.concat([several[0] as Buffer, PEER.heartbeat(), several[1] as Buffer]),
  ]
}

/** A table with each type of field, and tables and arrays as deep as they may be, and one deeper. */
function ofTables(): Buffer[] {
  const name = NAMES[1] as Buffer
  const simple = FIELDS.map(field => Buffer.concat([name, field]))
  const deep = [63, 64].flatMap(depth => ['F', 'A'].map(tag => nested(tag, depth)))
  return [...simple, ...deep].map(fields => {
    const frame = PEER.method(1, methodOf('queue.declare', EMPTY))
    const size = Buffer.alloc(4)
    size.writeUInt32BE(fields.length)
    const declare = Buffer.concat([frame.subarray(0, -5), size, fields, Buffer.of(FRAME_END)])
    declare.writeUInt32BE(declare.length - 8, 3)
    return declare
  })
}

/** A field that is a table in a table, or an array in an array, `depth` levels below the one that has it. */
function nested(tag: string, depth: number): Buffer {
  const name = Buffer.of(1, 0x61)
  let content = Buffer.alloc(0)
  for (let level = 0; level < depth; level++) {
    const size = Buffer.alloc(4)
    size.writeUInt32BE(content.length)
    const field = Buffer.concat([Buffer.from(tag), size, content])
    content = tag === 'F' || level === depth - 1 ? Buffer.concat([name, field]) : field
  }
  return content
}

function ofSpecification(): Buffer[] {
  const heartbeat = PEER.heartbeat()
  const largest = Buffer.alloc(FRAME_MAX, FRAME_END)
  largest.set([3, 0, 1])
  largest.writeUInt32BE(FRAME_MAX - 8, 3)
  return [
    heartbeat,
    Buffer.concat([heartbeat, heartbeat, heartbeat]),
    // Section 4.2.2: what a server answers that does not speak this version, or speaks another.
    ...['AMQP\x00\x00\x09\x01', 'AMQP\x03\x01\x00\x00', 'HTTP/1.1 400 Bad Request\r\n'].map(text =>
      Buffer.from(text),
    ),
    largest,
  ]
}
