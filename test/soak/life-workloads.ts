// Connections and channels without end: opened, used a little, and ended in every way there is.

import type { Channel, Connection } from '../../src/index.js'
import { Trouble } from './soak-peer.js'
import type { Place, Workload } from './workload.js'

const BODY = Buffer.alloc(100, 'x')

/** Uses a channel and ends it. The way depends on the number, so that all come in turn. */
async function liveChannel(connection: Connection, number: number, { signal }: Place): Promise<void> {
  const channel = await connection.openChannel({ confirm: number % 2 === 0, signal })
  if (number % 2 === 0) await channel.publish('', 'q', BODY, { signal, mandatory: number % 4 === 0 })
  else await channel.queueDeclare('q', { signal })
  if (number % 5 === 0) {
    const consumer = await channel.consume('q', { prefetch: 3 }, () => undefined)
    if (number % 10 === 0) await consumer.cancel()
  }
  if (number % 7 === 0) await channel.queueDeclare(Trouble.Refuse).catch(() => undefined)
  await channel.close()
}

const channels: Workload = {
  name: 'channels',
  title: 'channels opened, used and ended, also by the server',
  units: 100_000,
  begin: async place => {
    const connection = await place.connect()
    let number = 0
    return {
      emitters: [connection],
      step: async units => {
        const until = number + units
        const worker = async (): Promise<void> => {
          while (number < until) await liveChannel(connection, number++, place)
        }
        await Promise.all(Array.from({ length: 20 }, worker))
      },
      end: async () => {
        await connection.close()
      },
    }
  },
}

/** What a connection has while it lives; `queue` is one that can be consumed from. */
async function useConnection(connection: Connection, queue: string, { signal }: Place): Promise<Channel> {
  const [confirming, consuming, other] = await Promise.all([
    connection.openChannel({ confirm: true, signal }),
    connection.openChannel(),
    connection.openChannel(),
  ])
  await consuming.consume(queue, { prefetch: 5 }, () => undefined)
  const consumer = await other.consume(queue, { noAck: true })
  void consumer[Symbol.asyncIterator]()
    .next()
    .catch(() => undefined)
  await Promise.all([
    confirming.publish('', queue, BODY, { signal }),
    confirming.publish('', queue, BODY, { mandatory: true, headers: { n: 1 } }),
  ])
  return confirming
}

/** Ends of a connection, on the server of the long runs. */
const ENDS: readonly ((connection: Connection, channel: Channel) => Promise<unknown>)[] = [
  connection => connection.close(),
  connection => connection.close({ drain: true }),
  (_, channel) => channel.queueDeclare(Trouble.Cut).catch(() => undefined),
  (_, channel) => channel.queueDeclare(Trouble.Violate).catch(() => undefined),
  (_, channel) => channel.queueDeclare(Trouble.Shutdown).catch(() => undefined),
]

const connections: Workload = {
  name: 'connections',
  title: 'connections opened, used and ended, also by a cut or a violation',
  units: 1_000,
  begin: async place => {
    let number = 0
    return {
      emitters: [],
      step: async units => {
        for (let done = 0; done < units; done++) {
          const connection = await place.connect({ signal: place.signal })
          const channel = await useConnection(connection, 'q', place)
          await ENDS[number++ % ENDS.length]?.(connection, channel)
          await connection.closed
        }
      },
      end: async () => {},
    }
  },
}

/** The same with a real broker, which breaks nothing by itself: a channel is refused, and a stream is destroyed under it. */
export const liveConnections: Workload = {
  name: 'live',
  title: 'connections to RabbitMQ opened, used and ended',
  units: 1_000,
  begin: async place => {
    let number = 0
    return {
      emitters: [],
      step: async units => {
        for (let done = 0; done < units; done++) {
          const connection = await place.connect({ signal: place.signal })
          const declaring = await connection.openChannel()
          const { queue } = await declaring.queueDeclare('')
          const channel = await useConnection(connection, queue, place)
          const passive = { passive: true, signal: place.signal }
          if (number % 3 === 0) await channel.queueDeclare('no such queue', passive).catch(() => undefined)
          if (number % 2 === 0) await connection.checkQueue('no such queue either', { signal: place.signal })
          await connection.close({ drain: number++ % 4 === 0 })
        }
      },
      end: async () => {},
    }
  },
}

export const LIFE_WORKLOADS: readonly Workload[] = [channels, connections]
