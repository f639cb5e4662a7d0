// The command language as arbitraries, each kind with its weight: of what both systems do here, what happens in virtual time alone in
// virtual/arbitraries.ts.

import fc from 'fast-check'
import type { Settlement } from '../../../src/protocol/index.js'
import {
  AwaitConfirms,
  CloseChannel,
  ConfirmSelect,
  OpenChannel,
  Prefetch,
  Recover,
  Transaction,
} from './channel-commands.js'
import type { Command } from './command.js'
import { properties } from './message-arbitraries.js'
import { BecomeQuiet, MISTAKES, Mistake, UpdateSecret, Withdraw } from './other-commands.js'
import { BINDING_KEYS, Publish, ROUTING_KEYS } from './publish-command.js'
import { Cancel, Consume, Get, Settle } from './receive-commands.js'
import {
  Bind,
  CountQueue,
  DeclareExchange,
  DeclareQueue,
  DeleteExchange,
  DeleteQueue,
  PurgeQueue,
} from './topology-commands.js'

export type Weighted<C> = fc.WeightedArbitrary<C>

export const pick = fc.nat(1000)

/** True once in so many times. */
function oneIn(count: number): fc.Arbitrary<boolean> {
  return fc.nat(count - 1).map(number => number === 0)
}

const settlement: fc.Arbitrary<Settlement> = fc.oneof(
  fc.record({ kind: fc.constant('ack' as const), multiple: oneIn(3) }),
  fc.record({ kind: fc.constant('nack' as const), multiple: oneIn(3), requeue: fc.boolean() }),
  fc.record({ kind: fc.constant('reject' as const), requeue: fc.boolean() }),
)

const queueKind = fc.constantFrom('durable', 'durable', 'exclusive', 'named by the server', 'bounded')
const exchangeType = fc.constantFrom('direct', 'fanout', 'topic')

/** What is different in virtual time, and on a live broker. */
export interface Dialect {
  readonly size: fc.Arbitrary<number>
  readonly timeoutMs: fc.Arbitrary<number | undefined>
  /** Whether waits are given up. */
  readonly withdraws: boolean
}

/** How often which command comes, by the weight of a publish. */
export function commands({ size, timeoutMs, withdraws }: Dialect): readonly Weighted<Command>[] {
  const publish = fc.record({
    pick,
    to: fc.constantFrom('queue', 'queue', 'queue', 'exchange', 'exchange', 'nowhere'),
    destination: pick,
    routingKey: fc.constantFrom(...ROUTING_KEYS),
    mandatory: fc.boolean(),
    properties,
    size,
    asks: fc.boolean(),
    timeoutMs,
  })
  const get = fc.record({ pick, queue: pick, noAck: oneIn(3), timeoutMs })
  const prefetch = fc.constantFrom(undefined, 0, 1, 1, 2, 5, 100)
  const consume = fc.record({ pick, queue: pick, noAck: oneIn(3), noWait: oneIn(4), prefetch })
  const name = fc.constantFrom('tx.select', 'tx.commit', 'tx.commit', 'tx.rollback')
  const to = fc.constantFrom('queue', 'queue', 'queue', 'exchange')
  const bind = { pick, source: pick, destination: pick, to, routingKey: fc.constantFrom(...BINDING_KEYS) }
  return [
    { weight: 100, arbitrary: publish.map(parts => new Publish(parts)) },
    { weight: 45, arbitrary: get.map(parts => new Get(parts)) },
    { weight: 70, arbitrary: fc.record({ pick, settlement }).map(parts => new Settle(parts)) },
    { weight: 12, arbitrary: consume.map(parts => new Consume(parts)) },
    {
      weight: 8,
      arbitrary: fc.record({ pick, consumer: pick, noWait: oneIn(3) }).map(parts => new Cancel(parts)),
    },
    { weight: 12, arbitrary: fc.record({ pick, queue: pick }).map(parts => new CountQueue(parts)) },
    {
      weight: 8,
      arbitrary: fc.record({ pick, count: fc.nat(100), timeoutMs }).map(parts => new Prefetch(parts)),
    },
    { weight: 4, arbitrary: pick.map(each => new Recover({ pick: each })) },
    { weight: 10, arbitrary: pick.map(each => new AwaitConfirms({ pick: each })) },
    {
      weight: 2,
      arbitrary: fc.record({ pick, noWait: fc.boolean() }).map(parts => new ConfirmSelect(parts)),
    },
    { weight: 10, arbitrary: fc.record({ pick, name, timeoutMs }).map(parts => new Transaction(parts)) },
    { weight: 6, arbitrary: fc.boolean().map(confirm => new OpenChannel({ confirm })) },
    { weight: 2, arbitrary: pick.map(each => new CloseChannel({ pick: each })) },
    {
      weight: 4,
      arbitrary: fc
        .record({ pick, queue: pick, what: fc.constantFrom(...MISTAKES) })
        .map(parts => new Mistake(parts)),
    },
    {
      weight: withdraws ? 5 : 0,
      arbitrary: fc.array(pick, { minLength: 1, maxLength: 4 }).map(picks => new Withdraw({ picks })),
    },
    { weight: 1, arbitrary: fc.constant(new UpdateSecret()) },
    { weight: 4, arbitrary: fc.constant(new BecomeQuiet()) },
    { weight: 3, arbitrary: fc.record({ pick, kind: queueKind }).map(parts => new DeclareQueue(parts)) },
    {
      weight: 2,
      arbitrary: fc
        .record({ pick, queue: pick, waits: fc.boolean(), noWait: oneIn(4) })
        .map(parts => new PurgeQueue(parts)),
    },
    { weight: 1, arbitrary: fc.record({ pick, queue: pick }).map(parts => new DeleteQueue(parts)) },
    {
      weight: 2,
      arbitrary: fc.record({ pick, type: exchangeType }).map(parts => new DeclareExchange(parts)),
    },
    { weight: 1, arbitrary: fc.record({ pick, exchange: pick }).map(parts => new DeleteExchange(parts)) },
    {
      weight: 6,
      arbitrary: fc.record({ ...bind, undoes: oneIn(4) }).map(parts => new Bind(parts)),
    },
  ]
}

/** With what every program begins: most that can happen needs queues, a plain channel and one with confirms. */
export function prelude(): readonly Command[] {
  return [
    new OpenChannel({ confirm: false }),
    new OpenChannel({ confirm: true }),
    new BecomeQuiet(),
    new DeclareQueue({ pick: 0, kind: 'durable' }),
    new DeclareQueue({ pick: 0, kind: 'exclusive' }),
    new DeclareExchange({ pick: 0, type: 'topic' }),
    new Bind({ pick: 0, source: 0, destination: 0, to: 'queue', routingKey: 'a.#', undoes: false }),
  ]
}
