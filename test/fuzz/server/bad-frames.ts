// Octets that a bad server sends, made of what it would send next, what its client has, and chance.

import type { Method } from '../../../src/protocol/method-types.js'
import type { Random } from '../random.js'
import { WIRE_BODY, WIRE_HEADER, wireFrame, wireFramesIn } from '../wire.js'
import type { ModelServer } from './model-server.js'

export const NOTHING = Buffer.alloc(0)

/** What the server would send next, or might. */
export function aFrame(server: ModelServer, random: Random): Buffer {
  const next = server.takeFrame()
  if (next !== undefined) return next
  server.pay(1, undefined)
  const owed = server.takeFrame()
  if (owed !== undefined) return owed
  if (random.chance(0.3)) return server.codec.heartbeat()
  return wireFramesIn(aDelivery(server, random))[0] as Buffer
}

/** A number of a channel: often of one that is open, now and then of the connection, or of none. */
export function aChannel(server: ModelServer, random: Random): number {
  const kind = random.weighted({ open: 6, connection: 2, none: 2 })
  if (kind === 'open') return anOpenChannel(server, random)
  return kind === 'connection' ? 0 : random.pick([2, 7, 2047, 65_535])
}

/** Of an open channel, when there is one. */
export function anOpenChannel(server: ModelServer, random: Random): number {
  return server.channels.size === 0 ? 1 : random.pick([...server.channels.keys()])
}

export function methodFrame(server: ModelServer, channelNumber: number, method: Method): Buffer {
  return server.codec.method(channelNumber, method)
}

/** On a channel with confirms, if there is one. */
export function aConfirm(server: ModelServer, random: Random, deliveryTag: number | bigint): Buffer {
  const args = { deliveryTag: deliveryTag as number, multiple: random.chance(0.5) }
  const confirming = [...server.channels.values()].filter(channel => channel.confirming)
  const channelNumber = confirming.length > 0 ? random.pick(confirming).number : anOpenChannel(server, random)
  if (random.chance(0.7)) return methodFrame(server, channelNumber, { name: 'basic.ack', args })
  return methodFrame(server, channelNumber, { name: 'basic.nack', args: { ...args, requeue: false } })
}

/** To a consumer that there is, if there is one, with the tag that comes next, unless it says otherwise. */
export function aDelivery(
  server: ModelServer,
  random: Random,
  consumerTag?: string,
  deliveryTag?: number | bigint,
): Buffer {
  const consuming = [...server.channels.values()].filter(({ consumers }) => consumers.size > 0)
  const channel = consuming.length === 0 ? undefined : random.pick(consuming)
  const args = {
    consumerTag:
      consumerTag ?? (channel === undefined ? 'thump-1' : random.pick([...channel.consumers.keys()])),
    deliveryTag: (deliveryTag ?? (channel === undefined ? 1 : ++channel.deliveryTag)) as number,
    redelivered: false,
    exchange: 'x',
    routingKey: 'q-1',
  }
  const channelNumber = channel?.number ?? anOpenChannel(server, random)
  const properties = { messageId: 'bad', headers: { n: random.below(9) } }
  return server.codec.content(
    channelNumber,
    { name: 'basic.deliver', args },
    random.octets(random.below(30)),
    properties,
  )
}

/** A delivery with these frames behind its method. */
export function content(
  server: ModelServer,
  random: Random,
  header: Buffer,
  secondHeader?: Buffer,
  body: Buffer = NOTHING,
): void {
  const method = wireFramesIn(aDelivery(server, random))[0] as Buffer
  const channelNumber = method.readUInt16BE(1)
  const frames = [method, wireFrame(WIRE_HEADER, channelNumber, header)]
  if (secondHeader !== undefined) frames.push(wireFrame(WIRE_HEADER, channelNumber, secondHeader))
  if (body.length > 0) frames.push(wireFrame(WIRE_BODY, channelNumber, body))
  server.sendOctets(Buffer.concat(frames))
}

/** Class 60, weight 0, size, no properties (4.2.6.1). */
export function contentHeader(bodySize: number | bigint): Buffer {
  const payload = Buffer.alloc(14)
  payload.writeUInt16BE(60, 0)
  payload.writeBigUInt64BE(BigInt(bodySize), 4)
  return payload
}

/** A table in a table in a table (4.2.5.5), deeper than an encoder would go. */
export function nestedTable(depth: number): Buffer {
  let table = Buffer.alloc(0)
  for (let level = 0; level < depth; level++) {
    const size = Buffer.alloc(4)
    size.writeUInt32BE(table.length)
    table = Buffer.concat([Buffer.from('\x01tF'), size, table])
  }
  return longstr(table.toString('latin1'))
}

export function longstr(text: string): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(text.length)
  return Buffer.concat([size, Buffer.from(text, 'latin1')])
}

export function repeat(octets: Buffer, times: number): Buffer {
  return Buffer.concat(Array.from({ length: times }, () => octets))
}

/** At least an octet of it, and not all. */
export function halfOf(frame: Buffer, random: Random): Buffer {
  return frame.subarray(0, random.between(1, frame.length - 1))
}
