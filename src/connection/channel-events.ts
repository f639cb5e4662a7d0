// What a channel tells of without being asked.

import type { ReturnedMessage } from '../protocol/index.js'
import type { Delivery } from './delivery.js'
import type { FailureOutcome } from './handler-failures.js'

/** Events of a channel. None needs a listener. */
export interface ChannelEvents {
  /** A message came back that belongs to no publish that waits for its confirm: always so on a plain channel. */
  returned: [message: ReturnedMessage]
  /**
   * A consumer's handler threw or rejected, and what was done about the delivery by the consumer's `onError`. While nobody listens,
   * the first of each outcome on a channel is a process warning.
   */
  handlerError: [error: unknown, delivery: Delivery, outcome: FailureOutcome]
}
