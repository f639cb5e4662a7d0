// A command of the language in which programs are written: legal or not in a world as it is, and carried out by a system. It has no
// memory, so a program can be run again and cut short.

import type { System } from '../world/system.js'
import type { World } from '../world/world.js'

export interface Command<S extends System = System> {
  /** Whether it may be given now. */
  check(world: Readonly<World>): boolean
  run(world: World, system: S): void | Promise<void>
  toString(): string
}

/** How a command is written down: its name and what it was made of. */
export function written(name: string, parts: object): string {
  const text = JSON.stringify(parts, (_key, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`
    if (value instanceof Uint8Array) return `${value.length} octets`
    return value
  })
  return `${name} ${text}`
}
