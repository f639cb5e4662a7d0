// The methods of AMQP 0-9-1 and RabbitMQ's extensions, written down a second time, by hand and from the class reference:
// what the table of the source is held against. It shares nothing with the source.
//
//   who sends it   class and method id   name   arguments on the wire, bits low to high   what answers it

/** A type on the wire. Reserved arguments are told by their type alone. */
export type WireType = 'bit' | 'octet' | 'short' | 'long' | 'longlong' | 'shortstr' | 'longstr' | 'table'

export interface ExpectedMethod {
  readonly name: string
  readonly sender: 'client' | 'server' | 'both'
  readonly classId: number
  readonly methodId: number
  readonly types: readonly WireType[]
  /** Method ids, in the same class. */
  readonly replies: readonly number[]
  readonly content: boolean
}

const SENDERS = { C: 'client', S: 'server', CS: 'both' } as const

function row(
  sender: keyof typeof SENDERS,
  classId: number,
  methodId: number,
  name: string,
  types: string,
  replies: readonly number[] = [],
): ExpectedMethod {
  return {
    name,
    sender: SENDERS[sender],
    classId,
    methodId,
    types: types.split(' ').filter(type => type !== '') as WireType[],
    replies,
    content: CONTENT_METHODS.has(name),
  }
}

const CONTENT_METHODS = new Set(['basic.publish', 'basic.return', 'basic.deliver', 'basic.get-ok'])

const CLOSE = 'short shortstr short short'

// biome-ignore format: one row per method reads as the table it is
export const EXPECTED_METHODS: readonly ExpectedMethod[] = [
  row('S', 10, 10, 'connection.start', 'octet octet table longstr longstr', [11]),
  row('C', 10, 11, 'connection.start-ok', 'table shortstr longstr shortstr'),
  row('S', 10, 20, 'connection.secure', 'longstr', [21]),
  row('C', 10, 21, 'connection.secure-ok', 'longstr'),
  row('S', 10, 30, 'connection.tune', 'short long short', [31]),
  row('C', 10, 31, 'connection.tune-ok', 'short long short'),
  row('C', 10, 40, 'connection.open', 'shortstr shortstr bit', [41]),
  row('S', 10, 41, 'connection.open-ok', 'shortstr'),
  row('CS', 10, 50, 'connection.close', CLOSE, [51]),
  row('CS', 10, 51, 'connection.close-ok', ''),
  row('S', 10, 60, 'connection.blocked', 'shortstr'),
  row('S', 10, 61, 'connection.unblocked', ''),
  row('C', 10, 70, 'connection.update-secret', 'longstr shortstr', [71]),
  row('S', 10, 71, 'connection.update-secret-ok', ''),

  row('C', 20, 10, 'channel.open', 'shortstr', [11]),
  row('S', 20, 11, 'channel.open-ok', 'longstr'),
  row('CS', 20, 20, 'channel.flow', 'bit', [21]),
  row('CS', 20, 21, 'channel.flow-ok', 'bit'),
  row('CS', 20, 40, 'channel.close', CLOSE, [41]),
  row('CS', 20, 41, 'channel.close-ok', ''),

  row('C', 30, 10, 'access.request', 'shortstr bit bit bit bit bit', [11]),
  row('S', 30, 11, 'access.request-ok', 'short'),

  row('C', 40, 10, 'exchange.declare', 'short shortstr shortstr bit bit bit bit bit table', [11]),
  row('S', 40, 11, 'exchange.declare-ok', ''),
  row('C', 40, 20, 'exchange.delete', 'short shortstr bit bit', [21]),
  row('S', 40, 21, 'exchange.delete-ok', ''),
  row('C', 40, 30, 'exchange.bind', 'short shortstr shortstr shortstr bit table', [31]),
  row('S', 40, 31, 'exchange.bind-ok', ''),
  row('C', 40, 40, 'exchange.unbind', 'short shortstr shortstr shortstr bit table', [51]),
  row('S', 40, 51, 'exchange.unbind-ok', ''),

  row('C', 50, 10, 'queue.declare', 'short shortstr bit bit bit bit bit table', [11]),
  row('S', 50, 11, 'queue.declare-ok', 'shortstr long long'),
  row('C', 50, 20, 'queue.bind', 'short shortstr shortstr shortstr bit table', [21]),
  row('S', 50, 21, 'queue.bind-ok', ''),
  row('C', 50, 30, 'queue.purge', 'short shortstr bit', [31]),
  row('S', 50, 31, 'queue.purge-ok', 'long'),
  row('C', 50, 40, 'queue.delete', 'short shortstr bit bit bit', [41]),
  row('S', 50, 41, 'queue.delete-ok', 'long'),
  row('C', 50, 50, 'queue.unbind', 'short shortstr shortstr shortstr table', [51]),
  row('S', 50, 51, 'queue.unbind-ok', ''),

  row('C', 60, 10, 'basic.qos', 'long short bit', [11]),
  row('S', 60, 11, 'basic.qos-ok', ''),
  row('C', 60, 20, 'basic.consume', 'short shortstr shortstr bit bit bit bit table', [21]),
  row('S', 60, 21, 'basic.consume-ok', 'shortstr'),
  row('CS', 60, 30, 'basic.cancel', 'shortstr bit', [31]),
  row('CS', 60, 31, 'basic.cancel-ok', 'shortstr'),
  row('C', 60, 40, 'basic.publish', 'short shortstr shortstr bit bit'),
  row('S', 60, 50, 'basic.return', 'short shortstr shortstr shortstr'),
  row('S', 60, 60, 'basic.deliver', 'shortstr longlong bit shortstr shortstr'),
  row('C', 60, 70, 'basic.get', 'short shortstr bit', [71, 72]),
  row('S', 60, 71, 'basic.get-ok', 'longlong bit shortstr shortstr long'),
  row('S', 60, 72, 'basic.get-empty', 'shortstr'),
  row('CS', 60, 80, 'basic.ack', 'longlong bit'),
  row('C', 60, 90, 'basic.reject', 'longlong bit'),
  row('C', 60, 100, 'basic.recover-async', 'bit'),
  row('C', 60, 110, 'basic.recover', 'bit', [111]),
  row('S', 60, 111, 'basic.recover-ok', ''),
  row('CS', 60, 120, 'basic.nack', 'longlong bit bit'),

  row('C', 85, 10, 'confirm.select', 'bit', [11]),
  row('S', 85, 11, 'confirm.select-ok', ''),

  row('C', 90, 10, 'tx.select', '', [11]),
  row('S', 90, 11, 'tx.select-ok', ''),
  row('C', 90, 20, 'tx.commit', '', [21]),
  row('S', 90, 21, 'tx.commit-ok', ''),
  row('C', 90, 30, 'tx.rollback', '', [31]),
  row('S', 90, 31, 'tx.rollback-ok', ''),
]
