// Numbers about one connection, for health checks and dashboards. A snapshot: it does not change after it was taken.

import type { TrafficCounts } from '../protocol/index.js'

export interface ConnectionStats extends TrafficCounts {
  /** Milliseconds since the last octet came; above two heartbeat intervals the connection is declared dead. */
  readonly lastReceivedMs: number
  /** Milliseconds since the last octet went. */
  readonly lastSentMs: number
  /**
   * By how many milliseconds thump's timer was late the last time it ran: what kept the event loop busy. Up to 10 ms are
   * timers that wait for each other, so that many connections do not wake the process as often.
   */
  readonly eventLoopLagMs: number
  /** Octets that wait to be sent, those in the socket's buffer included. */
  readonly bufferedOctets: number
}
