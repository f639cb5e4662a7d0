// Whatever is delivered, got, settled, recovered, committed, rolled back, cancelled, withdrawn and answered late on one channel:
// what the client says of a delivery is what the broker would say if it were settled now, and nothing reaches the broker that
// it would close the channel for.

import { expect } from 'chai'
import fc from 'fast-check'
import type { ProtocolEvent, Settlement } from '../../src/protocol/events.js'
import type { SettlementMethod } from '../../src/protocol/frame-writers.js'
import type { CallName, Method, MethodOf } from '../../src/protocol/method-types.js'
import { METHODS, methodRow } from '../../src/protocol/methods.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import { runs } from '../support/runs.js'
import { NaiveSettling } from './naive-settling.js'

type Step =
  | { readonly kind: 'deliver' | 'cancel' | 'withdraw' | 'work'; readonly pick: number }
  | { readonly kind: 'settle'; readonly pick: number; readonly settlement: Settlement }
  | { readonly kind: 'consume' | 'get'; readonly noAck: boolean }
  | { readonly kind: 'call'; readonly name: 'tx.select' | 'tx.commit' | 'tx.rollback' | 'basic.recover' }
  | { readonly kind: 'cancelNoWait'; readonly pick: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'purge' | 'publish' | 'block' | 'unblock' | 'brokerCloses' }

/** A call that the client has made. */
interface Asked {
  readonly method: MethodOf<CallName>
  isOver: boolean
  /** A cancel that was sent, or failed before it was. */
  isPast?: boolean
}

/** A consumer at the broker. */
interface NaiveConsumer {
  readonly noAck: boolean
  /** False once nobody has it at the client: what it is sent goes back. */
  owned: boolean
}

const SETTLEMENTS: readonly string[] = ['basic.ack', 'basic.nack', 'basic.reject']

class Session {
  readonly #pair = ProtocolPair.opened({ heartbeat: 0 })
  readonly #channel = this.#pair.openChannel()
  readonly #broker = new NaiveSettling()
  readonly #consumers = new Map<string, NaiveConsumer>()
  /** What the broker has received and not looked at. */
  readonly #inbox: Method[] = []
  /** Settlements that the client has accepted and the broker has not received, in order. */
  #accepted: SettlementMethod[] = []
  readonly #asked: Asked[] = []
  /** Consumer tags and queues of gets whose callers were told that they failed. */
  readonly #abandoned = new Set<string>()
  #lastTag = 0
  /** Deliveries that nobody has: their get or their consumer was given up. */
  readonly #unowned: number[] = []
  #count = 0
  #received = 0
  #heard = 0
  /** Set once the channel has ended: what was unsettled then. */
  #stale: ReadonlySet<number> | undefined

  take(step: Step): void {
    if (step.kind === 'settle') this.#settle(step.pick, step.settlement)
    else if (this.#stale === undefined) this.#do(step)
    this.#look()
    this.#compare()
  }

  /** Everything is answered, a transaction ends, and what the broker waits for then can be settled, and nothing else. */
  end(ending: 'tx.commit' | 'tx.rollback'): void {
    if (this.#stale === undefined) this.take({ kind: 'unblock' })
    this.#answerAll()
    if (this.#broker.aside !== undefined && this.#stale === undefined) {
      this.take({ kind: 'call', name: ending })
      this.#answerAll()
    }
    if (this.#stale !== undefined) return
    expect(this.#accepted, 'accepted, and never sent').to.deep.equal([])
    const unacked = [...this.#broker.unacked]
    for (let tag = 1; tag <= this.#lastTag; tag++) {
      const accepted = this.#channel.settle(tag, { kind: 'reject', requeue: false })
      expect(accepted, `settling ${tag} at the end`).to.equal(unacked.includes(tag))
    }
    this.#pair.settle()
    for (const { method } of this.#pair.received.slice(this.#received) as { method: Method }[])
      this.#takeIn(method)
    expect(this.#broker.unacked).to.deep.equal([])
  }

  #do(step: Exclude<Step, { kind: 'settle' }>): void {
    const pair = this.#pair
    switch (step.kind) {
      case 'deliver':
        return this.#deliver(step.pick, false)
      case 'consume':
        return this.#consume(step.noAck)
      case 'get':
        return this.#call({ name: 'basic.get', args: { queue: `${++this.#count}`, noAck: step.noAck } })
      case 'call':
        return this.#callBy(step.name)
      case 'purge':
        return this.#call({ name: 'queue.purge', args: { queue: 'q', noWait: ++this.#count % 3 === 0 } })
      case 'cancel':
      case 'cancelNoWait':
        return this.#cancel(step.pick, step.kind === 'cancelNoWait')
      case 'withdraw':
        return this.#withdraw(step.pick)
      case 'publish':
        pair.publish(this.#channel)
        return
      case 'work':
        return this.#work(step.pick)
      case 'wait':
        return pair.advance(step.ms)
      case 'block':
        return pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
      case 'unblock':
        return pair.send(0, { name: 'connection.unblocked', args: {} })
      case 'brokerCloses': {
        const args = { replyCode: 404, replyText: 'NOT_FOUND', classId: 60, methodId: 40 }
        return pair.send(1, { name: 'channel.close', args })
      }
    }
  }

  #settle(pick: number, settlement: Settlement): void {
    // Now and then one that was never delivered.
    const deliveryTag = pick % (this.#lastTag + 2)
    const isExpected = this.#stateOf(deliveryTag, this.#foreseen()) === 'unsettled'
    if (isExpected) this.#accepted.push(methodOf(deliveryTag, settlement))
    const accepted = this.#channel.settle(deliveryTag, settlement)
    this.#pair.settle()
    expect(accepted, `settling ${deliveryTag}`).to.equal(isExpected)
  }

  #consume(noAck: boolean): void {
    const consumerTag = `c${++this.#count}`
    const flags = { exclusive: false, noWait: this.#count % 3 === 0, arguments: {} }
    const prefetch = this.#count % 2 === 0 ? 10 : undefined
    const args = { queue: 'q', consumerTag, noLocal: false, noAck, ...flags }
    const asked: Asked = { method: { name: 'basic.consume', args }, isOver: false }
    const command = { queue: 'q', consumerTag, prefetch, noAck, ...flags, consumer: {} }
    this.#asked.push(asked)
    this.#pair.run(() => this.#channel.consume(command, asked, this.#pair.now))
  }

  #callBy(name: 'tx.select' | 'tx.commit' | 'tx.rollback' | 'basic.recover'): void {
    // The broker closes the channel for a commit without a select, and rightly.
    if (name === 'basic.recover') return this.#call({ name, args: { requeue: true } })
    if (name === 'tx.select' || this.#broker.aside !== undefined) return this.#call({ name, args: {} })
  }

  #cancel(pick: number, noWait: boolean): void {
    const owned = [...this.#consumers].filter(([, { owned }]) => owned)
    const [consumerTag] = owned[pick % (owned.length || 1)] ?? []
    if (consumerTag === undefined) return
    this.#call({ name: 'basic.cancel', args: { consumerTag, noWait } })
  }

  #call(method: MethodOf<CallName>): void {
    const asked: Asked = { method, isOver: false }
    this.#asked.push(asked)
    this.#pair.run(() => this.#channel.call(method, asked, this.#pair.now))
  }

  #withdraw(pick: number): void {
    const waiting = this.#asked.filter(({ isOver }) => !isOver)
    const asked = waiting[pick % (waiting.length || 1)]
    if (asked === undefined) return
    this.#pair.run(() => this.#channel.withdraw(new Map([[asked, new Error('withdrawn')]])))
    this.#look()
    expect(asked.isOver, 'a call that was withdrawn waits').to.equal(true)
  }

  /** A message for one of the consumers. */
  #deliver(pick: number, redelivered: boolean): void {
    const consumers = [...this.#consumers]
    const [consumerTag, consumer] = consumers[pick % (consumers.length || 1)] ?? []
    if (consumerTag === undefined || consumer === undefined || this.#stale !== undefined) return
    const deliveryTag = this.#number(consumer.noAck, consumer.owned)
    const args = { consumerTag, deliveryTag, redelivered, exchange: '', routingKey: 'q' }
    this.#pair.sendContent(1, { name: 'basic.deliver', args }, Buffer.from('body'))
  }

  /** The tag of the next delivery. What nobody has at the client is handed back. */
  #number(noAck: boolean, owned: boolean): number {
    const deliveryTag = ++this.#lastTag
    if (noAck) return deliveryTag
    this.#broker.unacked.push(deliveryTag)
    if (!owned) {
      this.#unowned.push(deliveryTag)
      this.#expectGivenBack(deliveryTag)
    }
    return deliveryTag
  }

  /** What nobody has goes back. */
  #expectGivenBack(deliveryTag: number): void {
    if (!this.#foreseen().unacked.includes(deliveryTag)) return
    const args = { deliveryTag, multiple: false, requeue: true }
    this.#accepted.push({ name: 'basic.nack', args })
  }

  /** The broker takes what it has received, up to one call, and answers that. */
  #work(pick: number): void {
    for (let method = this.#inbox.shift(); method !== undefined; method = this.#inbox.shift()) {
      const { unacked } = this.#broker
      this.#takeIn(method)
      if (!isAnswered(method)) continue
      this.#answer(method, pick)
      this.#look()
      // It sends out again what it took back, some of it at once.
      if (method.name === 'basic.recover') {
        for (const tag of unacked.slice(0, pick % 4)) this.#deliver(tag, true)
      }
      return
    }
  }

  #takeIn(method: Method): void {
    if (method.name === 'basic.consume') {
      const { consumerTag, noAck } = method.args
      this.#consumers.set(consumerTag, { noAck, owned: !this.#abandoned.has(consumerTag) })
    } else if (method.name === 'basic.cancel') this.#consumers.delete(method.args.consumerTag)
    const refusal = this.#broker.take(method)
    if (refusal !== undefined) throw new Error(`406 for ${method.name}: ${refusal}`)
  }

  #answer(method: Method, pick: number): void {
    const pair = this.#pair
    if (method.name === 'basic.consume' || method.name === 'basic.cancel') {
      const { consumerTag } = method.args
      return pair.send(1, { name: `${method.name}-ok`, args: { consumerTag } })
    }
    if (method.name === 'queue.purge')
      return pair.send(1, { name: 'queue.purge-ok', args: { messageCount: 0 } })
    if (method.name === 'tx.rollback') {
      for (const deliveryTag of this.#unowned) this.#expectGivenBack(deliveryTag)
    }
    if (method.name !== 'basic.get')
      return pair.send(1, { name: `${method.name}-ok`, args: {} } as unknown as Method)
    if (pick % 4 === 0) return pair.send(1, { name: 'basic.get-empty', args: {} })
    const { queue, noAck } = method.args
    const deliveryTag = this.#number(noAck, !this.#abandoned.has(queue))
    const args = { deliveryTag, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
    pair.sendContent(1, { name: 'basic.get-ok', args }, Buffer.from('body'))
  }

  #answerAll(): void {
    for (let turns = 0; this.#stale === undefined && this.#inbox.length > 0; turns++) {
      if (turns > 10_000) throw new Error('the client never stops calling')
      this.take({ kind: 'work', pick: 1 })
    }
    this.#look()
    if (this.#stale === undefined)
      expect(
        this.#asked.every(({ isOver }) => isOver),
        'a call waits',
      ).to.equal(true)
  }

  /** What has happened since it looked last. */
  #look(): void {
    const { received, events } = this.#pair
    for (; this.#heard < events.length; this.#heard++) this.#hear(events[this.#heard] as ProtocolEvent)
    for (; this.#received < received.length; this.#received++) {
      const next = received[this.#received]
      if (next?.type === 'method') this.#receive(next.method)
    }
  }

  #hear(event: ProtocolEvent): void {
    if (event.type === 'closed') throw new Error(`the connection was closed: ${event.reason.text}`)
    if (!('token' in event)) return
    const asked = event.token as Asked
    expect(asked.isOver, `${asked.method.name} is told twice`).to.equal(false)
    asked.isOver = true
    if (event.type !== 'failed') return
    asked.isPast = true
    const { name, args } = asked.method
    if (name === 'basic.get') this.#abandoned.add(args.queue)
    if (name === 'basic.consume') this.#disown(args.consumerTag)
  }

  #disown(consumerTag: string): void {
    this.#abandoned.add(consumerTag)
    const consumer = this.#consumers.get(consumerTag)
    if (consumer !== undefined) consumer.owned = false
  }

  /** What the broker refuses already for where it stands. */
  #receive(method: Method): void {
    if (this.#stale !== undefined) throw new Error(`${method.name} behind the end of the channel`)
    if (method.name.startsWith('channel.close')) {
      this.#stale = new Set(this.#foreseen().unacked)
      return
    }
    const unanswered = this.#inbox.find(isAnswered)
    if (unanswered !== undefined && methodRow(unanswered.name).exclusive === true)
      throw new Error(`504: ${method.name} beside ${unanswered.name}`)
    if (unanswered !== undefined && isAnswered(method))
      throw new Error(`${method.name} before the reply to ${unanswered.name}`)
    if (SETTLEMENTS.includes(method.name)) expect(this.#accepted.shift()).to.deep.equal(method)
    // What was accepted and is not sent by now is not to be sent any more: the broker takes its deliveries back.
    else if (method.name === 'basic.recover') this.#accepted = []
    else if (method.name === 'basic.cancel' && this.#isUnwaited(method.args.consumerTag)) {
      const consumer = this.#consumers.get(method.args.consumerTag)
      if (consumer !== undefined) consumer.owned = false
    }
    this.#inbox.push(method)
  }

  /** Whether the cancel that is sent was asked for without waiting for an answer; on the wire all are alike. */
  #isUnwaited(consumerTag: string): boolean {
    for (const asked of this.#asked) {
      const { method } = asked
      if (method.name !== 'basic.cancel' || method.args.consumerTag !== consumerTag) continue
      if (asked.isPast === true) continue
      asked.isPast = true
      return method.args.noWait
    }
    return false
  }

  /** The broker when it has taken all that was sent and accepted so far. A rollback counts from its reply on. */
  #foreseen(): NaiveSettling {
    const foreseen = this.#broker.copy()
    for (const method of [...this.#inbox, ...this.#accepted])
      if (method.name !== 'tx.rollback') foreseen.take(method)
    return foreseen
  }

  #stateOf(deliveryTag: number, foreseen: NaiveSettling): 'unsettled' | 'settled' | 'stale' {
    if (this.#stale !== undefined) return this.#stale.has(deliveryTag) ? 'stale' : 'settled'
    return foreseen.unacked.includes(deliveryTag) ? 'unsettled' : 'settled'
  }

  #compare(): void {
    const foreseen = this.#foreseen()
    for (let tag = 0; tag <= this.#lastTag + 1; tag++) {
      expect(this.#channel.stateOf(tag), `the state of ${tag}`).to.equal(this.#stateOf(tag, foreseen))
    }
  }
}

function isAnswered(method: Method): boolean {
  const isNoWait = 'noWait' in method.args && method.args.noWait
  return !isNoWait && (METHODS[method.name] as { replies?: readonly string[] }).replies !== undefined
}

function methodOf(deliveryTag: number, settlement: Settlement): SettlementMethod {
  const { kind, ...rest } = settlement
  return { name: `basic.${kind}`, args: { deliveryTag, ...rest } } as SettlementMethod
}

const pick = fc.nat(1000)
const settlement: fc.Arbitrary<Settlement> = fc.oneof(
  fc.record({ kind: fc.constant('ack' as const), multiple: fc.boolean() }),
  fc.record({ kind: fc.constant('nack' as const), multiple: fc.boolean(), requeue: fc.boolean() }),
  fc.record({ kind: fc.constant('reject' as const), requeue: fc.boolean() }),
)
const transaction = fc.constantFrom('tx.select' as const, 'tx.commit' as const, 'tx.rollback' as const)

function picking<K extends 'deliver' | 'cancel' | 'cancelNoWait' | 'withdraw' | 'work'>(
  kind: K,
): fc.Arbitrary<Step> {
  return fc.record({ kind: fc.constant(kind), pick }) as fc.Arbitrary<Step>
}

function asking(kind: 'consume' | 'get'): fc.Arbitrary<Step> {
  return fc.record({ kind: fc.constant(kind), noAck: fc.constantFrom(false, false, true) })
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 16, arbitrary: picking('deliver') },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('settle' as const), pick, settlement }) },
  { weight: 5, arbitrary: asking('get') },
  { weight: 2, arbitrary: asking('consume') },
  { weight: 2, arbitrary: fc.oneof(picking('cancel'), picking('cancelNoWait')) },
  { weight: 9, arbitrary: fc.record({ kind: fc.constant('call' as const), name: transaction }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'call' as const, name: 'basic.recover' as const }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('purge' as const, 'publish' as const) }) },
  { weight: 18, arbitrary: picking('work') },
  { weight: 3, arbitrary: picking('withdraw') },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('block' as const, 'unblock' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(9000) }) },
)
const stepOrEnd = fc.oneof(
  { weight: 300, arbitrary: step },
  { weight: 1, arbitrary: fc.constant({ kind: 'brokerCloses' as const }) },
)
/** Two consumers to be settled and one that is not. */
const prelude: readonly Step[] = [false, false, true].flatMap(noAck => [
  { kind: 'consume', noAck },
  { kind: 'work', pick: 1 },
  { kind: 'work', pick: 1 },
])
const ending = fc.constantFrom('tx.commit' as const, 'tx.rollback' as const)
describe('ChannelDeliveries, whatever is settled when', () => {
  it('says what the broker would say, and sends nothing that the broker would close the channel for', () => {
    const steps = fc.array(stepOrEnd, { minLength: 1, maxLength: 90, size: 'max' })
    fc.assert(
      fc.property(steps, ending, (steps, ending) => {
        const session = new Session()
        for (const next of [...prelude, ...steps]) session.take(next)
        session.end(ending)
      }),
      runs(400),
    )
  }).timeout(60_000)
})
