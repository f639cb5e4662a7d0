// Sequences of commands and misfortunes that nobody planned, on a clock of their own, against a broker that knows the rules.
// After each step what must hold always is looked at, and at the end everything must have come to an end.

import { expect } from 'chai'
import fc from 'fast-check'
import { ArgumentError } from '../../src/frames/index.js'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import {
  AmqpError,
  NackedError,
  PublishesFailedError,
  ReturnedError,
  UnconfirmedError,
} from '../../src/protocol/errors.js'
import type { IncomingDelivery, ProtocolEvent, Settlement } from '../../src/protocol/events.js'
import type { CallName, MethodOf } from '../../src/protocol/method-types.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import { runs } from '../support/runs.js'
import { NaiveBroker, UNROUTABLE } from './naive-broker.js'

const KIB = 1024
const LIMITS = { maxBuffered: 400 * KIB, highWaterMark: 100 * KIB }

const ABORTED = new Error('aborted')

interface Token {
  readonly what: string
  /** Undefined for what the connection itself was asked. */
  readonly channel: Life | undefined
  /** Of a publish. */
  readonly routingKey?: string
  /** Of a wait for confirms: the publishes before it. */
  readonly awaited?: readonly Token[]
  settledBy?: ProtocolEvent
}

/** A channel as the application sees it. */
interface Life {
  readonly owner: object
  protocol?: ChannelProtocol
  closed: boolean
  readonly deliveries: IncomingDelivery[]
  readonly consumers: { ended: boolean; tag: string; readonly channel: Life }[]
  /** tx.select was asked for. */
  transacts: boolean
  /** Routing keys in the order of publishing. */
  readonly published: string[]
}

type Step =
  | { readonly kind: 'open'; readonly confirm: boolean }
  | {
      readonly kind: 'call'
      readonly pick: number
      readonly name: CallName
      readonly timeoutMs: number | undefined
    }
  | {
      readonly kind: 'consume'
      readonly pick: number
      readonly noAck: boolean
      readonly noWait: boolean
      readonly prefetch: number | undefined
    }
  | {
      readonly kind: 'publish'
      readonly pick: number
      readonly size: number
      readonly mandatory: boolean
      readonly routed: boolean
      /** On a plain channel: whether anybody asks after it. */
      readonly asks: boolean
      readonly timeoutMs: number | undefined
    }
  | { readonly kind: 'settle'; readonly pick: number; readonly settlement: Settlement }
  | { readonly kind: 'withdraw'; readonly picks: readonly number[] }
  | { readonly kind: 'cancel'; readonly pick: number; readonly noWait: boolean }
  | { readonly kind: 'updateSecret' }
  | { readonly kind: 'awaitConfirms'; readonly pick: number }
  | { readonly kind: 'closeChannel' | 'work' | 'brokerCloses' | 'brokerCancels'; readonly pick: number }
  | { readonly kind: 'confirm'; readonly pick: number; readonly multiple: boolean; readonly accepts: boolean }
  | { readonly kind: 'deliver'; readonly pick: number; readonly size: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'block' | 'unblock' | 'stopReading' | 'read' | 'heartbeat' }
  | { readonly kind: 'close' | 'cut' | 'silence' | 'brokerCloseAll' | 'garbage' }

class Session {
  readonly pair = ProtocolPair.opened({ limits: LIMITS, channelMax: 4 })
  readonly broker = new NaiveBroker(this.pair)
  readonly #lives: Life[] = []
  readonly #tokens = new Set<Token>()
  #seen = 0
  #count = 0
  #over = false

  take(step: Step): void {
    try {
      this.#do(step)
    } catch (error) {
      // A command may be refused; that is told where it was given.
      if (!(error instanceof AmqpError) && !(error instanceof ArgumentError)) throw error
    }
    this.pair.settle()
    this.#look()
  }

  /** Whatever state it is in. */
  end(): void {
    this.pair.reads = true
    this.#look()
    this.take({ kind: 'cut' })
    expect(this.#over, 'closed').to.equal(true)
    for (const { settledBy, routingKey } of this.#tokens) {
      if (settledBy?.type !== 'failed' || !(settledBy.error instanceof UnconfirmedError)) continue
      const wasSent = this.broker.arrived.includes(routingKey as string)
      expect(settledBy.error.outcome === 'not-sent' && wasSent, `${routingKey}, not sent`).to.equal(false)
    }
    for (const life of this.#lives) expect(life.closed, 'a channel is not closed').to.equal(true)
    for (const token of this.#tokens)
      expect(token.settledBy, `${token.what} was never settled`).not.to.equal(undefined)
    expect(this.pair.protocol.buffered).to.equal(0)
    expect(this.pair.protocol.transmittable).to.equal(0)
    expect(this.pair.protocol.nextDeadline()).to.equal(Number.POSITIVE_INFINITY)
  }

  #do(step: Step): void {
    const { pair, broker } = this
    switch (step.kind) {
      case 'open':
        return this.#open(step.confirm)
      case 'call':
        return this.#call(this.#pick(step.pick), step.name, step.timeoutMs)
      case 'consume':
        return this.#consume(this.#pick(step.pick), step)
      case 'cancel':
        return this.#cancel(this.#pick(step.pick), step.pick, step.noWait)
      case 'withdraw':
        return this.#withdraw(step.picks)
      case 'awaitConfirms':
        return this.#awaitConfirms(this.#pick(step.pick))
      case 'updateSecret': {
        const token: Token = { what: 'connection.update-secret', channel: undefined }
        pair.protocol.updateSecret(Buffer.from('new'), 'rotation', token, pair.now)
        this.#tokens.add(token)
        return
      }
      case 'publish':
        return this.#publish(this.#pick(step.pick), step)
      case 'settle':
        return this.#settle(this.#pick(step.pick), step.pick, step.settlement)
      case 'closeChannel':
        return this.#pick(step.pick)?.protocol?.close(pair.now)
      case 'work':
        return broker.work(step.pick)
      case 'brokerCloses':
        return broker.closeChannel(step.pick)
      case 'brokerCancels':
        return broker.cancel(step.pick)
      case 'confirm':
        return broker.confirm(step.pick, step.multiple, step.accepts)
      case 'deliver':
        return broker.deliver(step.pick, step.size)
      case 'wait':
        return this.#wait(step.ms)
      case 'block':
        return pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
      case 'unblock':
        return pair.send(0, { name: 'connection.unblocked', args: {} })
      case 'stopReading':
      case 'read':
        pair.reads = step.kind === 'read'
        return
      case 'heartbeat':
        pair.protocol.sendHeartbeat()
        return
      default:
        return this.#finish(step.kind)
    }
  }

  #finish(kind: 'close' | 'cut' | 'silence' | 'brokerCloseAll' | 'garbage'): void {
    const { pair, broker } = this
    if (kind === 'cut') return pair.cut(new Error('read ECONNRESET'))
    if (kind === 'silence') return pair.advance(120_000)
    if (kind === 'garbage') return pair.sendOctets(Buffer.from([4, 0, 0, 0]))
    if (kind === 'brokerCloseAll') {
      const args = { replyCode: 320, replyText: 'CONNECTION_FORCED', classId: 0, methodId: 0 }
      return pair.send(0, { name: 'connection.close', args })
    }
    pair.run(() => pair.protocol.close(pair.now))
    broker.look()
    if (broker.closeRequested) pair.send(0, { name: 'connection.close-ok', args: {} })
  }

  /** Time passes, and the peer beats. */
  #wait(ms: number): void {
    for (let left = ms; left > 0; left -= 10_000) {
      this.pair.advance(Math.min(left, 10_000))
      this.pair.sendOctets(this.pair.peer.heartbeat())
    }
  }

  #open(confirm: boolean): void {
    const life: Life = {
      owner: {},
      closed: false,
      deliveries: [],
      consumers: [],
      transacts: false,
      published: [],
    }
    const token: Token = { what: 'channel.open', channel: life }
    life.protocol = this.pair.protocol.openChannel(
      Object.assign(life.owner, { life }),
      3,
      token,
      this.pair.now,
    )
    this.#lives.push(life)
    this.#tokens.add(token)
    // As openChannel({ confirm: true }) does, when it is open.
    if (!confirm) return
    this.pair.settle()
    this.broker.look()
    this.broker.work(this.#lives.length - 1)
    if (life.protocol.state === 'open') this.#call(life, 'confirm.select')
  }

  #call(life: Life | undefined, name: CallName, timeoutMs?: number): void {
    if (life?.protocol === undefined) return
    // Confirms and transactions exclude each other, and a commit needs a select: a little sense, or no channel would live.
    if (name === 'tx.select' && life.protocol.confirming) return
    if ((name === 'tx.commit' || name === 'tx.rollback') && !life.transacts) return
    this.#submit(life, methodOf(name, ++this.#count), timeoutMs)
    life.transacts ||= name === 'tx.select'
  }

  #submit(life: Life, method: MethodOf<CallName>, timeoutMs?: number): void {
    const token: Token = { what: `${method.name} ${this.#count}`, channel: life }
    life.protocol?.call(method, token, this.pair.now, timeoutMs)
    this.#tokens.add(token)
  }

  #cancel(life: Life | undefined, pick: number, noWait: boolean): void {
    const consumer = life?.consumers[pick % (life.consumers.length || 1)]
    if (life?.protocol?.hasConsumer(consumer?.tag ?? '') !== true || consumer === undefined) return
    this.#submit(life, { name: 'basic.cancel', args: { consumerTag: consumer.tag, noWait } })
  }

  /** Some of those that wait, of whatever channel, do not want to any more. */
  #withdraw(picks: readonly number[]): void {
    const waiting = [...this.#tokens].filter(({ settledBy }) => settledBy === undefined)
    const tokens = picks.map(pick => waiting[pick % waiting.length]).filter(token => token !== undefined)
    const causes = new Map(tokens.map(token => [token, ABORTED]))
    this.pair.protocol.withdraw(causes)
    for (const { protocol } of this.#lives) protocol?.withdraw(causes)
    this.pair.settle()
    this.#look()
    // Once connection.close is sent all that waits has one end, which is near.
    if (this.pair.protocol.state === 'closing') return
    for (const { what, settledBy } of tokens) expect(settledBy, `${what}, withdrawn`).not.to.equal(undefined)
  }

  #awaitConfirms(life: Life | undefined): void {
    if (life?.protocol?.confirming !== true) return
    const awaited = [...this.#tokens].filter(
      ({ channel, routingKey }) => channel === life && routingKey !== undefined,
    )
    const token: Token = { what: 'a wait for confirms', channel: life, awaited }
    life.protocol.awaitConfirms(token, this.pair.now)
    this.#tokens.add(token)
  }

  #consume(life: Life | undefined, step: Extract<Step, { kind: 'consume' }>): void {
    if (life?.protocol === undefined) return
    const { noAck, noWait, prefetch } = step
    const consumer = { ended: false, tag: '', channel: life }
    const token: Token = { what: 'basic.consume', channel: life }
    const command = {
      queue: 'q',
      consumerTag: '',
      exclusive: false,
      arguments: {},
      noAck,
      noWait,
      prefetch,
      consumer,
    }
    consumer.tag = life.protocol.consume(command, token, this.pair.now)
    life.consumers.push(consumer)
    this.#tokens.add(token)
  }

  #publish(life: Life | undefined, step: Extract<Step, { kind: 'publish' }>): void {
    if (life?.protocol === undefined) return
    const routingKey = `${step.routed ? 'q' : UNROUTABLE} ${++this.#count}`
    // What comes back has no body here, so what may come back has none.
    const body = Buffer.alloc(step.mandatory ? 0 : step.size)
    const publishing = { exchange: '', routingKey, mandatory: step.mandatory, properties: {}, body }
    const token: Token = { what: `publish ${routingKey}`, channel: life, routingKey }
    const { confirming } = life.protocol
    const asks = confirming || step.asks
    const how = life.protocol.publish(publishing, asks ? token : undefined, this.pair.now, step.timeoutMs)
    life.published.push(routingKey)
    if (confirming || (asks && how === 'queued')) this.#tokens.add(token)
  }

  #settle(life: Life | undefined, pick: number, settlement: Settlement): void {
    const deliveries = life?.deliveries ?? []
    const delivery = deliveries[pick % (deliveries.length || 1)]
    if (delivery === undefined) return
    const state = delivery.life.stateOf(delivery.deliveryTag)
    const accepted = delivery.life.settle(delivery.deliveryTag, settlement)
    expect(accepted).to.equal(state === 'unsettled')
  }

  #pick(pick: number): Life | undefined {
    return this.#lives[pick % (this.#lives.length || 1)]
  }

  /** What must hold after every step. */
  #look(): void {
    const { pair, broker } = this
    broker.look()
    pair.settle()
    for (; this.#seen < pair.events.length; this.#seen++) this.#hear(pair.events[this.#seen] as ProtocolEvent)
    expect(pair.protocol.state === 'closed').to.equal(this.#over)
    expect(pair.protocol.buffered).to.be.at.most(LIMITS.maxBuffered + 64 * KIB)
    for (const { published } of this.#lives) {
      const arrived = broker.arrived.filter(key => published.includes(key))
      expect(arrived, 'in the order of publishing').to.deep.equal(
        published.filter(key => arrived.includes(key)),
      )
    }
  }

  #hear(event: ProtocolEvent): void {
    expect(this.#over, `${event.type} after closed`).to.equal(false)
    switch (event.type) {
      case 'replied':
      case 'got':
      case 'failed':
        this.#settled(event.token as Token, event)
        if (event.type === 'got' && event.delivery !== undefined) {
          ;(event.token as Token).channel?.deliveries.push(event.delivery)
        }
        return
      case 'confirmed':
        for (const token of event.tokens) this.#settled(token as Token, event)
        return
      case 'delivered': {
        const { channel, ended } = event.consumer as { channel: Life; ended: boolean }
        expect(ended || channel.closed, 'delivered to a consumer that has ended').to.equal(false)
        channel.deliveries.push(event.delivery)
        return
      }
      case 'consumerEnded': {
        const consumer = event.consumer as { channel: Life; ended: boolean }
        expect(consumer.ended, 'a consumer has ended twice').to.equal(false)
        consumer.ended = true
        return
      }
      case 'channelClosed': {
        const { life } = event.channel as { life: Life }
        expect(life.closed, 'a channel was closed twice').to.equal(false)
        life.closed = true
        for (const token of this.#tokens) {
          if (token.channel === life)
            expect(token.settledBy, `${token.what} outlives its channel`).not.to.equal(undefined)
        }
        return
      }
      case 'closed':
        this.#over = true
    }
  }

  #settled(token: Token, event: ProtocolEvent): void {
    expect(token.settledBy, `${token.what} was settled twice`).to.equal(undefined)
    expect(token.channel?.closed ?? false, `${token.what} was settled after its channel`).to.equal(false)
    token.settledBy = event
    const { routingKey } = token
    const isAnswer =
      event.type === 'replied' || (event.type === 'failed' && event.error instanceof PublishesFailedError)
    if (isAnswer) {
      for (const { what, settledBy } of token.awaited ?? []) {
        expect(settledBy, `${what} outlives a wait for its confirm`).not.to.equal(undefined)
      }
    }
    if (routingKey === undefined || event.type === 'replied') return
    const fate = this.broker.fates.get(routingKey)
    const hasArrived = this.broker.arrived.includes(routingKey)
    const error = event.type === 'failed' ? event.error : undefined
    if (event.type === 'confirmed') expect(fate, token.what).to.equal('acked')
    else if (error instanceof NackedError) expect(fate).to.equal('nacked')
    else if (error instanceof ReturnedError) expect(routingKey).to.match(new RegExp(`^${UNROUTABLE}`))
    else if (error instanceof UnconfirmedError)
      expect(error.outcome === 'not-sent' && hasArrived).to.equal(false)
    else expect.fail(`${token.what} ended with ${error}`)
  }
}

function methodOf(name: CallName, count: number): MethodOf<CallName> {
  switch (name) {
    case 'basic.get':
      return { name, args: { queue: `${count}`, noAck: count % 3 === 0 } }
    case 'basic.recover':
      return { name, args: { requeue: true } }
    case 'confirm.select':
      return { name, args: { noWait: false } }
    case 'tx.select':
    case 'tx.commit':
    case 'tx.rollback':
      return { name, args: {} }
    case 'basic.qos':
      return { name, args: { prefetchSize: 0, prefetchCount: count % 10, global: false } }
    default:
      return { name: 'queue.purge', args: { queue: `${count}`, noWait: count % 5 === 0 } }
  }
}

const pick = fc.nat(1000)
const settlement: fc.Arbitrary<Settlement> = fc.oneof(
  fc.record({ kind: fc.constant('ack' as const), multiple: fc.boolean() }),
  fc.record({ kind: fc.constant('nack' as const), multiple: fc.boolean(), requeue: fc.boolean() }),
  fc.record({ kind: fc.constant('reject' as const), requeue: fc.boolean() }),
)
const size = fc.oneof(fc.nat(2000), fc.constantFrom(0, 9 * KIB, 70 * KIB, 300 * KIB))
const callName = fc.constantFrom<CallName>(
  'queue.purge',
  'basic.get',
  'basic.recover',
  'basic.qos',
  'tx.select',
  'tx.commit',
  'tx.rollback',
)
/** Mostly as long as usual. */
const timeoutMs = fc.oneof(
  { weight: 9, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 60_000 }) },
)

function stepOf<K extends Step['kind']>(...kinds: K[]): fc.Arbitrary<Step> {
  return fc.record({ kind: fc.constantFrom(...kinds), pick }) as fc.Arbitrary<Step>
}

const ordinary: readonly fc.WeightedArbitrary<Step>[] = [
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('open' as const), confirm: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('call' as const), pick, name: callName, timeoutMs }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('consume' as const),
      pick,
      noAck: fc.boolean(),
      noWait: fc.boolean(),
      prefetch: fc.option(fc.nat(100), { nil: undefined }),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      pick,
      size,
      mandatory: fc.boolean(),
      routed: fc.boolean(),
      asks: fc.boolean(),
      timeoutMs,
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('settle' as const), pick, settlement }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), pick, noWait: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('withdraw' as const),
      picks: fc.array(pick, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: stepOf('awaitConfirms') },
  { weight: 1, arbitrary: fc.constant({ kind: 'updateSecret' as const }) },
  { weight: 1, arbitrary: stepOf('closeChannel', 'brokerCloses', 'brokerCancels') },
  { weight: 24, arbitrary: stepOf('work') },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('confirm' as const),
      pick,
      multiple: fc.boolean(),
      accepts: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('deliver' as const), pick, size: fc.nat(20 * KIB) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.oneof({ weight: 3, arbitrary: fc.nat(3000) }, { weight: 1, arbitrary: fc.nat(31_000) }),
    }),
  },
  { weight: 3, arbitrary: stepOf('block', 'unblock', 'stopReading', 'read', 'heartbeat') },
]
const last = stepOf('close', 'cut', 'silence', 'brokerCloseAll', 'garbage')
const step = fc.oneof(...ordinary)
/** A plain channel with a consumer and one with confirms: most that can happen needs them. */
const prelude: readonly Step[] = [
  { kind: 'open', confirm: false },
  { kind: 'work', pick: 0 },
  { kind: 'consume', pick: 0, noAck: false, noWait: false, prefetch: undefined },
  { kind: 'work', pick: 0 },
  { kind: 'open', confirm: true },
  { kind: 'work', pick: 1 },
]
const stepOrEnd = fc.oneof({ weight: 80, arbitrary: step }, { weight: 1, arbitrary: last })

describe('a session of ConnectionProtocol', () => {
  it('settles everything once, breaks no rule of the broker and tells nothing after its end', () => {
    fc.assert(
      fc.property(fc.array(stepOrEnd, { minLength: 1, maxLength: 120, size: 'max' }), steps => {
        const session = new Session()
        for (const next of [...prelude, ...steps]) session.take(next)
        session.end()
      }),
      runs(400),
    )
  }).timeout(60_000)
})
