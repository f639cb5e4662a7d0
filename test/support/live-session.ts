// A connection to the shared broker for one test, a channel on it, and queues that vanish with it; beside it, when asked for,
// a connection of an independent client.

import amqplib from 'amqplib'
import {
  type Channel,
  type ChannelOptions,
  type Connection,
  type ConnectOptions,
  connect,
  type QueueDeclareOptions,
} from '../../src/index.js'
import { sharedBroker } from './rabbitmq/index.js'

/** For hooks: the first user of the shared broker waits for its start. */
export const BROKER_START_MS = 90_000

export class LiveSession {
  readonly url: string
  readonly connection: Connection
  readonly channel: Channel
  #witness: amqplib.ChannelModel | undefined

  private constructor(url: string, connection: Connection, channel: Channel) {
    this.url = url
    this.connection = connection
    this.channel = channel
  }

  /** `url`: where to connect to when it is not the broker itself, a proxy for instance. */
  static async open(options: ConnectOptions & ChannelOptions & { url?: string } = {}): Promise<LiveSession> {
    const { confirm, maxUnconfirmed, url, ...connectOptions } = options
    const broker = await sharedBroker()
    const connection = await connect(url ?? broker.url, connectOptions)
    const channel = await connection.openChannel({ confirm, maxUnconfirmed })
    return new LiveSession(broker.url, connection, channel)
  }

  /** A queue for this connection only, named by the server. */
  async queue(options: QueueDeclareOptions = {}): Promise<string> {
    return (await this.channel.queueDeclare('', options)).queue
  }

  /** A channel of the independent client, on a connection of its own. */
  async witness(): Promise<amqplib.ConfirmChannel> {
    if (this.#witness === undefined) {
      this.#witness = await amqplib.connect(this.url)
      this.#witness.on('error', () => {})
    }
    const channel = await this.#witness.createConfirmChannel()
    channel.on('error', () => {})
    return channel
  }

  async close(): Promise<void> {
    await this.#witness?.close().catch(() => {})
    await this.connection.close()
  }
}

/** A queue that other connections see too, gone when its action is over. */
export async function withSharedQueue(
  session: LiveSession,
  options: QueueDeclareOptions,
  action: (queue: string) => Promise<void>,
): Promise<void> {
  const { queue } = await session.channel.queueDeclare('', { exclusive: false, durable: true, ...options })
  try {
    await action(queue)
  } finally {
    const cleaner = await connect(session.url)
    await (await cleaner.openChannel()).queueDelete(queue)
    await cleaner.close()
  }
}
