// Octets that several rows begin with, by hand, in the order of AMQP 0-9-1 section 4.2.3: type, channel, size, payload,
// frame-end.

import { hex } from '../support/hex.js'

export const PROTOCOL_HEADER = '414d515000000901'
export const HEARTBEAT = hex`08000000000000ce`

/** Version 0-9, no properties, PLAIN, en_US. */
export const START = hex`01 0000 0000001c 000a000a 0009 00000000 00000005504c41494e 00000005656e5f5553 ce`
/** 2047 channels, frames of 131072 octets, heartbeats of 60 seconds: what RabbitMQ offers unless it is told otherwise. */
export const TUNE = hex`0100000000000c000a001e07ff00020000003cce`
/** The same with one channel: it has the number 1 in each of its lives. */
export const TUNE_ONE_CHANNEL = hex`0100000000000c000a001e0001000200000000ce`
export const OPEN_OK = hex`01000000000005000a002900ce`

export const CHANNEL_OPEN = '010001000000050014000a00ce'
export const CHANNEL_OPEN_OK = hex`010001000000080014000b00000000ce`
export const CHANNEL_CLOSE_OK = hex`0100010000000400140029ce`
export const CONFIRM_SELECT_OK = hex`010001000000040055000bce`
export const QOS_OK = hex`01000100000004003c000bce`
/** With the consumer tag "t". */
export const CONSUME_OK = hex`01000100000006003c00150174ce`
export const CONNECTION_CLOSE_OK = hex`01000000000004000a0033ce`

/** To the consumer "t": delivery tag 1, exchange "", routing key "d1". */
export const DELIVER = hex`01000100000013003c003c017400000000000000010000026431ce`
/** Three octets of body, content-type "a/b", delivery-mode 2. */
export const HEADER = hex`02000100000013003c00000000000000000003900003612f6202ce`
export const BODY = hex`03000100000003616263ce`
/** Neither a body nor a property. */
export const EMPTY_HEADER = hex`0200010000000e003c000000000000000000000000ce`

/** 406 for basic.ack. */
export const CHANNEL_CLOSE_406 = hex`010001000000370014002801962c505245434f4e444954494f4e5f4641494c4544
  202d20756e6b6e6f776e2064656c6976657279207461672039003c0050ce`
/** 320 "CONNECTION_FORCED - bye". */
export const CONNECTION_CLOSE_320 = hex`01000000000022000a0032014017434f4e4e454354494f4e5f464f52434544202d2062796500000000ce`

/** A frame of the type, on the channel, around the payload. */
export function frame(type: '01' | '02' | '03', channel: '0000' | '0001' | '0002', payload: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(payload.length)
  return hex`${type} ${channel} ${size} ${payload} ce`
}

/** The one frame connection.close with that reply code, whatever its text says. */
export function connectionClose(replyCode: number): RegExp {
  return new RegExp(`^010000[0-9a-f]{8}000a0032${replyCode.toString(16).padStart(4, '0')}[0-9a-f]+ce$`)
}
