// Commands that take messages and settle them: get, consume, cancel, ack, nack, reject.

import type { Settlement } from '../../../src/protocol/index.js'
import { ConsumerAccount, type ConsumerFlags } from '../world/consumer-account.js'
import type { Outcome } from '../world/operation.js'
import type { System } from '../world/system.js'
import type { World } from '../world/world.js'
import { type Command, written } from './command.js'

interface GetParts {
  readonly pick: number
  readonly queue: number
  readonly noAck: boolean
  readonly timeoutMs: number | undefined
}

export class Get implements Command {
  readonly #parts: GetParts

  constructor(parts: GetParts) {
    this.#parts = parts
  }

  check(world: World): boolean {
    return world.usable(this.#parts.pick) !== undefined && world.queue(this.#parts.queue) !== undefined
  }

  run(world: World, system: System): void {
    const { pick, noAck, timeoutMs } = this.#parts
    const channel = world.usable(pick)
    const queue = world.queue(this.#parts.queue)
    if (channel === undefined || queue === undefined) return
    world.tallies.operations.count('basic.get')
    queue.noteTaker(channel)
    const operation = world.beginCall('basic.get', channel, outcome => {
      if (outcome.kind === 'got') world.fetch(queue, noAck, outcome.received, operation)
      // It may be answered yet, and what it brings goes back unseen.
      else queue.noteBlindness(noAck || channel.transacts)
    })
    system.call(channel, { name: 'basic.get', args: { queue: queue.name, noAck } }, operation, timeoutMs)
  }

  toString(): string {
    return written('Get', this.#parts)
  }
}

interface ConsumeParts extends ConsumerFlags {
  readonly pick: number
  readonly queue: number
}

const CONSUMERS_AT_MOST = 8

export class Consume implements Command {
  readonly #parts: ConsumeParts

  constructor(parts: ConsumeParts) {
    this.#parts = parts
  }

  check(world: World): boolean {
    const channel = world.usable(this.#parts.pick)
    const queue = world.queue(this.#parts.queue)
    return channel !== undefined && queue !== undefined && channel.consumers.size < CONSUMERS_AT_MOST
  }

  run(world: World, system: System): void {
    const { pick, noAck, noWait, prefetch } = this.#parts
    const channel = world.usable(pick)
    const queue = world.queue(this.#parts.queue)
    if (channel === undefined || queue === undefined) return
    world.tallies.operations.count('basic.consume')
    const consumer = new ConsumerAccount(channel, queue, { noAck, noWait, prefetch })
    queue.consumers.add(consumer)
    channel.consumers.add(consumer)
    queue.noteDisturbance()
    const then = (outcome: Outcome): void => {
      if (outcome.kind === 'failed') consumer.fail()
    }
    const operation = world.beginCall('basic.consume', channel, then, { noWait })
    system.consume(consumer, operation)
  }

  toString(): string {
    return written('Consume', this.#parts)
  }
}

interface CancelParts {
  readonly pick: number
  readonly consumer: number
  readonly noWait: boolean
}

export class Cancel implements Command {
  readonly #parts: CancelParts

  constructor(parts: CancelParts) {
    this.#parts = parts
  }

  check(world: World): boolean {
    return this.#consumer(world) !== undefined
  }

  run(world: World, system: System): void {
    const consumer = this.#consumer(world)
    if (consumer === undefined) return
    world.tallies.operations.count('basic.cancel')
    const noWait = this.#parts.noWait && (world.isRough || !consumer.flags.noAck)
    consumer.beginCancel(noWait)
    const operation = world.beginCall('basic.cancel', consumer.channel, undefined, { noWait })
    system.cancel(consumer, noWait, operation)
  }

  toString(): string {
    return written('Cancel', this.#parts)
  }

  #consumer(world: World): ConsumerAccount | undefined {
    const channel = world.usable(this.#parts.pick)
    const running = [...(channel?.consumers ?? [])].filter(({ isRunning }) => isRunning)
    return running[this.#parts.consumer % (running.length || 1)]
  }
}

interface SettleParts {
  readonly pick: number
  readonly settlement: Settlement
}

/** Settles a delivery that was not settled yet, or any: then the client has to say that it is too late. */
export class Settle implements Command {
  readonly #parts: SettleParts

  constructor(parts: SettleParts) {
    this.#parts = parts
  }

  check(world: World): boolean {
    return world.held(this.#parts.pick) !== undefined
  }

  run(world: World): void {
    const { pick, settlement } = this.#parts
    const held = world.held(pick)
    if (held === undefined) return
    const accepted = held.channel.settle(held, settlement, world.tick())
    world.tallies.operations.count(`basic.${settlement.kind}`)
    if (!accepted) world.tallies.outcomes.count('settled before')
  }

  toString(): string {
    return written('Settle', this.#parts)
  }
}
