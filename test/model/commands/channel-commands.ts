// Commands for channels themselves: open, close, confirm mode, transactions, prefetch, recover.

import type { System } from '../world/system.js'
import type { World } from '../world/world.js'
import { type Command, written } from './command.js'

/** RabbitMQ takes more; the model looks through all of them often. */
const CHANNELS_AT_MOST = 6
/** The application tries to open one more than there may be, now and then. */
export const CHANNEL_MAX = 4

export class OpenChannel implements Command {
  readonly #confirm: boolean

  constructor({ confirm }: { readonly confirm: boolean }) {
    this.#confirm = confirm
  }

  check(world: World): boolean {
    const open = world.channels.filter(({ isClosed }) => !isClosed)
    return !world.isOver && open.length < (world.isRough ? CHANNELS_AT_MOST : CHANNEL_MAX)
  }

  run(world: World, system: System): void {
    world.tallies.operations.count('channel.open')
    const channel = world.addChannel()
    const operation = world.beginCall('channel.open', channel, outcome => {
      if (outcome.kind === 'failed') return
      world.noteOpen(channel)
      if (this.#confirm && channel.isUsable) selectConfirms(world, system, channel, false)
    })
    system.openChannel(channel, operation)
  }

  toString(): string {
    return written('OpenChannel', { confirm: this.#confirm })
  }
}

export class CloseChannel implements Command {
  readonly #pick: number

  constructor({ pick }: { readonly pick: number }) {
    this.#pick = pick
  }

  check(world: World): boolean {
    const channel = world.usable(this.#pick)
    // What is on its way to who acknowledges nothing would be lost; in good weather all is to be accounted for.
    return channel !== undefined && (world.isRough || !channel.risksLoss)
  }

  run(world: World, system: System): void {
    const channel = world.usable(this.#pick)
    if (channel === undefined) return
    world.tallies.operations.count('channel.close')
    channel.state = 'closing'
    channel.beginEnd()
    system.closeChannel(channel)
  }

  toString(): string {
    return written('CloseChannel', { pick: this.#pick })
  }
}

export class ConfirmSelect implements Command {
  readonly #parts: { readonly pick: number; readonly noWait: boolean }

  constructor(parts: { readonly pick: number; readonly noWait: boolean }) {
    this.#parts = parts
  }

  check(world: World): boolean {
    const channel = world.usable(this.#parts.pick)
    // What was published before is not confirmed, and comes back by itself.
    return channel !== undefined && !channel.transacts && (channel.confirms || channel.published.length === 0)
  }

  run(world: World, system: System): void {
    const channel = world.usable(this.#parts.pick)
    if (channel !== undefined) selectConfirms(world, system, channel, this.#parts.noWait)
  }

  toString(): string {
    return written('ConfirmSelect', this.#parts)
  }
}

function selectConfirms(
  world: World,
  system: System,
  channel: NonNullable<ReturnType<World['usable']>>,
  noWait: boolean,
): void {
  world.tallies.operations.count('confirm.select')
  channel.confirms = true
  const operation = world.beginCall('confirm.select', channel, undefined, { noWait })
  system.call(channel, { name: 'confirm.select', args: { noWait } }, operation)
}

export class AwaitConfirms implements Command {
  readonly #pick: number

  constructor({ pick }: { readonly pick: number }) {
    this.#pick = pick
  }

  check(world: World): boolean {
    return world.usable(this.#pick)?.confirms === true
  }

  run(world: World, system: System): void {
    const channel = world.usable(this.#pick)
    if (channel === undefined) return
    world.tallies.operations.count('waitForConfirms')
    system.awaitConfirms(channel, world.beginWait(channel))
  }

  toString(): string {
    return written('AwaitConfirms', { pick: this.#pick })
  }
}

type TransactionName = 'tx.select' | 'tx.commit' | 'tx.rollback'

interface TransactionParts {
  readonly pick: number
  readonly name: TransactionName
  readonly timeoutMs: number | undefined
}

export class Transaction implements Command {
  readonly #parts: TransactionParts

  constructor(parts: TransactionParts) {
    this.#parts = parts
  }

  check(world: World): boolean {
    const channel = world.usable(this.#parts.pick)
    if (channel === undefined || channel.confirms) return false
    return channel.transacts || this.#parts.name === 'tx.select'
  }

  run(world: World, system: System): void {
    const { pick, name, timeoutMs } = this.#parts
    const channel = world.usable(pick)
    if (channel === undefined) return
    world.tallies.operations.count(name)
    const { effects } = channel
    // What was issued before the select is not part of a transaction.
    const taken = name === 'tx.select' ? [] : effects.take()
    if (name === 'tx.select' && effects.kind === 'at once') {
      effects.beginTransactions()
      // What goes back unseen from now on does so at a commit.
      for (const queue of world.queues.values()) if (queue.mayHaveDelivered) queue.noteBlindness(true)
    }
    const then = (outcome: { readonly kind: string }): void => {
      if (outcome.kind === 'failed') effects.kind = 'unknown'
      for (const effect of taken) {
        if (outcome.kind === 'failed') effect.doubt()
        else if (name === 'tx.commit') effect.prove()
        else effect.drop()
      }
    }
    const operation = world.beginCall(name, channel, then, { reorders: true })
    system.call(channel, { name, args: {} }, operation, timeoutMs)
  }

  toString(): string {
    return written('Transaction', this.#parts)
  }
}

export class Prefetch implements Command {
  readonly #parts: { readonly pick: number; readonly count: number; readonly timeoutMs: number | undefined }

  constructor(parts: {
    readonly pick: number
    readonly count: number
    readonly timeoutMs: number | undefined
  }) {
    this.#parts = parts
  }

  check(world: World): boolean {
    return world.usable(this.#parts.pick) !== undefined
  }

  run(world: World, system: System): void {
    const { pick, count, timeoutMs } = this.#parts
    const channel = world.usable(pick)
    if (channel === undefined) return
    world.tallies.operations.count('basic.qos')
    const args = { prefetchSize: 0, prefetchCount: count, global: false }
    system.call(channel, { name: 'basic.qos', args }, world.beginCall('basic.qos', channel), timeoutMs)
  }

  toString(): string {
    return written('Prefetch', this.#parts)
  }
}

export class Recover implements Command {
  readonly #pick: number

  constructor({ pick }: { readonly pick: number }) {
    this.#pick = pick
  }

  check(world: World): boolean {
    return world.usable(this.#pick) !== undefined
  }

  run(world: World, system: System): void {
    const channel = world.usable(this.#pick)
    if (channel === undefined) return
    world.tallies.operations.count('basic.recover')
    channel.recover(false)
    const operation = world.beginCall('basic.recover', channel, () => channel.recover(true), {
      reorders: true,
    })
    system.call(channel, { name: 'basic.recover', args: { requeue: true } }, operation)
  }

  toString(): string {
    return written('Recover', { pick: this.#pick })
  }
}
