// What the caller did wrong. It lies in the lowest layer because the codec is what finds out.

import type { ArgumentPath } from './argument-path.js'

/**
 * An argument that cannot be sent, refused before one octet is written: the connection and the channel are as
 * usable as before. `path` names it (`headers.a.b[2]`). The value itself, which may be a secret, is never
 * part of the message.
 */
export class ArgumentError extends TypeError {
  readonly code = 'AMQP_ARGUMENT'
  readonly path: string

  /** @param requirement what would have been right, after the path: "must be ..." */
  constructor(path: ArgumentPath, requirement: string) {
    const spelled = String(path)
    super(`${spelled} ${requirement}`)
    this.path = spelled
  }

  override get name(): string {
    return 'ArgumentError'
  }
}

/** The kind of a value in words, for the message of an error: it tells nothing of the content. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  if (typeof value !== 'object') return `a ${typeof value}`
  const className: unknown = Object.getPrototypeOf(value)?.constructor?.name
  return typeof className === 'string' && className !== 'Object' ? `an instance of ${className}` : 'an object'
}
