// Where drains are watched: a connection in virtual time, whose peer notes what it is told of consumers, settlements and closes,
// in order and in short words, and answers like a broker, or not, as the test says.

import type { Channel, Connection, ConnectOptions, Consumer } from '../../../src/index.js'
import type { Method, MethodOf } from '../../../src/protocol/method-types.js'
import type { MethodName } from '../../../src/protocol/methods.js'
import type { VirtualClock } from '../virtual-clock.js'
import type { MemoryStream } from './memory-stream.js'
import type { ScriptedPeer } from './scripted-peer.js'
import { VirtualPeer } from './virtual-peer.js'

export class DrainStage {
  readonly connection: Connection
  readonly clock: VirtualClock
  readonly peer: ScriptedPeer<MemoryStream>
  /** `cancel`, `ack 1`, `nack 2 requeue`, `publish`, `channel.close`, `connection.close`: what came since it was last taken. */
  #told: string[] = []
  readonly #silent = new Set<MethodName>()
  readonly #lastTags = new Map<number, number>()

  private constructor(virtual: VirtualPeer & { readonly connection: Connection }) {
    this.connection = virtual.connection
    this.clock = virtual.clock
    this.peer = virtual.peer
    this.#note('basic.cancel', 'cancel', ({ args: { consumerTag, noWait } }: MethodOf<'basic.cancel'>) =>
      noWait ? undefined : { name: 'basic.cancel-ok', args: { consumerTag } },
    )
    this.#note('channel.close', 'channel.close', () => ({ name: 'channel.close-ok', args: {} }))
    this.#note('connection.close', 'connection.close', () => ({ name: 'connection.close-ok', args: {} }))
    this.#note('basic.publish', 'publish', () => undefined)
    this.peer.on('basic.ack', ({ method }) => {
      this.#told.push(`ack ${(method as MethodOf<'basic.ack'>).args.deliveryTag}`)
    })
    this.peer.on('basic.reject', ({ method }) => {
      const { deliveryTag, requeue } = (method as MethodOf<'basic.reject'>).args
      this.#told.push(`reject ${deliveryTag}${requeue ? ' requeue' : ''}`)
    })
    this.peer.on('basic.nack', ({ method }) => {
      const { deliveryTag, requeue } = (method as MethodOf<'basic.nack'>).args
      this.#told.push(`nack ${deliveryTag}${requeue ? ' requeue' : ''}`)
    })
  }

  /** Without heartbeats, so that nothing but the drain sets timers and ends things. */
  static async open(options: ConnectOptions = {}): Promise<DrainStage> {
    return new DrainStage(await VirtualPeer.open({ connect: { heartbeat: 0, ...options } }))
  }

  /** Everything on its way arrives; then what the peer was told since this was asked last. */
  async told(): Promise<string[]> {
    await this.clock.settle()
    return this.#told.splice(0)
  }

  /** From here on the peer does not answer these. */
  silence(...names: MethodName[]): void {
    for (const name of names) this.#silent.add(name)
  }

  answerCancel(channel: Channel, { consumerTag }: Consumer): void {
    this.peer.send(channel.number, { name: 'basic.cancel-ok', args: { consumerTag } })
  }

  confirm(channel: Channel, deliveryTag: number): void {
    this.peer.send(channel.number, { name: 'basic.ack', args: { deliveryTag, multiple: false } })
  }

  /** The server cancels the consumer. */
  cancelByServer(channel: Channel, { consumerTag }: Consumer): void {
    this.peer.send(channel.number, { name: 'basic.cancel', args: { consumerTag, noWait: true } })
  }

  /** The server closes the channel. */
  closeByServer(channel: Channel): void {
    const args = { replyCode: 404, replyText: 'NOT_FOUND', classId: 60, methodId: 20 }
    this.peer.send(channel.number, { name: 'channel.close', args })
  }

  /** Delivers messages, and lets their handlers begin. */
  async deliver(channel: Channel, consumer: Consumer, ...bodies: string[]): Promise<void> {
    for (const body of bodies) {
      const deliveryTag = (this.#lastTags.get(channel.number) ?? 0) + 1
      this.#lastTags.set(channel.number, deliveryTag)
      const args = { deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
      const method = { name: 'basic.deliver', args: { consumerTag: consumer.consumerTag, ...args } } as const
      this.peer.sendContent(channel.number, method, Buffer.from(body))
    }
    await this.clock.settle()
  }

  #note<M extends MethodName>(
    name: M,
    word: string,
    answer: (method: MethodOf<M>) => Method | undefined,
  ): void {
    this.peer.on(name, ({ channelNumber, method }) => {
      this.#told.push(word)
      const reply = this.#silent.has(name) ? undefined : answer(method as MethodOf<M>)
      if (reply !== undefined) this.peer.send(channelNumber, reply)
    })
  }
}

/** How a promise stands: what it resolved with, or `pending`. */
export function watch<T>(promise: Promise<T>): () => T | 'pending' {
  let state: T | 'pending' = 'pending'
  void promise.then(value => {
    state = value
  })
  return () => state
}
