// What servers tell about themselves, kept once for all connections that are told the same: the hundreds of connections of
// a process mostly go to the nodes of one cluster, and each table of this kind takes a KiB. So it is frozen.

import type { FieldTable, FieldValue } from '../frames/index.js'

let latest: FieldTable = Object.freeze(Object.create(null) as FieldTable)

/** A table that equals the one that was read. What cannot be frozen, octets for instance, is not shared. */
export function sharedProperties(told: FieldTable): FieldTable {
  if (isSame(told, latest)) return latest
  if (!isFreezable(told)) return told
  freeze(told)
  latest = told
  return told
}

function isSame(one: FieldTable, other: FieldTable): boolean {
  const names = Object.keys(one)
  if (names.length !== Object.keys(other).length) return false
  return names.every(name => {
    const [mine, others] = [one[name], other[name]]
    return mine === others || (isTable(mine) && isTable(others) && isSame(mine, others))
  })
}

function isFreezable(table: FieldTable): boolean {
  return Object.values(table).every(value =>
    isTable(value) ? isFreezable(value) : typeof value !== 'object' || value === null,
  )
}

function freeze(table: FieldTable): void {
  for (const value of Object.values(table)) if (isTable(value)) freeze(value)
  Object.freeze(table)
}

/** A table that was read has no prototype. */
function isTable(value: FieldValue | undefined): value is FieldTable {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null
}
