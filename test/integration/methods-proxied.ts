// A connection through a proxy, which can withhold what the broker answers, and another beside it that sees what the broker
// has made of it. Between them is a queue with three messages.

import { expect } from 'chai'
import type { Channel, Connection } from '../../src/index.js'
import { FaultProxy } from '../support/fault-proxy.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { MethodsSession } from './methods-session.js'

const ANSWER_WITHIN_MS = 5_000

export class ProxiedSession {
  readonly proxy: FaultProxy
  readonly direct: MethodsSession
  readonly queue: string
  /** One that nothing is bound to. */
  readonly exchange: string
  readonly #session: MethodsSession

  /** @param channelMax of the connection through the proxy, which has one channel already */
  static async open(channelMax: number): Promise<ProxiedSession> {
    const direct = await MethodsSession.open({ confirm: true })
    const queue = await direct.sharedQueue()
    await Promise.all(['0', '1', '2'].map(body => direct.channel.publish('', queue, body)))
    const exchange = direct.name()
    await direct.channel.exchangeDeclare(exchange, 'fanout')
    const { hostname, port } = new URL(direct.live.url)
    const proxy = await FaultProxy.start({ target: { host: hostname, port: Number(port || 5672) } })
    const session = await MethodsSession.open({ url: proxy.url(direct.live.url), channelMax })
    return new ProxiedSession(proxy, direct, session, queue, exchange)
  }

  private constructor(
    proxy: FaultProxy,
    direct: MethodsSession,
    session: MethodsSession,
    queue: string,
    exchange: string,
  ) {
    this.proxy = proxy
    this.direct = direct
    this.#session = session
    this.queue = queue
    this.exchange = exchange
  }

  get connection(): Connection {
    return this.#session.connection
  }

  get channel(): Channel {
    return this.#session.channel
  }

  get framesSent(): number {
    return this.connection.stats.framesSent
  }

  /** The broker answers the channel, has all messages of the queue, and nobody consumes them. */
  async expectUsable(channel = this.channel): Promise<void> {
    expect(channel.state).to.equal('open')
    await within(ANSWER_WITHIN_MS, 'an answer', channel.queueUnbind('no such queue', 'amq.direct'))
    await until(ANSWER_WITHIN_MS, 'the queue as it was', async () => {
      const found = await this.direct.connection.checkQueue(this.queue)
      return found?.messageCount === 3 && found.consumerCount === 0
    })
  }

  /** Opens a channel as soon as there is a number for it. */
  async openWhenPossible(): Promise<Channel> {
    let channel: Channel | undefined
    await until(ANSWER_WITHIN_MS, 'a free channel number', async () => {
      channel = await this.connection.openChannel().catch(() => undefined)
      return channel !== undefined
    })
    return channel as Channel
  }

  async close(): Promise<void> {
    this.proxy.clear()
    await this.#session.close()
    await this.proxy.close()
    await this.direct.close()
  }
}
