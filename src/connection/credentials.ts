// Credentials that are asked for: the `credentials` option, a function that is called each time a connection is dialled, and
// again when the password it gave is about to expire. One asking; how long it may take is the asker's affair.
//
// The function is the application's and may do anything, late too. It never runs on our stack, and what it gives is checked
// before it is used. Its values are secrets: none is in a message.

import { ArgumentError, kindOf } from '../protocol/index.js'
import { type Check, type Checks, checkOptions, isInteger, isString } from './arguments.js'

/** What a `credentials` function gives. */
export interface Credentials {
  /** Default: the `username` option. RabbitMQ does not look at it when the password is an OAuth 2 token. */
  username?: string | undefined
  /** The password, or a token in its place. */
  password: string
  /**
   * Milliseconds from now until the password expires. When four fifths of them are over, the function is asked again and
   * the broker is given the new password. Absent, with `expiresAt` absent too: it does not expire.
   */
  expiresInMs?: number | undefined
  /** The same as a moment, by the clock of this machine. */
  expiresAt?: Date | undefined
}

/** What a `credentials` function is told. */
export interface CredentialsRequest {
  /** Aborted when nobody waits for the answer any more: the time is up, or the connection is gone. */
  readonly signal: AbortSignal
}

/** The `credentials` option. */
export type CredentialsFunction = (request: CredentialsRequest) => Credentials | PromiseLike<Credentials>

/** Credentials that were checked, and how long they are good for; no limit when that is undefined. */
export interface GivenCredentials {
  readonly username: string | undefined
  readonly password: string
  readonly lifeMs: number | undefined
}

/** Who is told what became of a question, at most once, and never on the stack of whoever asked. */
export interface CredentialsOwner {
  onGiven(credentials: GivenCredentials): void
  onFailed(error: unknown): void
}

const isDate: Check = (value, path) => {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) {
    throw new ArgumentError(path, `must be a valid Date, not ${kindOf(value)}`)
  }
}

const CHECKS = {
  username: isString,
  password: isString,
  expiresInMs: isInteger(1, Number.MAX_SAFE_INTEGER),
  expiresAt: isDate,
} satisfies Checks<Credentials>

/** What the paths of errors begin with. */
const RESULT = 'credentials()'

/** Asks once. Returns what withdraws the question: its signal is aborted, and nobody is told of an answer. */
export function askCredentials(
  ask: CredentialsFunction,
  wallTime: () => number,
  owner: CredentialsOwner,
): () => void {
  const controller = new AbortController()
  const answered = Promise.resolve({ signal: controller.signal }).then(ask)
  let isOpen = true
  const settle = (tell: () => void): void => {
    if (!isOpen) return
    isOpen = false
    tell()
  }
  answered
    .then(given => checked(given, wallTime()))
    .then(
      credentials => settle(() => owner.onGiven(credentials)),
      (error: unknown) => settle(() => owner.onFailed(error)),
    )
  return () => settle(() => controller.abort(new Error('the credentials are not waited for any more')))
}

/** Throws an ArgumentError when they cannot be used. */
function checked(given: Credentials, wallTime: number): GivenCredentials {
  checkOptions(given, CHECKS, RESULT)
  const { username, password, expiresInMs, expiresAt } = given
  isString(password, `${RESULT}.password`)
  if (expiresAt === undefined) return { username, password, lifeMs: expiresInMs }
  if (expiresInMs !== undefined) {
    throw new ArgumentError(`${RESULT}.expiresAt`, 'is given beside expiresInMs: give one of them')
  }
  const lifeMs = expiresAt.getTime() - wallTime
  if (lifeMs < 1) {
    throw new ArgumentError(`${RESULT}.expiresAt`, 'is in the past, by the clock of this machine')
  }
  return { username, password, lifeMs }
}
