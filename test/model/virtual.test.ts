// Sequences of commands and misfortunes that nobody planned, in virtual time, against a broker that knows the rules. After each
// command what must hold always is looked at, and at the end everything must have come to an end and every message be accounted for.

import fc from 'fast-check'
import { runs } from '../support/runs.js'
import type { Command } from './commands/command.js'
import { begin, calmCommand, give, roughCommand, wire } from './virtual/arbitraries.js'
import type { VirtualSystem, WireParts } from './virtual/virtual-system.js'
import type { World } from './world/world.js'

/** A command as fast-check runs it. */
class Step implements fc.Command<World, VirtualSystem> {
  readonly #command: Command<VirtualSystem>

  constructor(command: Command<VirtualSystem>) {
    this.#command = command
  }

  check(world: Readonly<World>): boolean {
    return this.#command.check(world)
  }

  run(world: World, system: VirtualSystem): void {
    give(this.#command, world, system)
  }

  toString(): string {
    return String(this.#command)
  }
}

function stepsOf(
  command: fc.Arbitrary<Command<VirtualSystem>>,
): fc.Arbitrary<Iterable<fc.Command<World, VirtualSystem>>> {
  return fc.commands([command.map(each => new Step(each))], { maxCommands: 120, size: 'max' })
}

function live(parts: WireParts, steps: Iterable<fc.Command<World, VirtualSystem>>, isRough: boolean): void {
  const setup = begin(parts, isRough)
  fc.modelRun(() => setup, steps)
  setup.real.end()
}

describe('a session of ConnectionProtocol', () => {
  it('settles everything once, loses no message, breaks no rule of the broker and tells nothing after its end', () => {
    const property = fc.property(wire, stepsOf(roughCommand), (parts, steps) => live(parts, steps, true))
    fc.assert(property, runs(400))
  }).timeout(60_000)

  it('comes to what was to be expected, and nothing else, while nothing goes wrong', () => {
    const property = fc.property(wire, stepsOf(calmCommand), (parts, steps) => live(parts, steps, false))
    fc.assert(property, runs(150))
  }).timeout(60_000)
})
