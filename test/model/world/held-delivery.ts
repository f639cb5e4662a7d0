// A delivery in the application's hands, which settles it or does not.

import type { ChannelAccount } from './channel-account.js'
import type { ConsumerAccount } from './consumer-account.js'
import type { Received } from './operation.js'
import type { QueueAccount, QueueEntry } from './queue-account.js'

export class HeldDelivery {
  readonly channel: ChannelAccount
  /** Undefined for one that was fetched. */
  readonly consumer: ConsumerAccount | undefined
  readonly queue: QueueAccount
  readonly entry: QueueEntry
  readonly received: Received
  /** `unknown`: a recover was issued, or a transaction ends: some time the broker has it back, or waits for it again. */
  state: 'unsettled' | 'settled' | 'unknown' = 'unsettled'

  constructor(
    channel: ChannelAccount,
    consumer: ConsumerAccount | undefined,
    queue: QueueAccount,
    entry: QueueEntry,
    received: Received,
  ) {
    this.channel = channel
    this.consumer = consumer
    this.queue = queue
    this.entry = entry
    this.received = received
  }

  get isUnsettled(): boolean {
    return this.state === 'unsettled'
  }

  /** Its settlement was rolled back. */
  restore(): void {
    this.state = 'unsettled'
    this.entry.holder = this
    if (this.consumer !== undefined) this.consumer.unsettled++
  }

  /** It is the broker's again. */
  release(): void {
    if (this.entry.holder === this) this.entry.holder = undefined
  }
}
