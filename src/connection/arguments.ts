// Checks of what applications pass in, before anything is encoded. Each throws an ArgumentError that names the argument
// by its path and never prints its value.

import { ArgumentError, checkShortstr, checkTable, type FieldTable, kindOf } from '../protocol/index.js'

/** A check of one value under its path. */
export type Check = (value: unknown, path: string) => void

/** A check for each option there is, so that none can be forgotten. */
export type Checks<Options> = Readonly<Record<keyof Options, Check>>

export const isString: Check = (value, path) => {
  if (typeof value !== 'string') throw new ArgumentError(path, `must be a string, not ${kindOf(value)}`)
}

export const isBoolean: Check = (value, path) => {
  if (typeof value !== 'boolean') throw new ArgumentError(path, `must be true or false, not ${kindOf(value)}`)
}

export const isFunction: Check = (value, path) => {
  if (typeof value !== 'function') throw new ArgumentError(path, `must be a function, not ${kindOf(value)}`)
}

export const isObject: Check = (value, path) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ArgumentError(path, `must be an object, not ${kindOf(value)}`)
  }
}

/** Text that AMQP can carry as a name: at most 255 octets. */
export const isShortstr: Check = (value, path) => checkShortstr(value as string, path)

/** A table that can be sent. What cannot is named by its place inside the table. */
export const isTable: Check = (value, path) => checkTable(value as FieldTable, path)

/** Text or octets. The value is nobody's business. */
export const isSecret: Check = (value, path) => {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw new ArgumentError(path, `must be a string, a Buffer or a Uint8Array, not ${kindOf(value)}`)
  }
}

export const isSignal: Check = (value, path) => {
  if (!(value instanceof AbortSignal)) {
    throw new ArgumentError(path, `must be an AbortSignal, not ${kindOf(value)}`)
  }
}

/** A whole number in a range, both ends included. */
export function isInteger(least: number, most: number): Check {
  return (value, path) => {
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
      throw new ArgumentError(path, `must be a whole number from ${least} to ${most}`)
    }
  }
}

/** A time to wait. Timers of Node run at once beyond 2^31-1 milliseconds. */
export const isTimeout: Check = isInteger(1, 2 ** 31 - 1)

export function isOneOf(...values: readonly unknown[]): Check {
  return (value, path) => {
    if (!values.includes(value))
      throw new ArgumentError(path, `must be one of ${values.map(String).join(', ')}`)
  }
}

/** Checks the options that are set and refuses those nobody knows: a misspelt option is a silent default otherwise. */
export function checkOptions(options: object, checks: Readonly<Record<string, Check>>, path: string): void {
  isObject(options, path)
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined
    if (check === undefined) {
      throw new ArgumentError(`${path}.${name}`, `is unknown; known are ${Object.keys(checks).join(', ')}`)
    }
    if (value !== undefined) check(value, `${path}.${name}`)
  }
}
