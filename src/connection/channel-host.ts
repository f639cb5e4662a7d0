// What a channel and its consumers see of the connection that hosts them.

import type { Endpoint } from '../protocol/index.js'
import type { Clock } from './clock.js'
import type { PublishGate } from './publish-gate.js'
import type { ReceiveBudget } from './receive-budget.js'
import type { TurnShare } from './turn-share.js'

export interface ChannelHost {
  readonly endpoint: Endpoint
  readonly clock: Clock
  readonly publishGate: PublishGate
  readonly receiveBudget: ReceiveBudget
  readonly turnShare: TurnShare
  /** Milliseconds. */
  readonly closeTimeout: number
  now(): number
  /** The time as it was when this turn of the event loop first asked; {@link flush} must follow. */
  turnTime(): number
  /** Octets accepted for sending so far, over all channels. */
  appended(): number
  /** What a command produced leaves at the end of this turn. */
  flush(): void
}
