// How much has gone over a connection. Octets sent are counted when they are handed to the socket, frames when they are
// accepted for sending.

import type { Inbound } from './inbound.js'
import type { Outbound } from './outbound.js'

/** What has gone over a connection so far. */
export interface TrafficCounts {
  readonly framesSent: number
  readonly framesReceived: number
  readonly octetsSent: number
  readonly octetsReceived: number
  readonly heartbeatsSent: number
  readonly heartbeatsReceived: number
}

export function countTraffic(inbound: Inbound, outbound: Outbound): TrafficCounts {
  return {
    framesSent: outbound.frames + outbound.heartbeats,
    framesReceived: inbound.frames,
    octetsSent: outbound.taken,
    octetsReceived: inbound.octets,
    heartbeatsSent: outbound.heartbeats,
    heartbeatsReceived: inbound.heartbeats,
  }
}
