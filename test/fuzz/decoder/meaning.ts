// Whether two values mean the same on the wire, and whether one cannot be sent again: what is decoded is wider than what may be
// encoded, because a peer's slips are let pass and our own are not.

import { isDeepStrictEqual } from 'node:util'

/** Equal in all that a peer could tell apart. Minus zero goes out as the integer 0. */
export function meansSame(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b) || isDeepStrictEqual(withoutMinusZero(a), withoutMinusZero(b))
}

function withoutMinusZero(value: unknown): unknown {
  if (value === 0) return 0
  if (Array.isArray(value)) return value.map(withoutMinusZero)
  if (!isTable(value)) return value
  const table: Record<string, unknown> = Object.create(null)
  for (const name of Object.keys(value)) table[name] = withoutMinusZero(value[name])
  return table
}

/** Why it may be refused for sending, if it may: nothing else of what was decoded may be refused. */
export function whyUnsendable(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'not finite'
  // Replaced octets may be more than they were, too many for a short string.
  if (typeof value === 'string') return value.includes('\ufffd') ? 'not UTF-8' : undefined
  if (Array.isArray(value)) return firstOf(value)
  return isTable(value) ? firstOf([...Object.keys(value), ...Object.values(value)]) : undefined
}

function firstOf(values: readonly unknown[]): string | undefined {
  for (const value of values) {
    const why = whyUnsendable(value)
    if (why !== undefined) return why
  }
  return undefined
}

/** Not of a class: arguments, properties or a table. */
function isTable(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
