// A message in the application's hands, bound to the life of the channel it came on: it can be settled there, once, and
// nowhere else. A bare delivery tag would have no life, and acknowledged on another channel it closes that channel (406).

import { inspect } from 'node:util'
import type { DeliveryState, IncomingDelivery, MessageProperties, Settlement } from '../protocol/index.js'
import { checkOptions, isBoolean } from './arguments.js'

/** Options of `ack`. */
export interface AckOptions {
  /** All deliveries before it on its channel too. Default false. */
  multiple?: boolean | undefined
}

/** Options of `reject`. */
export interface RejectOptions {
  /** Back into its queue. Default false: it is dead-lettered or dropped. */
  requeue?: boolean | undefined
}

/** Options of `nack`. */
export interface NackOptions extends AckOptions, RejectOptions {}

const ACK_CHECKS = { multiple: isBoolean }
const NACK_CHECKS = { requeue: isBoolean, multiple: isBoolean }
const REJECT_CHECKS = { requeue: isBoolean }

/** A message that was delivered, or fetched. Settled once, by ack, nack or reject; without an argument nothing is requeued. */
export class Delivery {
  readonly #incoming: IncomingDelivery
  readonly #flush: () => void

  /** @internal */
  constructor(incoming: IncomingDelivery, flush: () => void) {
    this.#incoming = incoming
    this.#flush = flush
  }

  /**
   * The message body. Its octets are the delivery's own, and may be kept and changed. Those behind `body.buffer` are not: a body of
   * 65 octets to 8 KiB lies beside others, and whoever keeps it keeps at most 252 times its own octets with it; one of 32 to
   * 128 KiB may lie between what was read with it.
   */
  get body(): Buffer {
    return this.#incoming.content.body
  }

  /** Content properties, the application's `headers` among them. Built on first read. */
  get properties(): MessageProperties {
    return this.#incoming.content.properties
  }

  /** @internal Octets of its content. */
  get octets(): number {
    const { body, propertyOctets } = this.#incoming.content
    return body.length + propertyOctets.length
  }

  /** @internal It comes from a stream, and can be acknowledged only. */
  get isFromStream(): boolean {
    return this.#incoming.content.isFromStream
  }

  /** The exchange it was published to. */
  get exchange(): string {
    return this.#incoming.exchange
  }

  get routingKey(): string {
    return this.#incoming.routingKey
  }

  /** It was delivered before, to this consumer or another, and not acknowledged. */
  get redelivered(): boolean {
    return this.#incoming.redelivered
  }

  /** Its number on its channel; only good to look at. */
  get deliveryTag(): number {
    return this.#incoming.deliveryTag
  }

  /** Empty for a message fetched with `get`. */
  get consumerTag(): string {
    return this.#incoming.consumerTag
  }

  /** Messages left in the queue; only `get` tells. */
  get messageCount(): number | undefined {
    return this.#incoming.messageCount
  }

  /** Whether it still waits to be settled, and if not, why a settlement is not sent. */
  get state(): DeliveryState {
    return this.#incoming.noAck ? 'noAck' : this.#incoming.life.stateOf(this.#incoming.deliveryTag)
  }

  /**
   * Acknowledges it (AMQP 0-9-1, 1.8.3.13), with `multiple` all before it on its channel too.
   * Returns true when that was accepted for sending; otherwise nothing is sent and {@link state} says why.
   */
  ack(options?: AckOptions): boolean {
    if (options !== undefined) checkOptions(options, ACK_CHECKS, 'options')
    return this.#settle({ kind: 'ack', multiple: options?.multiple ?? false })
  }

  /**
   * Refuses it (RabbitMQ's basic.nack): back into its queue with `requeue`; by default it is dead-lettered or dropped.
   * With `multiple` all before it on its channel too.
   */
  nack(options?: NackOptions): boolean {
    if (options !== undefined) checkOptions(options, NACK_CHECKS, 'options')
    return this.#settle({
      kind: 'nack',
      requeue: options?.requeue ?? false,
      multiple: options?.multiple ?? false,
    })
  }

  /**
   * Refuses it (AMQP 0-9-1, 1.8.3.14): back into its queue with `requeue`; by default it is dead-lettered or dropped. On
   * RabbitMQ 4.3 and later a requeue by reject counts as a failed delivery, one by nack does not.
   */
  reject(options?: RejectOptions): boolean {
    if (options !== undefined) checkOptions(options, REJECT_CHECKS, 'options')
    return this.#settle({ kind: 'reject', requeue: options?.requeue ?? false })
  }

  /** @internal Nobody wants it any more: somebody else may have it. */
  giveBack(): void {
    this.#incoming.life.giveBack(this.#incoming)
    this.#flush()
  }

  toJSON(): Record<string, unknown> {
    const { exchange, routingKey, deliveryTag, consumerTag, redelivered, state } = this
    return {
      exchange,
      routingKey,
      deliveryTag,
      consumerTag,
      redelivered,
      state,
      bodyLength: this.body.length,
    }
  }

  [inspect.custom](): string {
    return `Delivery ${inspect({ ...this.toJSON(), properties: this.properties })}`
  }

  #settle(settlement: Settlement): boolean {
    const { noAck, life, deliveryTag } = this.#incoming
    if (noAck || !life.settle(deliveryTag, settlement)) return false
    this.#flush()
    return true
  }
}
