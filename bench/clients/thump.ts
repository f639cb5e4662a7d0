// thump as its documentation says: awaiting what publish() returns on a plain channel, waiting for confirms by half windows
// on a confirm channel, and acknowledging by returning from the handler.

import { setImmediate as turn } from 'node:timers/promises'
import { type Channel, type Connection, connect, openRpcClient } from '../../src/index.js'
import { Arrivals } from '../arrivals.js'
import {
  CONFIRM_WINDOW,
  CONSUMER_TAG,
  isRich,
  PREFETCH,
  ROUTING_KEY,
  RPC_QUEUE,
  type Workload,
} from '../cases.js'
import { checkRich, RICH_TIMESTAMP, richProperties } from '../rich.js'
import type { Client, Round, Session, SessionOptions } from '../session.js'

interface Opened {
  readonly url: string
  readonly connection: Connection
  readonly channel: Channel
  readonly body: Buffer
}

export const client: Client = {
  open: openSession,
  hold: async url => {
    const connection = await connect(url)
    return async () => void (await connection.close())
  },
}

async function openSession({ url, workload, bodySize }: SessionOptions): Promise<Session> {
  const connection = await connect(url)
  const confirm = workload === 'confirm' || workload === 'confirm-one'
  const channel = await connection.openChannel({ confirm, maxUnconfirmed: CONFIRM_WINDOW })
  const run = await START[workload]({ url, connection, channel, body: Buffer.alloc(bodySize, 'x') })
  return {
    run,
    ask: async queue => (await channel.queueDeclare(queue)).messageCount,
    close: async () => void (await connection.close()),
  }
}

type Run = (round: Round) => Promise<void>

const START: Record<Workload, (opened: Opened) => Run | Promise<Run>> = {
  publish:
    ({ channel, body }) =>
    async ({ messages }) => {
      for (let sent = 0; sent < messages; sent++) await channel.publish('', ROUTING_KEY, body)
    },

  confirm:
    ({ channel, body }) =>
    async ({ messages }) => {
      // Half a window is published while the other half is confirmed; what one of them rejects with, the wait does.
      const half = CONFIRM_WINDOW / 2
      let confirmed = Promise.resolve()
      for (let sent = 0; sent < messages; ) {
        for (const end = Math.min(sent + half, messages); sent < end; sent++) {
          void channel.publish('', ROUTING_KEY, body)
        }
        const before = confirmed
        confirmed = channel.waitForConfirms()
        await before
      }
      await confirmed
    },

  'confirm-one':
    ({ channel, body }) =>
    ({ messages, latencies }) =>
      latencies.time(messages, () => channel.publish('', ROUTING_KEY, body)),

  consume: opened => round => consume(opened, round, 'consume'),
  ack: opened => round => consume(opened, round, 'ack'),
  'rich-consume': opened => round => consume(opened, round, 'rich-consume'),

  'rich-publish':
    ({ channel, body }) =>
    async ({ messages }) => {
      for (let sent = 0; sent < messages; sent++) {
        await channel.publish('', ROUTING_KEY, body, richProperties(sent, RICH_TIMESTAMP))
      }
    },

  rpc: async ({ connection, body }) => {
    // The other clients have none of their requests confirmed.
    const client = await openRpcClient(connection, { confirm: false })
    return ({ messages, latencies }) =>
      latencies.time(messages, async () => {
        const reply = await client.request('', RPC_QUEUE, body)
        if (reply.body.length !== body.length) throw new Error(`a reply of ${reply.body.length} octets`)
      })
  },

  connect:
    ({ url }) =>
    ({ messages, latencies }) =>
      latencies.time(messages, async () => {
        const connection = await connect(url)
        await connection.openChannel()
        await connection.close()
      }),

  idle: () => () => Promise.resolve(),
}

async function consume({ channel, body }: Opened, round: Round, workload: Workload): Promise<void> {
  const { queue, messages } = round
  const arrivals = new Arrivals(messages, body.length)
  const options = {
    consumerTag: CONSUMER_TAG,
    ...(workload === 'ack' ? { prefetch: PREFETCH } : { noAck: true }),
  }
  const reads = isRich(workload)
  const consumer = await channel.consume(queue, options, delivery => {
    if (reads) {
      const { headers, messageId } = delivery.properties
      checkRich(headers, messageId)
    }
    arrivals.note(delivery.body.length)
  })
  await arrivals.complete
  // The last handler has not returned yet, and with it goes the last acknowledgement.
  await turn()
  await consumer.cancel()
}
