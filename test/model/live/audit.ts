// The end of a program on a live broker: everything that is held goes back, and what the queues then hold is fetched and held against
// the account, message by message: exactly those, as they were published, in the order of each publisher.

import type { Channel, Connection } from '../../../src/index.js'
import { Transaction } from '../commands/channel-commands.js'
import { Cancel } from '../commands/receive-commands.js'
import type { ChannelAccount } from '../world/channel-account.js'
import { expectThat } from '../world/finding.js'
import type { QueueAccount } from '../world/queue-account.js'
import type { World } from '../world/world.js'
import { receivedOf } from './live-calls.js'
import type { LiveSystem } from './live-system.js'

const REQUEUE = { kind: 'nack', multiple: false, requeue: true } as const

/** Returns how many messages were fetched. */
export async function audit(world: World, system: LiveSystem, connection: Connection): Promise<number> {
  await system.quiesce()
  for (const channel of world.channels) if (channel.isUsable) await retire(channel, world, system)
  await system.quiesce()
  await using auditor = await connection.openChannel()
  let fetched = 0
  for (const queue of world.queues.values()) fetched += await drain(queue, world, auditor)
  return fetched
}

/** Ends its consumers and its transaction, and gives back what it holds. */
async function retire(channel: ChannelAccount, world: World, system: LiveSystem): Promise<void> {
  const pick = world.channels.filter(({ isUsable }) => isUsable).indexOf(channel)
  for (const consumer of [...channel.consumers]) {
    if (!consumer.isRunning) continue
    const running = [...channel.consumers].filter(({ isRunning }) => isRunning)
    new Cancel({ pick, consumer: running.indexOf(consumer), noWait: false }).run(world, system)
  }
  await system.quiesce()
  const end = (name: 'tx.commit' | 'tx.rollback'): void =>
    new Transaction({ pick, name, timeoutMs: undefined }).run(world, system)
  if (channel.transacts) end('tx.rollback')
  await system.quiesce()
  for (const held of [...channel.held])
    if (held.received.state() === 'unsettled') channel.settle(held, REQUEUE, world.tick())
  if (channel.transacts) end('tx.commit')
}

async function drain(queue: QueueAccount, world: World, auditor: Channel): Promise<number> {
  const { messageCount } = await auditor.queueDeclare(queue.name, { passive: true })
  const deliveries = await Promise.all(
    Array.from({ length: messageCount + 1 }, () => auditor.get(queue.name, { noAck: true })),
  )
  const left = new Map(queue.entries.map(entry => [entry.publish.id, entry]))
  const last = new Map<ChannelAccount, number>()
  for (const delivery of deliveries) {
    if (delivery === undefined) continue
    const received = receivedOf(delivery)
    const publish = world.identify(received)
    const entry = left.get(publish.id)
    expectThat(left.delete(publish.id), () => `${publish} is in ${queue}, and must not be`)
    expectThat(entry?.presence !== 'leaving', () => `${publish} is in ${queue}, and was settled`)
    expectThat(entry?.seen !== 'yes' || received.redelivered, () => `${publish} is not marked as redelivered`)
    const before = last.get(publish.channel) ?? 0
    expectThat(before < publish.id, () => `${publish} is in ${queue} behind message ${before}`)
    last.set(publish.channel, publish.id)
  }
  for (const { publish, presence } of left.values())
    expectThat(presence !== 'in', () => `${publish} is lost: it is not in ${queue}`)
  return messageCount
}
