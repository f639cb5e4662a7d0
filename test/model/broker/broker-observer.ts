// What the model broker tells whoever watches it: the truth about every message, to hold a client's account against.

import type { Message } from './broker-queue.js'

export interface BrokerObserver {
  /** A publish has come, in the order of its channel; it may wait to be worked on. */
  onArrival(message: Message): void
  /** It goes to these queues; `isRejected` when one of them is full. */
  onRouted(message: Message, queues: readonly string[], isRejected: boolean): void
  onConfirmed(message: Message, accepted: boolean): void
  onReturned(message: Message): void
}
