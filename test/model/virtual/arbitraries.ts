// Sequences in virtual time: the commands that both systems know, and what happens by itself.

import fc from 'fast-check'
import { commands, pick, prelude, type Weighted } from '../commands/arbitraries.js'
import type { Command } from '../commands/command.js'
import { virtualSize } from '../commands/message-arbitraries.js'
import { World } from '../world/world.js'
import { Happening, type HappeningParts } from './happening.js'
import { VirtualSystem, type WireParts } from './virtual-system.js'

/** Mostly as long as usual. */
const timeoutMs = fc.oneof(
  { weight: 9, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 60_000 }) },
)

const ms = fc.oneof(
  { weight: 5, arbitrary: fc.nat(100) },
  { weight: 3, arbitrary: fc.nat(3_000) },
  { weight: 1, arbitrary: fc.nat(31_000) },
)

function happening(parts: fc.Arbitrary<HappeningParts>): fc.Arbitrary<Happening> {
  return parts.map(each => new Happening(each))
}

function kind<K extends HappeningParts['kind']>(...kinds: K[]): { readonly kind: fc.Arbitrary<K> } {
  return { kind: fc.constantFrom(...kinds) }
}

/** What a good broker on a good link does. */
const CALM: readonly Weighted<Command<VirtualSystem>>[] = [
  { weight: 240, arbitrary: happening(fc.record({ ...kind('work'), pick })) },
  { weight: 60, arbitrary: happening(fc.record({ ...kind('deliver'), pick })) },
  { weight: 100, arbitrary: happening(fc.record({ ...kind('confirm'), pick, multiple: fc.boolean() })) },
  { weight: 20, arbitrary: happening(fc.record({ ...kind('time passes'), ms: fc.nat(100) })) },
  { weight: 10, arbitrary: happening(fc.record(kind('heartbeat', 'stall to broker', 'resume', 'resume'))) },
]

const ROUGH: readonly Weighted<Command<VirtualSystem>>[] = [
  { weight: 40, arbitrary: happening(fc.record({ ...kind('time passes'), ms })) },
  { weight: 10, arbitrary: happening(fc.record({ ...kind('broker closes', 'broker cancels'), pick })) },
  { weight: 6, arbitrary: happening(fc.record({ ...kind('block'), stopsReading: fc.boolean() })) },
  { weight: 6, arbitrary: happening(fc.record({ ...kind('stall to client'), octets: fc.nat(300) })) },
  {
    weight: 40,
    arbitrary: happening(fc.record(kind('unblock', 'stall to broker', 'resume', 'resume', 'heartbeat'))),
  },
  {
    weight: 8,
    arbitrary: happening(fc.record(kind('close', 'cut', 'silence', 'broker closes all', 'garbage'))),
  },
]

/** With everything that may go wrong. */
export const roughCommand: fc.Arbitrary<Command<VirtualSystem>> = fc.oneof(
  ...commands({ size: virtualSize, timeoutMs, withdraws: true }),
  ...CALM,
  ...ROUGH,
)

/** Nothing fails but what was meant to, so all that comes is known before. */
export const calmCommand: fc.Arbitrary<Command<VirtualSystem>> = fc.oneof(
  ...commands({ size: virtualSize, timeoutMs: fc.constant(undefined), withdraws: false }),
  ...CALM,
)

export const wire: fc.Arbitrary<WireParts> = fc.record({
  toBrokerMs: fc.constantFrom(0, 0, 1, 20),
  toClientMs: fc.constantFrom(0, 0, 1, 20),
  seed: fc.nat(),
})

/** A world with two channels, two queues and an exchange. */
export function begin(
  parts: WireParts,
  isRough: boolean,
): { readonly model: World; readonly real: VirtualSystem } {
  const world = new World({ isRough })
  const system = new VirtualSystem(world, parts)
  for (const command of prelude()) give(command, world, system)
  return { model: world, real: system }
}

/** Gives a command, if it is legal, and looks at what must hold always. */
export function give(command: Command<VirtualSystem>, world: World, system: VirtualSystem): void {
  if (!command.check(world)) return
  void command.run(world, system)
  system.look()
}
