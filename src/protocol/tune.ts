// Tune negotiation (spec 1.4.2.5-6): what is answered to Connection.Tune, from the server's proposal and our wishes.
//
// Frame and channel limits: 0 means "no limit of mine", otherwise the smaller wins. RabbitMQ checks the answer and
// hangs up without a word when it does not like it (3 s of silence, then a reset), so nothing it refuses may leave.
// Heartbeat: the client may veto (0), as aioamqp and amqplib 2 do; Java's and .NET's "the non-zero side wins" cannot
// switch heartbeats off at all. Otherwise a server's 0 leaves the choice to us, and the smaller wins.

export interface TuneParameters {
  readonly channelMax: number
  /** Octets of a whole frame, its 8 octets of overhead included. */
  readonly frameMax: number
  /** Seconds; 0 is off. */
  readonly heartbeat: number
}

/** Our wishes; an absent limit takes the server's. */
export interface TuneWishes {
  readonly channelMax?: number | undefined
  readonly frameMax?: number | undefined
  readonly heartbeat: number
}

/** RabbitMQ's own defaults, taken where neither side sets a limit. */
const UNLIMITED_CHANNEL_MAX = 2047
const UNLIMITED_FRAME_MAX = 131_072
/** A larger frame only lengthens the wait of every other channel. RabbitMQ's default is an eighth of it. */
const LARGEST_FRAME_MAX = 1_048_576

export function negotiateTune(server: TuneParameters, wishes: TuneWishes): TuneParameters {
  return {
    channelMax: smaller(server.channelMax, wishes.channelMax ?? 0) || UNLIMITED_CHANNEL_MAX,
    frameMax: Math.min(
      smaller(server.frameMax, wishes.frameMax ?? 0) || UNLIMITED_FRAME_MAX,
      LARGEST_FRAME_MAX,
    ),
    heartbeat: wishes.heartbeat === 0 ? 0 : smaller(server.heartbeat, wishes.heartbeat),
  }
}

/** The smaller of two, where 0 leaves the choice to the other. */
function smaller(a: number, b: number): number {
  if (a === 0) return b
  if (b === 0) return a
  return Math.min(a, b)
}
