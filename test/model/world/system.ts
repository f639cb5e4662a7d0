// What carries commands out and tells the world what came of them: a protocol machine and a broker in memory, or the public API and
// a live RabbitMQ.

import type { CallName, MethodOf } from '../../../src/protocol/index.js'
import type { ChannelAccount } from './channel-account.js'
import type { ConsumerAccount } from './consumer-account.js'
import type { Operation } from './operation.js'
import type { PublishAccount } from './publish-account.js'

/** Every call but those that have a command of their own. */
export type PlainCallName = Exclude<CallName, `connection.${string}` | `channel.${string}` | 'access.request'>

export interface System {
  openChannel(channel: ChannelAccount, operation: Operation): void
  call(
    channel: ChannelAccount,
    method: MethodOf<PlainCallName>,
    operation: Operation,
    timeoutMs?: number | undefined,
  ): void
  consume(consumer: ConsumerAccount, operation: Operation): void
  cancel(consumer: ConsumerAccount, noWait: boolean, operation: Operation): void
  /** Without an operation nobody asks after it. */
  publish(publish: PublishAccount, operation: Operation | undefined, timeoutMs?: number | undefined): void
  awaitConfirms(channel: ChannelAccount, operation: Operation): void
  /** Nobody waits any more for these, or for those of them that were given the means to be told so. */
  withdraw(operations: readonly Operation[]): void
  closeChannel(channel: ChannelAccount): void
  updateSecret(operation: Operation): void
  /** Does something when nothing is under way, and waits until nothing is again. */
  whenQuiet(action: () => void): void | Promise<void>
}
