// How much has gone over a connection. Octets sent are counted when they are handed to the socket, frames when they are
// accepted for sending.

/** What has gone over a connection so far. */
export interface TrafficCounts {
  readonly framesSent: number
  readonly framesReceived: number
  readonly octetsSent: number
  readonly octetsReceived: number
  readonly heartbeatsSent: number
  readonly heartbeatsReceived: number
}
