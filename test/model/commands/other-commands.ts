// Commands that are about other commands: mistakes for which the broker closes the channel, waits that are given up, a new secret, and
// the wait until nothing is under way.

import type { ChannelAccount } from '../world/channel-account.js'
import type { System } from '../world/system.js'
import type { World } from '../world/world.js'
import { type Command, written } from './command.js'

export const MISTAKES = [
  'get from no queue',
  'consume from no queue',
  'ask for no queue',
  'ask for no exchange',
  'bind to no exchange',
  'publish to no exchange',
  'declare otherwise',
  'commit nothing',
] as const

type MistakeName = (typeof MISTAKES)[number]

interface MistakeParts {
  readonly pick: number
  readonly queue: number
  readonly what: MistakeName
}

const NONE = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false }

/** What the application must not ask for (404, 406). It ends the channel, and nothing else. */
export class Mistake implements Command {
  readonly #parts: MistakeParts

  constructor(parts: MistakeParts) {
    this.#parts = parts
  }

  check(world: World): boolean {
    const channel = world.usable(this.#parts.pick)
    if (channel === undefined || world.queue(this.#parts.queue) === undefined) return false
    // What is on its way to who acknowledges nothing would be lost; in good weather all is to be accounted for.
    return !channel.transacts && (world.isRough || (!channel.risksLoss && channel.calls === 0))
  }

  run(world: World, system: System): void {
    const { pick } = this.#parts
    const channel = world.usable(pick)
    if (channel === undefined) return
    world.tallies.operations.count('mistake')
    channel.expectedCode = this.#code(world)
    channel.beginEnd()
    this.#make(world, system, channel)
  }

  toString(): string {
    return written('Mistake', this.#parts)
  }

  #code(world: World): number {
    const { what, queue } = this.#parts
    if (what === 'commit nothing') return 406
    if (what !== 'declare otherwise') return 404
    // A name of the server's making may not be declared at all.
    return world.queue(queue)?.name.startsWith('amq.') === true ? 403 : 406
  }

  #make(world: World, system: System, channel: ChannelAccount): void {
    const queue = world.queue(this.#parts.queue)?.name ?? ''
    const missing = `${world.prefix}missing`
    const operation = (what: string) => world.beginCall(what, channel)
    switch (this.#parts.what) {
      case 'get from no queue':
        return system.call(
          channel,
          { name: 'basic.get', args: { queue: missing, noAck: false } },
          operation('get'),
        )
      case 'consume from no queue': {
        const flags = { noLocal: false, noAck: false, exclusive: false, noWait: false }
        const args = { queue: missing, consumerTag: 'none', ...flags, arguments: {} }
        return system.call(channel, { name: 'basic.consume', args }, operation('consume'))
      }
      case 'ask for no queue': {
        const args = { queue: missing, ...NONE, passive: true, arguments: {} }
        return system.call(channel, { name: 'queue.declare', args }, operation('declare'))
      }
      case 'ask for no exchange': {
        const flags = { passive: true, durable: true, autoDelete: false, internal: false, noWait: false }
        const args = { exchange: missing, type: 'direct', ...flags, arguments: {} }
        return system.call(channel, { name: 'exchange.declare', args }, operation('declare'))
      }
      case 'bind to no exchange': {
        const args = { queue, exchange: missing, routingKey: 'a', noWait: false, arguments: {} }
        return system.call(channel, { name: 'queue.bind', args }, operation('bind'))
      }
      case 'publish to no exchange': {
        const message = { routingKey: 'a', mandatory: false, properties: {}, body: Buffer.alloc(0) }
        const publish = world.addPublish(channel, { ...message, exchange: missing })
        return system.publish(publish, channel.confirms ? world.beginPublish(publish) : undefined)
      }
      case 'declare otherwise': {
        const args = { queue, ...NONE, autoDelete: true, arguments: {} }
        const flags = world.topology.flagsOf(queue)
        return system.call(
          channel,
          { name: 'queue.declare', args: { ...args, exclusive: flags?.exclusive === true } },
          operation('declare'),
        )
      }
      case 'commit nothing':
        return system.call(channel, { name: 'tx.commit', args: {} }, operation('commit'))
    }
  }
}

/** Nobody waits any more for some of what is under way. */
export class Withdraw implements Command {
  readonly #picks: readonly number[]

  constructor({ picks }: { readonly picks: readonly number[] }) {
    this.#picks = picks
  }

  check(world: World): boolean {
    return world.operations.size > 0
  }

  run(world: World, system: System): void {
    const waiting = [...world.operations].filter(({ isWithdrawn }) => !isWithdrawn)
    const picked = new Set(this.#picks.map(pick => waiting[pick % (waiting.length || 1)]))
    const operations = [...picked].filter(operation => operation !== undefined)
    world.tallies.operations.count('signal')
    system.withdraw(operations)
  }

  toString(): string {
    return written('Withdraw', { picks: this.#picks })
  }
}

export class UpdateSecret implements Command {
  check(world: World): boolean {
    return world.usable(0) !== undefined
  }

  run(world: World, system: System): void {
    world.tallies.operations.count('connection.update-secret')
    system.updateSecret(world.begin('connection.update-secret', undefined))
  }

  toString(): string {
    return 'UpdateSecret'
  }
}

export class BecomeQuiet implements Command {
  check(world: World): boolean {
    return !world.isOver
  }

  run(world: World, system: System): void | Promise<void> {
    world.tallies.operations.count('wait for all')
    return system.whenQuiet(() => {})
  }

  toString(): string {
    return 'BecomeQuiet'
  }
}
