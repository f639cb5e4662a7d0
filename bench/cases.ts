// What is measured: every workload with every body size by every client.

/** Plain publishes; publishes in confirm mode; deliveries without acknowledgement; deliveries, each acknowledged. */
export const WORKLOADS = ['publish', 'confirm', 'consume', 'ack'] as const
export type Workload = (typeof WORKLOADS)[number]

/** Octets. */
export const BODY_SIZES = [16, 1024] as const

/** `raw` writes blocks that were encoded beforehand and looks for frame boundaries: the floor. */
export const CLIENTS = ['thump', 'amqplib', 'raw'] as const
export type ClientName = (typeof CLIENTS)[number]

/** What the others are compared with. */
export const BASELINES = ['amqplib', 'raw'] as const satisfies readonly ClientName[]

export const ROUTING_KEY = 'bench'
export const CONSUMER_TAG = 'bench'

/** Publishes that may be unconfirmed at a time. */
export const CONFIRM_WINDOW = 1000
/** How many publishes the broker confirms with one basic.ack, so that every client has the same to read. */
export const CONFIRM_BATCH = 100
export const PREFETCH = 250

/** The broker delivers so many messages of so many octets from the queue of this name. */
export function sourceQueue(bodySize: number, messages: number): string {
  return `${messages}x${bodySize}`
}

/** Declaring one of these queues, its message count is what the broker counted on the connection. */
export const Tally = Object.freeze({
  Received: 'tally.received',
  Confirmed: 'tally.confirmed',
  Delivered: 'tally.delivered',
  Acknowledged: 'tally.acknowledged',
} as const)
export type Tally = (typeof Tally)[keyof typeof Tally]

/** What must agree with the number of messages when a round of the workload is over. */
export const TALLIES: Readonly<Record<Workload, readonly Tally[]>> = Object.freeze({
  publish: [Tally.Received],
  confirm: [Tally.Received, Tally.Confirmed],
  consume: [Tally.Delivered],
  ack: [Tally.Delivered, Tally.Acknowledged],
})
