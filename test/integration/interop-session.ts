// A session of thump's with a queue that the connections of other clients reach: durable, with a random name, deleted at the
// end by a connection of its own. (An exclusive queue is its own connection's only; RabbitMQ 4.3 has no transient ones that
// are not.)

import { randomUUID } from 'node:crypto'
import { type ConnectOptions, connect, type Delivery } from '../../src/index.js'
import { LiveSession } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'

const ARRIVAL_TIMEOUT_MS = 5_000

export class InteropSession {
  readonly live: LiveSession
  readonly queue: string

  static async open(options: ConnectOptions = {}): Promise<InteropSession> {
    const live = await LiveSession.open({ ...options, confirm: true })
    const { queue } = await live.channel.queueDeclare(`thump-interop-${randomUUID()}`)
    return new InteropSession(live, queue)
  }

  private constructor(live: LiveSession, queue: string) {
    this.live = live
    this.queue = queue
  }

  /** The login that messages may name as their `userId`. */
  get userId(): string {
    return decodeURIComponent(new URL(this.live.url).username) || 'guest'
  }

  /** A queue out of which every message goes to `queue` at once, dead-lettered: any connection may publish to it. */
  deadLettering(): Promise<string> {
    return this.live.queue({
      arguments: {
        'x-message-ttl': 0,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': this.queue,
      },
    })
  }

  /** The next message of the queue, as soon as it is there. */
  async take(): Promise<Delivery> {
    let delivery: Delivery | undefined
    await until(ARRIVAL_TIMEOUT_MS, `a message in ${this.queue}`, async () => {
      delivery = await this.live.channel.get(this.queue, { noAck: true })
      return delivery !== undefined
    })
    return delivery as Delivery
  }

  /** What a test that failed has left is not for the next one. */
  async drain(): Promise<void> {
    while ((await this.live.channel.get(this.queue, { noAck: true })) !== undefined);
  }

  async close(): Promise<void> {
    await this.live.close()
    const cleaner = await connect(this.live.url)
    await (await cleaner.openChannel()).queueDelete(this.queue)
    await cleaner.close()
  }
}
