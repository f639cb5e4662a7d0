// The methods of the exchange and queue classes at the model broker (spec 1.6, 1.7): what they change, and their replies.

import type { FieldTable } from '../../../src/frames/index.js'
import type { Method, MethodOf } from '../../../src/protocol/method-types.js'
import { BrokenRule } from './refusal.js'
import type { ExchangeType } from './topology.js'
import type { VirtualHost } from './virtual-host.js'

const EXCHANGE_TYPES: ReadonlySet<string> = new Set<ExchangeType>(['direct', 'fanout', 'topic'])

/** Does what a method asks for and returns its reply. Throws a Refusal, or a BrokenRule for a method that is none of these. */
export function answerDeclaration(host: VirtualHost, method: Method): Method {
  const { topology } = host
  switch (method.name) {
    case 'exchange.declare': {
      const { exchange, type, passive } = method.args
      if (!EXCHANGE_TYPES.has(type) && !passive) throw new BrokenRule(`unknown exchange type '${type}'`)
      topology.declareExchange(exchange, type as ExchangeType, passive)
      return { name: 'exchange.declare-ok', args: {} }
    }
    case 'exchange.delete':
      topology.deleteExchange(method.args.exchange, method.args.ifUnused)
      return { name: 'exchange.delete-ok', args: {} }
    case 'exchange.bind':
      topology.bind({ ...method.args, to: 'exchange' })
      return { name: 'exchange.bind-ok', args: {} }
    case 'exchange.unbind':
      topology.unbind({ ...method.args, to: 'exchange' })
      return { name: 'exchange.unbind-ok', args: {} }
    case 'queue.declare':
      return declareQueue(host, method)
    case 'queue.bind': {
      const { queue, exchange, routingKey } = method.args
      topology.bind({ source: exchange, destination: queue, to: 'queue', routingKey })
      return { name: 'queue.bind-ok', args: {} }
    }
    case 'queue.unbind': {
      const { queue, exchange, routingKey } = method.args
      topology.unbind({ source: exchange, destination: queue, to: 'queue', routingKey })
      return { name: 'queue.unbind-ok', args: {} }
    }
    case 'queue.purge':
      return { name: 'queue.purge-ok', args: { messageCount: host.queue(method.args.queue).purge() } }
    case 'queue.delete': {
      const { queue, ifUnused, ifEmpty } = method.args
      const messageCount = host.deleteQueue(queue, ifUnused, ifEmpty)
      return { name: 'queue.delete-ok', args: { messageCount } }
    }
    default:
      throw new BrokenRule(`${method.name} is not taken here`)
  }
}

function declareQueue(host: VirtualHost, { args }: MethodOf<'queue.declare'>): Method {
  const { queue, passive, durable, exclusive, autoDelete } = args
  const flags = { durable, exclusive, autoDelete, maxLength: maxLengthIn(args.arguments) }
  const { name, ready, consumerCount } = host.declareQueue(queue, flags, passive)
  return { name: 'queue.declare-ok', args: { queue: name, messageCount: ready.length, consumerCount } }
}

function maxLengthIn(table: FieldTable): number | undefined {
  const maxLength = table['x-max-length']
  return typeof maxLength === 'number' && table['x-overflow'] === 'reject-publish' ? maxLength : undefined
}
