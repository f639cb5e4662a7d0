import { inspect } from 'node:util'
import { expect } from 'chai'
import { connect } from '../../src/index.js'
import { ScriptedSession } from '../support/peer/scripted-session.js'
import { within } from '../support/rabbitmq/deadline.js'
import { answerAll, CHANNEL_CALLS } from './every-call.js'

/** Methods that give something else than a promise; all others must give one, whatever they are called with. */
const SYNCHRONOUS: ReadonlySet<string | symbol> = new Set([
  'constructor',
  'ack',
  'nack',
  'reject',
  'sendHeartbeat',
  'receive',
  'watch',
  'end',
  'begin',
  Symbol.asyncIterator,
])

const ODD_VALUES: readonly unknown[] = [
  undefined,
  null,
  Number.NaN,
  -1,
  'x'.repeat(256),
  '\ud800',
  '',
  true,
  10n,
  Symbol('s'),
  {},
  [],
  { unknown: 1 },
  { arguments: { loop: Number.NaN } },
  { headers: cyclic() },
  Object.defineProperty({}, 'durable', { enumerable: true, get: explode }),
  new Proxy({}, { get: explode, ownKeys: explode }),
  explode,
]

function explode(): never {
  throw new Error('exploded')
}

function cyclic(): object {
  const table: Record<string, unknown> = {}
  table['self'] = table
  return table
}

function promiseMethodsOf(instance: object): (string | symbol)[] {
  const prototype = Object.getPrototypeOf(instance) as object
  return Reflect.ownKeys(prototype).filter(key => {
    const { value } = Object.getOwnPropertyDescriptor(prototype, key) ?? {}
    return typeof value === 'function' && !SYNCHRONOUS.has(key)
  })
}

/** Odd values at every place of up to four arguments, with good ones before. */
function argumentLists(): unknown[][] {
  const good = ['name', 'name', 'name', {}]
  const lists: unknown[][] = [[]]
  for (let place = 0; place < 4; place++) {
    for (const odd of ODD_VALUES) lists.push([...good.slice(0, place), odd])
  }
  return lists
}

describe('methods that return a promise', () => {
  let session: ScriptedSession

  beforeEach(async () => {
    session = await ScriptedSession.open({ closeTimeout: 500 })
    answerAll(session.peer)
  })

  afterEach(() => session.close())

  /** Calls with everything odd; each call must give a promise that settles. */
  async function torture(instance: object, methods: readonly (string | symbol)[]): Promise<void> {
    const outcomes: Promise<unknown>[] = []
    for (const method of methods) {
      for (const given of argumentLists()) {
        const what = `${instance.constructor.name}.${String(method)}(${given.map(value => inspect(value, { depth: 0, showProxy: true })).join(', ')})`
        let result: unknown
        try {
          result = (instance as Record<string | symbol, (...given: unknown[]) => unknown>)[method]?.(...given)
        } catch (error) {
          throw new Error(`${what} threw`, { cause: error })
        }
        expect(result, what).to.be.instanceOf(Promise)
        outcomes.push(
          within(
            4_000,
            what,
            (result as Promise<unknown>).catch(() => {}),
          ),
        )
      }
    }
    await Promise.all(outcomes)
  }

  it('never throw: connect', async () => {
    const refusing = { stream: explode }
    const outcomes = ODD_VALUES.flatMap(odd => [
      connect(odd as never, refusing),
      connect('amqp://127.0.0.1:1', odd as never),
      connect([odd] as never, refusing as never),
    ])
    for (const outcome of await Promise.allSettled(outcomes)) expect(outcome.status).to.equal('rejected')
  })

  it('never throw: those of a connection', async () => {
    const methods = promiseMethodsOf(session.connection).filter(method => !isClosing(method))
    expect(methods).to.include('openChannel')
    await torture(session.connection, methods)
  })

  it('never throw: those of a channel', async () => {
    const channel = await session.connection.openChannel()
    let published = 0
    session.peer.on('basic.publish', ({ channelNumber }) => {
      const args = { deliveryTag: ++published, multiple: false }
      session.peer.send(channelNumber, { name: 'basic.ack', args })
    })
    // It comes first, as it makes every publish wait for its confirm.
    await channel.confirmSelect()
    const methods = promiseMethodsOf(channel).filter(method => !isClosing(method))
    expect(methods).to.include.members([
      'publish',
      'consume',
      'get',
      'queueDeclare',
      'cancel',
      'confirmSelect',
      ...CHANNEL_CALLS.map(({ name }) => name),
    ])
    await torture(channel, methods)
    expect(channel.state).to.equal('open')
    expect(published).to.be.greaterThan(0)
  })

  it('never throw: those of a channel that is closed', async () => {
    const channel = await session.connection.openChannel()
    await channel.close()
    await torture(channel, promiseMethodsOf(channel))
  })

  it('never throw: those of a consumer', async () => {
    const channel = await session.connection.openChannel()
    const consumer = await channel.consume('q')
    await torture(consumer, promiseMethodsOf(consumer))
  })

  it('never throw: those of a connection that is closed, and of what was on it', async () => {
    const channel = await session.connection.openChannel({ confirm: true })
    const consumer = await channel.consume('q')
    await session.connection.close()
    for (const instance of [session.connection, channel, consumer]) {
      await torture(instance, promiseMethodsOf(instance))
    }
  })
})

function isClosing(method: string | symbol): boolean {
  return method === 'close' || method === Symbol.asyncDispose
}
