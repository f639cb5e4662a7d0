// What a client may send on a channel and when, judged already when it comes, before the broker works on it. RabbitMQ answers 504
// or 505 to some of it and lets other things pass, with replies that overtake each other; this client keeps all of it.

import type { Method } from '../../../src/protocol/method-types.js'
import { METHODS, methodRow } from '../../../src/protocol/methods.js'
import { BrokenRule } from './refusal.js'

/** Whether a method is answered by one of its own. */
export function isAnswered(method: Method): boolean {
  return 'replies' in METHODS[method.name] && !('noWait' in method.args && method.args.noWait)
}

/** Throws when `method` may not come while `unanswered` is. */
export function expectAllowedBeside(method: Method, unanswered: Method | undefined): void {
  if (unanswered === undefined || method.name === 'channel.close' || method.name === 'channel.close-ok')
    return
  if (methodRow(unanswered.name).exclusive === true)
    throw new BrokenRule(`${method.name} beside ${unanswered.name}`)
  if (isAnswered(method)) throw new BrokenRule(`${method.name} before the reply to ${unanswered.name}`)
}

/** Throws when the server never takes such a method from a client. */
export function expectFromClient({ name }: Method): void {
  if (methodRow(name).sender === 'server') throw new BrokenRule(`${name} from a client`)
}
