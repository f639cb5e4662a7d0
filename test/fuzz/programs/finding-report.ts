// What a finding says: what is wrong, the seed and number of the program, and the program, made as short as a few more runs can.

import type { Command } from '../../model/commands/command.js'
import { Tallies } from '../../model/world/tallies.js'
import type { Program } from './program.js'
import type { Site } from './site.js'

/** A run takes a tenth of a second, more if it waits for what does not come. */
const RUNS_AT_MOST = 60
const SHRINK_WITHIN_MS = 30_000
const SHOWN_CHARACTERS = 12_000

export async function explain(error: unknown, program: Program, where: string, site: Site): Promise<string> {
  const shortest = await shrink(program, kindOf(error), site)
  const text = shortest.commands.map(command => `  ${command}`).join('\n')
  const what = error instanceof Error ? `${error.message}\n${error.stack}` : String(error)
  const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text
  const { length } = shortest.commands
  return `${where} (program seed ${program.seed}, pieces of ${program.chunkOctets ?? 'any'} octets): ${what}\n ${length} of ${program.commands.length} commands:\n${shown}`
}

/** Leaves out halves, quarters, … of the commands as long as something is found without them. */
async function shrink(program: Program, kind: string, site: Site): Promise<Program> {
  const deadline = performance.now() + SHRINK_WITHIN_MS
  let shortest = program
  let runs = 0
  for (
    let size = Math.ceil(program.commands.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let start = 0; start < shortest.commands.length; ) {
      if (runs++ >= RUNS_AT_MOST || performance.now() > deadline) return shortest
      const commands = without(shortest.commands, start, size)
      if ((await failureOf({ ...program, commands }, site)) === kind) shortest = { ...program, commands }
      else start += size
    }
  }
  return shortest
}

function without(commands: readonly Command[], start: number, size: number): readonly Command[] {
  return [...commands.slice(0, start), ...commands.slice(start + size)]
}

/** Undefined when nothing is found. */
async function failureOf(program: Program, site: Site): Promise<string | undefined> {
  try {
    await site.run(program, new Tallies())
    return undefined
  } catch (error) {
    return kindOf(error)
  }
}

/** What it says, but for names and numbers. */
function kindOf(error: unknown): string {
  return String(error).replaceAll(/'[^']*'|\d+/g, '')
}
