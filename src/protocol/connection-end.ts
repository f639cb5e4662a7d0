// How the ends of a connection are told: facts in, CloseReason out. No state.

import { FrameError } from '../frames/index.js'
import type { CloseReason } from './close-reason.js'
import {
  CloseTimeoutError,
  ConnectionClosedError,
  type Endpoint,
  HeartbeatError,
  ProtocolError,
  TransportError,
} from './errors.js'
import type { Heartbeat, Stall } from './heartbeat.js'
import { methodNameOf } from './method-codec.js'
import type { MethodArgs } from './method-types.js'
import { cutReplyText, ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

/** The server sent connection.close. */
export function closedByServer(args: MethodArgs<'connection.close'>, endpoint: Endpoint): CloseReason {
  const { replyCode, replyText, classId, methodId } = args
  const ids = classId === 0 ? {} : { classId, methodId, method: methodNameOf(classId, methodId) }
  const reason: CloseReason = { by: 'server', code: replyCode, text: replyText, ...ids }
  return { ...reason, error: new ConnectionClosedError(reason, endpoint) }
}

/** The socket is gone without a close. */
export function lostTransport(
  cause: Error | undefined,
  stall: Stall | undefined,
  endpoint: Endpoint,
): CloseReason {
  const what = cause === undefined ? 'the peer ended the connection without connection.close' : cause.message
  const text =
    stall === undefined ? what : `${what}; ${describeStall(stall)}, so it may have missed our heartbeats`
  return { by: 'transport', text, error: new TransportError(text, { ...endpoint, cause }) }
}

/** The peer is silent, or does not end a frame. */
export function missedHeartbeat(
  heartbeat: Heartbeat,
  now: number,
  queuedOctets: number,
  endpoint: Endpoint,
): CloseReason {
  const { intervalMs } = heartbeat
  const stall = heartbeat.recentStall(now)
  const death = heartbeat.describeDeath(now)
  const text = stall === undefined ? death : `${death}; ${describeStall(stall)}`
  const facts = {
    intervalMs,
    silenceMs: heartbeat.silenceAt(now),
    queuedOctets,
    eventLoopLagMs: stall?.lagMs ?? 0,
  }
  const full = `${text}; ${queuedOctets} octets not sent`
  return { by: 'heartbeat', text, error: new HeartbeatError(full, facts, endpoint) }
}

/** The close that answers what the peer did wrong, and how it is told. */
export function closedForViolation(
  error: unknown,
  endpoint: Endpoint,
): { readonly close: MethodArgs<'connection.close'>; readonly reason: CloseReason } {
  const { replyCode, classId, methodId } = violationOf(error)
  const text = error instanceof Error ? error.message : String(error)
  const details = { ...endpoint, cause: error, replyCode, method: methodNameOf(classId, methodId) }
  const known = { by: 'protocol', code: replyCode, text, method: details.method } as const
  return {
    close: { replyCode, replyText: cutReplyText(text), classId, methodId },
    reason: { ...known, error: new ProtocolError(`the peer broke the protocol: ${text}`, details) },
  }
}

/** The application's close was not completed in time. */
export function gaveUpClosing(what: string, endpoint: Endpoint): CloseReason {
  return { by: 'client', text: what, error: new CloseTimeoutError(`connection ${what}`, endpoint) }
}

function violationOf(error: unknown): { replyCode: number; classId: number; methodId: number } {
  if (error instanceof Violation) return error
  // Anything else would be a mistake of ours, met while reading. The connection cannot go on either way.
  const replyCode = error instanceof FrameError ? error.replyCode : ReplyCode.InternalError
  return { replyCode, classId: 0, methodId: 0 }
}

function describeStall({ lagMs }: Stall): string {
  return `the event loop was blocked for ${Math.round(lagMs)} ms`
}
