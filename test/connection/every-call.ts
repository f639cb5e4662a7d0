// Every call of a channel, one row each, for tests of what they have in common; and a peer that answers all of them.

import type { Channel } from '../../src/index.js'
import type { Method } from '../../src/protocol/method-types.js'
import { METHODS, type MethodName, type MethodRow } from '../../src/protocol/methods.js'

/** The part of a scripted peer that answers. */
interface AnsweringPeer {
  on(name: MethodName, answer: (received: { channelNumber: number; method: Method }) => void): void
  send(channelNumber: number, method: Method): void
}

/** Limits that any call takes. */
export interface Limits {
  readonly signal?: AbortSignal
  readonly timeout?: number
}

export interface ChannelCall {
  /** The name of the method of Channel. */
  readonly name: string
  /** What it is on the wire. */
  readonly method: MethodName
  /** Whether it has a no-wait form. */
  readonly mayGoUnanswered: boolean
  run(channel: Channel, limits?: Limits & { readonly noWait?: true }): Promise<unknown>
}

function row(
  name: string,
  method: MethodName,
  mayGoUnanswered: boolean,
  run: (channel: Channel, limits: object) => Promise<unknown>,
): ChannelCall {
  return { name, method, mayGoUnanswered, run: (channel, limits = {}) => run(channel, limits) }
}

/** All but consume, which is two methods, and publish. */
export const CHANNEL_CALLS: readonly ChannelCall[] = [
  row('exchangeDeclare', 'exchange.declare', true, (channel, limits) =>
    channel.exchangeDeclare('e', 'direct', limits),
  ),
  row('exchangeDelete', 'exchange.delete', true, (channel, limits) => channel.exchangeDelete('e', limits)),
  row('exchangeBind', 'exchange.bind', true, (channel, limits) =>
    channel.exchangeBind('d', 's', 'k', {}, limits),
  ),
  row('exchangeUnbind', 'exchange.unbind', true, (channel, limits) =>
    channel.exchangeUnbind('d', 's', 'k', {}, limits),
  ),
  row('queueDeclare', 'queue.declare', true, (channel, limits) => channel.queueDeclare('q', limits)),
  row('queueBind', 'queue.bind', true, (channel, limits) => channel.queueBind('q', 'e', 'k', {}, limits)),
  row('queueUnbind', 'queue.unbind', false, (channel, limits) =>
    channel.queueUnbind('q', 'e', 'k', {}, limits),
  ),
  row('queuePurge', 'queue.purge', true, (channel, limits) => channel.queuePurge('q', limits)),
  row('queueDelete', 'queue.delete', true, (channel, limits) => channel.queueDelete('q', limits)),
  row('prefetch', 'basic.qos', false, (channel, limits) => channel.prefetch(5, limits)),
  row('get', 'basic.get', false, (channel, limits) => channel.get('q', limits)),
  row('recover', 'basic.recover', false, (channel, limits) => channel.recover(limits)),
  row('confirmSelect', 'confirm.select', true, (channel, limits) => channel.confirmSelect(limits)),
  row('txSelect', 'tx.select', false, (channel, limits) => channel.txSelect(limits)),
  row('txCommit', 'tx.commit', false, (channel, limits) => channel.txCommit(limits)),
  row('txRollback', 'tx.rollback', false, (channel, limits) => channel.txRollback(limits)),
]

const ZERO: Readonly<Record<string, unknown>> = {
  bit: false,
  shortstr: '',
  table: {},
  longstr: Buffer.alloc(0),
}

/** The reply that says yes and nothing else; to basic.get, that there is no message. */
export function replyTo(name: MethodName): Method {
  const row: MethodRow = METHODS[name]
  const reply = row.replies?.at(-1) as MethodName
  const args = Object.entries<string>(METHODS[reply].args)
    .filter(([, domain]) => !domain.startsWith('reserved'))
    .map(([argument, domain]) => [argument, ZERO[domain] ?? 0])
  return { name: reply, args: Object.fromEntries(args) } as Method
}

/** From here on the peer answers every call, unless it goes unanswered, and notes what it was asked. */
export function answerAll(peer: AnsweringPeer): Method[] {
  const asked: Method[] = []
  for (const [name, row] of Object.entries<MethodRow>(METHODS)) {
    if (row.sender === 'server' || row.replies === undefined || name === 'connection.open') continue
    peer.on(name as MethodName, ({ channelNumber, method }) => {
      asked.push(method)
      const goesUnanswered = 'noWait' in method.args && method.args.noWait
      if (!goesUnanswered) peer.send(channelNumber, replyTo(method.name))
    })
  }
  return asked
}

/** Without the prototypes that received tables do not have. */
export function plain(args: object): unknown {
  return structuredClone(args)
}
