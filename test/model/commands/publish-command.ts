// The command that publishes: to a queue by its name, to an exchange with a key that some binding may match, or to nowhere.

import type { PublishProperties } from '../../../src/protocol/index.js'
import type { System } from '../world/system.js'
import type { World } from '../world/world.js'
import { type Command, written } from './command.js'

export const ROUTING_KEYS = ['a', 'b', 'a.b', 'a.b.c', 'b.c'] as const
/** Of bindings: what a topic exchange reads as patterns, others take as they are. */
export const BINDING_KEYS = ['a', 'b', 'a.b', 'a.*', '*.b', 'a.#', '#', '#.c'] as const

export interface PublishParts {
  readonly pick: number
  readonly to: 'queue' | 'exchange' | 'nowhere'
  /** Which queue or exchange. */
  readonly destination: number
  readonly routingKey: (typeof ROUTING_KEYS)[number]
  readonly mandatory: boolean
  readonly properties: PublishProperties
  readonly size: number
  /** On a plain channel: whether anybody asks after it. */
  readonly asks: boolean
  readonly timeoutMs: number | undefined
}

export class Publish implements Command {
  readonly #parts: PublishParts

  constructor(parts: PublishParts) {
    this.#parts = parts
  }

  check(world: World): boolean {
    const channel = world.usable(this.#parts.pick)
    // In a transaction a full queue refuses the commit.
    return channel !== undefined && (world.isRough || !channel.transacts || !this.#mayBeRefused(world))
  }

  run(world: World, system: System): void {
    const { pick, mandatory, properties, size, asks, timeoutMs } = this.#parts
    const channel = world.usable(pick)
    if (channel === undefined) return
    world.tallies.operations.count('basic.publish')
    world.tallies.bodies.count(sizeClass(size))
    for (const value of Object.values(properties.headers ?? {})) world.tallies.fields.count(typeName(value))
    const body = Buffer.alloc(size, `${channel.index}-${world.tick()} `)
    const publish = world.addPublish(channel, { ...this.#address(world), mandatory, properties, body })
    const operation = channel.confirms || asks ? world.beginPublish(publish) : undefined
    system.publish(publish, operation, timeoutMs)
  }

  toString(): string {
    return written('Publish', this.#parts)
  }

  #mayBeRefused(world: World): boolean {
    const { exchange, routingKey } = this.#address(world)
    return [...world.topology.route(exchange, routingKey)].some(queue => world.queues.get(queue)?.isBounded)
  }

  #address(world: World): { readonly exchange: string; readonly routingKey: string } {
    const { to, destination, routingKey } = this.#parts
    const queue = to === 'queue' ? world.queue(destination) : undefined
    if (queue !== undefined) return { exchange: '', routingKey: queue.name }
    const exchanges = to === 'exchange' ? world.topology.exchanges.filter(isOwn) : []
    const exchange = exchanges[destination % (exchanges.length || 1)]
    if (exchange !== undefined) return { exchange, routingKey }
    return { exchange: '', routingKey: `${world.prefix}nowhere` }
  }
}

/** Not one that others publish to as well. */
function isOwn(exchange: string): boolean {
  return exchange !== '' && !exchange.startsWith('amq.')
}

const KIB = 1024
const SIZE_CLASSES = [
  [0, '0'],
  [100, 'up to 100'],
  [4 * KIB, 'up to 4 KiB'],
  [64 * KIB, 'up to 64 KiB'],
  [200 * KIB, 'up to 200 KiB'],
] as const

function sizeClass(size: number): string {
  return SIZE_CLASSES.find(([limit]) => size <= limit)?.[1] ?? 'up to 1 MiB'
}

function typeName(value: unknown): string {
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value
  return value.constructor?.name ?? 'table'
}
