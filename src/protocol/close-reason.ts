// Why something ended. Every `closed` promise of thump resolves with one of these, and everything that was pending
// rejects with an error whose `cause` leads to one. It is a description, not an error: a clean close has a reason too.

import { adviceOn, deprecatedFeatureIn } from './deprecated-feature.js'
import { replyCodeName } from './reply-codes.js'

/**
 * Who or what ended it:
 *
 * - `client`: the application called `close()`, `cancel()` or left its iterator;
 * - `server`: the broker sent connection.close, channel.close or basic.cancel;
 * - `transport`: the socket ended or failed underneath;
 * - `heartbeat`: nothing came from the peer for two heartbeat intervals;
 * - `protocol`: the peer broke the protocol and thump closed;
 * - `timeout`: a call or a close was not answered in time and thump closed;
 * - `recovery`: reconnecting was given up.
 *
 * The union may grow: treat an unknown value as "not by me".
 */
export type CloseInitiator =
  | 'client'
  | 'server'
  | 'transport'
  | 'heartbeat'
  | 'protocol'
  | 'timeout'
  | 'recovery'

/** What a `closed` promise resolves with. */
export interface CloseReason {
  readonly by: CloseInitiator
  /** The reply code of a close method (AMQP 0-9-1, 1.2), sent or received. */
  readonly code?: number | undefined
  /** The reply text of a close method, or what thump has to say about the end. */
  readonly text?: string | undefined
  /** Class id of the method that caused a close by the server; absent when it named none. */
  readonly classId?: number | undefined
  /** Method id of the method that caused a close by the server; absent when it named none. */
  readonly methodId?: number | undefined
  /** Name of that method, for instance `queue.declare`. */
  readonly method?: string | undefined
  /** The error behind the end. Absent when the application closed and nothing was lost. */
  readonly error?: Error | undefined
}

/** One line for people: `closed by the server: 404 NOT_FOUND - no queue 'q' (basic.consume)`. */
export function describeReason(reason: CloseReason): string {
  const parts = [`closed by ${PHRASES[reason.by]}`]
  if (reason.code !== undefined || reason.text !== undefined) parts.push(': ')
  if (reason.code !== undefined) parts.push(`${reason.code} `)
  if (reason.text !== undefined && reason.text !== '') parts.push(reason.text)
  else if (reason.code !== undefined) parts.push(replyCodeName(reason.code))
  if (reason.method !== undefined) parts.push(` (${reason.method})`)
  const feature = deprecatedFeatureIn(reason.code, reason.text)
  if (feature !== undefined) parts.push(`: ${adviceOn(feature)}`)
  return parts.join('')
}

const PHRASES: Record<CloseInitiator, string> = {
  client: 'the application',
  server: 'the server',
  transport: 'the transport',
  heartbeat: 'a missed heartbeat',
  protocol: 'a protocol violation of the peer',
  timeout: 'a timeout',
  recovery: 'recovery giving up',
}
