// The floor: a socket, blocks that were encoded beforehand, and a scan for frame boundaries. It keeps to the window and
// the prefetch and makes no object for a message; a client with an interface cannot be as cheap.

import {
  CONFIRM_WINDOW,
  CONSUMER_TAG,
  HEARTBEAT,
  isRich,
  PREFETCH,
  REPLY_TO,
  ROUTING_KEY,
  RPC_QUEUE,
  type Workload,
} from '../cases.js'
import { richPropertyOctets } from '../rich.js'
import type { Client, Round, Session, SessionOptions } from '../session.js'
import {
  content,
  FRAME_HEADER,
  HEARTBEAT as HEARTBEAT_FRAME,
  long,
  longlong,
  MethodId,
  method,
  octet,
  perBlock,
  repeat,
  short,
  shortstr,
  stampTags,
} from '../wire.js'
import { CHANNEL, EMPTY_TABLE, NO_FLAGS, RawConnection, RESERVED_SHORT } from './raw-connection.js'

const NO_ACK = octet(0x02)

const ACK = method(CHANNEL, MethodId.BasicAck, longlong(0), NO_FLAGS)
const ACKS = repeat(ACK, PREFETCH)
const ACK_TAG_AT = FRAME_HEADER + 4

/** Of the fourteen property flags. */
const CORRELATION_ID_AND_REPLY_TO = 0x0600

export const client: Client = { open: openSession, hold }

async function openSession({ url, workload, bodySize }: SessionOptions): Promise<Session> {
  const connection = new RawConnection(bodySize)
  await connection.open(url)
  await connection.openChannel(workload === 'confirm' || workload === 'confirm-one')
  const run = await START[workload](new RawClient(connection, workload, bodySize), url)
  return {
    run,
    ask: queue => connection.ask(queue),
    close: () => connection.close(),
  }
}

/** One timer for all. */
const beating = new Set<RawConnection>()
let timer: NodeJS.Timeout | undefined

async function hold(url: string): Promise<() => Promise<void>> {
  const connection = new RawConnection(0)
  await connection.open(url, HEARTBEAT)
  beating.add(connection)
  timer ??= setInterval(() => {
    for (const each of beating) each.write(HEARTBEAT_FRAME)
  }, 500 * HEARTBEAT)
  return async () => {
    beating.delete(connection)
    if (beating.size === 0) clearInterval(timer)
    await connection.close()
  }
}

type Run = (round: Round) => Promise<void>

const START: Record<Workload, (client: RawClient, url: string) => Run | Promise<Run>> = {
  publish:
    client =>
    ({ messages }) =>
      client.publish(messages),
  'rich-publish':
    client =>
    ({ messages }) =>
      client.publish(messages),
  confirm:
    client =>
    ({ messages }) =>
      client.publishConfirmed(messages),
  'confirm-one':
    client =>
    ({ messages, latencies }) =>
      latencies.time(messages, () => client.publishConfirmed(1)),
  consume: client => round => client.consume(round, false),
  'rich-consume': client => round => client.consume(round, false),
  ack: client => round => client.consume(round, true),
  rpc: async client => {
    await client.consumeReplies()
    return ({ messages, latencies }) => latencies.time(messages, () => client.request())
  },
  connect:
    (_client, url) =>
    ({ messages, latencies }) =>
      latencies.time(messages, async () => {
        const connection = new RawConnection(0)
        await connection.open(url)
        await connection.openChannel(false)
        await connection.close()
      }),
  idle: () => () => Promise.resolve(),
}

class RawClient {
  readonly #connection: RawConnection
  /** Publishes of one message, as many as make a write worth its while. */
  readonly #block: Buffer
  readonly #messageLength: number
  readonly #perBlock: number
  #published = 0
  #acknowledged = 0

  constructor(connection: RawConnection, workload: Workload, bodySize: number) {
    const routingKey = workload === 'rpc' ? RPC_QUEUE : ROUTING_KEY
    const args = [RESERVED_SHORT, shortstr(''), shortstr(routingKey), NO_FLAGS]
    const publish = method(CHANNEL, MethodId.BasicPublish, ...args)
    const message = (number: number): Buffer =>
      content(CHANNEL, publish, bodySize, { properties: propertiesOf(workload, number) })
    this.#connection = connection
    this.#messageLength = message(0).length
    this.#perBlock = perBlock(this.#messageLength)
    this.#block = Buffer.concat(Array.from({ length: this.#perBlock }, (_, number) => message(number)))
  }

  async publish(messages: number): Promise<void> {
    for (let left = messages; left > 0; ) {
      const count = Math.min(left, this.#perBlock)
      left -= count
      if (!this.#write(count)) await this.#connection.drained()
    }
  }

  async publishConfirmed(messages: number): Promise<void> {
    const last = this.#published + messages
    while (this.#connection.confirmed < last) {
      const unconfirmed = this.#published - this.#connection.confirmed
      const room = Math.min(CONFIRM_WINDOW - unconfirmed, last - this.#published)
      if (room === 0) await this.#connection.nextChunk()
      else this.#write(Math.min(room, this.#perBlock))
    }
  }

  async consume({ queue, messages }: Round, acknowledging: boolean): Promise<void> {
    const last = this.#connection.delivered + messages
    const tag = shortstr(CONSUMER_TAG)
    const qos = method(CHANNEL, MethodId.BasicQos, long(0), short(PREFETCH), NO_FLAGS)
    if (acknowledging) await this.#connection.call(MethodId.BasicQosOk, qos)
    await this.#consume(queue, tag, acknowledging ? NO_FLAGS : NO_ACK)
    for (;;) {
      if (acknowledging) this.#acknowledge()
      if (this.#connection.delivered >= last) break
      await this.#connection.nextChunk()
    }
    const cancel = method(CHANNEL, MethodId.BasicCancel, tag, NO_FLAGS)
    await this.#connection.call(MethodId.BasicCancelOk, cancel)
  }

  consumeReplies(): Promise<void> {
    return this.#consume(REPLY_TO, shortstr(CONSUMER_TAG), NO_ACK)
  }

  async request(): Promise<void> {
    const last = this.#connection.delivered + 1
    this.#write(1)
    while (this.#connection.delivered < last) await this.#connection.nextChunk()
  }

  async #consume(queue: string, tag: Buffer, flags: Buffer): Promise<void> {
    const args = [RESERVED_SHORT, shortstr(queue), tag, flags, EMPTY_TABLE]
    const consume = method(CHANNEL, MethodId.BasicConsume, ...args)
    await this.#connection.call(MethodId.BasicConsumeOk, consume)
  }

  #write(messages: number): boolean {
    this.#published += messages
    return this.#connection.write(this.#block.subarray(0, messages * this.#messageLength))
  }

  #acknowledge(): void {
    const count = this.#connection.delivered - this.#acknowledged
    if (count === 0) return
    // The socket may hold it for a while: it is not to be written again.
    const acks = Buffer.from(ACKS.subarray(0, count * ACK.length))
    stampTags(acks, ACK_TAG_AT, ACK.length, this.#acknowledged + 1, count)
    this.#acknowledged += count
    this.#connection.write(acks)
  }
}

/** Undefined for a message that is persistent and nothing else. */
function propertiesOf(workload: Workload, number: number): Buffer | undefined {
  if (isRich(workload)) return richPropertyOctets(number)
  if (workload !== 'rpc') return undefined
  return Buffer.concat([short(CORRELATION_ID_AND_REPLY_TO), shortstr('1'), shortstr(REPLY_TO)])
}
