// The basic content properties (spec 4.2.6.1, class basic): fourteen of them behind a flags short, high bit first.
// On receipt they are validated by walking over them and built only when somebody reads them: most consumers never
// look at most properties.
//
// The two lowest flags belong to no property. Bit 0 announces another flags short, but RabbitMQ ignores it and hands such a
// message on as it came: one that is refused here would close the connection again with each redelivery.

import {
  ArgumentError,
  ByteReader,
  type ByteWriter,
  type FieldTable,
  FrameError,
  readTable,
  skipTable,
  writeTable,
} from '../frames/index.js'

/** Content properties as they are received. Those the publisher did not set are absent. */
export interface MessageProperties {
  /** MIME type of the body. */
  contentType?: string | undefined
  /** MIME encoding of the body, for instance `gzip`. */
  contentEncoding?: string | undefined
  /** Headers of the application. The table has no prototype. */
  headers?: FieldTable | undefined
  /** 2 is persistent, 1 transient. */
  deliveryMode?: number | undefined
  /** 0 to 255; RabbitMQ clamps it to the queue's `x-max-priority`. */
  priority?: number | undefined
  correlationId?: string | undefined
  replyTo?: string | undefined
  /** Time to live in milliseconds, as decimal text: that is how AMQP carries it. */
  expiration?: string | undefined
  messageId?: string | undefined
  /** Seconds since 1970, as the publisher wrote them: nothing on the way checks that they are not milliseconds. */
  timestamp?: number | bigint | undefined
  type?: string | undefined
  /** RabbitMQ refuses (406) a user id that is not the publisher's login. */
  userId?: string | undefined
  appId?: string | undefined
  /** Reserved by the specification. */
  clusterId?: string | undefined
}

/** Content properties as they are published: like {@link MessageProperties}, more lenient where that is safe. */
export interface PublishProperties extends Omit<MessageProperties, 'timestamp' | 'expiration'> {
  /** A Date (its milliseconds are dropped) or seconds since 1970. */
  timestamp?: Date | number | bigint | undefined
  /** Time to live in milliseconds. */
  expiration?: string | number | undefined
}

type PropertyName = keyof MessageProperties

/** One property: each has functions of its own, because a name that is only known at run time makes every access slow. */
interface Property {
  readonly name: PropertyName
  write(writer: ByteWriter, from: PublishProperties): void
  read(reader: ByteReader, into: MessageProperties): void
  skip(reader: ByteReader): void
}

const skipShortstr = (reader: ByteReader): void => reader.skip(reader.octet())
const skipOctet = (reader: ByteReader): void => reader.skip(1)

// biome-ignore format: a table
const PROPERTIES: readonly Property[] = Object.freeze([
  { name: 'contentType', skip: skipShortstr,
    write: (writer, from) => writer.shortstr(from.contentType as string, 'options.contentType'),
    read: (reader, into) => { into.contentType = reader.shortstr() } },
  { name: 'contentEncoding', skip: skipShortstr,
    write: (writer, from) => writer.shortstr(from.contentEncoding as string, 'options.contentEncoding'),
    read: (reader, into) => { into.contentEncoding = reader.shortstr() } },
  { name: 'headers', skip: reader => skipTable(reader),
    write: (writer, from) => writeTable(writer, from.headers as FieldTable, 'options.headers'),
    read: (reader, into) => { into.headers = readTable(reader) } },
  { name: 'deliveryMode', skip: skipOctet,
    write: (writer, from) => writer.octet(from.deliveryMode as number, 'options.deliveryMode'),
    read: (reader, into) => { into.deliveryMode = reader.octet() } },
  { name: 'priority', skip: skipOctet,
    write: (writer, from) => writer.octet(from.priority as number, 'options.priority'),
    read: (reader, into) => { into.priority = reader.octet() } },
  { name: 'correlationId', skip: skipShortstr,
    write: (writer, from) => writer.shortstr(from.correlationId as string, 'options.correlationId'),
    read: (reader, into) => { into.correlationId = reader.shortstr() } },
  { name: 'replyTo', skip: skipShortstr,
    write: (writer, from) => writer.shortstr(from.replyTo as string, 'options.replyTo'),
    read: (reader, into) => { into.replyTo = reader.shortstr() } },
  { name: 'expiration', skip: skipShortstr,
    write: (writer, from) => writer.shortstr(expirationOf(from.expiration, 'options.expiration'), 'options.expiration'),
    read: (reader, into) => { into.expiration = reader.shortstr() } },
  { name: 'messageId', skip: skipShortstr,
    write: (writer, from) => writer.shortstr(from.messageId as string, 'options.messageId'),
    read: (reader, into) => { into.messageId = reader.shortstr() } },
  { name: 'timestamp', skip: reader => reader.skip(8),
    write: (writer, from) => writer.timestamp(from.timestamp as Date | number | bigint, 'options.timestamp'),
    read: (reader, into) => { into.timestamp = reader.longlong() } },
  { name: 'type', skip: skipShortstr,
    write: (writer, from) => writer.shortstr(from.type as string, 'options.type'),
    read: (reader, into) => { into.type = reader.shortstr() } },
  { name: 'userId', skip: skipShortstr,
    write: (writer, from) => writer.shortstr(from.userId as string, 'options.userId'),
    read: (reader, into) => { into.userId = reader.shortstr() } },
  { name: 'appId', skip: skipShortstr,
    write: (writer, from) => writer.shortstr(from.appId as string, 'options.appId'),
    read: (reader, into) => { into.appId = reader.shortstr() } },
  { name: 'clusterId', skip: skipShortstr,
    write: (writer, from) => writer.shortstr(from.clusterId as string, 'options.clusterId'),
    read: (reader, into) => { into.clusterId = reader.shortstr() } },
])

const HIGHEST_FLAG = 0x8000
const FLAGS: ReadonlyMap<string, number> = new Map(
  PROPERTIES.map(({ name }, index) => [name, HIGHEST_FLAG >>> index]),
)

/** The property of the highest flag that is left. */
function propertyOf(flags: number): Property {
  return PROPERTIES[Math.clz32(flags) - Math.clz32(HIGHEST_FLAG)] as Property
}

/** Without the flag of that property. */
function without(flags: number): number {
  return flags & ~(0x8000_0000 >>> Math.clz32(flags))
}

/** Writes flags and property list. Throws an ArgumentError that names the property, `options.headers.a.b[2]`. */
export function writeProperties(writer: ByteWriter, properties: PublishProperties): void {
  let flags = 0
  // Only those that are there: asking for all fourteen by name took a fifth of the time of a publish.
  for (const name in properties) {
    if (properties[name as PropertyName] !== undefined) flags |= FLAGS.get(name) ?? 0
  }
  writer.short(flags)
  for (let left = flags; left !== 0; left = without(left)) propertyOf(left).write(writer, properties)
}

/** Whether a name is one of the fourteen, to refuse misspelt ones. */
export function isPropertyName(name: string): boolean {
  return FLAGS.has(name)
}

/** The flags of properties; the two lowest bits stand for none. */
function readFlags(reader: ByteReader): number {
  return reader.short() & 0xfffc
}

/** Walks over flags and property list without building anything; a FrameError when they do not end where they should. */
export function skipProperties(reader: ByteReader): void {
  for (let left = readFlags(reader); left !== 0; left = without(left)) propertyOf(left).skip(reader)
  if (reader.remaining !== 0)
    throw new FrameError(501, `${reader.remaining} octets after the content properties`)
}

/** Builds the properties from octets that {@link skipProperties} has passed. */
export function readProperties(octets: Buffer): MessageProperties {
  READER.reset(octets)
  const properties: MessageProperties = {}
  for (let left = readFlags(READER); left !== 0; left = without(left))
    propertyOf(left).read(READER, properties)
  return properties
}

/** For all messages: nothing of the application's runs while properties are read. */
const READER = new ByteReader()

/** The properties that are there as they stand, in their order, without the flags. */
export function splitProperties(octets: Buffer): [name: PropertyName, octets: Buffer][] {
  const reader = new ByteReader()
  reader.reset(octets)
  const properties: [PropertyName, Buffer][] = []
  for (let left = readFlags(reader); left !== 0; left = without(left)) {
    const property = propertyOf(left)
    const { position } = reader
    property.skip(reader)
    properties.push([property.name, reader.copySince(position)])
  }
  return properties
}

/** What a message has that is published without any: it is persistent (delivery mode 2). */
export const DEFAULT_PROPERTIES: PublishProperties = Object.freeze({ deliveryMode: 2 })

/** Property octets of a message without properties. */
export const NO_PROPERTIES: Buffer = Buffer.from([0, 0])

/** RabbitMQ answers 406 to anything but a non-negative integer, after the message was sent: refuse it here. */
function expirationOf(value: unknown, path: string): string {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || !/^\d+$/.test(text)) {
    throw new ArgumentError(path, 'must be a non-negative whole number of milliseconds')
  }
  return text
}
