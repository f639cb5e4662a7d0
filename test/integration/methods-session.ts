// A connection for one test of methods: a channel to use, names for what other connections see too, and a channel beside it
// that must notice nothing of what happens to others. What was declared under its names is deleted at the end by a
// connection of its own, since the first may be gone by then.

import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import {
  type Channel,
  ChannelClosedError,
  type ChannelOptions,
  type Connection,
  type ConnectOptions,
  connect,
  type DeclareMismatch,
  type Delivery,
} from '../../src/index.js'
import { LiveSession } from '../support/live-session.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const CONNECTION_NAME = 'methods'
const END_WITHIN_MS = 5_000

/** A call that the server refuses, and what it says. */
export interface Refusal {
  readonly code: 403 | 404 | 405 | 406
  readonly method: string
  readonly text: RegExp
  readonly mismatch?: DeclareMismatch | undefined
  /** The call itself resolves: nobody waits for an answer, and only the end of the channel tells. */
  readonly unheard?: boolean | undefined
}

export class MethodsSession {
  readonly live: LiveSession
  readonly #names: string[] = []

  /** `url`: where to connect to when it is not the broker itself, a proxy for instance. */
  static async open(
    options: ConnectOptions & ChannelOptions & { url?: string } = {},
  ): Promise<MethodsSession> {
    return new MethodsSession(await LiveSession.open({ connectionName: CONNECTION_NAME, ...options }))
  }

  private constructor(live: LiveSession) {
    this.live = live
  }

  get connection(): Connection {
    return this.live.connection
  }

  get channel(): Channel {
    return this.live.channel
  }

  /** A name that nobody else has, for a queue or an exchange that may outlive the connection until the end of the test. */
  name(): string {
    const name = `thump-methods-${randomUUID()}`
    this.#names.push(name)
    return name
  }

  /** A durable queue that other connections reach too. */
  async sharedQueue(): Promise<string> {
    return (await this.channel.queueDeclare(this.name())).queue
  }

  /** Messages in a queue that nobody has, as another connection sees it. */
  async messagesIn(queue: string): Promise<number | undefined> {
    const found = await this.connection.checkQueue(queue)
    return found?.messageCount
  }

  /**
   * The call on a channel of its own ends that channel and nothing else, and everybody is told the same. Resolves with the
   * channel's error.
   */
  async expectRefusal(
    refusal: Refusal,
    call: (channel: Channel) => Promise<unknown>,
  ): Promise<ChannelClosedError> {
    const bystander = await Bystander.join(this.connection)
    const channel = await this.connection.openChannel()
    const error = await refusedCall(channel, refusal, call(channel))
    expect(error.message).to.include(`channel ${channel.number} closed by the server: ${refusal.code} `)
    expect(error.replyText).to.match(refusal.text)
    expect(error.mismatch).to.deep.equal(refusal.mismatch)
    expect(error.notFound).to.equal(refusal.code === 404)

    const reason = await within(END_WITHIN_MS, 'the end of the channel', channel.closed)
    expect(reason).to.include({
      by: 'server',
      code: refusal.code,
      method: refusal.method,
      text: error.replyText,
    })
    expect(error.reason).to.equal(reason)
    expect(error.cause).to.equal(reason.error)
    expect(channel.state).to.equal('closed')
    const later = await rejectionOf(channel.queueDeclare(), ChannelClosedError)
    expect(later).to.include({ replyCode: refusal.code, reason })

    expect(this.connection.state).to.equal('open')
    await bystander.expectUntouched()
    return error
  }

  async close(): Promise<void> {
    await this.live.close()
    if (this.#names.length === 0) return
    await using cleaner = await connect(this.live.url)
    const channel = await cleaner.openChannel()
    for (const name of this.#names) {
      await channel.queueDelete(name)
      await channel.exchangeDelete(name)
    }
  }
}

/** The error of a refused call: its own, or if that cannot have one, that of the next call on the channel. */
async function refusedCall(
  channel: Channel,
  { code, method, unheard }: Refusal,
  call: Promise<unknown>,
): Promise<ChannelClosedError> {
  if (unheard === true) {
    await within(END_WITHIN_MS, 'the call that nobody answers', call)
    await within(END_WITHIN_MS, 'the end of the channel', channel.closed)
  }
  const error = await rejectionOf(unheard === true ? channel.prefetch(1) : call, ChannelClosedError)
  expect(error).to.include({
    code: 'AMQP_CHANNEL_CLOSED',
    replyCode: code,
    method,
    channelNumber: channel.number,
    connectionName: CONNECTION_NAME,
  })
  return error
}

/** A channel in the middle of its work: it holds a message, and has a queue to go on with. */
class Bystander {
  readonly #channel: Channel
  readonly #queue: string
  readonly #held: Delivery

  static async join(connection: Connection): Promise<Bystander> {
    const channel = await connection.openChannel({ confirm: true })
    const { queue } = await channel.queueDeclare()
    await channel.publish('', queue, 'held')
    const held = await channel.get(queue)
    if (held === undefined) throw new Error('a message that was confirmed is not in its queue')
    return new Bystander(channel, queue, held)
  }

  private constructor(channel: Channel, queue: string, held: Delivery) {
    this.#channel = channel
    this.#queue = queue
    this.#held = held
  }

  /** It settles what it held, publishes and gets. */
  async expectUntouched(): Promise<void> {
    expect(this.#held.state).to.equal('unsettled')
    expect(this.#held.ack()).to.equal(true)
    await this.#channel.publish('', this.#queue, 'next')
    const next = await this.#channel.get(this.#queue, { noAck: true })
    expect(String(next?.body)).to.equal('next')
    expect(await this.#channel.queueDelete(this.#queue)).to.equal(0)
    expect(await this.#channel.close()).to.deep.equal({ by: 'client' })
  }
}
