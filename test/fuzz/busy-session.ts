// A session that does everything at once and awaits little, so that whatever comes, at whatever time, something waits for it.
// It notes every promise that thump gave. What becomes of them is for the test to judge.

import { type Connection, type Consumer, connect } from '../../src/index.js'
import { within } from '../support/rabbitmq/deadline.js'

export class BusySession {
  /** Every promise that was given, with what gave it. */
  readonly promises: { readonly what: string; readonly promise: Promise<unknown> }[] = []
  connection: Connection | undefined

  /** Resolves when the session is over, however it went. */
  async run(port: number, vhost = '/'): Promise<void> {
    const options = { connectTimeout: 1_000, rpcTimeout: 600, confirmTimeout: 600, closeTimeout: 400 }
    const connecting = connect({ host: '127.0.0.1', port, vhost, heartbeat: 1, ...options })
    this.#note('connect', connecting)
    try {
      this.connection = await connecting
      this.#note('connection.closed', this.connection.closed)
      await this.#work(this.connection)
    } catch {
      // The promise is noted, and what it came to is told by nobody else.
    }
    if (this.connection !== undefined) await this.#note('connection.close', this.connection.close())
  }

  async #work(connection: Connection): Promise<void> {
    const channel = await this.#note('openChannel', connection.openChannel({ confirm: true }))
    const plain = await this.#note('openChannel', connection.openChannel())
    this.#note('channel.closed', channel.closed)
    channel.on('handlerError', () => {})
    const [first, second] = await Promise.all([
      this.#note('queueDeclare', channel.queueDeclare('', { arguments: { 'x-max-length': 1_000 } })),
      this.#note('queueDeclare', plain.queueDeclare()),
    ])
    const handled = this.#note(
      'consume',
      channel.consume(first.queue, { prefetch: 5 }, delivery => {
        if (delivery.deliveryTag % 7 === 0) throw new Error('every seventh fails')
      }),
    )
    const iterated = await this.#note('consume', plain.consume(second.queue, { prefetch: 10 }))
    const reading = this.#read(iterated).catch(() => {})
    for (let each = 0; each < 25; each++) {
      const headers = { each, list: [1, 'two', { three: 3n }], text: 'x'.repeat(each) }
      const options = { mandatory: true, messageId: String(each), headers }
      this.#note(
        'publish',
        channel.publish('', each % 5 === 0 ? 'nowhere' : first.queue, `body ${each}`, options),
      )
      this.#note('publish', plain.publish('', second.queue, Buffer.alloc(each * 7, each), options))
      if (each % 8 === 0) await this.#note('get', plain.get(first.queue))
    }
    this.#note('prefetch', plain.prefetch(3))
    this.#note('queueDeclare', plain.queueDeclare())
    await this.#note('queueDelete', plain.queueDelete(second.queue))
    // What the server says of the deletion may have become something else: then nobody says that the consumer is gone.
    await within(500, 'the end of the consumer', reading).catch(() => {})
    const consumer = await handled
    this.#note('cancel', consumer.cancel())
    await this.#note('channel.close', plain.close())
  }

  /** Until the queue is deleted, which the server tells by a cancel. */
  async #read(consumer: Consumer): Promise<void> {
    this.#note('consumer.closed', consumer.closed)
    for await (const delivery of consumer) delivery.ack()
  }

  #note<T>(what: string, promise: Promise<T>): Promise<T> {
    this.promises.push({ what, promise })
    return promise
  }
}
