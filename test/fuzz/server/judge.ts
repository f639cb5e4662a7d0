// What must hold of every session, whatever the server did: all that was promised has come, every error says what it is and
// why, the end is told as what it was, and nothing comes behind it.

import { inspect } from 'node:util'
import { ArgumentError, type CloseReason, Connection } from '../../../src/index.js'
import { describeOutcome, type Outcome } from '../promise-ledger.js'
import { faultsOfError, faultsOfReason } from '../told-errors.js'
import { GivenUp, SECRET } from './application.js'
import type { Session } from './session.js'

/** What a violation is closed with (1.2): frame, syntax, command invalid, channel, unexpected frame, resource, not implemented. */
const VIOLATION_CODES = [501, 502, 503, 504, 505, 506, 540]
/** Octets that may wait above `maxBuffered`: acknowledgements, and answers to what the peer asks for, up to its double. */
const BUFFER_SLACK = 2 * 1024 * 1024

/** Octets that one step of a server may make a client reserve. */
const MEMORY_MAX = 8 * 1024 * 1024
/** Of so many sessions all errors are looked into. */
const LOOK_SHARE = 0.05

/**
 * What a connection that is open, and reads, ends by when the server does one of these and nothing else: the code it closes with,
 * or who it says has ended it. A content needs a consumer; without one the first of its frames is the fault (503, 504).
 */
const CERTAIN: Readonly<Record<string, readonly (number | CloseReason['by'])[]>> = {
  'another frame-end': [501],
  'a foreign greeting': [501],
  'a frame above the limit': [501],
  'a heartbeat on a channel': [501],
  'a heartbeat with a payload': [501],
  'a method of a client': [503, 502],
  'a method that there is not': [540],
  'a method of the connection on a channel': [503],
  'a method of a channel on channel 0': [504],
  'a strange tune': [504],
  'secure again and again': [504],
  'open-ok before its time, or again': [504],
  'a delivery to nobody': [503, 504],
  'a method inside a content': [505, 504, 503],
  'a header without a method': [505],
  'a body without a header': [505],
  'a header twice': [505, 504],
  'a body that is too long': [501, 504],
  'a close-ok of a channel, unasked': [504],
  'a close-ok of the connection, unasked': [504],
  'a close of the connection': ['server'],
  'a close of the connection, and more behind it': ['server'],
  'the end of the stream': ['transport'],
  'half a frame, then the end': ['transport'],
  'a reset': ['transport'],
  'a storm of heartbeats': ['client'],
  'a storm of blocked': ['client'],
  'blocked for ever': ['client'],
}

/** What must not be, in words; nothing is well. */
export function judge(session: Session): string[] {
  const { application, server, clock, stream, brokenBy } = session
  const faults = [...server.blames.map(blame => `the client sent ${blame}`)]
  if (brokenBy !== undefined) faults.push(`the session broke: ${inspect(brokenBy)}`)
  if (clock.isLivelocked) faults.push('a livelock: timers are set again and again')
  for (const error of application.thrown) faults.push(`thrown: ${inspect(error)}`)
  for (const event of application.lateEvents) faults.push(`an event after closed: ${event}`)
  faults.push(...faultsOfPromises(session), ...faultsOfPublishes(session))
  if (session.memoryMost > MEMORY_MAX)
    faults.push(`${session.memoryMost} octets of memory on the peer's word`)
  if (session.bufferedMost > 2 * session.limits.maxBuffered + BUFFER_SLACK)
    faults.push(`${session.bufferedMost} octets waited to be sent`)
  if (session.writesAtEnd === undefined) return [...faults, 'the connection has not ended']
  if (stream.writes.length > session.writesAtEnd) faults.push('a write after closed')
  if (session.isDialled && !stream.destroyed) faults.push('the stream is not destroyed')
  if (clock.timers.length > 0) faults.push(`timers after closed: in ${clock.timers.join(', ')} ms`)
  return [...faults, ...faultsOfEnd(session)]
}

/** The reason of the connection's end; undefined when there never was one. */
export function endOf({ outcomes }: Session): CloseReason | undefined {
  const closed = outcomes.find(({ what }) => what === 'connection.closed')
  return closed?.state === 'resolved' ? (closed.value as CloseReason) : undefined
}

function faultsOfPromises({ outcomes, random }: Session): string[] {
  // Printing an error with all that it holds takes as long as the rest of the session.
  const looks = random.chance(LOOK_SHARE)
  return outcomes.flatMap(outcome => {
    const { what, state } = outcome
    if (state === 'pending') return [`pends for ever: ${what}`]
    if (state === 'resolved') return what.endsWith('.closed') ? told(what, outcome.value) : []
    const { error } = outcome
    if (what.endsWith('closed')) return [`${what} rejected`]
    if (error instanceof ArgumentError) return [`${what} rejected as misuse: ${inspect(error)}`]
    if (error instanceof GivenUp) return []
    const faults = faultsOfError(error).map(fault => `${what}: ${fault}`)
    if (looks && inspect(error, { depth: 8, showHidden: true }).includes(SECRET))
      faults.push(`${what}: the secret can be seen in ${describeOutcome(outcome)}`)
    return faults
  })
}

/** Not one octet of what was not sent has reached the server. */
function faultsOfPublishes({ application, server, outcomes }: Session): string[] {
  const publishes = outcomes.filter(({ what }) => what === 'publish')
  return application.published.flatMap((messageId, index) => {
    const outcome = publishes[index]
    const error = outcome?.state === 'rejected' ? outcome.error : undefined
    const isUnsent = error instanceof Error && 'outcome' in error && error.outcome === 'not-sent'
    return isUnsent && server.arrived.has(messageId)
      ? [`${messageId} is told as not sent, and has arrived`]
      : []
  })
}

function told(what: string, reason: unknown): string[] {
  return faultsOfReason(reason).map(fault => `${what}: ${fault}`)
}

function isEnd(outcome: Outcome): outcome is Outcome & { readonly value: CloseReason } {
  return outcome.state === 'resolved' && outcome.what.endsWith('.closed')
}

/** Whether a channel, or a consumer, may have ended like this while its connection lived. */
function isEndOfItsOwn({ by, code }: CloseReason): boolean {
  return by === 'client' || by === 'server' || by === 'timeout' || (by === 'protocol' && code === 311)
}

/** Whether the end is told as what it was. */
function faultsOfEnd(session: Session): string[] {
  const { application, server } = session
  const reason = endOf(session)
  if (!(application.connection instanceof Connection)) return []
  if (reason === undefined) return ['closed says nothing']
  const faults: string[] = []
  const { by, code } = reason
  const { closedWith } = server
  if (server.honest && by !== 'client')
    faults.push(`a good server, and it ended by '${by}' (${inspect(reason)})`)
  if (by === 'protocol' && (code === undefined || !VIOLATION_CODES.includes(code)))
    faults.push(`a violation with code ${code}: ${inspect(reason.error)}`)
  if (by === 'heartbeat' && application.connection.heartbeat === 0)
    faults.push('a missed heartbeat without one')
  if (by === 'timeout' || by === 'recovery') faults.push(`a connection that ended by '${by}'`)
  if (
    closedWith !== undefined &&
    closedWith.replyCode !== 200 &&
    (by !== 'protocol' || code !== closedWith.replyCode)
  )
    faults.push(`closed with ${closedWith.replyCode}, told as ${by} ${code}`)
  for (const { what, value } of session.outcomes.filter(isEnd)) {
    if (value.by !== by && !isEndOfItsOwn(value))
      faults.push(`${what} is told as ${value.by}, the connection's end as ${by}`)
    if (value.by === 'protocol' && value.code !== 311 && value.code !== code)
      faults.push(`${what} is told as ${value.code}, the connection's end as ${code}`)
  }
  const [mischief = ''] = session.mischiefs
  const expected = session.isPlain ? CERTAIN[mischief] : undefined
  if (expected !== undefined && !expected.some(each => each === by || (by === 'protocol' && each === code)))
    faults.push(`${mischief}, and it ended by ${by} ${code}`)
  if (isMissed(session) && by !== 'heartbeat') faults.push(`silence, and it ended by ${by}`)
  const isHeard = !server.deaf && !session.isUnread && !server.hasEnded
  if (by === 'protocol' && closedWith === undefined && isHeard)
    faults.push(`a violation (${code}) that nobody was told of`)
  return faults
}

/** Whether the server has been silent for so long that the client must have noticed, before anything else ended it. */
function isMissed({ application, server, mischiefs, isPlain, badAt, closesAt, clock }: Session): boolean {
  const { heartbeat = 0 } = application.connection ?? {}
  const until = Math.min(closesAt, clock.now())
  return (
    server.mute &&
    mischiefs.length === 1 &&
    isPlain &&
    heartbeat > 0 &&
    until - badAt > 2_000 * heartbeat + 1_000
  )
}
