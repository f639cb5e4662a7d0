// A session with a broker that does everything at once and awaits little, so that whatever comes, at whatever time, something waits
// for it. It notes every promise, and every message that it is handed. What becomes of them is for the judge.

import { type Channel, type Connection, type Consumer, connect, type Delivery } from '../../../src/index.js'
import { until, within } from '../../support/rabbitmq/deadline.js'
import { PromiseLedger } from '../promise-ledger.js'
import { type NumberedMessage, numberedMessage, type Seen, seen } from './message.js'

/** A message that was handed over. */
export interface Handed extends Seen {
  /** By which consumer or call: `handled`, `iterated`, `get`. */
  readonly by: string
  readonly deliveryTag: number
  readonly redelivered: boolean
}

/** A message that was published. */
export interface Published {
  readonly message: NumberedMessage
  /** Its tag among the confirms; undefined on the plain channel. */
  readonly confirmTag: number | undefined
  readonly promise: Promise<void>
}

export const NOWHERE = 'nowhere'
/** The channel number of the channel with confirms: the first that is opened. */
export const CONFIRMING = 1

const MESSAGES = 25
/** A broker says it at once. A session waits so long when it was lost. */
const END_OF_CONSUMER_MS = 1_000
/** The broker beats every half of the interval. */
const HEARTBEAT_WITHIN_MS = 3_000
/** Long enough for a broker that shares its machine, so that what is late was lost. */
const LIMITS = {
  heartbeat: 2,
  connectTimeout: 4_000,
  rpcTimeout: 4_000,
  confirmTimeout: 4_000,
  closeTimeout: 2_000,
}

export class CheckedSession {
  readonly ledger = new PromiseLedger()
  /** By number. */
  readonly published: Published[] = []
  readonly handed: Handed[] = []
  /** What came back and fitted no publish. */
  readonly returned: Seen[] = []
  connection: Connection | undefined

  /** Resolves when the session is over, however it went; `lingers`: not before a heartbeat came, or should have come. */
  async run(port: number, lingers = false): Promise<void> {
    const connecting = this.#note('connect', connect({ host: '127.0.0.1', port, frameMax: 8_192, ...LIMITS }))
    try {
      this.connection = await connecting
      this.#note('connection.closed', this.connection.closed)
      await this.#work(this.connection)
      if (lingers) await until(HEARTBEAT_WITHIN_MS, 'a heartbeat', () => this.#hasHeardOne)
    } catch {
      // The promise is noted, and what it came to is told by nobody else.
    }
    if (this.connection !== undefined) await this.#note('connection.close', this.connection.close())
  }

  get #hasHeardOne(): boolean {
    return (this.connection?.stats.heartbeatsReceived ?? 1) > 0 || this.connection?.state === 'closed'
  }

  async #work(connection: Connection): Promise<void> {
    const channel = await this.#note('openChannel', connection.openChannel({ confirm: true }))
    const plain = await this.#note('openChannel', connection.openChannel())
    for (const each of [channel, plain]) {
      this.#note('channel.closed', each.closed)
      each.on('handlerError', () => {})
      each.on('returned', message => this.returned.push(seen(message)))
    }
    const [first, second] = await Promise.all([
      this.#note('queueDeclare', channel.queueDeclare('', { arguments: { 'x-max-length': 1_000 } })),
      this.#note('queueDeclare', plain.queueDeclare()),
    ])
    const onDelivery = (delivery: Delivery): void => {
      this.#take('handled', delivery)
      if (delivery.deliveryTag % 7 === 0) throw new Error('every seventh fails')
    }
    const options = { prefetch: 5, onError: 'reject' } as const
    const handled = this.#note('consume', channel.consume(first.queue, options, onDelivery))
    const iterated = await this.#note('consume', plain.consume(second.queue, { prefetch: 10 }))
    const reading = this.#read(iterated).catch(() => {})
    for (let each = 0; each < MESSAGES; each++) {
      this.#publish(channel, each % 5 === 0 ? NOWHERE : first.queue, true)
      this.#publish(plain, second.queue, false)
      if (each % 8 === 0) await this.#get(plain, first.queue)
    }
    this.#note('prefetch', plain.prefetch(3))
    this.#note('queueDeclare', plain.queueDeclare())
    await this.#note('waitForConfirms', channel.waitForConfirms()).catch(() => {})
    await this.#note('queueDelete', plain.queueDelete(second.queue))
    // What the server says of the deletion may have become something else: then nobody says that the consumer is gone.
    await within(END_OF_CONSUMER_MS, 'the end of the consumer', reading).catch(() => {})
    const consumer = await handled
    this.#note('cancel', consumer.cancel())
    await this.#note('channel.close', plain.close())
  }

  #publish(channel: Channel, routingKey: string, confirms: boolean): void {
    const message = numberedMessage(this.published.length, routingKey)
    const options = { ...message.options, mandatory: confirms }
    const promise = this.#note('publish', channel.publish('', routingKey, message.body, options))
    const confirmTag = confirms
      ? this.published.filter(each => each.confirmTag !== undefined).length + 1
      : undefined
    this.published.push({ message, confirmTag, promise })
  }

  async #get(channel: Channel, queue: string): Promise<void> {
    const delivery = await this.#note('get', channel.get(queue))
    if (delivery === undefined) return
    this.#take('get', delivery)
    delivery.ack()
  }

  /** Until the queue is deleted, which the server tells by a cancel. */
  async #read(consumer: Consumer): Promise<void> {
    this.#note('consumer.closed', consumer.closed)
    for await (const delivery of consumer) {
      this.#take('iterated', delivery)
      delivery.ack()
    }
  }

  #take(by: string, delivery: Delivery): void {
    const { deliveryTag, redelivered } = delivery
    this.handed.push({ by, deliveryTag, redelivered, ...seen(delivery) })
  }

  #note<T>(what: string, promise: Promise<T>): Promise<T> {
    return this.ledger.note(what, promise)
  }
}
