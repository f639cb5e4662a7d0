// A program, as it follows from its seed.

import fc from 'fast-check'
import { commands as weighted } from '../../model/commands/arbitraries.js'
import type { Command } from '../../model/commands/command.js'
import { hugeSize, liveSize } from '../../model/commands/message-arbitraries.js'
import { Random } from '../random.js'

export interface Program {
  readonly seed: number
  readonly commands: readonly Command[]
  /** Octets that pass at a time; undefined as they come, without a proxy. */
  readonly chunkOctets: number | undefined
}

export const CHUNKS = [7, 100, 1_000, 4_096, 65_536] as const
/** Octets in pieces smaller than that take their time. */
const SMALL_CHUNK = 1_000
const CHUNKED_SHARE = 0.15
const HUGE_SHARE = 0.02
const SHORT = 60

const sizes = {
  usual: liveSize,
  small: fc.nat(300),
  huge: fc.oneof({ weight: 9, arbitrary: liveSize }, { weight: 1, arbitrary: hugeSize }),
}

const languages = {
  usual: language('usual'),
  small: language('small'),
  huge: language('huge'),
}

function language(size: keyof typeof sizes): fc.Arbitrary<Command> {
  return fc.oneof(...weighted({ size: sizes[size], timeoutMs: fc.constant(undefined), withdraws: true }))
}

export function programOf(seed: number): Program {
  const random = new Random(seed)
  const chunkOctets = random.chance(CHUNKED_SHARE) ? random.pick(CHUNKS) : undefined
  const isSmall = chunkOctets !== undefined && chunkOctets < SMALL_CHUNK
  const isHuge = chunkOctets === undefined && random.chance(HUGE_SHARE)
  const numRuns = isSmall || isHuge ? SHORT : random.between(SHORT, 10 * SHORT)
  const commands = fc.sample(languages[isSmall ? 'small' : isHuge ? 'huge' : 'usual'], { seed, numRuns })
  return { seed, commands, chunkOctets }
}
