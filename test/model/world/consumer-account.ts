// A consumer as the application sees it.

import type { ChannelAccount } from './channel-account.js'
import { expectThat } from './finding.js'
import type { QueueAccount } from './queue-account.js'

export interface ConsumerFlags {
  readonly noAck: boolean
  readonly noWait: boolean
  /** Undefined leaves the channel's setting alone. */
  readonly prefetch: number | undefined
}

export class ConsumerAccount {
  readonly channel: ChannelAccount
  readonly queue: QueueAccount
  readonly flags: ConsumerFlags
  /** `failed`: it never began, or nobody waited for that; what comes for it goes back unseen. */
  state: 'running' | 'cancelling' | 'failed' | 'ended' = 'running'
  unsettled = 0

  constructor(channel: ChannelAccount, queue: QueueAccount, flags: ConsumerFlags) {
    this.channel = channel
    this.queue = queue
    this.flags = flags
  }

  get isRunning(): boolean {
    return this.state === 'running'
  }

  /** A delivery came. */
  noteDelivery(): void {
    expectThat(
      this.state !== 'ended' && this.state !== 'failed',
      () => `a delivery to ${this}, which has ended`,
    )
    expectThat(!this.channel.isClosed, () => `a delivery on ${this.channel}, which is closed`)
  }

  noteUnsettled(): void {
    this.unsettled++
    const { prefetch } = this.flags
    // What a recover or a rollback does to it, and when, is not known here.
    const isExact = !this.channel.transacts && !this.channel.isAmbiguous
    const isTold = prefetch !== undefined && prefetch > 0 && isExact
    expectThat(
      !isTold || this.unsettled <= (prefetch ?? 0),
      () => `more than ${prefetch} unsettled at ${this}`,
    )
  }

  /** It never began, or nobody waits for that any more: what comes for it, nobody sees. */
  fail(): void {
    if (this.state === 'ended') return
    this.state = 'failed'
    this.#leave()
    this.#noteBlindness()
  }

  /** With `noWait` what comes until the cancel is answered goes back unseen. */
  beginCancel(noWait: boolean): void {
    this.state = 'cancelling'
    this.queue.mayHaveDelivered = true
    // In a transaction what goes back does so at the commit.
    if (noWait || this.channel.transacts) this.#noteBlindness()
    if (this.channel.hasCoveredUnseen) this.queue.noteBlindness(true)
  }

  /** `byServer`: the server has cancelled it, and says so behind the last delivery. */
  end(byServer: boolean): void {
    expectThat(this.state !== 'ended', () => `${this} has ended twice`)
    const hasSeenAll = byServer || (this.state === 'cancelling' && this.channel.state === 'open')
    this.state = 'ended'
    this.#leave()
    if (!hasSeenAll) this.#noteBlindness()
  }

  #noteBlindness(): void {
    this.queue.noteBlindness(this.flags.noAck || this.channel.transacts)
  }

  #leave(): void {
    this.queue.consumers.delete(this)
    this.channel.consumers.delete(this)
    this.queue.mayHaveDelivered = true
    this.queue.noteDisturbance()
  }

  toString(): string {
    return `the consumer of ${this.queue} on ${this.channel}`
  }
}
