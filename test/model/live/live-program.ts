// One program on a live broker, on a connection of its own: commands given one after another as they are legal, and at the end the
// account of every queue. What it declared is deleted, however it ends.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect } from '../../../src/index.js'
import { within } from '../../support/rabbitmq/deadline.js'
import { prelude } from '../commands/arbitraries.js'
import type { Command } from '../commands/command.js'
import { expectThat } from '../world/finding.js'
import type { Tallies } from '../world/tallies.js'
import { World } from '../world/world.js'
import { audit } from './audit.js'
import { LiveSystem } from './live-system.js'

export interface LiveProgram {
  /** The broker, or a proxy before it. */
  readonly url: string
  /** The broker itself: what is left over is deleted there. */
  readonly directUrl: string
  /** What names of its queues and exchanges begin with: nobody else's do. */
  readonly prefix: string
  readonly commands: readonly Command[]
  readonly tallies: Tallies
}

const END_WITHIN_MS = 20_000

/** Throws what was found. Resolves with the number of commands that were given. */
export async function runLive(program: LiveProgram): Promise<number> {
  const { url, prefix, commands, tallies } = program
  const world = new World({ isRough: false, prefix }, tallies)
  const connection = await connect(url, { connectionName: prefix })
  try {
    const system = new LiveSystem(world, connection)
    let given = 0
    for (const command of [...prelude(), ...commands]) {
      if (!command.check(world)) continue
      await command.run(world, system)
      await system.pace()
      given++
    }
    tallies.outcomes.count('left in a queue', await audit(world, system, connection))
    world.noteClosing()
    const reason = await connection.close()
    expectThat(
      reason.by === 'client' && reason.error === undefined,
      () => `the close ended with ${reason.text}`,
    )
    await nextTurn()
    system.look()
    return given
  } finally {
    await within(END_WITHIN_MS, 'the close of the connection', connection.close())
    await sweep(program, world)
  }
}

async function sweep({ directUrl, prefix }: LiveProgram, { topology, queues }: World): Promise<void> {
  const own = topology.exchanges.filter(exchange => exchange.startsWith(prefix))
  const durable = [...queues.keys()].filter(queue => topology.flagsOf(queue)?.exclusive === false)
  if (own.length + durable.length === 0) return
  await using cleaner = await connect(directUrl)
  const channel = await cleaner.openChannel()
  await Promise.all([
    ...own.map(exchange => channel.exchangeDelete(exchange)),
    ...durable.map(queue => channel.queueDelete(queue)),
  ])
}
