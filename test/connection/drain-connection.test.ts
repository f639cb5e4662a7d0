import { expect } from 'chai'
import {
  ArgumentError,
  type Channel,
  ChannelClosedError,
  CloseTimeoutError,
  ConnectionClosedError,
  type ConnectOptions,
  type ConsumeOptions,
  type Consumer,
  type Delivery,
} from '../../src/index.js'
import { HeldWork } from '../support/held-work.js'
import { DrainStage, watch } from '../support/peer/drain-stage.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const CLOSE_TIMEOUT_MS = 5_000

describe('Connection.close({ drain })', () => {
  let stage: DrainStage
  let channel: Channel
  let work: HeldWork

  beforeEach(() => begin())

  afterEach(async () => {
    work.endAll()
    await within(1_000, 'the end', stage.connection.close())
    expect(stage.clock.timers).to.deep.equal([])
  })

  async function begin(options: ConnectOptions = {}): Promise<void> {
    stage = await DrainStage.open(options)
    channel = await stage.connection.openChannel()
    work = new HeldWork()
  }

  async function consume(options: ConsumeOptions, ...bodies: string[]): Promise<Consumer> {
    const consumer = await channel.consume('q', options, work.handle)
    await stage.deliver(channel, consumer, ...bodies)
    return consumer
  }

  it('cancels the consumers of all channels, waits for their handlers, and then closes', async () => {
    const one = await consume({ concurrency: 1 }, 'a', 'b')
    const second = await stage.connection.openChannel()
    const other = await second.consume('q', work.handle)
    await stage.deliver(second, other, 'c')
    const closing = watch(stage.connection.close({ drain: true }))
    expect(stage.connection.state).to.equal('closing')
    expect([channel.state, second.state]).to.deep.equal(['closing', 'closing'])
    expect(await stage.told()).to.deep.equal(['cancel', 'cancel', 'nack 2 requeue'])
    work.end('a')
    expect(await stage.told()).to.deep.equal(['ack 1'])
    expect(stage.connection.state).to.equal('closing')
    work.end('c')
    expect(await stage.told()).to.deep.equal(['ack 1', 'connection.close'])
    expect(closing()).to.deep.equal({ by: 'client' })
    expect(closing()).to.equal(await channel.closed)
    for (const consumer of [one, other]) expect(await consumer.closed).to.deep.equal({ by: 'client' })
    expect(work.begun).to.deep.equal(['a', 'c'])
  })

  it('does not wait for handlers without drain', async () => {
    await consume({}, 'a')
    const closing = watch(stage.connection.close())
    expect(await stage.told()).to.deep.equal(['connection.close'])
    expect(closing()).to.deep.equal({ by: 'client' })
  })

  it('closes at once when there is no consumer', async () => {
    const closing = watch(stage.connection.close({ drain: true }))
    expect(await stage.told()).to.deep.equal(['connection.close'])
    expect(closing()).to.deep.equal({ by: 'client' })
  })

  it('hands back what loops have not yielded, and begins nothing more, when no handler runs', async () => {
    const handled = await consume({})
    const iterated = await channel.consume('q')
    await stage.deliver(channel, iterated, 'a')
    stage.silence('basic.cancel')
    const closing = watch(stage.connection.close({ drain: true }))
    await stage.deliver(channel, iterated, 'b')
    await stage.deliver(channel, handled, 'c')
    expect(await stage.told()).to.deep.equal(['cancel'])
    stage.answerCancel(channel, handled)
    expect(await stage.told()).to.deep.equal(['cancel', 'nack 3 requeue'])
    stage.answerCancel(channel, iterated)
    expect(await stage.told()).to.deep.equal(['nack 1 requeue', 'nack 2 requeue', 'connection.close'])
    expect(closing()).to.deep.equal({ by: 'client' })
    expect(work.begun).to.deep.equal([])
  })

  it('lets handlers publish and call on every channel to the end, and refuses channels and consumers', async () => {
    const publisher = await stage.connection.openChannel({ confirm: true })
    const consumer = await channel.consume('q', async (delivery: Delivery) => {
      await work.handle(delivery)
      await publisher.queueDeclare('results')
      await publisher.publish('', 'results', 'result')
    })
    await stage.deliver(channel, consumer, 'a')
    const closing = watch(stage.connection.close({ drain: true }))
    await rejectionOf(stage.connection.openChannel(), ConnectionClosedError)
    await rejectionOf(publisher.consume('q'), ChannelClosedError)
    work.end('a')
    expect(await stage.told()).to.deep.equal(['cancel', 'publish'])
    expect(closing()).to.equal('pending')
    stage.confirm(publisher, 1)
    expect(await stage.told()).to.deep.equal(['ack 1', 'connection.close'])
    expect(closing()).to.deep.equal({ by: 'client' })
  })

  it('gives handlers four fifths of its time, and tells everybody how many were given up', async () => {
    const consumer = await consume({}, 'a', 'b')
    stage.silence('basic.cancel')
    const closing = watch(stage.connection.close({ drain: true, timeout: 1_000 }))
    await stage.clock.advance(799)
    expect(await stage.told()).to.deep.equal(['cancel'])
    await stage.clock.advance(1)
    stage.answerCancel(channel, consumer)
    expect(await stage.told()).to.deep.equal(['connection.close'])
    const reason = closing()
    if (reason === 'pending') throw new Error('it has not given up')
    expect(reason).to.include({ by: 'client', text: '2 handlers still running' })
    expect(reason.error).to.be.instanceOf(CloseTimeoutError)
    expect(reason.error?.message).to.equal('connection: 2 handlers still running')
    expect(await channel.closed).to.equal(reason)
    expect(stage.clock.timers).to.deep.equal([])
    work.endAll()
    expect(await stage.told()).to.deep.equal([])
  })

  it('is ended at once by a close without drain, which says what was given up', async () => {
    await consume({}, 'a')
    const closing = watch(stage.connection.close({ drain: true, timeout: 60_000 }))
    expect(await stage.told()).to.deep.equal(['cancel'])
    await stage.clock.advance(10_000)
    const second = watch(stage.connection.close())
    expect(await stage.told()).to.deep.equal(['connection.close'])
    expect(second()).to.include({ by: 'client', text: '1 handler still running' })
    expect(second()).to.equal(closing())
  })

  it('that is ended so keeps to the shorter of the two times', async () => {
    for (const [first, second, bound] of [
      [60_000, 500, 500],
      [300, 5_000, 300],
    ] as const) {
      await consume({}, 'a')
      stage.silence('basic.cancel', 'connection.close')
      void stage.connection.close({ drain: true, timeout: first })
      const closing = watch(stage.connection.close({ timeout: second }))
      await stage.clock.advance(bound - 1)
      expect(closing()).to.equal('pending')
      await stage.clock.advance(1)
      expect(closing()).to.include({ by: 'client' })
      expect(closing())
        .to.have.property('text')
        .that.matches(/^1 handler still running; close not completed/)
      work.endAll()
      await begin()
    }
  })

  it('settles within its bound with a silent peer, a blocking one, and one that does not read', async () => {
    const faults: (() => void)[] = [
      () => stage.silence('basic.cancel', 'connection.close'),
      () => {
        stage.peer.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
        stage.silence('basic.cancel', 'connection.close')
      },
      () => stage.peer.socket.pause(),
    ]
    for (const fault of faults) {
      await consume({}, 'a')
      fault()
      await stage.clock.settle()
      const closing = watch(stage.connection.close({ drain: true }))
      await stage.clock.advance(CLOSE_TIMEOUT_MS - 1)
      expect(closing()).to.equal('pending')
      await stage.clock.advance(1)
      expect(closing()).to.have.property('by', 'client')
      expect(closing())
        .to.have.property('text')
        .that.matches(/^1 handler still running; close not completed/)
      expect(stage.clock.timers).to.deep.equal([])
      work.endAll()
      await begin()
    }
  })

  it('resolves with the reason of another end that comes meanwhile, and waits no longer', async () => {
    await consume({}, 'a')
    const closing = watch(stage.connection.close({ drain: true }))
    stage.peer.socket.reset()
    await stage.clock.settle()
    expect(closing()).to.have.property('by', 'transport')
    expect(closing()).to.equal(await stage.connection.closed)
    expect(stage.clock.timers).to.deep.equal([])
    await begin()
    await consume({}, 'a')
    const forced = watch(stage.connection.close({ drain: true }))
    const args = { replyCode: 320, replyText: 'CONNECTION_FORCED', classId: 0, methodId: 0 }
    stage.peer.send(0, { name: 'connection.close', args })
    await stage.clock.settle()
    expect(forced()).to.include({ by: 'server', code: 320 })
  })

  it('waits for nothing on a channel that is closed meanwhile', async () => {
    await consume({}, 'a')
    const closing = watch(stage.connection.close({ drain: true }))
    stage.closeByServer(channel)
    expect(await stage.told()).to.deep.equal(['cancel', 'connection.close'])
    expect(closing()).to.deep.equal({ by: 'client' })
    expect(await channel.closed).to.include({ by: 'server', code: 404 })
  })

  it('goes together with the close of a channel', async () => {
    await consume({}, 'a')
    const first = watch(channel.close())
    const closing = watch(stage.connection.close({ drain: true }))
    expect(await stage.told()).to.deep.equal(['cancel'])
    work.end('a')
    await stage.clock.settle()
    expect(first()).to.deep.equal({ by: 'client' })
    expect(closing()).to.deep.equal({ by: 'client' })
  })

  it('refuses consumers on a channel that was being opened, and waits for one that was being started', async () => {
    stage.silence('basic.cancel')
    const opening = stage.connection.openChannel()
    const starting = channel.consume('q', work.handle)
    const closing = watch(stage.connection.close({ drain: true }))
    const consumer = await within(1_000, 'the consumer', starting)
    await rejectionOf((await within(1_000, 'the channel', opening)).consume('q'), ChannelClosedError)
    await stage.deliver(channel, consumer, 'a')
    expect(await stage.told()).to.deep.equal(['cancel'])
    expect(closing()).to.equal('pending')
    stage.answerCancel(channel, consumer)
    expect(await stage.told()).to.deep.equal(['nack 1 requeue', 'connection.close'])
    expect(work.begun).to.deep.equal([])
  })

  it('does not wait for a consumer that was given up before it began', async () => {
    stage.peer.on('basic.consume', () => undefined)
    const giveUp = new AbortController()
    const starting = channel.consume('q', { signal: giveUp.signal }, work.handle)
    await stage.clock.settle()
    giveUp.abort(new RangeError('no longer wanted'))
    await rejectionOf(starting, RangeError)
    stage.peer.send(channel.number, { name: 'basic.consume-ok', args: { consumerTag: 'thump-1' } })
    expect(await stage.told(), 'nobody has it').to.deep.equal(['cancel'])
    const closing = watch(stage.connection.close({ drain: true }))
    expect(await stage.told()).to.deep.equal(['connection.close'])
    expect(closing()).to.deep.equal({ by: 'client' })
  })

  it('reads the answers also when reading was paused', async () => {
    await begin({ maxReceiveBuffered: 10 })
    await consume(
      { noAck: true, concurrency: 1 },
      'a',
      ...Array.from({ length: 50 }, (_, index) => `${index}`),
    )
    const closing = watch(stage.connection.close({ drain: true }))
    await stage.clock.settle()
    for (let turn = 0; turn < 200 && closing() === 'pending'; turn++) {
      work.endAll()
      await stage.clock.settle()
    }
    expect(closing()).to.deep.equal({ by: 'client' })
    expect(await stage.told()).to.deep.equal(['cancel', 'connection.close'])
  })

  it('may be called in any state, any number of times: one close, one reason', async () => {
    await consume({}, 'a')
    const { connection } = stage
    const closings = [connection.close({ drain: true }), connection.close({ drain: true, timeout: 1 })]
    await stage.clock.advance(CLOSE_TIMEOUT_MS / 2)
    expect(await stage.told()).to.deep.equal(['cancel'])
    work.end('a')
    const reasons = await within(1_000, 'close()', Promise.all(closings))
    for (const options of [{ drain: true }, { drain: false }, {}, undefined])
      reasons.push(await within(1_000, 'close() of what is closed', connection.close(options)))
    expect(new Set([...reasons, await connection.closed]).size).to.equal(1)
    expect(await stage.told()).to.deep.equal(['ack 1', 'connection.close'])
  })

  it('after a close without drain changes nothing', async () => {
    await consume({}, 'a')
    stage.silence('connection.close')
    const closing = watch(stage.connection.close())
    const draining = watch(stage.connection.close({ drain: true }))
    expect(await stage.told()).to.deep.equal(['connection.close'])
    stage.peer.send(0, { name: 'connection.close-ok', args: {} })
    await stage.clock.settle()
    expect([closing(), draining()]).to.deep.equal([{ by: 'client' }, { by: 'client' }])
  })

  it('rejects options that nobody knows, and closes nothing', async () => {
    for (const [options, path] of [
      [{ timeout: 1.5 }, 'options.timeout'],
      [{ drain: 'yes' }, 'options.drain'],
      [{ force: true }, 'options.force'],
      [null, 'options'],
    ] as const) {
      expect((await rejectionOf(stage.connection.close(options as never), ArgumentError)).path).to.equal(path)
    }
    expect(stage.connection.state).to.equal('open')
  })

  it('called by a handler waits for the others and not for it', async () => {
    let reason: unknown
    const consumer = await channel.consume('q', async (delivery: Delivery) => {
      if (String(delivery.body) !== 'stop') return work.handle(delivery)
      expect(delivery.ack()).to.equal(true)
      await null
      reason = await stage.connection.close({ drain: true })
    })
    await stage.deliver(channel, consumer, 'a', 'stop')
    expect(await stage.told()).to.deep.equal(['ack 2', 'cancel'])
    work.end('a')
    expect(await stage.told()).to.deep.equal(['ack 1', 'connection.close'])
    expect(reason).to.deep.equal({ by: 'client' })
  })

  it('does not wait for a handler that joins it, nor for one that closes without drain', async () => {
    const joins = async (): Promise<unknown> => {
      await work.handle({ body: Buffer.from('join') })
      return stage.connection.close({ drain: true })
    }
    const consumer = await channel.consume('q', joins)
    await stage.deliver(channel, consumer, 'a')
    const closing = watch(stage.connection.close({ drain: true }))
    expect(await stage.told()).to.deep.equal(['cancel'])
    work.end('join')
    expect(await stage.told()).to.deep.equal(['connection.close'])
    expect(closing()).to.deep.equal({ by: 'client' })
  })
})
