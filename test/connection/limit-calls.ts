// Every public call that takes options, and which numbers it takes: found out by asking it, from what it says about an option
// that nobody knows and about a number that is none. So an option that is added is found without being listed anywhere.

import { type ConnectOptions, checkConnectOptions } from '../../src/connection/options.js'
import type { Channel, Connection, Consumer, Delivery, RpcClient } from '../../src/index.js'
import { ArgumentError, openRpcClient, serveRpc } from '../../src/index.js'
import type { VirtualPeer } from '../support/peer/virtual-peer.js'

/** What calls are made on. */
export interface Stage {
  readonly virtual: VirtualPeer
  readonly connection: Connection
  /** Of a confirm channel. */
  readonly channel: Channel
  readonly consumer: Consumer
  readonly delivery: Delivery
  readonly client: RpcClient
}

export type Options = Readonly<Record<string, unknown>>

export type Call = (stage: Stage, options: Options) => unknown

export const CALLS: Readonly<Record<string, Call>> = {
  connect: (_, options) => checkConnectOptions(options as ConnectOptions),
  'connection.openChannel': ({ connection }, options) => connection.openChannel(options),
  'connection.checkQueue': ({ connection }, options) => connection.checkQueue('q', options),
  'connection.checkExchange': ({ connection }, options) => connection.checkExchange('e', options),
  'connection.updateSecret': ({ connection }, options) => connection.updateSecret('s', '', options),
  'connection.close': ({ connection }, options) => connection.close(options),
  'channel.exchangeDeclare': ({ channel }, options) => channel.exchangeDeclare('e', 'direct', options),
  'channel.exchangeDelete': ({ channel }, options) => channel.exchangeDelete('e', options),
  'channel.exchangeBind': ({ channel }, options) => channel.exchangeBind('d', 's', '', {}, options),
  'channel.exchangeUnbind': ({ channel }, options) => channel.exchangeUnbind('d', 's', '', {}, options),
  'channel.queueDeclare': ({ channel }, options) => channel.queueDeclare('q', { type: 'quorum', ...options }),
  'channel.queueBind': ({ channel }, options) => channel.queueBind('q', 'e', '', {}, options),
  'channel.queueUnbind': ({ channel }, options) => channel.queueUnbind('q', 'e', '', {}, options),
  'channel.queuePurge': ({ channel }, options) => channel.queuePurge('q', options),
  'channel.queueDelete': ({ channel }, options) => channel.queueDelete('q', options),
  'channel.prefetch': ({ channel }, { count, ...options }) =>
    channel.prefetch(count === undefined ? 1 : (count as number), options),
  'channel.confirmSelect': ({ channel }, options) => channel.confirmSelect(options),
  'channel.txSelect': ({ channel }, options) => channel.txSelect(options),
  'channel.txCommit': ({ channel }, options) => channel.txCommit(options),
  'channel.txRollback': ({ channel }, options) => channel.txRollback(options),
  'channel.publish': ({ channel }, options) => channel.publish('', 'q', 'x', options),
  'channel.waitForConfirms': ({ channel }, options) => {
    channel.publish('', 'q', 'x', { timeout: 2 ** 31 - 1 }).catch(() => {})
    return channel.waitForConfirms(options)
  },
  'channel.consume': ({ channel }, options) => channel.consume('q', options),
  'channel.cancel': ({ channel, consumer }, options) => channel.cancel(consumer, options),
  'channel.get': ({ channel }, options) => channel.get('q', options),
  'channel.ack': ({ channel, delivery }, options) => channel.ack(delivery, options),
  'channel.nack': ({ channel, delivery }, options) => channel.nack(delivery, options),
  'channel.reject': ({ channel, delivery }, options) => channel.reject(delivery, options),
  'channel.recover': ({ channel }, options) => channel.recover(options),
  'channel.close': ({ channel }, options) => channel.close(options),
  'consumer.cancel': ({ consumer }, options) => consumer.cancel(options),
  'delivery.ack': ({ delivery }, options) => delivery.ack(options),
  'delivery.nack': ({ delivery }, options) => delivery.nack(options),
  'delivery.reject': ({ delivery }, options) => delivery.reject(options),
  openRpcClient: ({ connection }, options) => openRpcClient(connection, options),
  'client.request': ({ client }, options) => client.request('', 'q', 'x', options),
  serveRpc: ({ channel }, options) => serveRpc(channel, 'q', options, () => undefined),
}

/** Public methods that take no options at all. */
export const WITHOUT_OPTIONS: readonly string[] = [
  'connection.sendHeartbeat',
  'client.close',
  'delivery.toJSON',
]

/** Of `publish`, which says "and the content properties"; properties.test knows that there is no other. */
const PROPERTIES = [
  ...['contentType', 'contentEncoding', 'headers', 'deliveryMode', 'priority', 'correlationId', 'replyTo'],
  ...['expiration', 'messageId', 'timestamp', 'type', 'userId', 'appId', 'clusterId'],
]

const A_NUMBER = /must be an? (?:non-negative )?(?:whole number|integer) (?:from|of) /

/** The options of a call that are numbers in a range. */
export async function numbersOf(stage: Stage, call: Call): Promise<string[]> {
  const unknown = (await refusal(stage, call, { nobodyKnows: true }))?.message ?? ''
  const told = /known are (.*)$/.exec(unknown)?.[1]
  if (told === undefined) throw new Error(`it does not say which options are known: ${unknown}`)
  const known = told.replace(' and the content properties', () => `, ${PROPERTIES.join(', ')}`).split(', ')
  const numbers: string[] = []
  for (const option of known) {
    const error = await refusal(stage, call, { [option]: Number.NaN })
    if (error !== undefined && A_NUMBER.test(error.message)) numbers.push(option)
  }
  return numbers
}

/** What it refuses these options with; undefined when it takes them. */
export async function refusal(
  stage: Stage,
  call: Call,
  options: Options,
): Promise<ArgumentError | undefined> {
  try {
    const result = call(stage, options)
    if (!(result instanceof Promise)) return undefined
    // A refusal comes at once; what is taken waits for an answer, which here never comes.
    const settled = await Promise.race([
      result.then(
        () => undefined,
        (error: unknown) => error,
      ),
      new Promise<undefined>(resolve => setImmediate(() => resolve(undefined))),
    ])
    return settled instanceof ArgumentError ? settled : undefined
  } catch (error) {
    if (error instanceof ArgumentError) return error
    throw error
  }
}

/** Everything that waits on the stage is over. */
export async function clear({ virtual, connection }: Stage): Promise<void> {
  virtual.peer.socket.reset()
  await connection.closed
}
