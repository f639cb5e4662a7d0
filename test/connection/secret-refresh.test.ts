import { expect } from 'chai'
import { Deferred } from '../../src/connection/deferred.js'
import {
  CallTimeoutError,
  type Connection,
  type Credentials,
  type CredentialsRequest,
  SecretRefreshError,
} from '../../src/index.js'
import type { MethodOf } from '../../src/protocol/method-types.js'
import { expectNoSecret, PASSWORD } from '../support/connect-failure.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

type Answer = (count: number, request: CredentialsRequest) => Credentials | Promise<Credentials>

/** A connection with a credentials function, in virtual time, and what came of it. */
class Stage {
  readonly virtual: VirtualPeer & { readonly connection: Connection }
  readonly asked: readonly CredentialsRequest[]
  /** What the broker was given. */
  readonly secrets: string[] = []
  readonly failures: [error: SecretRefreshError, retryInMs: number | undefined][] = []
  /** Whether the broker answers. */
  answers = true

  private constructor(
    virtual: VirtualPeer & { readonly connection: Connection },
    asked: readonly CredentialsRequest[],
  ) {
    this.virtual = virtual
    this.asked = asked
    virtual.peer.on('connection.update-secret', ({ method }) => {
      this.secrets.push((method as MethodOf<'connection.update-secret'>).args.newSecret.toString())
      if (this.answers) virtual.peer.send(0, { name: 'connection.update-secret-ok', args: {} })
    })
    virtual.connection.on('secretRefreshFailed', (...failure) => this.failures.push(failure))
  }

  static async open(answer: Answer): Promise<Stage> {
    const asked: CredentialsRequest[] = []
    const credentials = (request: CredentialsRequest) => answer(asked.push(request), request)
    const connect = { credentials, heartbeat: 0, connectTimeout: 10_000, connectionName: 'tokens' }
    return new Stage(await VirtualPeer.open({ connect }), asked)
  }

  get clock() {
    return this.virtual.clock
  }

  async close(): Promise<void> {
    this.answers = true
    const closing = this.virtual.connection.close()
    await this.clock.advance(6_000)
    await within(1_000, 'close()', closing)
    expect(this.clock.timers).to.deep.equal([])
  }
}

describe('The refresh of a secret', () => {
  let stage: Stage

  afterEach(() => stage.close())

  it('gives the broker a new one when four fifths of the life of the old are over, again and again', async () => {
    stage = await Stage.open(count => ({ password: `${PASSWORD} ${count}`, expiresInMs: HOUR_MS }))
    expect(stage.clock.timers).to.deep.equal([48 * MINUTE_MS])
    await stage.clock.advance(48 * MINUTE_MS - 1)
    expect(stage.asked).to.have.length(1)
    await stage.clock.advance(1)
    expect(stage.secrets).to.deep.equal([`${PASSWORD} 2`])
    await stage.clock.advance(96 * MINUTE_MS)
    expect(stage.secrets).to.deep.equal([`${PASSWORD} 2`, `${PASSWORD} 3`, `${PASSWORD} 4`])
    expect(stage.failures).to.deep.equal([])
    // The other one is the driver's, for the answer to the last update.
    expect(stage.clock.timers.filter(timer => timer > 20_000)).to.deep.equal([48 * MINUTE_MS])
  })

  it('reckons a moment by the wall clock', async () => {
    stage = await Stage.open(() => ({
      password: 'p',
      expiresAt: new Date(stageTime() + 10 * MINUTE_MS),
    }))
    expect(stage.clock.timers).to.deep.equal([8 * MINUTE_MS])
  })

  it('sets no timer for what does not expire, now or later', async () => {
    stage = await Stage.open(() => ({ password: 'p' }))
    expect(stage.clock.timers).to.deep.equal([])
    await stage.close()
    stage = await Stage.open(count =>
      count === 1 ? { password: 'p', expiresInMs: 5000 } : { password: 'q' },
    )
    await stage.clock.advance(4000)
    expect(stage.secrets).to.deep.equal(['q'])
    // The driver looks once more for the answer to the update.
    await stage.clock.advance(20_000)
    expect(stage.clock.timers).to.deep.equal([])
  })

  it('waits longer than a timer of Node can', async () => {
    const yearMs = 365 * 24 * HOUR_MS
    stage = await Stage.open(count => ({ password: `${PASSWORD} ${count}`, expiresInMs: yearMs }))
    expect(stage.clock.timers).to.deep.equal([2 ** 31 - 1])
    await stage.clock.advance(0.8 * yearMs - 1)
    expect(stage.secrets).to.deep.equal([])
    await stage.clock.advance(1)
    expect(stage.secrets).to.deep.equal([`${PASSWORD} 2`])
  })

  it('asks once a second at most, however short the lives are', async () => {
    stage = await Stage.open(count => ({ password: `${PASSWORD} ${count}`, expiresInMs: 1 }))
    await stage.clock.advance(5_500)
    expect(stage.secrets).to.have.length(5)
  })

  it('tries again after half of what is left, and tells of each failure, until nothing is left', async () => {
    const cause = new Error('the token endpoint is away')
    stage = await Stage.open(count => {
      if (count > 1) throw cause
      return { password: PASSWORD, expiresInMs: 100_000 }
    })
    await stage.clock.advance(100_000)
    const [first] = stage.failures
    expect(stage.failures.map(([, retryInMs]) => retryInMs)).to.deep.equal([
      10_000,
      5_000,
      2_500,
      1_250,
      undefined,
    ])
    expect(first?.[0]).to.be.instanceOf(SecretRefreshError)
    expect(first?.[0]).to.include({ code: 'AMQP_SECRET_REFRESH', cause, connectionName: 'tokens' })
    expect(first?.[0].message).to.equal('the secret was not refreshed: the credentials function failed')
    expectNoSecret(stage.failures)
    expect(stage.virtual.connection.state).to.equal('open')
    expect(stage.clock.timers).to.deep.equal([])
  })

  it('comes back when an attempt succeeds', async () => {
    stage = await Stage.open(count => {
      if (count === 2) throw new Error('away')
      return { password: `${PASSWORD} ${count}`, expiresInMs: 100_000 }
    })
    await stage.clock.advance(90_000)
    expect(stage.secrets).to.deep.equal([`${PASSWORD} 3`])
    expect(stage.failures).to.have.length(1)
    await stage.clock.advance(80_000)
    expect(stage.secrets).to.deep.equal([`${PASSWORD} 3`, `${PASSWORD} 4`])
  })

  it('names what is wrong with what was given', async () => {
    stage = await Stage.open(count =>
      count === 1 ? { password: 'p', expiresInMs: 5_000 } : (PASSWORD as never),
    )
    await stage.clock.advance(4_000)
    expect(stage.failures[0]?.[0].message).to.include(
      'the credentials function gave none: credentials() must be',
    )
    expectNoSecret(stage.failures)
  })

  it('waits for an answer no longer than connecting may take, and takes no late one', async () => {
    const gate = new Deferred<Credentials>()
    stage = await Stage.open(count => (count === 1 ? { password: 'p', expiresInMs: 100_000 } : gate.promise))
    await stage.clock.advance(80_000)
    expect(stage.clock.timers).to.deep.equal([10_000])
    await stage.clock.advance(10_000)
    expect(stage.asked[1]?.signal.aborted).to.equal(true)
    expect(stage.failures[0]?.[0].message).to.include('gave no answer within 10000 ms')
    expect(stage.failures[0]?.[1]).to.equal(5_000)
    gate.resolve({ password: 'late' })
    await stage.clock.settle()
    expect(stage.secrets).to.deep.equal([])
  })

  it('tries again when the broker does not answer in time', async () => {
    stage = await Stage.open(count => ({ password: `${PASSWORD} ${count}`, expiresInMs: 5 * MINUTE_MS }))
    stage.answers = false
    await stage.clock.advance(4 * MINUTE_MS + 20_000)
    const [error, retryInMs] = stage.failures[0] ?? []
    expect(error?.message).to.equal('the secret was not refreshed: the broker has not taken the new secret')
    expect(error?.cause).to.be.instanceOf(CallTimeoutError)
    expect(retryInMs).to.equal(20_000)
  })

  it('leaves it to closed to tell that the broker refused the secret', async () => {
    stage = await Stage.open(count => ({ password: `${PASSWORD} ${count}`, expiresInMs: 5_000 }))
    stage.virtual.peer.on('connection.update-secret', () => {
      const args = { replyCode: 530, replyText: 'NOT_ALLOWED', classId: 10, methodId: 70 }
      stage.virtual.peer.send(0, { name: 'connection.close', args })
    })
    await stage.clock.advance(10_000)
    const reason = await within(1_000, 'closed', stage.virtual.connection.closed)
    expect(reason).to.include({ by: 'server', code: 530 })
    expect(stage.failures).to.deep.equal([])
    expect(stage.asked).to.have.length(2)
  })

  it('ends with its connection: nobody is asked any more, and who is being asked is told', async () => {
    const gate = new Deferred<Credentials>()
    stage = await Stage.open(count => (count === 1 ? { password: 'p', expiresInMs: 100_000 } : gate.promise))
    await stage.clock.advance(80_000)
    expect(stage.asked[1]?.signal.aborted).to.equal(false)
    stage.virtual.peer.socket.destroy()
    await within(1_000, 'closed', stage.virtual.connection.closed)
    expect(stage.asked[1]?.signal.aborted).to.equal(true)
    gate.reject(new Error('late'))
    await stage.clock.advance(HOUR_MS)
    expect(stage.failures).to.deep.equal([])
    expect(stage.clock.timers).to.deep.equal([])
  })

  it('goes on while the connection drains, and keeps nothing waiting after it', async () => {
    stage = await Stage.open(count => ({ password: `${PASSWORD} ${count}`, expiresInMs: 5_000 }))
    const channel = await stage.virtual.connection.openChannel()
    const done = new Deferred<void>()
    const consumer = await channel.consume('q', () => done.promise)
    const args = {
      consumerTag: consumer.consumerTag,
      deliveryTag: 1,
      redelivered: false,
      exchange: '',
      routingKey: 'q',
    }
    stage.virtual.peer.sendContent(channel.number, { name: 'basic.deliver', args }, Buffer.from('work'))
    await stage.clock.settle()
    const closing = stage.virtual.connection.close({ drain: true, timeout: MINUTE_MS })
    await stage.clock.advance(4_000)
    expect(stage.secrets).to.deep.equal([`${PASSWORD} 2`])
    done.resolve()
    await stage.clock.advance(1_000)
    await within(1_000, 'close()', closing)
    expect(stage.failures).to.deep.equal([])
  })
})

/** Where the wall clock of a virtual clock stands as it begins. */
function stageTime(): number {
  return Date.UTC(2026, 0, 1) + 1_000
}
