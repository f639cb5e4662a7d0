// A message that came back (basic.return, spec 1.8.3.9): mandatory, and no queue took it.

import type { MessageProperties } from './properties.js'

/** What the broker sent back. Nothing was added to the message. */
export interface ReturnedMessage {
  /** 312 (NO_ROUTE) on RabbitMQ. */
  readonly replyCode: number
  readonly replyText: string
  readonly exchange: string
  readonly routingKey: string
  readonly properties: MessageProperties
  readonly body: Buffer
}
