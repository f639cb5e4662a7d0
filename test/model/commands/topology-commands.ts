// Commands for exchanges, queues and bindings. Where messages go must be certain, so the topology changes only when nothing is under
// way; what only asks is issued among everything else.

import type { ExchangeType, QueueFlags } from '../broker/topology.js'
import type { Operation, Outcome } from '../world/operation.js'
import type { System } from '../world/system.js'
import type { World } from '../world/world.js'
import { type Command, written } from './command.js'
import type { BINDING_KEYS } from './publish-command.js'

const QUEUES_AT_MOST = 5
const EXCHANGES_AT_MOST = 4
/** Of a queue that refuses more. */
const LENGTH_AT_MOST = 3

/** Nothing is in a transaction: what is, goes where it was routed to before. */
function isBetweenTransactions(world: World): boolean {
  return world.channels.every(({ transacts, effects }) => !transacts || effects.isEmpty)
}

type QueueKind = 'durable' | 'exclusive' | 'named by the server' | 'bounded'

export class DeclareQueue implements Command {
  readonly #parts: { readonly pick: number; readonly kind: QueueKind }

  constructor(parts: { readonly pick: number; readonly kind: QueueKind }) {
    this.#parts = parts
  }

  check(world: World): boolean {
    return world.usable(this.#parts.pick) !== undefined && world.queues.size < QUEUES_AT_MOST
  }

  run(world: World, system: System): void | Promise<void> {
    const { pick, kind } = this.#parts
    const name = kind === 'named by the server' ? '' : `${world.prefix}queue-${world.tick()}`
    const flags: QueueFlags = {
      durable: kind !== 'named by the server',
      exclusive: kind === 'exclusive' || kind === 'named by the server',
      autoDelete: false,
      maxLength: kind === 'bounded' ? LENGTH_AT_MOST : undefined,
    }
    const { maxLength, ...declared } = flags
    const table = maxLength === undefined ? {} : { 'x-max-length': maxLength, 'x-overflow': 'reject-publish' }
    const args = { queue: name, passive: false, ...declared, noWait: false, arguments: table }
    return system.whenQuiet(() => {
      const channel = world.usable(pick)
      if (channel === undefined) return
      world.tallies.operations.count('queue.declare')
      const operation = world.beginCall('queue.declare', channel, outcome => {
        if (outcome.kind === 'replied') world.addQueue(outcome.queue ?? name, flags)
      })
      system.call(channel, { name: 'queue.declare', args }, operation)
    })
  }

  toString(): string {
    return written('DeclareQueue', this.#parts)
  }
}

interface QueueParts {
  readonly pick: number
  readonly queue: number
}

/** Asks for the number of messages. */
export class CountQueue implements Command {
  readonly #parts: QueueParts

  constructor(parts: QueueParts) {
    this.#parts = parts
  }

  check(world: World): boolean {
    return world.usable(this.#parts.pick) !== undefined && world.queue(this.#parts.queue) !== undefined
  }

  run(world: World, system: System): void {
    const channel = world.usable(this.#parts.pick)
    const queue = world.queue(this.#parts.queue)
    if (channel === undefined || queue === undefined) return
    world.tallies.operations.count('queue.declare, passive')
    queue.noteTaker(channel)
    const operation = world.beginCall('queue.declare', channel, outcome => {
      if (outcome.kind === 'replied' && outcome.messageCount !== undefined)
        queue.expectDeclared(outcome.messageCount, operation.issuedAt)
    })
    const flags = { passive: true, durable: false, exclusive: false, autoDelete: false, noWait: false }
    system.call(
      channel,
      { name: 'queue.declare', args: { queue: queue.name, ...flags, arguments: {} } },
      operation,
    )
  }

  toString(): string {
    return written('CountQueue', this.#parts)
  }
}

export class PurgeQueue implements Command {
  readonly #parts: QueueParts & { readonly waits: boolean; readonly noWait: boolean }

  constructor(parts: QueueParts & { readonly waits: boolean; readonly noWait: boolean }) {
    this.#parts = parts
  }

  check(world: World): boolean {
    const isPossible =
      world.usable(this.#parts.pick) !== undefined && world.queue(this.#parts.queue) !== undefined
    return isPossible && isBetweenTransactions(world)
  }

  run(world: World, system: System): void | Promise<void> {
    const { pick, noWait } = this.#parts
    const waits = this.#parts.waits || !world.isRough
    const action = (): void => {
      const channel = world.usable(pick)
      const queue = world.queue(this.#parts.queue)
      if (channel === undefined || queue === undefined) return
      world.tallies.operations.count('queue.purge')
      queue.noteTaker(channel)
      if (!waits) queue.noteBlindness(true)
      const then = (outcome: Outcome, { issuedAt }: Operation): void => {
        if (outcome.kind === 'replied' && outcome.messageCount !== undefined)
          queue.expectCount(outcome.messageCount, issuedAt, channel)
        queue.purge(waits && outcome.kind === 'replied')
      }
      const operation = world.beginCall('queue.purge', channel, then, { noWait })
      system.call(channel, { name: 'queue.purge', args: { queue: queue.name, noWait } }, operation)
    }
    return waits ? system.whenQuiet(action) : action()
  }

  toString(): string {
    return written('PurgeQueue', this.#parts)
  }
}

export class DeleteQueue implements Command {
  readonly #parts: QueueParts

  constructor(parts: QueueParts) {
    this.#parts = parts
  }

  check(world: World): boolean {
    const isPossible = world.usable(this.#parts.pick) !== undefined && world.queues.size > 1
    return isPossible && isBetweenTransactions(world)
  }

  run(world: World, system: System): void | Promise<void> {
    return system.whenQuiet(() => {
      const channel = world.usable(this.#parts.pick)
      const queue = world.queue(this.#parts.queue)
      if (channel === undefined || queue === undefined) return
      world.tallies.operations.count('queue.delete')
      queue.noteTaker(channel)
      const operation = world.beginCall('queue.delete', channel, outcome => {
        if (outcome.kind === 'replied' && outcome.messageCount !== undefined)
          queue.expectCount(outcome.messageCount, operation.issuedAt, channel)
        if (outcome.kind === 'replied') world.removeQueue(queue)
      })
      const args = { queue: queue.name, ifUnused: false, ifEmpty: false, noWait: false }
      system.call(channel, { name: 'queue.delete', args }, operation)
    })
  }

  toString(): string {
    return written('DeleteQueue', this.#parts)
  }
}

export class DeclareExchange implements Command {
  readonly #parts: { readonly pick: number; readonly type: ExchangeType }

  constructor(parts: { readonly pick: number; readonly type: ExchangeType }) {
    this.#parts = parts
  }

  check(world: World): boolean {
    return world.usable(this.#parts.pick) !== undefined && ownExchanges(world).length < EXCHANGES_AT_MOST
  }

  run(world: World, system: System): void | Promise<void> {
    const { pick, type } = this.#parts
    return system.whenQuiet(() => {
      const channel = world.usable(pick)
      if (channel === undefined) return
      world.tallies.operations.count('exchange.declare')
      const exchange = `${world.prefix}exchange-${world.tick()}`
      const operation = world.beginCall('exchange.declare', channel, outcome => {
        if (outcome.kind === 'replied') world.topology.declareExchange(exchange, type, false)
      })
      const flags = { passive: false, durable: true, autoDelete: false, internal: false, noWait: false }
      system.call(
        channel,
        { name: 'exchange.declare', args: { exchange, type, ...flags, arguments: {} } },
        operation,
      )
    })
  }

  toString(): string {
    return written('DeclareExchange', this.#parts)
  }
}

export class DeleteExchange implements Command {
  readonly #parts: { readonly pick: number; readonly exchange: number }

  constructor(parts: { readonly pick: number; readonly exchange: number }) {
    this.#parts = parts
  }

  check(world: World): boolean {
    const isPossible = world.usable(this.#parts.pick) !== undefined && ownExchanges(world).length > 1
    return isPossible && isBetweenTransactions(world)
  }

  run(world: World, system: System): void | Promise<void> {
    return system.whenQuiet(() => {
      const channel = world.usable(this.#parts.pick)
      const own = ownExchanges(world)
      const exchange = own[this.#parts.exchange % (own.length || 1)]
      if (channel === undefined || exchange === undefined) return
      world.tallies.operations.count('exchange.delete')
      const operation = world.beginCall('exchange.delete', channel, outcome => {
        if (outcome.kind === 'replied') world.topology.deleteExchange(exchange, false)
      })
      system.call(
        channel,
        { name: 'exchange.delete', args: { exchange, ifUnused: false, noWait: false } },
        operation,
      )
    })
  }

  toString(): string {
    return written('DeleteExchange', this.#parts)
  }
}

interface BindParts {
  readonly pick: number
  readonly source: number
  readonly destination: number
  readonly to: 'queue' | 'exchange'
  readonly routingKey: (typeof BINDING_KEYS)[number]
  readonly undoes: boolean
}

/** Binds a queue or an exchange to an exchange, or takes such a binding away. */
export class Bind implements Command {
  readonly #parts: BindParts

  constructor(parts: BindParts) {
    this.#parts = parts
  }

  check(world: World): boolean {
    const isPossible = world.usable(this.#parts.pick) !== undefined && ownExchanges(world).length > 0
    return isPossible && world.queues.size > 0 && isBetweenTransactions(world)
  }

  run(world: World, system: System): void | Promise<void> {
    return system.whenQuiet(() => {
      const { pick, to, routingKey, undoes } = this.#parts
      const channel = world.usable(pick)
      const own = ownExchanges(world)
      const source = own[this.#parts.source % (own.length || 1)]
      const exchange = own[this.#parts.destination % (own.length || 1)]
      const destination = to === 'queue' ? world.queue(this.#parts.destination)?.name : exchange
      if (channel === undefined || source === undefined || destination === undefined) return
      const binding = { source, destination, to, routingKey }
      const what = `${to}.${undoes ? 'unbind' : 'bind'}` as const
      world.tallies.operations.count(what)
      const operation = world.beginCall(what, channel, outcome => {
        if (outcome.kind !== 'replied') return
        if (undoes) world.topology.unbind(binding)
        else world.topology.bind(binding)
      })
      const table = { noWait: false, arguments: {} }
      const ofQueue = { queue: destination, exchange: source, routingKey }
      if (to === 'exchange')
        system.call(
          channel,
          { name: undoes ? 'exchange.unbind' : 'exchange.bind', args: { ...binding, ...table } },
          operation,
        )
      else if (undoes)
        system.call(channel, { name: 'queue.unbind', args: { ...ofQueue, arguments: {} } }, operation)
      else system.call(channel, { name: 'queue.bind', args: { ...ofQueue, ...table } }, operation)
    })
  }

  toString(): string {
    return written('Bind', this.#parts)
  }
}

function ownExchanges({ topology }: World): readonly string[] {
  return topology.exchanges.filter(exchange => exchange !== '' && !exchange.startsWith('amq.'))
}
