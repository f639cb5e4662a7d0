// thump as its users use it: awaiting what publish() returns, and acknowledging by returning from the handler.

import { setImmediate as turn } from 'node:timers/promises'
import { type Channel, connect } from '../../src/index.js'
import { Arrivals } from '../arrivals.js'
import {
  CONFIRM_WINDOW,
  CONSUMER_TAG,
  PREFETCH,
  ROUTING_KEY,
  sourceQueue,
  type Tally,
  type Workload,
} from '../cases.js'
import { ConfirmWindow } from '../confirm-window.js'
import type { Session, SessionOptions } from '../session.js'

type Run = (channel: Channel, messages: number, bodySize: number) => Promise<void>

export async function openThump({ port, workload, bodySize }: SessionOptions): Promise<Session> {
  const connection = await connect({ host: '127.0.0.1', port })
  const channel = await connection.openChannel({
    confirm: workload === 'confirm',
    maxUnconfirmed: CONFIRM_WINDOW,
  })
  return {
    run: messages => RUNS[workload](channel, messages, bodySize),
    ask: async (tally: Tally) => (await channel.queueDeclare(tally)).messageCount,
    close: async () => void (await connection.close()),
  }
}

const RUNS: Record<Workload, Run> = {
  publish: async (channel, messages, bodySize) => {
    const body = Buffer.alloc(bodySize, 'x')
    for (let sent = 0; sent < messages; sent++) await channel.publish('', ROUTING_KEY, body)
  },

  confirm: async (channel, messages, bodySize) => {
    const body = Buffer.alloc(bodySize, 'x')
    const window = new ConfirmWindow()
    for (let sent = 0; sent < messages; sent++) {
      window.notePublished()
      channel.publish('', ROUTING_KEY, body).then(window.noteConfirmed)
      if (window.isFull) await window.room()
    }
    await window.drained()
  },

  consume: (channel, messages, bodySize) => consume(channel, messages, bodySize, true),
  ack: (channel, messages, bodySize) => consume(channel, messages, bodySize, false),
}

async function consume(channel: Channel, messages: number, bodySize: number, noAck: boolean): Promise<void> {
  const arrivals = new Arrivals(messages, bodySize)
  const options = { consumerTag: CONSUMER_TAG, ...(noAck ? { noAck } : { prefetch: PREFETCH }) }
  const consumer = await channel.consume(sourceQueue(bodySize, messages), options, delivery => {
    arrivals.note(delivery.body.length)
  })
  await arrivals.complete
  // The last handler has not returned yet, and with it goes the last acknowledgement.
  await turn()
  await consumer.cancel()
}
