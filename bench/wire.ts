// Frames by hand (AMQP 0-9-1 sections 4.2.3 to 4.2.6), for the broker that costs nothing and the client that does
// nothing. thump's codec has no part in it: it would be measured against itself.

export const FRAME_HEADER = 7
/** Header and frame-end. */
export const FRAME_OVERHEAD = 8
/** RabbitMQ's. */
export const FRAME_MAX = 131_072

export const FrameType = Object.freeze({ Method: 1, Header: 2, Body: 3, Heartbeat: 8 } as const)

/** Class id in the high half, method id in the low one. */
export const MethodId = Object.freeze({
  ConnectionStart: 0x000a_000a,
  ConnectionStartOk: 0x000a_000b,
  ConnectionTune: 0x000a_001e,
  ConnectionTuneOk: 0x000a_001f,
  ConnectionOpen: 0x000a_0028,
  ConnectionOpenOk: 0x000a_0029,
  ConnectionClose: 0x000a_0032,
  ConnectionCloseOk: 0x000a_0033,
  ChannelOpen: 0x0014_000a,
  ChannelOpenOk: 0x0014_000b,
  ChannelClose: 0x0014_0028,
  ChannelCloseOk: 0x0014_0029,
  QueueDeclare: 0x0032_000a,
  QueueDeclareOk: 0x0032_000b,
  BasicQos: 0x003c_000a,
  BasicQosOk: 0x003c_000b,
  BasicConsume: 0x003c_0014,
  BasicConsumeOk: 0x003c_0015,
  BasicCancel: 0x003c_001e,
  BasicCancelOk: 0x003c_001f,
  BasicPublish: 0x003c_0028,
  BasicDeliver: 0x003c_003c,
  BasicAck: 0x003c_0050,
  ConfirmSelect: 0x0055_000a,
  ConfirmSelectOk: 0x0055_000b,
} as const)

export const PROTOCOL_HEADER: Buffer = Buffer.from('AMQP\x00\x00\x09\x01', 'latin1')
export const HEARTBEAT: Buffer = frame(FrameType.Heartbeat, 0, Buffer.alloc(0))

const CLASS_BASIC = 60
/** Of the fourteen property flags, that of the delivery mode. */
const DELIVERY_MODE_FLAG = 0x1000
const PERSISTENT = 2

/** About one read of the socket. */
const BLOCK_OCTETS = 64 * 1024

export function octet(value: number): Buffer {
  return Buffer.from([value])
}

export function short(value: number): Buffer {
  const octets = Buffer.alloc(2)
  octets.writeUInt16BE(value)
  return octets
}

export function long(value: number): Buffer {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(value)
  return octets
}

export function longlong(value: number): Buffer {
  const octets = Buffer.alloc(8)
  octets.writeBigUInt64BE(BigInt(value))
  return octets
}

export function shortstr(text: string): Buffer {
  const octets = Buffer.from(text)
  return Buffer.concat([octet(octets.length), octets])
}

export function longstr(content: string | Buffer): Buffer {
  const octets = Buffer.from(content)
  return Buffer.concat([long(octets.length), octets])
}

export function frame(type: number, channelNumber: number, payload: Buffer): Buffer {
  return Buffer.concat([octet(type), short(channelNumber), long(payload.length), payload, octet(0xce)])
}

/** A method frame. */
export function method(channelNumber: number, methodId: number, ...args: Buffer[]): Buffer {
  return frame(FrameType.Method, channelNumber, Buffer.concat([long(methodId), ...args]))
}

/** A field of a table: text, an integer of 32 bits, any other number, a truth value. */
export function field(name: string, value: string | number | boolean): Buffer {
  return Buffer.concat([shortstr(name), fieldValue(value)])
}

function fieldValue(value: string | number | boolean): Buffer {
  if (typeof value === 'string') return Buffer.concat([Buffer.from('S'), longstr(value)])
  if (typeof value === 'boolean') return Buffer.concat([Buffer.from('t'), octet(Number(value))])
  if (Number.isInteger(value)) return Buffer.concat([Buffer.from('I'), long(value)])
  const double = Buffer.alloc(8)
  double.writeDoubleBE(value)
  return Buffer.concat([Buffer.from('d'), double])
}

export function table(...fields: Buffer[]): Buffer {
  return longstr(Buffer.concat(fields))
}

/** Flags and property list of a message that is persistent, and nothing else. */
const PERSISTENT_ONLY: Buffer = Buffer.concat([short(DELIVERY_MODE_FLAG), octet(PERSISTENT)])

export interface ContentOptions {
  /** Flags and property list. Default: a persistent message. */
  readonly properties?: Buffer | undefined
  /** Octets of the largest frame. */
  readonly frameMax?: number | undefined
}

/** A message behind its method frame: header frame, and as many body frames as it takes. */
export function content(
  channelNumber: number,
  methodFrame: Buffer,
  bodySize: number,
  { properties = PERSISTENT_ONLY, frameMax = FRAME_MAX }: ContentOptions = {},
): Buffer {
  const header = Buffer.concat([short(CLASS_BASIC), short(0), longlong(bodySize), properties])
  const frames = [methodFrame, frame(FrameType.Header, channelNumber, header)]
  for (let left = bodySize; left > 0; ) {
    const size = Math.min(left, frameMax - FRAME_OVERHEAD)
    frames.push(frame(FrameType.Body, channelNumber, Buffer.alloc(size, 'x')))
    left -= size
  }
  return Buffer.concat(frames)
}

/** As many repetitions as make one write worth its while. */
export function block(unit: Buffer): Buffer {
  return repeat(unit, perBlock(unit.length))
}

/** How many of this length make a block. */
export function perBlock(length: number): number {
  return Math.max(1, Math.floor(BLOCK_OCTETS / length))
}

export function repeat(unit: Buffer, count: number): Buffer {
  return Buffer.alloc(unit.length * count, unit)
}

/**
 * Writes ascending delivery tags below 2^32 into repetitions of one frame sequence; `tagAt` is where the first tag begins
 * and `distance` the length of the sequence.
 */
export function stampTags(
  octets: Buffer,
  tagAt: number,
  distance: number,
  firstTag: number,
  count: number,
): void {
  // The high half is zero from the start.
  for (let at = tagAt + 4, tag = firstTag; tag < firstTag + count; tag++, at += distance) {
    octets[at] = tag >>> 24
    octets[at + 1] = tag >>> 16
    octets[at + 2] = tag >>> 8
    octets[at + 3] = tag
  }
}
