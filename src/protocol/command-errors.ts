// What is said of commands that did not get on.

import { type CallCommand, nameOf } from './channel-commands.js'
import { blockedClause, type ChannelLink } from './channel-link.js'
import { BackpressureError, CallTimeoutError } from './errors.js'

/** A call took too long. `what` did not come: a reply, or its turn. */
export function callTimedOut(call: CallCommand, what: string, link: ChannelLink): CallTimeoutError {
  const method = nameOf(call)
  const text = `${method}: ${what} within ${call.timeoutMs} ms${blockedClause(link)}`
  return new CallTimeoutError(text, { ...link.endpoint, method })
}

/** A wait for confirms that never had its turn. */
export function waitTimedOut(link: ChannelLink): CallTimeoutError {
  const { confirmTimeoutMs } = link.limits
  const text = `what was issued before was not sent within ${confirmTimeoutMs} ms${blockedClause(link)}`
  return new CallTimeoutError(`waitForConfirms: ${text}`, link.endpoint)
}

/** There is no room for a command of so many octets. `waiting`: those that are in its way. */
export function overfull(
  what: string,
  octets: number,
  waiting: number,
  link: ChannelLink,
): BackpressureError {
  const { limits, endpoint } = link
  const text = `${what} of ${octets} octets would join ${waiting} that wait to be sent; the limit is ${limits.maxBuffered}`
  return new BackpressureError(text, endpoint)
}

/** What an error adds about a publish that had no place in the window of unconfirmed ones. */
export function windowClause(outstanding: number, maxUnconfirmed: number): string {
  return outstanding < maxUnconfirmed ? '' : `; ${outstanding} others wait for the broker's confirm`
}
