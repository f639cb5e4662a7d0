import { inspect } from 'node:util'
import { expect } from 'chai'
import { BROKER_START_MS } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { BusySession } from './busy-session.js'
import { MutatingProxy } from './mutating-proxy.js'
import { type Mutation, mutationsFrom, randomFrom } from './mutation.js'

const { THUMP_FUZZ_SEED, FC_SEED, THUMP_FUZZ_SESSIONS } = process.env
const SEED = Number(THUMP_FUZZ_SEED ?? FC_SEED ?? Math.floor(Math.random() * 2 ** 31)) >>> 0
const SESSIONS = Number(THUMP_FUZZ_SESSIONS ?? 200)
/** Most of a session is waiting for what will not come. */
const AT_A_TIME = 6
/** Every wait of a session has an end of its own; this is above all of them together. */
const SESSION_LIMIT_MS = 15_000

describe('sessions with a broker whose octets are changed on the way', function () {
  this.timeout(SESSIONS * 2_000 + 30_000)
  let target: { host: string; port: number }

  before(async function () {
    this.timeout(BROKER_START_MS)
    const { hostname, port } = new URL((await sharedBroker()).url)
    target = { host: hostname, port: Number(port || 5672) }
  })

  /** How the session ended, in a word; throws when something of it did not. */
  async function live(number: number, mutations: readonly Mutation[]): Promise<string> {
    const what = `session ${number} of seed ${SEED} (${inspect(mutations, { breakLength: Number.POSITIVE_INFINITY })})`
    const proxy = await MutatingProxy.start(target, mutations)
    const session = new BusySession()
    try {
      await within(SESSION_LIMIT_MS, `the end of ${what}`, session.run(proxy.port))
      for (const { what: which, promise } of session.promises) {
        await within(
          2_000,
          `${which} of ${what}`,
          promise.catch(() => {}),
        )
      }
      const { connection } = session
      if (connection === undefined) return 'refused'
      expect(connection.state, what).to.equal('closed')
      return (await connection.closed).by
    } finally {
      await proxy.close()
    }
  }

  it('all live unharmed when nothing is changed', async () => {
    expect(await live(-1, [])).to.equal('client')
  })

  it(`all end, with all that they began: ${SESSIONS} from THUMP_FUZZ_SEED=${SEED}`, async () => {
    const ends: string[] = []
    let next = 0
    const worker = async (): Promise<void> => {
      while (next < SESSIONS) {
        const number = next++
        const end = await live(number, mutationsFrom(randomFrom(SEED + number)))
        ends.push(end)
      }
    }
    await Promise.all(Array.from({ length: AT_A_TIME }, worker))
    await until(1_000, 'all sessions', () => ends.length === SESSIONS)
    // When none of them notices anything nothing was changed.
    if (SESSIONS >= 20) expect(new Set(ends).size, ends.join(' ')).to.be.above(1)
  })
})
