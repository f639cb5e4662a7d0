// Every option that is a number, and what it is: a limit, a time, or a value that is passed on. The options are found by asking
// the calls themselves, so one that is new and has no row here fails; and each row is tried at both ends of its range.

import { expect } from 'chai'
import { Channel, Connection, Consumer, Delivery, openRpcClient, RpcClient } from '../../src/index.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { CALLS, type Call, clear, numbersOf, refusal, type Stage, WITHOUT_OPTIONS } from './limit-calls.js'
import { LIMITS } from './limit-rows.js'
import { openStage } from './limit-stage.js'

const TIME_MAX = 2 ** 31 - 1
const SAFE_MAX = Number.MAX_SAFE_INTEGER
const TIMER_MAX = 2 ** 32 - 1

/** From, to, and what it is: how long a call may take, a limit with a row in `LIMITS`, or what others make something of. */
type Row = readonly [
  call: string,
  option: string,
  least: number,
  most: number,
  is: 'limit' | 'time' | 'value',
]

const TIMED = Object.keys(CALLS).filter(
  name => !/^(connect|(delivery|channel)\.(ack|nack|reject))$/.test(name),
)

const ROWS: readonly Row[] = [
  ['connect', 'port', 1, 65_535, 'value'],
  ['connect', 'heartbeat', 0, 65_535, 'limit'],
  ['connect', 'frameMax', 8192, 2 ** 32 - 1, 'limit'],
  ['connect', 'initialFrameMax', 4096, 2 ** 32 - 1, 'limit'],
  ['connect', 'channelMax', 1, 65_535, 'limit'],
  ['connect', 'connectTimeout', 1, TIME_MAX, 'time'],
  ['connect', 'rpcTimeout', 1, TIME_MAX, 'time'],
  ['connect', 'confirmTimeout', 1, TIME_MAX, 'time'],
  ['connect', 'closeTimeout', 1, TIME_MAX, 'time'],
  ['connect', 'maxMessageSize', 0, SAFE_MAX, 'limit'],
  ['connect', 'highWaterMark', 1, SAFE_MAX, 'limit'],
  ['connect', 'maxBuffered', 1, SAFE_MAX, 'limit'],
  ['connect', 'maxReceiveBuffered', 1, SAFE_MAX, 'limit'],
  ...TIMED.map(name => [name, 'timeout', 1, TIME_MAX, 'time'] as const),
  ['connection.openChannel', 'maxUnconfirmed', 1, SAFE_MAX, 'limit'],
  ['channel.queueDeclare', 'messageTtl', 0, TIMER_MAX, 'value'],
  ['channel.queueDeclare', 'expires', 1, TIMER_MAX, 'value'],
  ['channel.queueDeclare', 'maxLength', 0, SAFE_MAX, 'value'],
  ['channel.queueDeclare', 'maxLengthBytes', 0, SAFE_MAX, 'value'],
  ['channel.queueDeclare', 'maxPriority', 1, 255, 'value'],
  ['channel.queueDeclare', 'deliveryLimit', -1, SAFE_MAX, 'value'],
  ['channel.queueDeclare', 'maxSegmentSizeBytes', 1, SAFE_MAX, 'value'],
  ['channel.queueDeclare', 'initialGroupSize', 1, SAFE_MAX, 'value'],
  ['channel.queueDeclare', 'consumerTimeout', 1, TIMER_MAX, 'value'],
  ['channel.consume', 'priority', -(2 ** 31), 2 ** 31 - 1, 'value'],
  ['channel.consume', 'prefetch', 0, 65_535, 'limit'],
  ['channel.consume', 'concurrency', 1, SAFE_MAX, 'limit'],
  ['serveRpc', 'priority', -(2 ** 31), 2 ** 31 - 1, 'value'],
  ['serveRpc', 'prefetch', 0, 65_535, 'limit'],
  ['serveRpc', 'concurrency', 1, SAFE_MAX, 'limit'],
  ['channel.publish', 'deliveryMode', 0, 255, 'value'],
  ['channel.publish', 'priority', 0, 255, 'value'],
  ['channel.publish', 'expiration', 0, SAFE_MAX, 'value'],
  ['channel.publish', 'timestamp', 0, SAFE_MAX, 'value'],
  ['client.request', 'deliveryMode', 0, 255, 'value'],
  ['client.request', 'priority', 0, 255, 'value'],
  ['client.request', 'expiration', 0, SAFE_MAX, 'value'],
  ['client.request', 'timestamp', 0, SAFE_MAX, 'value'],
]

/** Beyond these a number is no whole number any more that JavaScript can tell from its neighbours. */
const BEYOND: Readonly<Record<string, number>> = { expiration: Number.POSITIVE_INFINITY }

/** Where something else would end first, or another call is what waits. A stage of these options is ready. */
const TIMES: Readonly<
  Record<string, (stage: Stage, timeout: number) => Promise<{ waiting: Promise<unknown> }>>
> = {
  'connect connectTimeout': async ({ virtual: { clock } }, connectTimeout) => {
    const silent = new VirtualPeer({ connect: { connectTimeout }, clock })
    return { waiting: silent.connect() }
  },
  'connect rpcTimeout': async ({ channel }) => ({ waiting: channel.queuePurge('q') }),
  'connect confirmTimeout': async ({ channel }) => ({ waiting: channel.publish('', 'q', 'x') }),
  'connect closeTimeout': async ({ channel }) => ({ waiting: channel.close() }),
  'consumer.cancel timeout': async (stage, timeout) => {
    const { consumer } = await busyConsumer(stage)
    return { waiting: consumer.cancel({ timeout }) }
  },
  'channel.cancel timeout': async (stage, timeout) => {
    const { consumer } = await busyConsumer(stage)
    return { waiting: stage.channel.cancel(consumer, { timeout }) }
  },
  'client.request timeout': async (stage, timeout) => {
    confirmPublishes(stage)
    return { waiting: stage.client.request('', 'q', 'x', { timeout }) }
  },
  'openRpcClient timeout': async (stage, timeout) => {
    stage.virtual.peer.answerCalls()
    confirmPublishes(stage)
    const client = await within(1_000, 'a client', openRpcClient(stage.connection, { timeout }))
    return { waiting: client.request('', 'q', 'x') }
  },
}

/** A consumer whose handler is not done before the connection ends; the peer answers its cancel. */
async function busyConsumer({ channel, connection, virtual }: Stage): Promise<{ consumer: Consumer }> {
  const { peer, clock } = virtual
  peer.answerCalls()
  const consumer = await within(
    1_000,
    'a consumer',
    channel.consume('q', () => connection.closed),
  )
  const { consumerTag } = consumer
  const args = { consumerTag, deliveryTag: 2, redelivered: false, exchange: '', routingKey: 'q' }
  peer.sendContent(channel.number, { name: 'basic.deliver', args }, Buffer.from('x'))
  await clock.settle()
  return { consumer }
}

function confirmPublishes({ virtual: { peer } }: Stage): void {
  peer.on('basic.publish', ({ channelNumber }) => {
    peer.send(channelNumber, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
  })
}

describe('every option that is a number', () => {
  it('of every call, has a row', async () => {
    const stage = await openStage()
    const found: string[] = []
    for (const [name, call] of Object.entries(CALLS)) {
      for (const option of await numbersOf(stage, call)) found.push(`${name} ${option}`)
    }
    await clear(stage)
    expect(found.sort()).to.deep.equal(ROWS.map(([name, option]) => `${name} ${option}`).sort())
  })

  it('that is a limit has a test that trips it and one of its largest value', () => {
    const limits = ROWS.filter(([, , , , is]) => is === 'limit').map(([name, option]) => `${name} ${option}`)
    expect(Object.keys(LIMITS).sort()).to.deep.equal(limits.sort())
  })

  it('is looked for in every public method', () => {
    const classes = {
      connection: Connection,
      channel: Channel,
      consumer: Consumer,
      delivery: Delivery,
      client: RpcClient,
    }
    const internal = [
      ...['connection.constructor', 'channel.constructor', 'channel.receive', 'channel.watch'],
      ...['consumer.constructor', 'consumer.receive', 'consumer.begin', 'consumer.end'],
      ...['delivery.constructor', 'delivery.giveBack', 'client.constructor', 'client.listen'],
    ]
    const methods = Object.entries(classes).flatMap(([name, { prototype }]) =>
      Object.entries(Object.getOwnPropertyDescriptors(prototype))
        .filter(([, { value }]) => typeof value === 'function')
        .map(([method]) => `${name}.${method}`),
    )
    const known = [...Object.keys(CALLS), ...WITHOUT_OPTIONS, ...internal]
    expect(methods.filter(method => !known.includes(method))).to.deep.equal([])
  })

  for (const [name, option, least, most] of [
    ...ROWS,
    ['channel.prefetch', 'count', 0, 65_535, 'value'] as const,
  ]) {
    it(`${name} takes ${option} from ${least} to ${most}`, async () => {
      const call = CALLS[name] as Call
      const stage = await openStage()
      const beyond = BEYOND[option] ?? most + 1
      for (const wrong of [least - 1, beyond, least + 0.5, `${most}x`]) {
        const error = await refusal(stage, call, { [option]: wrong })
        expect(error?.path, `${wrong}`).to.match(new RegExp(`^(options\\.)?${option}$`))
      }
      for (const right of [least, most]) {
        const error = await refusal(stage, call, { [option]: right })
        expect(error, `${right}`).to.equal(undefined)
      }
      await clear(stage)
    })
  }
})

describe('every option that is a limit', () => {
  for (const [name, { trips, largest }] of Object.entries(LIMITS)) {
    it(`${name} limits`, trips)
    it(`${name} lets through what it should at its largest`, largest)
  }
})

describe('every option that is a time', () => {
  for (const [name, option] of ROWS.filter(([, , , , is]) => is === 'time')) {
    const own = TIMES[`${name} ${option}`]
    for (const milliseconds of [50, TIME_MAX]) {
      it(`${name} ${option} of ${milliseconds} ms ends it then, and not before`, async () => {
        const stage = await openStage(name === 'connect' ? { [option]: milliseconds } : {})
        const { clock } = stage.virtual
        const { waiting } =
          own === undefined
            ? { waiting: (CALLS[name] as Call)(stage, { timeout: milliseconds }) as Promise<unknown> }
            : await own(stage, milliseconds)
        let isOver = false
        const settle = (): void => {
          isOver = true
        }
        waiting.then(settle, settle)
        await clock.advance(milliseconds - 1)
        expect(isOver, 'before its time').to.equal(false)
        await clock.advance(1)
        expect(isOver, 'in time').to.equal(true)
        await clear(stage)
        // What its end began, a channel's close for instance, may take as long as that may.
        await clock.advance(6_000)
      })
    }
  }
})
