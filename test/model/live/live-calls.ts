// Methods as calls of the public API, and what they resolve with as outcomes.

import type { CallOptions, Channel, Delivery, QueueDeclared } from '../../../src/index.js'
import type { MethodOf } from '../../../src/protocol/index.js'
import type { Outcome, Received } from '../world/operation.js'
import type { PlainCallName } from '../world/system.js'

/** Makes a call. Its promise says what the method's reply does. */
export function callOn(
  channel: Channel,
  method: MethodOf<PlainCallName>,
  options: CallOptions,
): Promise<unknown> {
  switch (method.name) {
    case 'exchange.declare': {
      const { exchange, type, passive, durable } = method.args
      return channel.exchangeDeclare(exchange, type, { passive, durable, ...options })
    }
    case 'exchange.delete':
      return channel.exchangeDelete(method.args.exchange, options)
    case 'exchange.bind': {
      const { destination, source, routingKey } = method.args
      return channel.exchangeBind(destination, source, routingKey, {}, options)
    }
    case 'exchange.unbind': {
      const { destination, source, routingKey } = method.args
      return channel.exchangeUnbind(destination, source, routingKey, {}, options)
    }
    case 'queue.declare': {
      const { queue, passive, durable, exclusive, autoDelete, arguments: table } = method.args
      const flags = passive ? { passive } : { durable, exclusive, autoDelete, arguments: table }
      return channel.queueDeclare(queue, { ...flags, ...options })
    }
    case 'queue.bind': {
      const { queue, exchange, routingKey } = method.args
      return channel.queueBind(queue, exchange, routingKey, {}, options)
    }
    case 'queue.unbind': {
      const { queue, exchange, routingKey } = method.args
      return channel.queueUnbind(queue, exchange, routingKey, {}, options)
    }
    case 'queue.purge':
      return method.args.noWait
        ? channel.queuePurge(method.args.queue, { ...options, noWait: true })
        : channel.queuePurge(method.args.queue, options)
    case 'queue.delete':
      return channel.queueDelete(method.args.queue, options)
    case 'basic.qos':
      return channel.prefetch(method.args.prefetchCount, options)
    case 'basic.consume':
      return channel.consume(method.args.queue, options)
    case 'basic.cancel':
      throw new Error('a consumer is cancelled by what the application has of it')
    case 'basic.get':
      return channel.get(method.args.queue, { noAck: method.args.noAck, ...options })
    case 'basic.recover':
      return channel.recover(options)
    case 'confirm.select':
      return channel.confirmSelect({ noWait: method.args.noWait, ...options })
    case 'tx.select':
      return channel.txSelect(options)
    case 'tx.commit':
      return channel.txCommit(options)
    case 'tx.rollback':
      return channel.txRollback(options)
  }
}

/** The outcome that a result stands for. */
export function answerOf({ name }: MethodOf<PlainCallName>, result: unknown): Outcome {
  switch (name) {
    case 'basic.get':
      return { kind: 'got', received: result === undefined ? undefined : receivedOf(result as Delivery) }
    case 'queue.declare':
      return { kind: 'replied', ...(result as QueueDeclared) }
    case 'queue.purge':
    case 'queue.delete':
      return { kind: 'replied', messageCount: result as number | undefined }
    default:
      return { kind: 'replied' }
  }
}

export function receivedOf(delivery: Delivery): Received {
  const { exchange, routingKey, properties, body, deliveryTag, redelivered, messageCount } = delivery
  return {
    exchange,
    routingKey,
    properties,
    body,
    deliveryTag,
    redelivered,
    messageCount,
    state: () => delivery.state,
    settle: settlement => {
      if (settlement.kind === 'ack') return delivery.ack({ multiple: settlement.multiple })
      const { requeue } = settlement
      if (settlement.kind === 'reject') return delivery.reject({ requeue })
      return delivery.nack({ requeue, multiple: settlement.multiple })
    },
  }
}
