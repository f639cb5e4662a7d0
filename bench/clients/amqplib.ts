// amqplib as its documentation says: publish() returns false when one has to wait for 'drain', confirms call back, and
// the consumer acknowledges by itself.

import { once } from 'node:events'
import { type Channel, type ConfirmChannel, connect } from 'amqplib'
import { Arrivals } from '../arrivals.js'
import { CONSUMER_TAG, PREFETCH, ROUTING_KEY, sourceQueue, type Tally, type Workload } from '../cases.js'
import { ConfirmWindow } from '../confirm-window.js'
import type { Session, SessionOptions } from '../session.js'

type Run = (channel: Channel, messages: number, bodySize: number) => Promise<void>

/** thump's default, and what people want. */
const PERSISTENT = { persistent: true }

export async function openAmqplib({ port, workload, bodySize }: SessionOptions): Promise<Session> {
  // Its default leaves Nagle's algorithm on, and it is at its cheapest so: a packet carries several of its writes.
  const connection = await connect(`amqp://guest:guest@127.0.0.1:${port}`)
  const channel =
    workload === 'confirm' ? await connection.createConfirmChannel() : await connection.createChannel()
  if (workload === 'ack') await channel.prefetch(PREFETCH)
  return {
    run: messages => RUNS[workload](channel, messages, bodySize),
    ask: async (tally: Tally) => (await channel.assertQueue(tally)).messageCount,
    close: async () => {
      await connection.close()
    },
  }
}

const RUNS: Record<Workload, Run> = {
  publish: async (channel, messages, bodySize) => {
    const body = Buffer.alloc(bodySize, 'x')
    for (let sent = 0; sent < messages; sent++) {
      if (!channel.publish('', ROUTING_KEY, body, PERSISTENT)) await once(channel, 'drain')
    }
  },

  confirm: async (channel, messages, bodySize) => {
    const confirms = channel as ConfirmChannel
    const body = Buffer.alloc(bodySize, 'x')
    const window = new ConfirmWindow()
    for (let sent = 0; sent < messages; sent++) {
      window.notePublished()
      confirms.publish('', ROUTING_KEY, body, PERSISTENT, window.noteConfirmed)
      if (window.isFull) await window.room()
    }
    await window.drained()
  },

  consume: (channel, messages, bodySize) => consume(channel, messages, bodySize, true),
  ack: (channel, messages, bodySize) => consume(channel, messages, bodySize, false),
}

async function consume(channel: Channel, messages: number, bodySize: number, noAck: boolean): Promise<void> {
  const arrivals = new Arrivals(messages, bodySize)
  const receive = (delivery: { content: Buffer } | null): void => {
    if (delivery === null) throw new Error('the broker cancelled the consumer')
    arrivals.note(delivery.content.length)
    if (!noAck) channel.ack(delivery as Parameters<Channel['ack']>[0])
  }
  await channel.consume(sourceQueue(bodySize, messages), receive, { noAck, consumerTag: CONSUMER_TAG })
  await arrivals.complete
  await channel.cancel(CONSUMER_TAG)
}
