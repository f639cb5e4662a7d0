// What happens in virtual time without the application's doing: the broker works, or does something of its own accord, time passes, the
// wire or the connection fails.

import { type Command, written } from '../commands/command.js'
import type { World } from '../world/world.js'
import type { VirtualSystem } from './virtual-system.js'

export type HappeningParts =
  | { readonly kind: 'work' | 'deliver' | 'broker closes' | 'broker cancels'; readonly pick: number }
  | { readonly kind: 'confirm'; readonly pick: number; readonly multiple: boolean }
  | { readonly kind: 'time passes'; readonly ms: number }
  | { readonly kind: 'block'; readonly stopsReading: boolean }
  | { readonly kind: 'stall to client'; readonly octets: number }
  | { readonly kind: 'unblock' | 'stall to broker' | 'resume' | 'heartbeat' }
  | { readonly kind: 'close' | 'cut' | 'silence' | 'broker closes all' | 'garbage' }

const SILENT_MS = 180_000

export class Happening implements Command<VirtualSystem> {
  readonly #parts: HappeningParts

  constructor(parts: HappeningParts) {
    this.#parts = parts
  }

  check(world: World): boolean {
    return !world.isOver
  }

  run(world: World, system: VirtualSystem): void {
    world.tallies.operations.count(this.#parts.kind)
    this.#happen(system)
  }

  toString(): string {
    return written('Happening', this.#parts)
  }

  #happen(system: VirtualSystem): void {
    const parts = this.#parts
    const { broker, toBroker, toClient } = system
    switch (parts.kind) {
      case 'work':
        return void broker.work(parts.pick)
      case 'deliver':
        return broker.deliver(parts.pick)
      case 'broker closes':
        return broker.closeChannel(parts.pick)
      case 'broker cancels':
        return broker.cancelConsumer(parts.pick)
      case 'confirm':
        return void broker.confirm(parts.pick, parts.multiple)
      case 'time passes':
        return system.advance(parts.ms)
      case 'block':
        return broker.block(parts.stopsReading)
      case 'unblock':
        return broker.unblock()
      case 'stall to broker':
        return toBroker.stall(0)
      case 'stall to client':
        return toClient.stall(parts.octets)
      case 'resume':
        toBroker.resume()
        return toClient.resume()
      case 'heartbeat':
        return system.beat()
      default:
        return end(system, parts.kind)
    }
  }
}

function end(
  system: VirtualSystem,
  kind: 'close' | 'cut' | 'silence' | 'broker closes all' | 'garbage',
): void {
  switch (kind) {
    case 'close':
      return system.close()
    case 'cut':
      return system.cut()
    case 'silence':
      system.fallSilent()
      return system.advance(SILENT_MS)
    case 'broker closes all': {
      const args = { replyCode: 320, replyText: 'CONNECTION_FORCED', classId: 0, methodId: 0 }
      return system.send(0, { name: 'connection.close', args })
    }
    case 'garbage':
      return system.sendOctets(Buffer.from([4, 0, 0, 0]))
  }
}
