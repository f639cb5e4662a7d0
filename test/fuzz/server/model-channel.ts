// A channel as a correct server has it: what is declared, published, consumed and settled there, and what is owed for it.
// Messages lie in queues by name, without exchanges: the routing key is the queue.

import type { Method, MethodOf } from '../../../src/protocol/method-types.js'
import { type MethodName, methodRow } from '../../../src/protocol/methods.js'
import type { PublishProperties } from '../../../src/protocol/properties.js'
import type { Received } from '../../support/peer/peer-codec.js'
import type { Random } from '../random.js'
import type { State } from './states.js'

export type ReceivedMethod = Extract<Received, { type: 'method' }>

export interface Message {
  readonly routingKey: string
  readonly properties: PublishProperties
  readonly body: Buffer
  redelivered: boolean
}

interface ModelConsumer {
  readonly consumerTag: string
  readonly queue: string
  readonly noAck: boolean
}

interface UnsettledDelivery {
  readonly queue: string
  readonly message: Message
}

/** What a channel needs of its server. */
export interface ChannelOwner {
  readonly queues: Map<string, Message[]>
  /** Message ids of everything that was published. */
  readonly arrived: Set<string>
  /** To be answered at some time, in order; the state is the one in which the client waits for it. */
  owe(channelNumber: number, state: State, pay: () => void): void
  send(channelNumber: number, method: Method): void
  sendContent(channelNumber: number, method: Method, message: Message): void
  /** The client did what it may not do. */
  blame(what: string): void
  release(channelNumber: number): void
}

/** Deliveries that a consumer may have unsettled. */
const CREDIT = 5

export class ModelChannel {
  readonly number: number
  /** Whether channel.close was sent, and everything but its answer is dropped. */
  closing = false
  confirming = false
  /** Publishes that nothing was answered to, by tag. */
  readonly unconfirmed = new Set<number>()
  readonly consumers = new Map<string, ModelConsumer>()
  readonly unsettled = new Map<number, UnsettledDelivery>()
  /** The last delivery tag. */
  deliveryTag = 0
  readonly #owner: ChannelOwner
  /** channel.open has come. */
  #asked = false
  /** It is answered. */
  #opened = false
  /** channel.close has come. */
  #ending = false
  #published = 0
  /** What was settled in the transaction that is under way; undefined without one. */
  #aside: Map<number, UnsettledDelivery & { readonly requeue: boolean }> | undefined
  #outstanding: MethodName | undefined

  constructor(number: number, owner: ChannelOwner) {
    this.number = number
    this.#owner = owner
  }

  /** Whether the server may send what it likes. */
  get isOpen(): boolean {
    return this.#opened && !this.#ending && !this.closing
  }

  receive({ method, content }: ReceivedMethod): void {
    if (this.closing) {
      if (method.name === 'channel.close-ok') this.#owner.release(this.number)
      else if (method.name === 'channel.close') this.#send({ name: 'channel.close-ok', args: {} })
      return
    }
    if (method.name === 'channel.open') this.#asked = true
    if (!this.#asked) this.#owner.blame(`${method.name} before channel.open`)
    if (methodRow(method.name).replies !== undefined && method.name !== 'channel.close') {
      if (this.#outstanding !== undefined)
        this.#owner.blame(`${method.name} while ${this.#outstanding} is outstanding`)
      if (!('noWait' in method.args && method.args.noWait)) this.#outstanding = method.name
    }
    switch (method.name) {
      case 'channel.close':
        this.#ending = true
        return this.#oweReply('channel closing', () => {
          this.#send({ name: 'channel.close-ok', args: {} })
          // When both have closed, the client's answer is still to come.
          if (!this.closing) this.#owner.release(this.number)
        })
      case 'basic.publish':
        return this.#route(method.args, content as NonNullable<ReceivedMethod['content']>)
      case 'basic.ack':
      case 'basic.nack':
        return this.#settle(
          method.args.deliveryTag,
          method.args.multiple,
          'requeue' in method.args && method.args.requeue,
        )
      case 'basic.reject':
        return this.#settle(method.args.deliveryTag, false, method.args.requeue)
      case 'channel.close-ok':
        return this.#owner.release(this.number)
      case 'channel.flow-ok':
      case 'basic.cancel-ok':
        return
      default:
        return this.#call(method)
    }
  }

  /** Confirms some of what was published: one by one, all up to one, now and then by a nack. */
  confirm(random: Random): void {
    for (const deliveryTag of [...this.unconfirmed]) {
      if (!this.unconfirmed.has(deliveryTag) || random.chance(0.4)) continue
      const multiple = random.chance(0.3)
      for (const tag of this.unconfirmed) {
        if (tag === deliveryTag || (multiple && tag < deliveryTag)) this.unconfirmed.delete(tag)
      }
      if (random.chance(0.95)) this.#send({ name: 'basic.ack', args: { deliveryTag, multiple } })
      else this.#send({ name: 'basic.nack', args: { deliveryTag, multiple, requeue: false } })
    }
  }

  /** Delivers what waits for its consumers, and now and then something that nobody has published. */
  deliver(random: Random): void {
    for (const { queue, consumerTag, noAck } of this.consumers.values()) {
      if (this.unsettled.size >= CREDIT * this.consumers.size) return
      const waiting = this.#owner.queues.get(queue) ?? []
      const message = waiting.shift() ?? (random.chance(0.3) ? inventMessage(random, queue) : undefined)
      if (message === undefined) continue
      const args = { consumerTag, ...this.#takeTag(queue, message, noAck) }
      this.#owner.sendContent(this.number, { name: 'basic.deliver', args }, message)
    }
  }

  /** The server ends a consumer: its queue is gone. */
  cancel(random: Random): void {
    if (this.consumers.size === 0) return
    const consumerTag = random.pick([...this.consumers.keys()])
    this.consumers.delete(consumerTag)
    this.#send({ name: 'basic.cancel', args: { consumerTag, noWait: true } })
  }

  /** The server closes the channel. */
  close(replyCode: number, replyText: string, cause: MethodName): void {
    const { classId, methodId } = methodRow(cause)
    this.closing = true
    this.#send({ name: 'channel.close', args: { replyCode, replyText, classId, methodId } })
  }

  #call(method: Method): void {
    if ('noWait' in method.args && method.args.noWait) {
      this.#reply(method)
      return
    }
    this.#oweReply(stateOf(method.name), () => {
      if (this.closing) return
      const reply = this.#reply(method)
      if (reply !== undefined) this.#send(reply)
    })
  }

  /** Does what the call asks for; undefined when it has been answered, or the channel was closed for it. */
  #reply(method: Method): Method | undefined {
    const { queues } = this.#owner
    switch (method.name) {
      case 'channel.open':
        this.#opened = true
        return { name: 'channel.open-ok', args: {} }
      case 'queue.declare':
        return this.#declare(method.args)
      case 'queue.purge':
      case 'queue.delete': {
        const messageCount = queues.get(method.args.queue)?.splice(0).length ?? 0
        if (method.name === 'queue.purge') return { name: 'queue.purge-ok', args: { messageCount } }
        queues.delete(method.args.queue)
        return { name: 'queue.delete-ok', args: { messageCount } }
      }
      case 'basic.consume': {
        const { consumerTag, queue, noAck } = method.args
        this.consumers.set(consumerTag, { consumerTag, queue, noAck })
        return { name: 'basic.consume-ok', args: { consumerTag } }
      }
      case 'basic.cancel':
        this.consumers.delete(method.args.consumerTag)
        return { name: 'basic.cancel-ok', args: method.args }
      case 'basic.get':
        return this.#get(method.args)
      case 'basic.recover':
        for (const delivery of this.unsettled.values()) this.#take(delivery, true)
        this.unsettled.clear()
        return { name: 'basic.recover-ok', args: {} }
      case 'tx.select':
      case 'tx.commit':
      case 'tx.rollback':
        this.#endTransaction(method.name === 'tx.commit')
        return { name: `${method.name}-ok`, args: {} }
      case 'confirm.select':
        this.confirming = true
        return { name: 'confirm.select-ok', args: {} }
      case 'exchange.declare':
        if (!method.args.passive) return { name: 'exchange.declare-ok', args: {} }
        this.close(404, `NOT_FOUND - no exchange '${method.args.exchange}'`, method.name)
        return undefined
      default:
        return { name: `${method.name}-ok`, args: {} } as Method
    }
  }

  #declare({ queue, passive }: MethodOf<'queue.declare'>['args']): Method | undefined {
    const { queues } = this.#owner
    if (passive && !queues.has(queue)) {
      this.close(404, `NOT_FOUND - no queue '${queue}'`, 'queue.declare')
      return undefined
    }
    const name = queue === '' ? `amq.gen-${queues.size}` : queue
    const messages = queues.get(name) ?? []
    queues.set(name, messages)
    const args = { queue: name, messageCount: messages.length, consumerCount: this.consumers.size }
    return { name: 'queue.declare-ok', args }
  }

  #get({ queue, noAck }: MethodOf<'basic.get'>['args']): Method | undefined {
    const waiting = this.#owner.queues.get(queue) ?? []
    const message = waiting.shift()
    if (message === undefined) return { name: 'basic.get-empty', args: {} }
    const args = { ...this.#takeTag(queue, message, noAck), messageCount: waiting.length }
    this.#owner.sendContent(this.number, { name: 'basic.get-ok', args }, message)
    return undefined
  }

  #route(
    { routingKey, mandatory }: MethodOf<'basic.publish'>['args'],
    content: NonNullable<ReceivedMethod['content']>,
  ): void {
    const { properties, body } = content
    if (properties.messageId !== undefined) this.#owner.arrived.add(properties.messageId)
    const message = { routingKey, properties: properties as PublishProperties, body, redelivered: false }
    const queue = this.#owner.queues.get(routingKey)
    queue?.push(message)
    if (queue === undefined && mandatory) {
      const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey }
      this.#owner.sendContent(this.number, { name: 'basic.return', args }, message)
    }
    if (this.confirming) this.unconfirmed.add(++this.#published)
  }

  /** Tag 0 with `multiple` is everything. In a transaction it is kept aside until that ends. */
  #settle(deliveryTag: number, multiple: boolean, requeue: boolean): void {
    if (deliveryTag !== 0 && !this.unsettled.has(deliveryTag))
      this.#owner.blame(`settling of ${deliveryTag}, which is not unsettled`)
    for (const [tag, delivery] of this.unsettled) {
      if (tag !== deliveryTag && !(multiple && (deliveryTag === 0 || tag < deliveryTag))) continue
      this.unsettled.delete(tag)
      if (this.#aside === undefined) this.#take(delivery, requeue)
      else this.#aside.set(tag, { ...delivery, requeue })
    }
  }

  #take({ queue, message }: UnsettledDelivery, requeue: boolean): void {
    message.redelivered = true
    if (requeue) this.#owner.queues.get(queue)?.unshift(message)
  }

  #endTransaction(commits: boolean): void {
    for (const [tag, delivery] of this.#aside ?? []) {
      if (commits) this.#take(delivery, delivery.requeue)
      else this.unsettled.set(tag, delivery)
    }
    this.#aside = new Map()
  }

  #takeTag(queue: string, message: Message, noAck: boolean) {
    const deliveryTag = ++this.deliveryTag
    if (!noAck) this.unsettled.set(deliveryTag, { queue, message })
    const { routingKey, redelivered } = message
    return { deliveryTag, redelivered, exchange: '', routingKey }
  }

  #oweReply(state: State, pay: () => void): void {
    this.#owner.owe(this.number, state, () => {
      this.#outstanding = undefined
      pay()
    })
  }

  #send(method: Method): void {
    this.#owner.send(this.number, method)
  }
}

/** The state of a client that waits for the answer to this. */
function stateOf(name: MethodName): State {
  if (name === 'channel.open') return 'channel opening'
  if (name === 'basic.get') return 'get'
  return name.startsWith('tx.') ? 'transaction' : 'call'
}

function inventMessage(random: Random, routingKey: string): Message {
  const properties: PublishProperties = random.chance(0.5)
    ? { messageId: String(random.below(100)), headers: { list: [1, { two: 'zwei' }], when: new Date(0) } }
    : { deliveryMode: 2, contentType: 'text/plain', timestamp: 1_700_000_000 }
  const size = random.weighted({ none: 1, few: 6, many: 1 })
  const body = random.octets(size === 'none' ? 0 : size === 'few' ? random.below(50) : random.below(5_000))
  return { routingKey, properties, body, redelivered: random.chance(0.1) }
}
