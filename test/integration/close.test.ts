import { expect } from 'chai'
import { CloseTimeoutError, connect, UnconfirmedError } from '../../src/index.js'
import { ChildProgram } from '../support/child-programs/child-program.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker, sharedNode } from '../support/rabbitmq/index.js'

const CLOSE_TIMEOUT_MS = 1_000
/** What a documented bound is given on a busy machine. */
const SLACK_MS = 1_000

describe('Connection.close() with RabbitMQ', function () {
  this.timeout(40_000)

  it('of an idle connection is answered', async () => {
    const { url } = await sharedBroker()
    const connection = await connect(url)
    expect(await within(5_000, 'close()', connection.close())).to.deep.equal({ by: 'client' })
  })

  it('twice and concurrently is one close', async () => {
    const { url } = await sharedBroker()
    const connection = await connect(url)
    const reasons = await within(
      5_000,
      'close()',
      Promise.all([connection.close(), connection.close(), connection.closed]),
    )
    expect(reasons).to.deep.equal(Array(3).fill({ by: 'client' }))
  })

  it('inside a handler that awaits it settles', async () => {
    const { url } = await sharedBroker()
    const connection = await connect(url)
    const channel = await connection.openChannel()
    const { queue } = await channel.queueDeclare('')
    let inside: unknown
    await channel.consume(queue, async () => {
      inside = await connection.close()
    })
    await channel.publish('', queue, 'close, please')
    const reason = await within(5_000, 'closed', connection.closed)
    await until(1_000, 'close() inside the handler', () => inside !== undefined)
    expect(inside).to.equal(reason)
    expect(reason).to.deep.equal({ by: 'client' })
  })

  for (const confirm of [true, false]) {
    const what = confirm ? '10 000 unconfirmed publishes' : '10 000 publishes on a plain channel'
    it(`brings ${what} to the broker first`, async () => {
      const { url } = await sharedBroker()
      const connection = await connect(url)
      const channel = await connection.openChannel({ confirm })
      const name = `close-test-${process.pid}-${confirm}`
      const { queue } = await channel.queueDeclare(name)
      const publishes = Array.from({ length: 10_000 }, (_, index) =>
        channel.publish('', queue, `message ${index}`),
      )
      const reason = await within(10_000, 'close()', connection.close())
      expect(reason).to.deep.equal({ by: 'client' })
      await within(1_000, 'the publishes', Promise.all(publishes))

      const fresh = await connect(url)
      const counting = await fresh.openChannel()
      // Close-Ok says that the channels have routed everything; the queue is a process of its own and counts a little later.
      let messageCount = 0
      await until(5_000, 'all publishes in the queue', async () => {
        messageCount = (await counting.queueDeclare(name)).messageCount
        return messageCount >= 10_000
      })
      expect(messageCount).to.equal(10_000)
      expect(await counting.queueDelete(name)).to.equal(10_000)
      await within(5_000, 'close()', fresh.close())
    })
  }

  it('of a connection that a memory alarm blocks settles within closeTimeout and says what was not sent', async function () {
    const node = await sharedNode(this)
    const connection = await connect(node.url, { closeTimeout: CLOSE_TIMEOUT_MS })
    const channel = await connection.openChannel({ confirm: true })
    await node.block()
    try {
      // RabbitMQ blocks a connection when it publishes, and reads nothing from it any more.
      const publishes = [channel.publish('', 'q', 'blocks us')]
      await until(5_000, 'the block', () => connection.blocked !== undefined)
      publishes.push(channel.publish('', 'q', 'waits'))
      const errors = publishes.map(publish =>
        publish.then(
          () => undefined,
          (error: unknown) => error,
        ),
      )
      const reason = await within(
        CLOSE_TIMEOUT_MS + SLACK_MS,
        'close() of a blocked connection',
        connection.close(),
      )
      expect(reason.by).to.equal('client')
      expect(reason.error).to.be.instanceOf(CloseTimeoutError)
      expect(reason.text).to.include('2 publishes unconfirmed')
      const [sent, waited] = await within(1_000, 'the publishes', Promise.all(errors))
      expect(sent).to.be.instanceOf(UnconfirmedError).and.include({ outcome: 'unknown' })
      expect(waited).to.be.instanceOf(UnconfirmedError).and.include({ outcome: 'not-sent' })
    } finally {
      await node.unblock()
    }
  })

  it('of a connection to a broker under a memory alarm that has not published is answered', async function () {
    const node = await sharedNode(this)
    const connection = await connect(node.url)
    await node.block()
    try {
      expect(await within(5_000, 'close()', connection.close())).to.deep.equal({ by: 'client' })
    } finally {
      await node.unblock()
    }
  })

  it('of a frozen broker settles within closeTimeout', async function () {
    const node = await sharedNode(this)
    const connection = await connect(node.url, { closeTimeout: CLOSE_TIMEOUT_MS })
    await node.freeze()
    try {
      const reason = await within(
        CLOSE_TIMEOUT_MS + SLACK_MS,
        'close() of a frozen broker',
        connection.close(),
      )
      expect(reason.by).to.equal('client')
      expect(reason.error).to.be.instanceOf(CloseTimeoutError)
    } finally {
      await node.thaw()
    }
  })

  it('lets a process that has published and consumed exit by itself within 250 ms', async () => {
    const { url } = await sharedBroker()
    const program = new ChildProgram('polite-client', url)
    try {
      const closed = await program.report('closed')
      const exit = await program.report('exit')
      expect(closed).to.include({ by: 'client' })
      expect(exit.at - closed.at, 'milliseconds from close() to the exit').to.be.at.most(250)
      expect(await program.exit()).to.deep.equal({ code: 0, signal: null, complaints: '' })
    } finally {
      await program.end()
    }
  })
})
