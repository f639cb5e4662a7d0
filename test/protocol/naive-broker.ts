// A broker that does as little as a broker can, for sequences of commands that nobody planned: it takes the frames of each
// channel in order, one at a time and only when it is told to, answers, confirms, returns and delivers, and refuses what
// RabbitMQ would refuse. A client that makes it throw has broken the protocol.

import type { Method, MethodOf } from '../../src/protocol/method-types.js'
import { type MethodName, methodRow } from '../../src/protocol/methods.js'
import type { Received } from '../support/peer/peer-codec.js'
import type { ProtocolPair } from '../support/peer/protocol-pair.js'
import { NaiveSettling } from './naive-settling.js'

type ReceivedMethod = Extract<Received, { type: 'method' }>

/** Routing keys that begin so lead to no queue. */
export const UNROUTABLE = 'none'

/** What the broker knows of a publish on a confirm channel, by its routing key, of which there are no two. */
export type Fate = 'taken' | 'acked' | 'nacked'

class BrokerChannel {
  readonly inbox: ReceivedMethod[] = []
  state: 'open' | 'closing' = 'open'
  confirms = false
  published = 0
  lastDeliveryTag = 0
  readonly settling = new NaiveSettling()
  readonly consumers = new Map<string, boolean>()
  /** Tag and routing key of what is not confirmed yet. */
  readonly unconfirmed = new Map<number, string>()

  /** The call that was not answered yet. */
  get unanswered(): Method | undefined {
    return this.inbox.find(({ method }) => REPLIES[method.name] !== undefined && !isNoWait(method))?.method
  }
}

export class NaiveBroker {
  readonly fates = new Map<string, Fate>()
  /** Routing keys of all publishes, by channel life, as they came. */
  readonly arrived: string[] = []
  readonly #pair: ProtocolPair
  readonly #channels = new Map<number, BrokerChannel>()
  /** Secrets that were not answered yet. */
  #secrets = 0
  #closed = false
  #seen = 0

  constructor(pair: ProtocolPair) {
    this.#pair = pair
  }

  /** Looks at what has come since it looked last. */
  look(): void {
    for (; this.#seen < this.#pair.received.length; this.#seen++) {
      const received = this.#pair.received[this.#seen] as Received
      if (received.type !== 'method') continue
      if (this.#closed && received.method.name !== 'connection.close-ok') {
        throw new Error(`${received.method.name} behind connection.close`)
      }
      if (received.channelNumber !== 0) this.#accept(received)
      else if (received.method.name.startsWith('connection.close')) this.#closed = true
      else if (++this.#secrets > 1) throw new Error('a secret before the reply to another')
    }
  }

  get closeRequested(): boolean {
    return this.#closed
  }

  /** Takes what has come on a channel, up to one call, and answers that. */
  work(pick: number): void {
    if (this.#secrets > 0 && !this.#closed && pick % 2 === 0) return this.#answerSecret()
    const [number, channel] = this.#pick(pick)
    if (channel !== undefined) this.#workOn(number, channel)
  }

  #answerSecret(): void {
    this.#secrets--
    this.#pair.send(0, { name: 'connection.update-secret-ok', args: {} })
  }

  #workOn(number: number, channel: BrokerChannel): void {
    for (let next = channel.inbox.shift(); next !== undefined; next = channel.inbox.shift()) {
      if (this.#take(number, channel, next)) return
    }
  }

  /** Confirms something that it has taken, and with `multiple` all before it. */
  confirm(pick: number, multiple: boolean, accepts: boolean): void {
    const [number, channel] = this.#pick(pick)
    if (channel === undefined || channel.state !== 'open') return
    const tags = [...channel.unconfirmed.keys()]
    const deliveryTag = tags[pick % (tags.length || 1)]
    if (deliveryTag === undefined) return
    for (const tag of tags) {
      if (multiple ? tag > deliveryTag : tag !== deliveryTag) continue
      this.fates.set(channel.unconfirmed.get(tag) as string, accepts ? 'acked' : 'nacked')
      channel.unconfirmed.delete(tag)
    }
    const args = { deliveryTag, multiple }
    const method: Method = accepts
      ? { name: 'basic.ack', args }
      : { name: 'basic.nack', args: { ...args, requeue: true } }
    this.#pair.send(number, method)
  }

  deliver(pick: number, size: number): void {
    const [number, channel] = this.#pick(pick)
    const consumers = [...(channel?.consumers ?? [])]
    const [consumerTag, noAck] = consumers[pick % (consumers.length || 1)] ?? []
    if (channel === undefined || consumerTag === undefined || channel.state !== 'open') return
    const deliveryTag = ++channel.lastDeliveryTag
    if (noAck !== true) channel.settling.unacked.push(deliveryTag)
    const args = { consumerTag, deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
    this.#pair.sendContent(number, { name: 'basic.deliver', args }, Buffer.alloc(size))
  }

  cancel(pick: number): void {
    const [number, channel] = this.#pick(pick)
    const [consumerTag] = channel?.consumers.keys() ?? []
    if (channel === undefined || consumerTag === undefined || channel.state !== 'open') return
    channel.consumers.delete(consumerTag)
    this.#pair.send(number, { name: 'basic.cancel', args: { consumerTag, noWait: true } })
  }

  closeChannel(pick: number): void {
    const [number, channel] = this.#pick(pick)
    if (channel === undefined || channel.state !== 'open' || channel.inbox[0]?.method.name === 'channel.open')
      return
    this.#refuse(number, channel)
  }

  #refuse(number: number, channel: BrokerChannel): void {
    channel.state = 'closing'
    channel.unconfirmed.clear()
    const args = { replyCode: 406, replyText: 'PRECONDITION_FAILED', classId: 60, methodId: 80 }
    this.#pair.send(number, { name: 'channel.close', args })
  }

  #pick(pick: number): readonly [number: number, channel: BrokerChannel | undefined] {
    const channels = [...this.#channels]
    return channels[pick % (channels.length || 1)] ?? [0, undefined]
  }

  /** What breaks a rule already by coming. */
  #accept(received: ReceivedMethod): void {
    const { channelNumber, method } = received
    let channel = this.#channels.get(channelNumber)
    if (method.name === 'channel.open') {
      if (channel !== undefined) throw new Error(`channel.open on channel ${channelNumber}, which is open`)
      channel = new BrokerChannel()
      this.#channels.set(channelNumber, channel)
    }
    if (channel === undefined)
      throw new Error(`${method.name} on channel ${channelNumber}, which is not open`)
    const { unanswered } = channel
    if (unanswered !== undefined && channel.state === 'open' && method.name !== 'channel.close') {
      if (methodRow(unanswered.name).exclusive === true)
        throw new Error(`${method.name} beside ${unanswered.name}`)
      if (REPLIES[method.name] !== undefined)
        throw new Error(`${method.name} before the reply to ${unanswered.name}`)
    }
    if (method.name === 'basic.publish') this.arrived.push(method.args.routingKey)
    channel.inbox.push(received)
    // The end of a channel is not held up by what came before.
    while (channel.state === 'closing' && channel.inbox.length > 0) this.#workOn(channelNumber, channel)
  }

  /** Whether a call was answered. */
  #take(number: number, channel: BrokerChannel, { method }: ReceivedMethod): boolean {
    if (method.name === 'channel.close') {
      this.#pair.send(number, { name: 'channel.close-ok', args: {} })
      if (channel.state === 'open') this.#channels.delete(number)
      return true
    }
    if (method.name === 'channel.close-ok') {
      this.#channels.delete(number)
      return true
    }
    if (channel.state === 'closing') return false
    if (isRefused(channel, method)) {
      this.#refuse(number, channel)
      return true
    }
    this.#change(number, channel, method)
    const reply = REPLIES[method.name]
    if (reply === undefined || isNoWait(method)) return false
    if (method.name === 'basic.get') this.#answerGet(number, channel, method)
    else this.#pair.send(number, reply(method))
    return true
  }

  #change(number: number, channel: BrokerChannel, method: Method): void {
    switch (method.name) {
      case 'confirm.select':
        channel.confirms = true
        return
      case 'basic.consume':
        channel.consumers.set(method.args.consumerTag, method.args.noAck)
        return
      case 'basic.cancel':
        channel.consumers.delete(method.args.consumerTag)
        return
      case 'basic.publish':
        return this.#takePublish(number, channel, method)
      default: {
        // RabbitMQ closes the channel (406) for a tag that it does not wait for.
        const refusal = channel.settling.take(method)
        if (refusal !== undefined) throw new Error(`${method.name}: ${refusal}`)
      }
    }
  }

  #takePublish(number: number, channel: BrokerChannel, { args }: MethodOf<'basic.publish'>): void {
    const { routingKey, mandatory } = args
    if (mandatory && routingKey.startsWith(UNROUTABLE)) {
      const returned = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey }
      this.#pair.sendContent(number, { name: 'basic.return', args: returned }, Buffer.alloc(0))
    }
    if (!channel.confirms) return
    this.fates.set(routingKey, 'taken')
    channel.unconfirmed.set(++channel.published, routingKey)
  }

  #answerGet(number: number, channel: BrokerChannel, { args }: MethodOf<'basic.get'>): void {
    if (args.queue.endsWith('0')) return this.#pair.send(number, { name: 'basic.get-empty', args: {} })
    const deliveryTag = ++channel.lastDeliveryTag
    if (!args.noAck) channel.settling.unacked.push(deliveryTag)
    const message = { deliveryTag, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
    this.#pair.sendContent(number, { name: 'basic.get-ok', args: message }, Buffer.from('body'))
  }
}

/** What the application may not ask for (406): a transaction that was not begun, or one beside confirms. */
function isRefused({ confirms, settling }: BrokerChannel, { name }: Method): boolean {
  if (name === 'tx.select') return confirms
  if (name === 'confirm.select') return settling.aside !== undefined
  return (name === 'tx.commit' || name === 'tx.rollback') && settling.aside === undefined
}

function isNoWait({ args }: Method): boolean {
  return 'noWait' in args && args.noWait
}

/** The reply to each call that is made here; get has two of its own. */
const REPLIES: Partial<Record<MethodName, (method: Method) => Method>> = {
  'channel.open': () => ({ name: 'channel.open-ok', args: {} }),
  'channel.close': () => ({ name: 'channel.close-ok', args: {} }),
  'confirm.select': () => ({ name: 'confirm.select-ok', args: {} }),
  'queue.purge': () => ({ name: 'queue.purge-ok', args: { messageCount: 0 } }),
  'basic.qos': () => ({ name: 'basic.qos-ok', args: {} }),
  'basic.recover': () => ({ name: 'basic.recover-ok', args: {} }),
  'basic.get': () => ({ name: 'basic.get-empty', args: {} }),
  'tx.select': () => ({ name: 'tx.select-ok', args: {} }),
  'tx.commit': () => ({ name: 'tx.commit-ok', args: {} }),
  'tx.rollback': () => ({ name: 'tx.rollback-ok', args: {} }),
  'basic.consume': method => {
    const { consumerTag } = (method as MethodOf<'basic.consume'>).args
    return { name: 'basic.consume-ok', args: { consumerTag } }
  },
  'basic.cancel': method => {
    const { consumerTag } = (method as MethodOf<'basic.cancel'>).args
    return { name: 'basic.cancel-ok', args: { consumerTag } }
  },
}
