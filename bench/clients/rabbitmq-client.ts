// rabbitmq-client by its channel, which costs less than its Publisher and Consumer do: publish() gives a promise that
// resolves when the message was written, in confirm mode when it was confirmed.

import { Arrivals } from '../arrivals.js'
import { CONSUMER_TAG, isRich, PREFETCH, ROUTING_KEY, RPC_QUEUE, type Workload } from '../cases.js'
import { PromiseWindow } from '../confirm-window.js'
import { checkRich, RICH_TIMESTAMP, richProperties } from '../rich.js'
import type { Client, Round, Session, SessionOptions } from '../session.js'
import { loadPeer } from './peer-package.js'

interface Message {
  readonly body: Buffer
  readonly deliveryTag: number
  readonly headers?: unknown
  readonly messageId?: unknown
}

interface Channel {
  basicPublish(envelope: object, body: Buffer): Promise<void>
  basicConsume(options: object, callback: (message: Message) => void): Promise<unknown>
  basicAck(options: { deliveryTag: number }): void
  basicCancel(consumerTag: string): Promise<unknown>
  basicQos(options: { prefetchCount: number }): Promise<void>
  confirmSelect(): Promise<void>
  queueDeclare(options: { queue: string; durable: boolean }): Promise<{ messageCount: number }>
  close(): Promise<void>
}

interface RpcClient {
  send(queue: string, body: Buffer): Promise<Message>
  close(): Promise<void>
}

interface Connection {
  acquire(): Promise<Channel>
  createRPCClient(options: object): RpcClient
  onConnect(): Promise<void>
  close(): Promise<void>
}

const { Connection: RabbitConnection } = loadPeer<{ Connection: new (url: string) => Connection }>(
  'rabbitmq-client',
)

/** One object for all, as it costs least; durable is persistent here. */
const ENVELOPE = { exchange: '', routingKey: ROUTING_KEY, durable: true }

interface Opened {
  readonly url: string
  readonly connection: Connection
  readonly channel: Channel
  readonly body: Buffer
  /** Done before the session ends: the connection waits for its channels. */
  readonly closing: (() => Promise<void>)[]
}

export const client: Client = {
  open: openSession,
  hold: async url => {
    const connection = new RabbitConnection(url)
    await connection.onConnect()
    return () => connection.close()
  },
}

async function openSession({ url, workload, bodySize }: SessionOptions): Promise<Session> {
  const connection = new RabbitConnection(url)
  const channel = await connection.acquire()
  if (workload === 'confirm' || workload === 'confirm-one') await channel.confirmSelect()
  if (workload === 'ack') await channel.basicQos({ prefetchCount: PREFETCH })
  const closing = [() => channel.close()]
  const run = await START[workload]({ url, connection, channel, body: Buffer.alloc(bodySize, 'x'), closing })
  return {
    run,
    ask: async queue => (await channel.queueDeclare({ queue, durable: true })).messageCount,
    close: async () => {
      for (const close of closing) await close()
      await connection.close()
    },
  }
}

type Run = (round: Round) => Promise<void>

const START: Record<Workload, (opened: Opened) => Run | Promise<Run>> = {
  publish:
    ({ channel, body }) =>
    async ({ messages }) => {
      for (let sent = 0; sent < messages; sent++) await channel.basicPublish(ENVELOPE, body)
    },

  confirm:
    ({ channel, body }) =>
    async ({ messages }) => {
      const window = new PromiseWindow()
      for (let sent = 0; sent < messages; sent++) {
        const oldest = window.push(channel.basicPublish(ENVELOPE, body))
        if (oldest !== undefined) await oldest
      }
      await window.drained()
    },

  'confirm-one':
    ({ channel, body }) =>
    ({ messages, latencies }) =>
      latencies.time(messages, () => channel.basicPublish(ENVELOPE, body)),

  consume: opened => round => consume(opened, round, 'consume'),
  ack: opened => round => consume(opened, round, 'ack'),
  'rich-consume': opened => round => consume(opened, round, 'rich-consume'),

  'rich-publish':
    ({ channel, body }) =>
    async ({ messages }) => {
      for (let sent = 0; sent < messages; sent++) {
        const envelope = richProperties(sent, RICH_TIMESTAMP)
        await channel.basicPublish(Object.assign(envelope, ENVELOPE), body)
      }
    },

  rpc: ({ connection, body, closing }) => {
    const client = connection.createRPCClient({})
    closing.push(() => client.close())
    return ({ messages, latencies }) =>
      latencies.time(messages, async () => {
        const reply = await client.send(RPC_QUEUE, body)
        if (reply.body.length !== body.length) throw new Error(`a reply of ${reply.body.length} octets`)
      })
  },

  connect:
    ({ url }) =>
    ({ messages, latencies }) =>
      latencies.time(messages, async () => {
        const connection = new RabbitConnection(url)
        const channel = await connection.acquire()
        await channel.close()
        await connection.close()
      }),

  idle: () => () => Promise.resolve(),
}

async function consume({ channel, body }: Opened, round: Round, workload: Workload): Promise<void> {
  const { queue, messages } = round
  const arrivals = new Arrivals(messages, body.length)
  const noAck = workload !== 'ack'
  const reads = isRich(workload)
  await channel.basicConsume({ queue, noAck, consumerTag: CONSUMER_TAG }, message => {
    if (reads) checkRich(message.headers, message.messageId)
    arrivals.note(message.body.length)
    if (!noAck) channel.basicAck({ deliveryTag: message.deliveryTag })
  })
  await arrivals.complete
  await channel.basicCancel(CONSUMER_TAG)
}
