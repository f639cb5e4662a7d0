// The method table: every class and method of AMQP 0-9-1 as RabbitMQ speaks it, one row each (spec 1.3-1.9 of
// the class reference; RabbitMQ's additions are marked "RabbitMQ"). It is the one source of truth: argument
// types are derived from it by TypeScript, the codec is built from it at load. It knows no octets and no state.
//
// Arguments stand in wire order, and an object literal keeps the order of its keys. Reserved arguments are named
// (their place counts) but have no value: the codec writes zero or empty and drops what it reads.

export type Domain =
  | 'bit'
  | 'octet'
  | 'short'
  | 'long'
  | 'longlong'
  | 'shortstr'
  | 'longstr'
  | 'table'
  | ReservedDomain

type ReservedDomain = 'reservedBit' | 'reservedShort' | 'reservedShortstr' | 'reservedLongstr'

export interface MethodRow {
  readonly classId: number
  readonly methodId: number
  /** Who may send it. The XML calls this "chassis"; RabbitMQ's JSON leaves it out. */
  readonly sender: 'client' | 'server' | 'both'
  /** The methods that may answer it; absent when nothing does. */
  readonly replies?: readonly string[]
  /** A content header and body frames follow the method frame. */
  readonly content?: true
  /** While it is outstanding nothing else may be sent on the channel: RabbitMQ answers 504. */
  readonly exclusive?: true
  readonly args: Readonly<Record<string, Domain>>
}

const CLOSE_ARGS = { replyCode: 'short', replyText: 'shortstr', classId: 'short', methodId: 'short' } as const
const TUNE_ARGS = { channelMax: 'short', frameMax: 'long', heartbeat: 'short' } as const
const BIND_EXCHANGE_ARGS = {
  ticket: 'reservedShort',
  destination: 'shortstr',
  source: 'shortstr',
  routingKey: 'shortstr',
  noWait: 'bit',
  arguments: 'table',
} as const

// biome-ignore format: one row per method reads as the table it is
export const METHODS = {
  'connection.start': { classId: 10, methodId: 10, sender: 'server', replies: ['connection.start-ok'],
    args: { versionMajor: 'octet', versionMinor: 'octet', serverProperties: 'table', mechanisms: 'longstr', locales: 'longstr' } },
  'connection.start-ok': { classId: 10, methodId: 11, sender: 'client',
    args: { clientProperties: 'table', mechanism: 'shortstr', response: 'longstr', locale: 'shortstr' } },
  'connection.secure': { classId: 10, methodId: 20, sender: 'server', replies: ['connection.secure-ok'], args: { challenge: 'longstr' } },
  'connection.secure-ok': { classId: 10, methodId: 21, sender: 'client', args: { response: 'longstr' } },
  'connection.tune': { classId: 10, methodId: 30, sender: 'server', replies: ['connection.tune-ok'], args: TUNE_ARGS },
  'connection.tune-ok': { classId: 10, methodId: 31, sender: 'client', args: TUNE_ARGS },
  'connection.open': { classId: 10, methodId: 40, sender: 'client', replies: ['connection.open-ok'],
    args: { virtualHost: 'shortstr', capabilities: 'reservedShortstr', insist: 'reservedBit' } },
  'connection.open-ok': { classId: 10, methodId: 41, sender: 'server', args: { knownHosts: 'reservedShortstr' } },
  'connection.close': { classId: 10, methodId: 50, sender: 'both', replies: ['connection.close-ok'], args: CLOSE_ARGS },
  'connection.close-ok': { classId: 10, methodId: 51, sender: 'both', args: {} },
  // RabbitMQ: connection.blocked, unblocked, update-secret.
  'connection.blocked': { classId: 10, methodId: 60, sender: 'server', args: { reason: 'shortstr' } },
  'connection.unblocked': { classId: 10, methodId: 61, sender: 'server', args: {} },
  'connection.update-secret': { classId: 10, methodId: 70, sender: 'client', replies: ['connection.update-secret-ok'],
    args: { newSecret: 'longstr', reason: 'shortstr' } },
  'connection.update-secret-ok': { classId: 10, methodId: 71, sender: 'server', args: {} },

  'channel.open': { classId: 20, methodId: 10, sender: 'client', replies: ['channel.open-ok'], args: { outOfBand: 'reservedShortstr' } },
  'channel.open-ok': { classId: 20, methodId: 11, sender: 'server', args: { channelId: 'reservedLongstr' } },
  'channel.flow': { classId: 20, methodId: 20, sender: 'both', replies: ['channel.flow-ok'], args: { active: 'bit' } },
  'channel.flow-ok': { classId: 20, methodId: 21, sender: 'both', args: { active: 'bit' } },
  'channel.close': { classId: 20, methodId: 40, sender: 'both', replies: ['channel.close-ok'], args: CLOSE_ARGS },
  'channel.close-ok': { classId: 20, methodId: 41, sender: 'both', args: {} },

  // AMQP 0-8; RabbitMQ still answers it, with a ticket that is always 1.
  'access.request': { classId: 30, methodId: 10, sender: 'client', replies: ['access.request-ok'],
    args: { realm: 'shortstr', exclusive: 'bit', passive: 'bit', active: 'bit', write: 'bit', read: 'bit' } },
  'access.request-ok': { classId: 30, methodId: 11, sender: 'server', args: { ticket: 'short' } },

  'exchange.declare': { classId: 40, methodId: 10, sender: 'client', replies: ['exchange.declare-ok'],
    args: { ticket: 'reservedShort', exchange: 'shortstr', type: 'shortstr', passive: 'bit', durable: 'bit', autoDelete: 'bit',
      internal: 'bit', noWait: 'bit', arguments: 'table' } },
  'exchange.declare-ok': { classId: 40, methodId: 11, sender: 'server', args: {} },
  'exchange.delete': { classId: 40, methodId: 20, sender: 'client', replies: ['exchange.delete-ok'],
    args: { ticket: 'reservedShort', exchange: 'shortstr', ifUnused: 'bit', noWait: 'bit' } },
  'exchange.delete-ok': { classId: 40, methodId: 21, sender: 'server', args: {} },
  // RabbitMQ: exchange to exchange bindings. Unbind-ok is 51, not 41.
  'exchange.bind': { classId: 40, methodId: 30, sender: 'client', replies: ['exchange.bind-ok'], args: BIND_EXCHANGE_ARGS },
  'exchange.bind-ok': { classId: 40, methodId: 31, sender: 'server', args: {} },
  'exchange.unbind': { classId: 40, methodId: 40, sender: 'client', replies: ['exchange.unbind-ok'], args: BIND_EXCHANGE_ARGS },
  'exchange.unbind-ok': { classId: 40, methodId: 51, sender: 'server', args: {} },

  'queue.declare': { classId: 50, methodId: 10, sender: 'client', replies: ['queue.declare-ok'],
    args: { ticket: 'reservedShort', queue: 'shortstr', passive: 'bit', durable: 'bit', exclusive: 'bit', autoDelete: 'bit',
      noWait: 'bit', arguments: 'table' } },
  'queue.declare-ok': { classId: 50, methodId: 11, sender: 'server', args: { queue: 'shortstr', messageCount: 'long', consumerCount: 'long' } },
  'queue.bind': { classId: 50, methodId: 20, sender: 'client', replies: ['queue.bind-ok'],
    args: { ticket: 'reservedShort', queue: 'shortstr', exchange: 'shortstr', routingKey: 'shortstr', noWait: 'bit', arguments: 'table' } },
  'queue.bind-ok': { classId: 50, methodId: 21, sender: 'server', args: {} },
  'queue.purge': { classId: 50, methodId: 30, sender: 'client', replies: ['queue.purge-ok'],
    args: { ticket: 'reservedShort', queue: 'shortstr', noWait: 'bit' } },
  'queue.purge-ok': { classId: 50, methodId: 31, sender: 'server', args: { messageCount: 'long' } },
  'queue.delete': { classId: 50, methodId: 40, sender: 'client', replies: ['queue.delete-ok'],
    args: { ticket: 'reservedShort', queue: 'shortstr', ifUnused: 'bit', ifEmpty: 'bit', noWait: 'bit' } },
  'queue.delete-ok': { classId: 50, methodId: 41, sender: 'server', args: { messageCount: 'long' } },
  // The only one of the family without a no-wait bit.
  'queue.unbind': { classId: 50, methodId: 50, sender: 'client', replies: ['queue.unbind-ok'],
    args: { ticket: 'reservedShort', queue: 'shortstr', exchange: 'shortstr', routingKey: 'shortstr', arguments: 'table' } },
  'queue.unbind-ok': { classId: 50, methodId: 51, sender: 'server', args: {} },

  'basic.qos': { classId: 60, methodId: 10, sender: 'client', replies: ['basic.qos-ok'],
    args: { prefetchSize: 'long', prefetchCount: 'short', global: 'bit' } },
  'basic.qos-ok': { classId: 60, methodId: 11, sender: 'server', args: {} },
  'basic.consume': { classId: 60, methodId: 20, sender: 'client', replies: ['basic.consume-ok'],
    args: { ticket: 'reservedShort', queue: 'shortstr', consumerTag: 'shortstr', noLocal: 'bit', noAck: 'bit', exclusive: 'bit',
      noWait: 'bit', arguments: 'table' } },
  'basic.consume-ok': { classId: 60, methodId: 21, sender: 'server', args: { consumerTag: 'shortstr' } },
  // RabbitMQ: the server cancels too (consumer_cancel_notify), always with no-wait set: no reply is expected.
  'basic.cancel': { classId: 60, methodId: 30, sender: 'both', replies: ['basic.cancel-ok'], args: { consumerTag: 'shortstr', noWait: 'bit' } },
  'basic.cancel-ok': { classId: 60, methodId: 31, sender: 'both', args: { consumerTag: 'shortstr' } },
  'basic.publish': { classId: 60, methodId: 40, sender: 'client', content: true,
    args: { ticket: 'reservedShort', exchange: 'shortstr', routingKey: 'shortstr', mandatory: 'bit', immediate: 'bit' } },
  'basic.return': { classId: 60, methodId: 50, sender: 'server', content: true,
    args: { replyCode: 'short', replyText: 'shortstr', exchange: 'shortstr', routingKey: 'shortstr' } },
  'basic.deliver': { classId: 60, methodId: 60, sender: 'server', content: true,
    args: { consumerTag: 'shortstr', deliveryTag: 'longlong', redelivered: 'bit', exchange: 'shortstr', routingKey: 'shortstr' } },
  'basic.get': { classId: 60, methodId: 70, sender: 'client', replies: ['basic.get-ok', 'basic.get-empty'],
    args: { ticket: 'reservedShort', queue: 'shortstr', noAck: 'bit' } },
  'basic.get-ok': { classId: 60, methodId: 71, sender: 'server', content: true,
    args: { deliveryTag: 'longlong', redelivered: 'bit', exchange: 'shortstr', routingKey: 'shortstr', messageCount: 'long' } },
  'basic.get-empty': { classId: 60, methodId: 72, sender: 'server', args: { clusterId: 'reservedShortstr' } },
  // RabbitMQ: the server sends ack and nack as publisher confirms.
  'basic.ack': { classId: 60, methodId: 80, sender: 'both', args: { deliveryTag: 'longlong', multiple: 'bit' } },
  'basic.reject': { classId: 60, methodId: 90, sender: 'client', args: { deliveryTag: 'longlong', requeue: 'bit' } },
  'basic.recover-async': { classId: 60, methodId: 100, sender: 'client', args: { requeue: 'bit' } },
  'basic.recover': { classId: 60, methodId: 110, sender: 'client', replies: ['basic.recover-ok'], args: { requeue: 'bit' } },
  'basic.recover-ok': { classId: 60, methodId: 111, sender: 'server', args: {} },
  'basic.nack': { classId: 60, methodId: 120, sender: 'both', args: { deliveryTag: 'longlong', multiple: 'bit', requeue: 'bit' } },

  // RabbitMQ: publisher confirms.
  'confirm.select': { classId: 85, methodId: 10, sender: 'client', replies: ['confirm.select-ok'], args: { noWait: 'bit' } },
  'confirm.select-ok': { classId: 85, methodId: 11, sender: 'server', args: {} },

  'tx.select': { classId: 90, methodId: 10, sender: 'client', replies: ['tx.select-ok'], exclusive: true, args: {} },
  'tx.select-ok': { classId: 90, methodId: 11, sender: 'server', args: {} },
  'tx.commit': { classId: 90, methodId: 20, sender: 'client', replies: ['tx.commit-ok'], exclusive: true, args: {} },
  'tx.commit-ok': { classId: 90, methodId: 21, sender: 'server', args: {} },
  'tx.rollback': { classId: 90, methodId: 30, sender: 'client', replies: ['tx.rollback-ok'], exclusive: true, args: {} },
  'tx.rollback-ok': { classId: 90, methodId: 31, sender: 'server', args: {} },
} as const satisfies Record<string, MethodRow>

export type MethodName = keyof typeof METHODS

/** The row of a method, with its optional columns. */
export function methodRow(name: MethodName): MethodRow {
  return METHODS[name]
}

for (const row of Object.values(METHODS)) Object.freeze(Object.freeze(row).args)
Object.freeze(METHODS)
