// Who logs in, and how: the options `auth`, `username`, `password` and `credentials`, as one object that shows nothing when it
// is looked at. What a mechanism says is the protocol's affair.

import {
  ArgumentError,
  AUTH_NAMES,
  type AuthMechanism,
  type AuthName,
  mechanismNamed,
} from '../protocol/index.js'
import { type Check, isFunction, isObject, isShortstr } from './arguments.js'
import type { CredentialsFunction, GivenCredentials } from './credentials.js'

/** A mechanism by its name, or an object that is one. */
export type Auth = AuthName | AuthMechanism

export interface LoginOptions {
  readonly auth: Auth | readonly Auth[]
  readonly username: string
  readonly password: string
  readonly credentials: CredentialsFunction | undefined
}

export class Login {
  readonly #options: LoginOptions

  constructor(options: LoginOptions) {
    this.#options = options
  }

  /** Who is to be asked before each dial; undefined when everything is known. */
  get credentials(): CredentialsFunction | undefined {
    return this.#options.credentials
  }

  /** The mechanisms in the order of preference, with what was given, or else with what the options say. */
  mechanisms(given?: GivenCredentials): readonly AuthMechanism[] {
    const { auth } = this.#options
    const username = given?.username ?? this.#options.username
    const password = given?.password ?? this.#options.password
    return listOf(auth).map(each =>
      typeof each === 'string' ? mechanismNamed(each, username, password) : each,
    )
  }
}

export const isAuth: Check = (value, path) => {
  if (!Array.isArray(value)) return isOneAuth(value, path)
  if (value.length === 0) throw new ArgumentError(path, 'must name at least one mechanism')
  for (const [index, each] of value.entries()) isOneAuth(each, `${path}[${index}]`)
}

const isOneAuth: Check = (value, path) => {
  if (typeof value === 'string') {
    if (AUTH_NAMES.some(name => name === value)) return
    throw new ArgumentError(
      path,
      `must be one of ${AUTH_NAMES.join(', ')}, or an object for another mechanism`,
    )
  }
  isObject(value, path)
  const auth = value as Partial<AuthMechanism>
  isShortstr(auth.mechanism, `${path}.mechanism`)
  isFunction(auth.initialResponse, `${path}.initialResponse`)
  if (auth.answer !== undefined) isFunction(auth.answer, `${path}.answer`)
}

function listOf(auth: Auth | readonly Auth[]): readonly Auth[] {
  return isList(auth) ? auth : [auth]
}

/** Array.isArray does not know read-only arrays. */
function isList(auth: Auth | readonly Auth[]): auth is readonly Auth[] {
  return Array.isArray(auth)
}
