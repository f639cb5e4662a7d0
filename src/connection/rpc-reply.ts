// What a reply looks like on the wire. AMQP has no word for "it failed", so a failure is a reply of its own type, which
// clients in other languages can tell apart too. What it says about an error is only what was written for the caller's
// eyes: other errors may name hosts, queries and secrets.

import { ArgumentError, type Endpoint, kindOf, type PublishProperties, RpcError } from '../protocol/index.js'
import type { Body } from './channel-options.js'
import type { Delivery } from './delivery.js'
import { refuseOptions } from './rpc-arguments.js'

/** A reply with properties of its own. The correlation id is the request's. */
export interface RpcReply extends Omit<PublishProperties, 'correlationId'> {
  body: Body
}

/** The property `type` of a reply that tells of a failure; its body is the message. */
const FAILURE_TYPE = 'thump.error'
const UNSPOKEN = 'the request could not be handled'
const OWN = ['correlationId', 'mandatory']

/** The reply that the result of a handler stands for; undefined is a reply without a body. */
export function replyOf(result: unknown): RpcReply {
  if (result === undefined) return { body: '' }
  if (typeof result === 'string' || result instanceof Uint8Array) return { body: result }
  if (typeof result !== 'object' || result === null || !('body' in result)) {
    const choices = 'a string, a Buffer, a Uint8Array, { body, … } or undefined'
    throw new ArgumentError('reply', `must be ${choices}, not ${kindOf(result)} without a body`)
  }
  refuseOptions(result, OWN, 'reply')
  return result as RpcReply
}

/** The reply that tells the caller that its request failed. */
export function failureReplyOf(error: unknown): RpcReply {
  return { body: error instanceof RpcError ? error.message : UNSPOKEN, type: FAILURE_TYPE }
}

/** The failure that a reply tells of. */
export function failureIn(reply: Delivery, details: Endpoint): RpcError | undefined {
  if (reply.properties.type !== FAILURE_TYPE) return undefined
  return new RpcError(reply.body.toString(), details)
}
