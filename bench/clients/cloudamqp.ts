// @cloudamqp/amqp-client by its channel: publish() gives a promise that resolves when the message was written, in confirm
// mode when it was confirmed. Its client for requests belongs to a session that reconnects; here the consumer of replies is
// written out, which costs less.

import { Arrivals } from '../arrivals.js'
import { CONSUMER_TAG, isRich, PREFETCH, REPLY_TO, ROUTING_KEY, RPC_QUEUE, type Workload } from '../cases.js'
import { PromiseWindow } from '../confirm-window.js'
import { checkRich, RICH_DATE, richProperties } from '../rich.js'
import type { Client, Round, Session, SessionOptions } from '../session.js'
import { loadPeer } from './peer-package.js'

interface Message {
  readonly body: Uint8Array
  readonly properties: {
    readonly headers?: unknown
    readonly messageId?: unknown
    readonly correlationId?: string
  }
  ack(): Promise<void>
}

interface Channel {
  basicPublish(exchange: string, routingKey: string, body: Buffer, properties: object): Promise<number>
  basicConsume(queue: string, options: object, callback: (message: Message) => void): Promise<unknown>
  basicCancel(consumerTag: string): Promise<unknown>
  confirmSelect(): Promise<void>
  prefetch(count: number): Promise<void>
  queueDeclare(queue: string, options: { durable: boolean }): Promise<{ messageCount: number }>
}

interface Connection {
  channel(): Promise<Channel>
  close(): Promise<void>
}

const { AMQPClient } = loadPeer<{ AMQPClient: new (url: string) => { connect(): Promise<Connection> } }>(
  '@cloudamqp/amqp-client',
)

const PERSISTENT = { deliveryMode: 2 }

interface Opened {
  readonly url: string
  readonly channel: Channel
  readonly body: Buffer
}

export const client: Client = {
  open: openSession,
  hold: async url => {
    const connection = await new AMQPClient(url).connect()
    return () => connection.close()
  },
}

async function openSession({ url, workload, bodySize }: SessionOptions): Promise<Session> {
  const connection = await new AMQPClient(url).connect()
  const channel = await connection.channel()
  if (workload === 'confirm' || workload === 'confirm-one') await channel.confirmSelect()
  if (workload === 'ack') await channel.prefetch(PREFETCH)
  const run = await START[workload]({ url, channel, body: Buffer.alloc(bodySize, 'x') })
  return {
    run,
    ask: async queue => (await channel.queueDeclare(queue, { durable: true })).messageCount,
    close: () => connection.close(),
  }
}

type Run = (round: Round) => Promise<void>

const START: Record<Workload, (opened: Opened) => Run | Promise<Run>> = {
  publish:
    ({ channel, body }) =>
    async ({ messages }) => {
      for (let sent = 0; sent < messages; sent++) {
        await channel.basicPublish('', ROUTING_KEY, body, PERSISTENT)
      }
    },

  confirm:
    ({ channel, body }) =>
    async ({ messages }) => {
      const window = new PromiseWindow()
      for (let sent = 0; sent < messages; sent++) {
        const oldest = window.push(channel.basicPublish('', ROUTING_KEY, body, PERSISTENT))
        if (oldest !== undefined) await oldest
      }
      await window.drained()
    },

  'confirm-one':
    ({ channel, body }) =>
    ({ messages, latencies }) =>
      latencies.time(messages, () => channel.basicPublish('', ROUTING_KEY, body, PERSISTENT)),

  consume: opened => round => consume(opened, round, 'consume'),
  ack: opened => round => consume(opened, round, 'ack'),
  'rich-consume': opened => round => consume(opened, round, 'rich-consume'),

  'rich-publish':
    ({ channel, body }) =>
    async ({ messages }) => {
      for (let sent = 0; sent < messages; sent++) {
        await channel.basicPublish('', ROUTING_KEY, body, richProperties(sent, RICH_DATE))
      }
    },

  rpc: async ({ channel, body }) => {
    const waiting = new Map<string, (reply: Message) => void>()
    await channel.basicConsume(REPLY_TO, { noAck: true }, reply => {
      const { correlationId = '' } = reply.properties
      waiting.get(correlationId)?.(reply)
      waiting.delete(correlationId)
    })
    let requests = 0
    return ({ messages, latencies }) =>
      latencies.time(messages, async () => {
        const correlationId = String(++requests)
        const reply = await new Promise<Message>((resolve, reject) => {
          waiting.set(correlationId, resolve)
          channel.basicPublish('', RPC_QUEUE, body, { correlationId, replyTo: REPLY_TO }).catch(reject)
        })
        if (reply.body.length !== body.length) throw new Error(`a reply of ${reply.body.length} octets`)
      })
  },

  connect:
    ({ url }) =>
    ({ messages, latencies }) =>
      latencies.time(messages, async () => {
        const connection = await new AMQPClient(url).connect()
        await connection.channel()
        await connection.close()
      }),

  idle: () => () => Promise.resolve(),
}

async function consume({ channel, body }: Opened, round: Round, workload: Workload): Promise<void> {
  const { queue, messages } = round
  const arrivals = new Arrivals(messages, body.length)
  const noAck = workload !== 'ack'
  const reads = isRich(workload)
  await channel.basicConsume(queue, { noAck, tag: CONSUMER_TAG }, message => {
    if (reads) checkRich(message.properties.headers, message.properties.messageId)
    arrivals.note(message.body.length)
    if (!noAck) void message.ack()
  })
  await arrivals.complete
  await channel.basicCancel(CONSUMER_TAG)
}
