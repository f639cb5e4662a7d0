// Checks of what applications pass in, before anything is encoded. Each throws an ArgumentError that names the argument
// by its path and never prints its value.

import { ArgumentError, kindOf } from '../protocol/index.js'

/** A check of one value under its path. */
export type Check = (value: unknown, path: string) => void

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

/** A whole number in a range, both ends included. */
export function isInteger(least: number, most: number): Check {
  return (value, path) => {
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
      throw new ArgumentError(path, `must be a whole number from ${least} to ${most}`)
    }
  }
}

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
