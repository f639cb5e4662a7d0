// Numbers and fixed octets of the framing layer: AMQP 0-9-1 sections 2.3, 4.2.2, 4.2.3 and 4.2.7.

/** The four kinds of frame (section 4.2.3); every other type octet is a framing error. */
export const FrameType = Object.freeze({ Method: 1, Header: 2, Body: 3, Heartbeat: 8 } as const)
export type FrameType = (typeof FrameType)[keyof typeof FrameType]

/** Last octet of every frame. */
export const FRAME_END = 0xce

/** Octets before the payload: type 1, channel 2, size 4. */
export const FRAME_HEADER_SIZE = 7

/** Where in it the size stands. */
export const SIZE_OFFSET = 3

/** Octets around the payload: the header and the frame-end. `frame-max` counts them too. */
export const FRAME_OVERHEAD = 8

/** Octets of a content header's payload in front of the properties: class 2, weight 2, body size 8 (section 4.2.6.1). */
export const CONTENT_HEADER_SIZE = 12

/**
 * Octets of the largest frame accepted before Tune. The specification says 4096 (FRAME_MIN_SIZE); RabbitMQ
 * raised its own constant to 8192 in 4.1, so one of its frames may be as large.
 */
export const INITIAL_FRAME_MAX = 8192

/** The smallest `frame-max` a peer may negotiate (constant frame-min-size of the specification). */
export const FRAME_MIN_SIZE = 4096

/** The first eight octets a client sends: "AMQP", 0, then version 0-9-1 (section 4.2.2). */
export const PROTOCOL_HEADER: Buffer = Buffer.from('AMQP\x00\x00\x09\x01')

/** The only legal heartbeat: type 8, channel 0, no payload (section 4.2.7). */
export const HEARTBEAT_FRAME: Buffer = Buffer.from([FrameType.Heartbeat, 0, 0, 0, 0, 0, 0, FRAME_END])

/** Stands for a buffer where none is needed yet: an idle connection holds no memory for octets. */
export const NO_OCTETS: Buffer = Buffer.alloc(0)
