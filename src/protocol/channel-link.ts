// What a channel sees of its connection: no more than this, so that neither needs the other's class.

import type { OctetKeeper } from '../frames/index.js'
import type { Endpoint } from './errors.js'
import type { ProtocolEvent } from './events.js'
import type { Outbound } from './outbound.js'
import type { PublishTerms } from './publish-terms.js'

/** Limits that every channel of a connection shares. */
export interface ChannelLimits {
  /** Octets of a body; a larger one is skipped and closes its channel (311). */
  readonly maxMessageSize: number
  /** Octets that may wait to be sent, over all channels. */
  readonly maxBuffered: number
  /** Octets waiting in the outbound order above which publishes wait outside it, where they can still be taken back. */
  readonly highWaterMark: number
  readonly rpcTimeoutMs: number
  readonly confirmTimeoutMs: number
  readonly closeTimeoutMs: number
}

export interface ChannelLink {
  readonly outbound: Outbound
  readonly endpoint: Endpoint
  readonly limits: ChannelLimits
  /** Where bodies are kept. */
  readonly bodies: OctetKeeper
  /** Why the broker takes no publishes from this connection at the moment (connection.blocked). */
  readonly blocked: string | undefined
  /** Octets that wait on all channels, in the outbound order or in front of it. */
  readonly buffered: number
  /** Octets of a channel have begun (or, negative, ceased) to wait in front of the outbound order. */
  noteQueued(channelNumber: number, octets: number): void
  /** The channel wants to hear, once, when what it has appended has left. */
  watchDeparture(channelNumber: number): void
  /** Publishes were issued whose time begins with the end of this turn. */
  noteIssued(terms: PublishTerms): void
  emit(event: ProtocolEvent): void
  /** `handleTimeout` is wanted not later than then. */
  wakeBy(deadline: number): void
  /** The close handshake of the channel is complete, with a Close `byServer` or with ours: its number may be used again. */
  release(channelNumber: number, byServer?: boolean): void
}

/** What an error adds about something that was not answered in time. */
export function blockedClause({ blocked }: ChannelLink): string {
  return blocked === undefined ? '' : `; the broker blocks the connection: ${blocked}`
}
