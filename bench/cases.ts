// What is measured: every workload with every size by every client, and what must have been counted when a round is over.

/**
 * Plain publishes; publishes in confirm mode, many under way or one at a time; deliveries without acknowledgement and with
 * one each; messages with many properties, out and in; a request and its reply; a connection from its first octet to its
 * last; connections that do nothing but beat.
 */
export const WORKLOADS = [
  'publish',
  'confirm',
  'confirm-one',
  'consume',
  'ack',
  'rich-publish',
  'rich-consume',
  'rpc',
  'connect',
  'idle',
] as const
export type Workload = (typeof WORKLOADS)[number]

/** Their measurement takes the longest of all, and says enough when it is made once. */
export const MANY_CONNECTIONS = 10_000

/** Octets of a body; for `idle` the number of connections; `connect` has none. */
export const SIZES: Readonly<Record<Workload, readonly number[]>> = Object.freeze({
  publish: [16, 1024, 65_536, 1_048_576],
  confirm: [16, 1024, 65_536],
  'confirm-one': [16],
  consume: [16, 1024, 65_536, 1_048_576],
  ack: [16, 1024, 65_536],
  'rich-publish': [16],
  'rich-consume': [16],
  rpc: [16],
  connect: [0],
  idle: [1000, MANY_CONNECTIONS],
})
/** Each size once. */
export const ALL_SIZES: readonly number[] = [...new Set(Object.values(SIZES).flat())]

/** Other clients for Node.js. */
export const PEERS = ['amqplib', 'rabbitmq-client', 'cloudamqp'] as const
export type PeerName = (typeof PEERS)[number]

/** `raw` writes blocks that were encoded beforehand and looks for frame boundaries: the floor. `librabbitmq` is C. */
export const CLIENTS = ['thump', ...PEERS, 'raw', 'librabbitmq'] as const
export type ClientName = (typeof CLIENTS)[number]

/** What the others are compared with. */
export const BASELINES = ['amqplib', 'raw'] as const satisfies readonly ClientName[]

/** The null broker, and a RabbitMQ. */
export const SERVERS = ['null', 'live'] as const
export type ServerName = (typeof SERVERS)[number]

/** One line of the table, but for the client. */
export interface Work {
  readonly server: ServerName
  readonly workload: Workload
  /** {@link SIZES} */
  readonly size: number
}

export interface Case extends Work {
  readonly client: ClientName
}

/** Connections by the thousand are the null broker's, the most of them for two clients; C publishes small messages only. */
export function isMeasured({ server, workload, size, client }: Case): boolean {
  if (client === 'librabbitmq') return server === 'null' && workload === 'publish' && size <= 1024
  // How near the floor is, is no question to a RabbitMQ.
  if (client === 'raw' && server === 'live') return false
  if (workload === 'idle') {
    return server === 'null' && (size <= 1000 || client === 'thump' || client === 'raw')
  }
  return true
}

export function isSameWork(one: Work, other: Work): boolean {
  return one.server === other.server && one.workload === other.workload && one.size === other.size
}

/** For people, and for files. */
export function nameOf(work: Work | Case): string {
  const { server, workload, size } = work
  return [server, workload, ...(size === 0 ? [] : [size]), ...('client' in work ? [work.client] : [])].join(
    ' ',
  )
}

/** Workloads whose messages have the properties of `rich.ts`. */
export function isRich(workload: Workload): boolean {
  return workload === 'rich-publish' || workload === 'rich-consume'
}

export function isConsuming(workload: Workload): boolean {
  return workload === 'consume' || workload === 'ack' || workload === 'rich-consume'
}

/** No queue has this name: a RabbitMQ drops what is published. */
export const ROUTING_KEY = 'bench'
/** Whoever consumes from it replies. */
export const RPC_QUEUE = 'bench.rpc'
export const CONSUMER_TAG = 'bench'
export const REPLY_TO = 'amq.rabbitmq.reply-to'

/** Publishes that may be unconfirmed at a time. */
export const CONFIRM_WINDOW = 1000
/** How many publishes the null broker confirms with one basic.ack, so that every client has the same to read. */
export const CONFIRM_BATCH = 100
export const PREFETCH = 250

/** Seconds. */
export const HEARTBEAT = 2

/** The broker delivers so many messages of so many octets from the queue of this name; a RabbitMQ must have been given them. */
export function sourceQueue(messages: number, bodySize: number, rich: boolean, serial: string): string {
  return `source ${messages} ${bodySize} ${rich ? 'rich' : 'plain'} ${serial}`
}

export function readSourceQueue(name: string): { messages: number; bodySize: number; rich: boolean } {
  const [, messages, bodySize, kind] = name.split(' ')
  return { messages: Number(messages), bodySize: Number(bodySize), rich: kind === 'rich' }
}

/** Declaring this queue, the null broker confirms each publish of the connection at once. */
export const CONFIRM_EACH = 'confirm.each'

/** Declaring one of these queues at the null broker, its message count is what was counted on the connection. */
export const Tally = Object.freeze({
  Received: 'tally.received',
  Confirmed: 'tally.confirmed',
  Delivered: 'tally.delivered',
  Acknowledged: 'tally.acknowledged',
  Replied: 'tally.replied',
  /** On all connections: those that opened a channel and said goodbye. */
  Farewells: 'tally.farewells',
  /** On all connections: those from which something has come during the last two intervals of the heartbeat. */
  Alive: 'tally.alive',
} as const)
export type Tally = (typeof Tally)[keyof typeof Tally]

/** What must agree with the number of messages when a round of the workload is over. */
export const TALLIES: Readonly<Record<Workload, readonly Tally[]>> = Object.freeze({
  publish: [Tally.Received],
  confirm: [Tally.Received, Tally.Confirmed],
  'confirm-one': [Tally.Received, Tally.Confirmed],
  consume: [Tally.Delivered],
  ack: [Tally.Delivered, Tally.Acknowledged],
  'rich-publish': [Tally.Received],
  'rich-consume': [Tally.Delivered],
  rpc: [Tally.Received, Tally.Replied],
  connect: [Tally.Farewells],
  idle: [],
})
