// Messages without end over one connection: published with and without confirms, consumed and acknowledged, fetched.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Channel, Connection } from '../../src/index.js'
import { BODY_SIZE } from './soak-peer.js'
import type { Place, Running, Workload } from './workload.js'

const BODY = Buffer.alloc(BODY_SIZE, 'x')
/** Publishes, or calls, that are under way at a time. */
const WINDOW = 500
/** Every so many publishes one is under the signal of the run. */
const SIGNALLED = 100

/** A connection with one channel; a step does so many units on it. */
async function onChannel(
  { connect }: Place,
  confirm: boolean,
  step: (channel: Channel, units: number, connection: Connection) => Promise<void>,
): Promise<Running> {
  const connection = await connect()
  const channel = await connection.openChannel({ confirm })
  return {
    emitters: [connection, channel],
    step: units => step(channel, units, connection),
    end: async () => {
      await connection.close()
    },
  }
}

const confirmed: Workload = {
  name: 'confirmed',
  title: 'messages published on a confirm channel',
  units: 3_000_000,
  begin: place =>
    onChannel(place, true, async (channel, units) => {
      for (let sent = 1; sent <= units; sent++) {
        const options = sent % SIGNALLED === 0 ? { signal: place.signal, messageId: `${sent}` } : {}
        const published = channel.publish('', 'q', BODY, options)
        if (sent % WINDOW === 0) await published
      }
      await channel.waitForConfirms({ signal: place.signal })
    }),
}

const plain: Workload = {
  name: 'plain',
  title: 'messages published on a plain channel',
  units: 3_000_000,
  begin: place =>
    onChannel(place, false, async (channel, units) => {
      for (let sent = 1; sent <= units; sent++) {
        const options = sent % SIGNALLED === 0 ? { signal: place.signal, headers: { sent } } : {}
        await channel.publish('', 'q', BODY, options)
      }
      await channel.queueDeclare('q', { signal: place.signal })
    }),
}

/** Handlers that come beyond the step wait at a gate, so that the same number waits at each measurement. */
class Gate {
  #left = 0
  #reached: (() => void) | undefined
  #open: (() => void)[] = []

  pass(units: number): Promise<void> {
    this.#left = units
    for (const open of this.#open.splice(0)) open()
    return new Promise(resolve => {
      this.#reached = resolve
    })
  }

  async enter(): Promise<void> {
    while (this.#left === 0) await new Promise<void>(resolve => this.#open.push(resolve))
    if (--this.#left === 0) this.#reached?.()
  }
}

const handled: Workload = {
  name: 'handled',
  title: 'messages consumed by a handler and acknowledged',
  units: 2_000_000,
  begin: async place => {
    const gate = new Gate()
    const { emitters, end } = await onChannel(place, false, async channel => {
      await channel.consume('q', { prefetch: WINDOW, signal: place.signal }, () => gate.enter())
    }).then(async running => {
      await running.step(0)
      return running
    })
    return { emitters, end, step: units => gate.pass(units) }
  },
}

const iterated: Workload = {
  name: 'iterated',
  title: 'messages consumed by a loop and acknowledged',
  units: 1_000_000,
  begin: async ({ connect, signal }) => {
    const connection = await connect()
    const channel = await connection.openChannel()
    const consumer = await channel.consume('q', { prefetch: WINDOW, signal })
    const iterator = consumer[Symbol.asyncIterator]()
    return {
      emitters: [connection, channel],
      step: async units => {
        for (let taken = 0; taken < units; taken++) {
          const { value } = await iterator.next()
          value?.ack()
        }
        await nextTurn()
      },
      end: async () => {
        await iterator.return?.()
        await connection.close()
      },
    }
  },
}

/** A channel has one call under way at a time. */
const FETCHERS = 20

const fetched: Workload = {
  name: 'fetched',
  title: 'messages fetched one by one',
  units: 1_000_000,
  begin: async ({ connect, signal }) => {
    const connection = await connect()
    const channels = await Promise.all(Array.from({ length: FETCHERS }, () => connection.openChannel()))
    const fetch = async (channel: Channel, units: number): Promise<void> => {
      for (let asked = 0; asked < units; asked++) {
        const noAck = asked % 2 === 0
        const delivery = await channel.get('q', { noAck, signal })
        if (!noAck) delivery?.ack()
      }
    }
    return {
      emitters: [connection, ...channels],
      step: async units => {
        await Promise.all(channels.map(channel => fetch(channel, Math.ceil(units / FETCHERS))))
      },
      end: async () => {
        await connection.close()
      },
    }
  },
}

export const MESSAGE_WORKLOADS: readonly Workload[] = [confirmed, plain, handled, iterated, fetched]
