// What was asked of a system, and the one thing that becomes of it.

import type { DeliveryState, MessageProperties, Settlement } from '../../../src/protocol/index.js'
import type { ChannelAccount } from './channel-account.js'
import type { PublishAccount } from './publish-account.js'

/** A message as the application has it: delivered, fetched or returned. */
export interface Arrived {
  readonly exchange: string
  readonly routingKey: string
  readonly properties: MessageProperties
  readonly body: Buffer
}

/** One that was delivered or fetched. */
export interface Received extends Arrived {
  readonly deliveryTag: number
  readonly redelivered: boolean
  /** Messages left in the queue, of one that was fetched. */
  readonly messageCount: number | undefined
  state(): DeliveryState
  settle(settlement: Settlement): boolean
}

export type Outcome =
  | {
      readonly kind: 'replied'
      readonly messageCount?: number | undefined
      readonly queue?: string | undefined
    }
  | { readonly kind: 'got'; readonly received: Received | undefined }
  | { readonly kind: 'confirmed' }
  | { readonly kind: 'failed'; readonly error: Error }

export class Operation {
  readonly what: string
  /** Undefined for what the connection itself was asked. */
  readonly channel: ChannelAccount | undefined
  /** Of the world, when it was issued. */
  readonly issuedAt: number
  outcome: Outcome | undefined
  /** Of a publish. */
  publish: PublishAccount | undefined
  /** Nobody waits for it any more. */
  isWithdrawn = false
  readonly #then: (outcome: Outcome) => void

  constructor(
    what: string,
    channel: ChannelAccount | undefined,
    issuedAt: number,
    then: (outcome: Outcome) => void = () => {},
  ) {
    this.what = what
    this.channel = channel
    this.issuedAt = issuedAt
    this.#then = then
  }

  settle(outcome: Outcome): void {
    this.outcome = outcome
    this.#then(outcome)
  }

  toString(): string {
    return this.channel === undefined ? this.what : `${this.what} on ${this.channel}`
  }
}
