// amqplib as its documentation says: publish() returns false when one has to wait for 'drain', confirms call back, and
// the consumer acknowledges by itself. The types are those of the project's own amqplib, of the same version.

import { once } from 'node:events'
import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage } from 'amqplib'
import { Arrivals } from '../arrivals.js'
import { CONSUMER_TAG, isRich, PREFETCH, REPLY_TO, ROUTING_KEY, RPC_QUEUE, type Workload } from '../cases.js'
import { ConfirmWindow } from '../confirm-window.js'
import { checkRich, RICH_TIMESTAMP, richProperties } from '../rich.js'
import type { Client, Round, Session, SessionOptions } from '../session.js'
import { loadPeer } from './peer-package.js'

// Its default leaves Nagle's algorithm on, and it is at its cheapest so: a packet carries several of its writes.
const { connect } = loadPeer<{ connect(url: string): Promise<ChannelModel> }>('amqplib')

/** thump's default, and what people want. */
const PERSISTENT = { persistent: true }

interface Opened {
  readonly url: string
  readonly channel: Channel
  readonly body: Buffer
}

export const client: Client = {
  open: openSession,
  hold: async url => {
    const connection = await connect(url)
    return () => connection.close()
  },
}

async function openSession({ url, workload, bodySize }: SessionOptions): Promise<Session> {
  const connection = await connect(url)
  const confirm = workload === 'confirm' || workload === 'confirm-one'
  const channel = confirm ? await connection.createConfirmChannel() : await connection.createChannel()
  if (workload === 'ack') await channel.prefetch(PREFETCH)
  const run = await START[workload]({ url, channel, body: Buffer.alloc(bodySize, 'x') })
  return {
    run,
    ask: async queue => (await channel.assertQueue(queue)).messageCount,
    close: () => connection.close(),
  }
}

type Run = (round: Round) => Promise<void>

const START: Record<Workload, (opened: Opened) => Run | Promise<Run>> = {
  publish:
    ({ channel, body }) =>
    async ({ messages }) => {
      for (let sent = 0; sent < messages; sent++) {
        if (!channel.publish('', ROUTING_KEY, body, PERSISTENT)) await once(channel, 'drain')
      }
    },

  confirm:
    ({ channel, body }) =>
    async ({ messages }) => {
      const confirms = channel as ConfirmChannel
      const window = new ConfirmWindow()
      for (let sent = 0; sent < messages; sent++) {
        window.notePublished()
        confirms.publish('', ROUTING_KEY, body, PERSISTENT, window.noteConfirmed)
        if (window.isFull) await window.room()
      }
      await window.drained()
    },

  'confirm-one':
    ({ channel, body }) =>
    ({ messages, latencies }) =>
      latencies.time(
        messages,
        () =>
          new Promise<void>((resolve, reject) => {
            const settle = (error: unknown): void => (error ? reject(error) : resolve())
            ;(channel as ConfirmChannel).publish('', ROUTING_KEY, body, PERSISTENT, settle)
          }),
      ),

  consume: opened => round => consume(opened, round, 'consume'),
  ack: opened => round => consume(opened, round, 'ack'),
  'rich-consume': opened => round => consume(opened, round, 'rich-consume'),

  'rich-publish':
    ({ channel, body }) =>
    async ({ messages }) => {
      for (let sent = 0; sent < messages; sent++) {
        const properties = richProperties(sent, RICH_TIMESTAMP)
        if (!channel.publish('', ROUTING_KEY, body, properties)) await once(channel, 'drain')
      }
    },

  rpc: async ({ channel, body }) => {
    const waiting = new Map<string, (reply: ConsumeMessage) => void>()
    const receive = (reply: ConsumeMessage | null): void => {
      const id = reply?.properties.correlationId as string
      if (reply !== null) waiting.get(id)?.(reply)
      waiting.delete(id)
    }
    await channel.consume(REPLY_TO, receive, { noAck: true })
    let requests = 0
    return ({ messages, latencies }) =>
      latencies.time(messages, async () => {
        const correlationId = String(++requests)
        const { content } = await new Promise<ConsumeMessage>(resolve => {
          waiting.set(correlationId, resolve)
          channel.publish('', RPC_QUEUE, body, { correlationId, replyTo: REPLY_TO })
        })
        if (content.length !== body.length) throw new Error(`a reply of ${content.length} octets`)
      })
  },

  connect:
    ({ url }) =>
    ({ messages, latencies }) =>
      latencies.time(messages, async () => {
        const connection = await connect(url)
        await connection.createChannel()
        await connection.close()
      }),

  idle: () => () => Promise.resolve(),
}

async function consume({ channel, body }: Opened, round: Round, workload: Workload): Promise<void> {
  const { queue, messages } = round
  const arrivals = new Arrivals(messages, body.length)
  const noAck = workload !== 'ack'
  const reads = isRich(workload)
  const receive = (delivery: ConsumeMessage | null): void => {
    if (delivery === null) throw new Error('the broker cancelled the consumer')
    if (reads) checkRich(delivery.properties.headers, delivery.properties.messageId)
    arrivals.note(delivery.content.length)
    if (!noAck) channel.ack(delivery)
  }
  await channel.consume(queue, receive, { noAck, consumerTag: CONSUMER_TAG })
  await arrivals.complete
  await channel.cancel(CONSUMER_TAG)
}
