// A connection for one scenario, with queues and exchanges that other connections see too, further connections, and an
// independent client that counts. What was declared under its names is deleted at the end by a connection of its own, since
// the first may be gone by then.

import { randomUUID } from 'node:crypto'
import amqplib from 'amqplib'
import {
  type Channel,
  type ChannelOptions,
  type Connection,
  type ConnectOptions,
  connect,
  type Delivery,
  type ExchangeDeclareOptions,
  type QueueDeclareOptions,
} from '../../src/index.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'

const ARRIVAL_MS = 5_000
const QUIET_MS = 100

export type ScenarioOptions = ConnectOptions &
  ChannelOptions & {
    /** Where to connect to, when it is not the broker itself: a proxy for instance. */
    url?: string | undefined
    /** The broker; the shared one by default. */
    broker?: string | undefined
  }

export class ScenarioSession {
  readonly #broker: string
  readonly #names = { queues: [] as string[], exchanges: [] as string[] }
  readonly #connections: Connection[] = []
  readonly connection: Connection
  readonly channel: Channel
  #witness: amqplib.ChannelModel | undefined

  static async open(options: ScenarioOptions = {}): Promise<ScenarioSession> {
    const { confirm, maxUnconfirmed, url, broker = (await sharedBroker()).url, ...connectOptions } = options
    const connection = await connect(url ?? broker, { connectionName: 'scenario', ...connectOptions })
    return new ScenarioSession(broker, connection, await connection.openChannel({ confirm, maxUnconfirmed }))
  }

  private constructor(broker: string, connection: Connection, channel: Channel) {
    this.#broker = broker
    this.#connections.push(connection)
    this.connection = connection
    this.channel = channel
  }

  /** A name of a queue that is deleted at the end. */
  queueName(): string {
    const name = `thump-scenario-${randomUUID()}`
    this.#names.queues.push(name)
    return name
  }

  /** A name of an exchange that is deleted at the end. */
  exchangeName(): string {
    const name = `thump-scenario-${randomUUID()}`
    this.#names.exchanges.push(name)
    return name
  }

  /** A queue of this connection only, gone with it. */
  async ownQueue(options: QueueDeclareOptions = {}): Promise<string> {
    return (await this.channel.queueDeclare('', options)).queue
  }

  /** A durable queue that every connection reaches. */
  async queue(options: QueueDeclareOptions = {}): Promise<string> {
    return (await this.channel.queueDeclare(this.queueName(), options)).queue
  }

  async exchange(type: string, options: ExchangeDeclareOptions = {}): Promise<string> {
    const exchange = this.exchangeName()
    await this.channel.exchangeDeclare(exchange, type, options)
    return exchange
  }

  /** Another connection, closed at the end. */
  async join(options: ConnectOptions = {}): Promise<Connection> {
    const connection = await connect(this.#broker, { connectionName: 'scenario', ...options })
    this.#connections.push(connection)
    return connection
  }

  /** A channel of the independent client, on a connection of its own. */
  async witness(): Promise<amqplib.Channel> {
    if (this.#witness === undefined) {
      this.#witness = await amqplib.connect(this.#broker)
      this.#witness.on('error', () => {})
    }
    const channel = await this.#witness.createChannel()
    channel.on('error', () => {})
    return channel
  }

  /** Resolves when the independent client finds so many messages in the queue that nobody has, and still a moment later. */
  async expectMessages(queue: string, count: number): Promise<void> {
    const witness = await this.witness()
    let found = 0
    const isSo = async (): Promise<boolean> => {
      found = (await witness.checkQueue(queue)).messageCount
      return found === count
    }
    try {
      await until(ARRIVAL_MS, `${count} messages in a queue`, isSo)
      await new Promise(resolve => setTimeout(resolve, QUIET_MS))
      if (!(await isSo())) throw new Error(`${count} messages in a queue became ${found}`)
    } catch (error) {
      throw new Error(`${(error as Error).message}; there are ${found}`, { cause: error })
    }
    await witness.close()
  }

  /** The next message of a queue, taken by `get` and acknowledged. */
  async take(queue: string, timeoutMs = ARRIVAL_MS): Promise<Delivery> {
    let taken: Delivery | undefined
    await until(timeoutMs, 'a message in a queue', async () => {
      taken = await this.channel.get(queue)
      return taken !== undefined
    })
    const delivery = taken as unknown as Delivery
    delivery.ack()
    return delivery
  }

  /** All that the independent client finds in a queue, in order, as soon as there are `atLeast` messages. */
  async drain(queue: string, atLeast = 0): Promise<amqplib.Message[]> {
    const witness = await this.witness()
    const messages: amqplib.Message[] = []
    let messageCount = 0
    await until(ARRIVAL_MS, `${atLeast} messages in a queue`, async () => {
      messageCount = (await witness.checkQueue(queue)).messageCount
      return messageCount >= atLeast
    })
    if (messageCount > 0) {
      const all = new Promise<void>(resolve => {
        const note = (message: amqplib.Message | null): void => {
          if (message !== null && messages.push(message) === messageCount) resolve()
        }
        void witness.consume(queue, note, { noAck: true })
      })
      await within(ARRIVAL_MS, `${messageCount} messages of a queue`, all)
    }
    await witness.close()
    await this.expectMessages(queue, 0)
    return messages
  }

  /** Deletes what was declared, and closes. The broker must run. */
  async close(): Promise<void> {
    await this.#witness?.close().catch(() => {})
    for (const connection of this.#connections) await connection.close()
    const { queues, exchanges } = this.#names
    if (queues.length + exchanges.length === 0) return
    const cleaner = await connect(this.#broker)
    const channel = await cleaner.openChannel()
    for (const queue of queues) await channel.queueDelete(queue)
    for (const exchange of exchanges) await channel.exchangeDelete(exchange)
    await cleaner.close()
  }
}
