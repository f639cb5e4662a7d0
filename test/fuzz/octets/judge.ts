// What must hold of a session whose server's octets were changed. Always: everything that was promised has come, and the end is told.
// When one thing was changed, also what the client can know: a wrong frame is noticed; only the message that was hit may
// differ from what was published, and nothing comes twice or out of order; nothing is confirmed that the broker has not.
//
// What cannot be known is not judged. A changed argument of a method (a routing key, a tag, the name of a queue) or property of a
// message is as good as any other, so the consequences are plausible, whatever they are.

import { inspect } from 'node:util'
import type { CloseReason } from '../../../src/index.js'
import { describeOutcome, type Outcome, verdictOf } from '../promise-ledger.js'
import { faultsOfError, faultsOfReason } from '../told-errors.js'
import { type CheckedSession, CONFIRMING, type Handed, NOWHERE } from './checked-session.js'
import { differences, numberOf, octetsApart } from './message.js'
import { type Mutation, Mutator } from './mutation.js'
import { type Place, StreamMap } from './stream-map.js'

/** A session that is over. */
export interface Ended {
  readonly session: CheckedSession
  readonly outcomes: readonly Outcome[]
  /** Undefined when there never was a connection. */
  readonly reason: CloseReason | undefined
}

/** One thing was changed, in what the server has said. */
export interface Hit {
  /** Undefined when it did not come to that: the session was over before. */
  readonly mutation: Mutation | undefined
  readonly said: Buffer
  readonly map: StreamMap
  readonly place: Place | undefined
}

/** What must hold whatever was changed. */
export function faultsOfLife({ session, outcomes, reason }: Ended): string[] {
  const faults = outcomes.flatMap(outcome => {
    const { what, state } = outcome
    if (state === 'pending') return [`pends for ever: ${what}`]
    const told = state === 'rejected' ? faultsOfError(outcome.error) : []
    const ended = state === 'resolved' && what.endsWith('.closed') ? faultsOfReason(outcome.value) : []
    return [...told, ...ended].map(fault => `${what}: ${fault}`)
  })
  const { connection } = session
  if (connection === undefined) return faults
  if (connection.state !== 'closed') faults.push(`a connection that is ${connection.state}`)
  if (reason === undefined) faults.push('closed says nothing')
  return faults
}

/** Whether nothing was wrong, as far as the client can tell. */
export function isClean({ reason }: Ended): boolean {
  return reason?.by === 'client' && reason.error === undefined
}

/** Whether the mutation changes anything. */
export function changes({ mutation, said, place }: Hit): boolean {
  if (mutation === undefined || place === undefined) return false
  return mutation.kind !== 'replace' || said[mutation.offset] !== mutation.octet
}

/** What must hold when nothing was changed. */
export function faultsOfUnharmed(ended: Ended): string[] {
  const faults = [...faultsOfLife(ended), ...faultsOfOrder(ended.session)]
  if (!isClean(ended)) faults.push(`an end that is not clean: ${inspect(ended.reason)}`)
  const wrong = strange(ended.session)
  if (wrong.length > 0) faults.push(`${wrong.length} messages are not as published: ${inspect(wrong[0])}`)
  if (ended.session.handed.length === 0) faults.push('no message was handed over')
  return faults
}

/** What must hold when one thing was changed. */
export function faultsOfHit(ended: Ended, hit: Hit, golden: Ended): string[] {
  const { session } = ended
  const faults = [...faultsOfOrder(session), ...faultsOfConfirms(ended, hit)]
  const wrong = strange(session)
  if (wrong.length > (changes(hit) ? 1 : 0)) faults.push(`not as published: ${inspect(wrong)}`)
  if (isInPlace(hit) && hit.place?.part === 'content header')
    faults.push(...wrong.flatMap(each => faultsOfHeader(session, each)))
  if (isMustNotice(hit) && isClean(ended)) faults.push('nothing was noticed')
  if (hit.mutation?.kind === 'end' && ended.reason?.by === 'heartbeat')
    faults.push('the end came by heartbeat')
  if (isInBodyOfDelivery(hit)) {
    faults.push(...wrong.flatMap(each => faultsOfBody(session, each)))
    if (!isClean(ended)) faults.push(`an octet of a body ends it: ${inspect(ended.reason)}`)
    const different = outcomesApart(ended, golden)
    if (different.length > 0)
      faults.push(`an octet of a body changes what becomes of ${different.join(', ')}`)
  }
  return faults
}

/** Messages that are none of those that were published where they were read from. */
export function strange(session: CheckedSession): readonly Handed[] {
  return session.handed.filter(each => {
    const published = session.published[numberOf(each) ?? -1]
    if (published === undefined || differences(each, published.message).length > 0) return true
    return (published.confirmTag === undefined) !== (each.by === 'iterated')
  })
}

/** An octet was changed in place. */
function isInPlace({ mutation, place }: Hit): boolean {
  return place !== undefined && (mutation?.kind === 'flip' || mutation?.kind === 'replace')
}

export function isInBodyOfDelivery(hit: Hit): boolean {
  const { part, method } = hit.place ?? {}
  return isInPlace(hit) && part === 'body' && (method === 'basic.deliver' || method === 'basic.get-ok')
}

/** What no frame may look like, and the end of what is said. */
function isMustNotice(hit: Hit): boolean {
  const { part } = hit.place ?? {}
  if (!changes(hit)) return false
  if (hit.mutation?.kind === 'truncate' || hit.mutation?.kind === 'end') return true
  return isInPlace(hit) && (part === 'frame-end' || part === 'heartbeat' || part === 'frame type')
}

/** The body that was hit differs in that octet, and nothing else of its message does. */
function faultsOfBody(session: CheckedSession, each: Handed): string[] {
  const published = session.published[numberOf(each) ?? -1]
  if (published === undefined) return [`an octet of a body makes another message: ${inspect(each)}`]
  const apart = octetsApart(each.body, published.message.body)
  const others = differences(each, published.message).filter(what => what !== 'body' && what !== 'digest')
  if (others.length > 0 || apart > 1)
    return [`an octet of a body changes ${apart} octets, ${others.join(', ')}`]
  return []
}

/** Properties say what they like, and a body is all of one that was published. */
function faultsOfHeader({ published }: CheckedSession, { body }: Handed): string[] {
  if (published.some(({ message }) => message.body.equals(body))) return []
  return [`an octet of a content header changes a body: ${inspect(body)}`]
}

/** No tag twice on a channel; no message twice, nor out of order, unless the broker says that it delivers again. */
function faultsOfOrder(session: CheckedSession): string[] {
  const faults: string[] = []
  const wrong = new Set(strange(session))
  const tags = new Set<string>()
  const last = new Map<string, number>()
  for (const each of session.handed) {
    const tag = `${each.by === 'handled' ? 'the confirming' : 'the plain'} channel ${each.deliveryTag}`
    if (tags.has(tag)) faults.push(`a delivery tag twice: ${tag}`)
    tags.add(tag)
    const number = numberOf(each)
    if (number === undefined || each.redelivered || wrong.has(each)) continue
    const before = last.get(each.by) ?? -1
    if (number <= before) faults.push(`message ${number} behind ${before} (${each.by})`)
    last.set(each.by, number)
  }
  return faults
}

/** Nothing is confirmed, or returned, that the broker has not confirmed, or returned, as its octets say now. */
function faultsOfConfirms({ session, outcomes }: Ended, hit: Hit): string[] {
  const faults: string[] = []
  const { place } = hit
  const isHeard =
    place?.method !== 'basic.ack' && place?.method !== 'basic.nack' && place?.method !== 'basic.return'
  const published = session.published.filter(({ confirmTag }) => confirmTag !== undefined).length
  const accepted = acceptedTags(mapOfChanged(hit), published)
  const publishes = outcomes.filter(({ what }) => what === 'publish')
  session.published.forEach(({ confirmTag, message }, number) => {
    const outcome = publishes[number]
    if (confirmTag === undefined || outcome === undefined) return
    const isConfirmed = outcome.state === 'resolved'
    const isNowhere = message.routingKey === NOWHERE
    if (isConfirmed && !accepted.has(confirmTag))
      faults.push(`message ${number} is told as confirmed and is not`)
    // What a return says, or when a confirm comes, may have become something else.
    if (isConfirmed && isNowhere && isHeard) faults.push(`message ${number} went nowhere`)
    if (verdictOf(outcome) === 'AMQP_RETURNED' && !isNowhere)
      faults.push(`message ${number} is told as returned and is not`)
  })
  return faults
}

/** What the client was told: an argument that was changed in place can be read, all else breaks the frames. */
function mapOfChanged(hit: Hit): StreamMap {
  const { mutation, said, map, place } = hit
  const isArgument = place?.part === 'method' || place?.part === 'confirm'
  if (mutation === undefined || !isInPlace(hit) || !isArgument) return map
  return StreamMap.of(new Mutator([mutation]).mutate(said))
}

/** The tags that the broker has accepted, of so many. */
function acceptedTags(map: StreamMap, published: number): ReadonlySet<number> {
  const accepted = new Set<number>()
  const answered = new Set<number>()
  for (const { deliveryTag, multiple, accepted: isAck } of map.confirmsOn(CONFIRMING)) {
    // Tag 0 with `multiple` is everything so far; beyond the last there is nothing to confirm.
    const last = deliveryTag === 0 && multiple ? published : deliveryTag
    if (last > published) continue
    for (let tag = multiple ? 1 : last; tag <= last; tag++) {
      if (!answered.has(tag) && isAck) accepted.add(tag)
      answered.add(tag)
    }
  }
  return accepted
}

function outcomesApart(one: Ended, other: Ended): string[] {
  const expected = other.outcomes.map(describeOutcome).sort()
  const found = one.outcomes.map(describeOutcome).sort()
  const missing = [...expected]
  const surplus: string[] = []
  for (const each of found) {
    const at = missing.indexOf(each)
    if (at >= 0) missing.splice(at, 1)
    else surplus.push(each)
  }
  return [...surplus, ...missing.map(each => `${each} (missing)`)]
}
