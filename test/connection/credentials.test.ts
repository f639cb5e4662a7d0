import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import { askCredentials, type GivenCredentials } from '../../src/connection/credentials.js'
import { Deferred } from '../../src/connection/deferred.js'
import {
  ArgumentError,
  ConnectError,
  type Credentials,
  type CredentialsFunction,
  type CredentialsRequest,
  connect,
} from '../../src/index.js'
import { expectNoSecret, PASSWORD } from '../support/connect-failure.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const WALL_TIME = Date.UTC(2026, 0, 1)

/** What the asker is told. */
function answerTo(ask: unknown): Promise<GivenCredentials> {
  return new Promise((onGiven, onFailed) => {
    askCredentials(ask as CredentialsFunction, () => WALL_TIME, { onGiven, onFailed })
  })
}

describe('askCredentials', () => {
  it('takes credentials now, later, and from what only looks like a promise', async () => {
    const given = { username: 'u', password: 'p' }
    const expected = { ...given, lifeMs: undefined }
    const thenable = Object.fromEntries([['then', (resolve: (value: Credentials) => void) => resolve(given)]])
    for (const ask of [() => given, async () => given, () => thenable]) {
      expect(await answerTo(ask)).to.deep.equal(expected)
    }
  })

  it('reckons how long they are good for', async () => {
    expect(await answerTo(() => ({ password: 'p', expiresInMs: 5000 }))).to.include({ lifeMs: 5000 })
    const expiresAt = new Date(WALL_TIME + 7000)
    expect(await answerTo(() => ({ password: 'p', expiresAt }))).to.include({ lifeMs: 7000 })
  })

  const wrong: [what: string, given: unknown, path: string][] = [
    ['nothing', undefined, 'credentials()'],
    ['a bare password', PASSWORD, 'credentials()'],
    ['no password', { username: 'u' }, 'credentials().password'],
    ['a password in octets', { password: Buffer.from(PASSWORD) }, 'credentials().password'],
    ['a username that is none', { username: 5, password: PASSWORD }, 'credentials().username'],
    ['seconds under a name of their own', { password: PASSWORD, expiresIn: 60 }, 'credentials().expiresIn'],
    ['no time at all', { password: PASSWORD, expiresInMs: 0 }, 'credentials().expiresInMs'],
    ['half a millisecond', { password: PASSWORD, expiresInMs: 0.5 }, 'credentials().expiresInMs'],
    [
      'a moment that is a number',
      { password: PASSWORD, expiresAt: WALL_TIME + 5 },
      'credentials().expiresAt',
    ],
    ['a moment that is none', { password: PASSWORD, expiresAt: new Date('x') }, 'credentials().expiresAt'],
    [
      'a moment that is over',
      { password: PASSWORD, expiresAt: new Date(WALL_TIME) },
      'credentials().expiresAt',
    ],
    [
      'a moment and a time',
      { password: PASSWORD, expiresAt: new Date(WALL_TIME + 5), expiresInMs: 5 },
      'credentials().expiresAt',
    ],
  ]
  for (const [what, given, path] of wrong) {
    it(`refuses ${what} by its path, and does not show it`, async () => {
      const error = await rejectionOf(
        answerTo(() => given),
        ArgumentError,
      )
      expect(error.path).to.equal(path)
      expectNoSecret(error)
    })
  }

  it('tells what the function throws, and what it rejects with', async () => {
    const broken = new Error('no token today')
    const throwing = (): never => {
      throw broken
    }
    expect(await rejectionOf(answerTo(throwing), Error)).to.equal(broken)
    expect(
      await rejectionOf(
        answerTo(() => Promise.reject(broken)),
        Error,
      ),
    ).to.equal(broken)
  })

  it('tells nobody of an answer to a question that was withdrawn, and aborts its signal', async () => {
    const told: unknown[] = []
    for (const answer of ['resolve', 'reject'] as const) {
      let signal: AbortSignal | undefined
      const gate = new Deferred<Credentials>()
      const withdraw = askCredentials(
        request => {
          signal = request.signal
          return gate.promise
        },
        () => WALL_TIME,
        { onGiven: given => told.push(given), onFailed: error => told.push(error) },
      )
      await until(1_000, 'the question', () => signal !== undefined)
      expect(signal?.aborted).to.equal(false)
      withdraw()
      withdraw()
      expect(signal?.aborted).to.equal(true)
      if (answer === 'resolve') gate.resolve({ password: 'late' })
      else gate.reject(new Error('late'))
      await new Promise(setImmediate)
    }
    expect(told).to.deep.equal([])
  })
})

describe('connect, with a credentials function', () => {
  /** A client that begins in virtual time; `asked` are the questions. */
  function begin(answer: (count: number) => Credentials | Promise<Credentials>) {
    const asked: CredentialsRequest[] = []
    const credentials = (request: CredentialsRequest) => answer(asked.push(request))
    const virtual = new VirtualPeer({ connect: { credentials, connectTimeout: 1000, username: 'option' } })
    return Object.assign(virtual, { asked })
  }

  async function sentBy(virtual: VirtualPeer): Promise<string[]> {
    const connecting = virtual.connect()
    const { args } = await virtual.peer.start()
    virtual.peer.socket.destroy()
    await rejectionOf(connecting, ConnectError)
    return [args.mechanism, ...args.response.toString().split('\0').slice(1)]
  }

  it('asks before it dials, and says what it was given', async () => {
    const virtual = begin(async () => ({ username: 'given', password: 'p' }))
    expect(await sentBy(virtual)).to.deep.equal(['PLAIN', 'given', 'p'])
    expect(virtual.asked).to.have.length(1)
    expect(virtual.asked[0]?.signal.aborted).to.equal(false)
  })

  it('takes the username of the options where none was given', async () => {
    expect(await sentBy(begin(() => ({ password: 'p' })))).to.deep.equal(['PLAIN', 'option', 'p'])
  })

  it('asks each time', async () => {
    let asked = 0
    const credentials = async () => {
      asked++
      throw new Error('no')
    }
    const error = await rejectionOf(
      connect(['amqp://a.test', 'amqp://b.test'], { credentials }),
      ConnectError,
    )
    expect(error.message).to.match(/^cannot connect to any of 2 servers: .*the credentials function failed; /)
    expect(asked).to.equal(2)
  })

  it('fails with what the function failed with, and dials nobody', async () => {
    const cause = new Error('the token endpoint is away')
    const virtual = begin(() => Promise.reject(cause))
    const error = await rejectionOf(virtual.connect(), ConnectError)
    expect(error).to.include({ phase: 'credentials', cause })
    expect(error.message).to.equal('cannot connect to the given stream: the credentials function failed')
    expect(virtual.stream.writes).to.deep.equal([])
    expect(virtual.clock.timers).to.deep.equal([])
  })

  it('names what is wrong with what was given, and does not show it', async () => {
    const virtual = begin(() => ({ password: PASSWORD, expiresInMs: -1 }))
    const error = await rejectionOf(virtual.connect(), ConnectError)
    expect(error.phase).to.equal('credentials')
    expect(error.message).to.match(/the credentials function gave none: credentials\(\)\.expiresInMs must be/)
    expect(error.cause).to.be.instanceOf(ArgumentError)
    expectNoSecret(error)
  })

  it('gives up when its time is over, and takes no late answer', async () => {
    const gate = new Deferred<Credentials>()
    const virtual = begin(() => gate.promise)
    const failing = rejectionOf(virtual.connect(), ConnectError)
    await virtual.clock.advance(999)
    expect(virtual.asked[0]?.signal.aborted).to.equal(false)
    await virtual.clock.advance(1)
    const error = await failing
    expect(error.phase).to.equal('credentials')
    expect(error.message).to.include('the credentials function gave no answer within 1000 ms')
    expect(virtual.asked[0]?.signal.aborted).to.equal(true)
    gate.resolve({ password: PASSWORD })
    await virtual.clock.settle()
    expect(virtual.stream.writes).to.deep.equal([])
    expect(virtual.clock.timers).to.deep.equal([])
  })

  it('leaves to the rest of connecting what the answer has left of the time', async () => {
    const gate = new Deferred<Credentials>()
    const virtual = begin(() => gate.promise)
    const failing = rejectionOf(virtual.connect(), ConnectError)
    await virtual.clock.advance(900)
    gate.resolve({ password: 'p' })
    await virtual.clock.settle()
    await virtual.clock.advance(100)
    expect((await failing).phase).to.equal('start')
  })

  it('ends at once with its signal, which is told to the function', async () => {
    const controller = new AbortController()
    let told: AbortSignal | undefined
    const credentials = ({ signal }: CredentialsRequest) => {
      told = signal
      return new Promise<never>(() => {})
    }
    const connecting = connect('amqp://a.test', { credentials, signal: controller.signal })
    await until(1_000, 'the question', () => told !== undefined)
    controller.abort(new Error('enough'))
    expect((await rejectionOf(connecting, Error)).message).to.equal('enough')
    expect(told?.aborted).to.equal(true)
    expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([])
  })

  it('is not asked when the signal was aborted before', async () => {
    const virtual = begin(() => ({ password: 'p' }))
    const reason = new Error('never')
    const connecting = connect({
      credentials: () => virtual.connect() as never,
      signal: AbortSignal.abort(reason),
    })
    expect(await rejectionOf(connecting, Error)).to.equal(reason)
    await virtual.clock.settle()
    expect(virtual.asked).to.deep.equal([])
  })

  it('shows the password nowhere on what it makes', async () => {
    const credentials = () => ({ password: PASSWORD, expiresInMs: 60_000 })
    const { connection } = await VirtualPeer.open({ connect: { credentials, heartbeat: 0 } })
    expectNoSecret(connection)
    await within(1_000, 'close()', connection.close())
  })
})
