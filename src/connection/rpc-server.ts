// The answering side of request and reply: a consumer whose handler's result goes back to whoever asked. It works for every
// requester that sends `reply-to`, whether that names RabbitMQ's pseudo-queue or a queue.

import { ArgumentError } from '../protocol/index.js'
import { Channel } from './channel.js'
import { type Body, type ConsumeOptions, checkHandler } from './channel-options.js'
import type { Consumer } from './consumer.js'
import { handled } from './deferred.js'
import type { Delivery } from './delivery.js'
import { refuseOptions } from './rpc-arguments.js'
import { failureReplyOf, type RpcReply, replyOf } from './rpc-reply.js'

/** Options of {@link serveRpc}: those of a consumer, except how requests are settled. */
export type RpcServerOptions = Omit<ConsumeOptions, 'noAck' | 'autoSettle' | 'onError'>

/** What a handler answers: a body, a body with properties, or nothing, which is a reply with an empty body. */
export type RpcResult = Body | RpcReply | undefined

/** A function that answers one request. */
export type RpcHandler = (request: Delivery) => RpcResult | Promise<RpcResult>

const OWN = ['noAck', 'autoSettle', 'onError']

/**
 * Consumes requests from a queue and replies with what the handler returns, to the request's `replyTo` and with its
 * `correlationId`; a request without `replyTo` is handled and not answered. The request is acknowledged when the reply has
 * been sent, on a confirm channel when it has been confirmed.
 *
 * When the handler throws, the requester is told so, with the message of an {@link RpcError} and otherwise without particulars;
 * the request is rejected, which dead-letters or drops it, and the channel's `handlerError` tells of it. A requester that is gone
 * is no failure: RabbitMQ drops its reply. When the reply cannot be sent at all, `handlerError` tells that too, and the
 * request, which has been handled, is acknowledged.
 */
export function serveRpc(channel: Channel, queue: string, handler: RpcHandler): Promise<Consumer>
export function serveRpc(
  channel: Channel,
  queue: string,
  options: RpcServerOptions | undefined,
  handler: RpcHandler,
): Promise<Consumer>
export function serveRpc(
  channel: Channel,
  queue: string,
  optionsOrHandler: RpcServerOptions | RpcHandler = {},
  handler?: RpcHandler,
): Promise<Consumer> {
  const [options, handle] =
    typeof optionsOrHandler === 'function' ? [{}, optionsOrHandler] : [optionsOrHandler, handler]
  return handled(async () => {
    if (!(channel instanceof Channel)) throw new ArgumentError('channel', 'must be a Channel')
    checkHandler(handle)
    refuseOptions(options, OWN, 'options')
    return channel.consume(queue, { ...options, onError: 'reject' }, request =>
      answer(channel, request, handle as RpcHandler),
    )
  })
}

async function answer(channel: Channel, request: Delivery, handle: RpcHandler): Promise<void> {
  const { replyTo = '' } = request.properties
  if (replyTo === '') return void (await handle(request))
  const send = (reply: RpcReply): Promise<void> => publishReply(channel, request, replyTo, reply)
  let reply: RpcReply
  try {
    reply = replyOf(await handle(request))
  } catch (error) {
    await send(failureReplyOf(error)).catch(ignore)
    throw error
  }
  try {
    await send(reply)
  } catch (error) {
    // It cannot be encoded: the handler answered wrongly. Otherwise the request is done, and doing it again no remedy.
    if (error instanceof ArgumentError) await send(failureReplyOf(error)).catch(ignore)
    else request.ack()
    throw error
  }
}

/** Never mandatory: RabbitMQ 3.10 returns what it has delivered to the requester's pseudo-queue. */
function publishReply(channel: Channel, request: Delivery, replyTo: string, reply: RpcReply): Promise<void> {
  const { correlationId } = request.properties
  const { body, ...properties } = reply
  return channel.publish('', replyTo, body, { ...properties, correlationId })
}

/** The handler's error is what is told of. */
function ignore(): void {}
