// How the parts of a channel of the model broker answer.

import type { Method } from '../../../src/protocol/method-types.js'
import type { Message } from './broker-queue.js'

export interface ReplySender {
  /** A method, with its content if it carries one. */
  send(method: Method, content?: Pick<Message, 'propertyOctets' | 'body'>): void
}
