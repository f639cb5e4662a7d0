// The server's end of one channel: takes methods in their order, one call at a time and only when it is told to, and answers as
// RabbitMQ does. A Refusal closes the channel; what comes behind it is dropped, but for the end of the close.

import type { Method, MethodOf } from '../../../src/protocol/method-types.js'
import type { BrokerObserver } from './broker-observer.js'
import type { Message, QueuedMessage } from './broker-queue.js'
import { ChannelConsumer } from './channel-consumer.js'
import { ChannelPublishes } from './channel-publishes.js'
import { expectAllowedBeside, expectFromClient, isAnswered } from './channel-rules.js'
import { BrokenRule, Refusal } from './refusal.js'
import type { ReplySender } from './reply-sender.js'
import { answerDeclaration } from './topology-methods.js'
import { type Settled, UnsettledMessages } from './unsettled-messages.js'
import type { VirtualHost } from './virtual-host.js'

/** A method that came, with its content if it carries one. */
export interface ReceivedMethod {
  readonly method: Method
  readonly content?: Pick<Message, 'propertyOctets' | 'body'> | undefined
}

export class BrokerChannel {
  readonly publishes: ChannelPublishes
  readonly #host: VirtualHost
  readonly #sender: ReplySender
  readonly #observer: BrokerObserver
  readonly #inbox: ReceivedMethod[] = []
  readonly #consumers = new Map<string, ChannelConsumer>()
  readonly #unsettled = new UnsettledMessages()
  #state: 'open' | 'closing' | 'closed' = 'open'
  #transacts = false
  #prefetch = 0
  #lastDeliveryTag = 0

  constructor(host: VirtualHost, sender: ReplySender, observer: BrokerObserver) {
    this.#host = host
    this.#sender = sender
    this.#observer = observer
    this.publishes = new ChannelPublishes(host, sender, observer)
  }

  /** It is not closing, and what it was sent first, channel.open, is answered. */
  get isOpen(): boolean {
    return this.#state === 'open' && this.#inbox[0]?.method.name !== 'channel.open'
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  get hasWork(): boolean {
    return this.#inbox.length > 0
  }

  unsettledOf(consumerTag: string): number {
    return this.#unsettled.countOf(consumerTag)
  }

  /** Something has come. What breaks a rule already by coming throws; the rest waits for {@link work}. */
  receive(received: ReceivedMethod): void {
    const { method, content } = received
    expectFromClient(method)
    if (this.#state === 'open') {
      const unanswered = this.#inbox.find(waiting => isAnswered(waiting.method))
      expectAllowedBeside(method, unanswered?.method)
    }
    if (method.name === 'basic.publish') this.#observer.onArrival(messageOf(method, content))
    this.#inbox.push(received)
    // The end of a channel is not held up by what came before.
    while (this.#state === 'closing' && this.hasWork) this.work()
  }

  /** Takes what has come, up to one call, and answers that. False when there is nothing. */
  work(): boolean {
    const hasWork = this.hasWork
    for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
      const isCall = isAnswered(next.method)
      this.#take(next)
      if (isCall) return true
    }
    return hasWork
  }

  /** Closes, as for a fault of the application's. */
  close(refusal: Refusal): void {
    if (!this.isOpen) return
    this.#state = 'closing'
    const args = { replyCode: refusal.replyCode, replyText: refusal.message, classId: 0, methodId: 0 }
    this.#sender.send({ name: 'channel.close', args })
    this.#deliverLate()
    this.#release()
  }

  /** Cancels a consumer, as for a queue that failed over. */
  cancelOne(pick: number): void {
    const consumers = [...this.#consumers.values()]
    const consumer = consumers[pick % (consumers.length || 1)]
    if (!this.isOpen || consumer === undefined) return
    consumer.queue.removeConsumer(consumer)
    this.cancelByServer(consumer)
  }

  cancelByServer({ consumerTag }: ChannelConsumer): void {
    this.#consumers.delete(consumerTag)
    if (this.#state === 'open')
      this.#sender.send({ name: 'basic.cancel', args: { consumerTag, noWait: true } })
  }

  deliverTo({ consumerTag, noAck }: ChannelConsumer, queued: QueuedMessage): void {
    const deliveryTag = this.#tag(noAck, queued, consumerTag)
    const { exchange, routingKey } = queued.message
    const args = { consumerTag, deliveryTag, redelivered: queued.redelivered, exchange, routingKey }
    this.#sender.send({ name: 'basic.deliver', args }, queued.message)
  }

  /** The connection is gone. */
  end(): void {
    this.#state = 'closed'
    this.#inbox.length = 0
    this.#release()
  }

  #take({ method, content }: ReceivedMethod): void {
    if (method.name === 'channel.close') {
      this.#sender.send({ name: 'channel.close-ok', args: {} })
      if (this.#state === 'open') this.end()
    } else if (method.name === 'channel.close-ok') {
      if (this.#state !== 'closing') throw new BrokenRule('channel.close-ok answers nothing')
      this.#state = 'closed'
    } else if (this.#state === 'open') this.#tryTo(() => this.#do(method, content))
  }

  #tryTo(action: () => void): void {
    try {
      action()
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.close(error)
    }
  }

  #do(method: Method, content: ReceivedMethod['content']): void {
    switch (method.name) {
      case 'channel.open':
        return this.#sender.send({ name: 'channel.open-ok', args: {} })
      case 'basic.publish':
        return this.publishes.take(messageOf(method, content), method.args.mandatory, this.#transacts)
      case 'basic.ack':
        return this.#settle(method.args.deliveryTag, method.args.multiple, false)
      case 'basic.nack':
        return this.#settle(method.args.deliveryTag, method.args.multiple, method.args.requeue)
      case 'basic.reject':
        return this.#settle(method.args.deliveryTag, false, method.args.requeue)
      case 'basic.qos':
        this.#prefetch = method.args.prefetchCount
        return this.#sender.send({ name: 'basic.qos-ok', args: {} })
      case 'basic.consume':
        return this.#consume(method.args)
      case 'basic.cancel':
        return this.#cancel(method.args)
      case 'basic.get':
        return this.#get(method.args)
      case 'basic.recover':
        requeue(this.#unsettled.recover())
        return this.#sender.send({ name: 'basic.recover-ok', args: {} })
      case 'confirm.select':
        if (this.#transacts) throw new Refusal(406, 'cannot switch from tx to confirm mode')
        this.publishes.beginConfirms()
        if (!method.args.noWait) this.#sender.send({ name: 'confirm.select-ok', args: {} })
        return
      case 'tx.select':
        if (this.publishes.confirms) throw new Refusal(406, 'cannot switch from confirm to tx mode')
        this.#transacts = true
        return this.#sender.send({ name: 'tx.select-ok', args: {} })
      case 'tx.commit':
      case 'tx.rollback':
        return this.#endTransaction(method.name)
      default: {
        const reply = answerDeclaration(this.#host, method)
        if (reply !== undefined && isAnswered(method)) this.#sender.send(reply)
      }
    }
  }

  #settle(deliveryTag: number, multiple: boolean, goesBack: boolean): void {
    const settled = this.#unsettled.settle(deliveryTag, multiple, goesBack)
    if (this.#transacts) this.#unsettled.keepAside(settled)
    else apply(settled)
  }

  #consume({ queue: name, consumerTag, noAck, noWait }: MethodOf<'basic.consume'>['args']): void {
    const queue = this.#host.queue(name)
    if (this.#consumers.has(consumerTag)) throw new BrokenRule(`consumer tag '${consumerTag}' used twice`)
    const consumer = new ChannelConsumer(this, { consumerTag, noAck }, queue, this.#prefetch)
    this.#consumers.set(consumerTag, consumer)
    if (!noWait) this.#sender.send({ name: 'basic.consume-ok', args: { consumerTag } })
    queue.addConsumer(consumer)
  }

  #cancel({ consumerTag, noWait }: MethodOf<'basic.cancel'>['args']): void {
    const consumer = this.#consumers.get(consumerTag)
    this.#consumers.delete(consumerTag)
    consumer?.queue.removeConsumer(consumer)
    if (!noWait) this.#sender.send({ name: 'basic.cancel-ok', args: { consumerTag } })
  }

  #get({ queue, noAck }: MethodOf<'basic.get'>['args']): void {
    const source = this.#host.queue(queue)
    const queued = source.take()
    if (queued === undefined) return this.#sender.send({ name: 'basic.get-empty', args: {} })
    const deliveryTag = this.#tag(noAck, queued, undefined)
    const { exchange, routingKey } = queued.message
    const messageCount = source.ready.length
    const args = { deliveryTag, redelivered: queued.redelivered, exchange, routingKey, messageCount }
    this.#sender.send({ name: 'basic.get-ok', args }, queued.message)
  }

  #tag(noAck: boolean, queued: QueuedMessage, consumerTag: string | undefined): number {
    const deliveryTag = ++this.#lastDeliveryTag
    if (!noAck) this.#unsettled.add({ deliveryTag, queued, consumerTag })
    return deliveryTag
  }

  #endTransaction(name: 'tx.commit' | 'tx.rollback'): void {
    if (!this.#transacts) throw new Refusal(406, 'channel is not transactional')
    if (name === 'tx.commit') {
      for (const settled of this.#unsettled.commit()) apply(settled)
      this.publishes.commit()
      return this.#sender.send({ name: 'tx.commit-ok', args: {} })
    }
    this.publishes.rollback()
    this.#unsettled.rollback()
    this.#sender.send({ name: 'tx.rollback-ok', args: {} })
  }

  /** RabbitMQ's queues hear of a close later than the client does: what they have sent by then follows it (measured, 3.10). */
  #deliverLate(): void {
    for (const consumer of this.#consumers.values()) {
      const queued = consumer.queue.take()
      if (queued !== undefined) this.deliverTo(consumer, queued)
    }
  }

  /** Nothing is to be delivered any more, and what is not settled goes back. */
  #release(): void {
    this.publishes.end()
    for (const consumer of this.#consumers.values()) consumer.queue.removeConsumer(consumer)
    this.#consumers.clear()
    requeue(this.#unsettled.drain())
  }
}

function apply({ entries, requeue: goesBack }: Settled): void {
  if (goesBack) requeue(entries.map(({ queued }) => queued))
}

/** Each into its own queue. */
function requeue(messages: readonly QueuedMessage[]): void {
  for (const queued of messages) queued.queue.requeue([queued])
}

function messageOf({ args }: MethodOf<'basic.publish'>, content: ReceivedMethod['content']): Message {
  if (content === undefined) throw new BrokenRule('basic.publish without a content')
  const { exchange, routingKey } = args
  const { propertyOctets, body } = content
  return { exchange, routingKey, propertyOctets, body }
}
