// Options that stand for entries of an `arguments` table: RabbitMQ keeps its extensions there, under names that nothing
// checks and with types that it is particular about. One row per option; what no row names can still be given as
// `arguments`.

import { ArgumentError, type FieldTable, type FieldValue } from '../protocol/index.js'
import type { Check, Checks } from './arguments.js'

/** What one option stands for. */
export interface ArgumentRow {
  /** The name of the argument; where it depends on the type of the queue, one for each type. */
  readonly argument: string | Readonly<Record<string, string>>
  readonly check: Check
}

export type ArgumentRows<Typed> = Readonly<Record<keyof Typed, ArgumentRow>>

/** The checks of the rows, for those of all options. */
export function checksOf<Rows extends Readonly<Record<string, ArgumentRow>>>(rows: Rows): Checks<Rows> {
  const checks = Object.entries(rows).map(([option, { check }]) => [option, check])
  return Object.fromEntries(checks) as Checks<Rows>
}

/** The table to send: the open `arguments` and the typed options under their names. Both must have passed their checks. */
export function argumentsOf(
  options: { readonly arguments?: FieldTable | undefined },
  rows: Readonly<Record<string, ArgumentRow>>,
): FieldTable {
  const table: FieldTable = { ...options.arguments }
  for (const [option, { argument }] of Object.entries(rows)) {
    const value = (options as Readonly<Record<string, FieldValue>>)[option]
    if (value === undefined) continue
    const name = typeof argument === 'string' ? argument : nameFor(argument, table, option)
    if (table[name] !== undefined) {
      throw new ArgumentError(
        `options.${option}`,
        `must not be given together with options.arguments["${name}"]`,
      )
    }
    table[name] = value
  }
  return table
}

const QUEUE_TYPE = 'x-queue-type'

/** Rows stand in order: that of the queue type before those whose names depend on it. */
function nameFor(names: Readonly<Record<string, string>>, table: FieldTable, option: string): string {
  const type = table[QUEUE_TYPE]
  const name = typeof type === 'string' && Object.hasOwn(names, type) ? names[type] : undefined
  if (name !== undefined) return name
  const types = Object.keys(names).join(' or ')
  throw new ArgumentError(
    `options.${option}`,
    `needs options.type to be ${types}: the argument has another name for each`,
  )
}
