import { expect } from 'chai'
import {
  ArgumentError,
  type Channel,
  ChannelClosedError,
  type CloseReason,
  CloseTimeoutError,
  type Consumer,
  type Delivery,
  UnconfirmedError,
} from '../../src/index.js'
import { HeldWork } from '../support/held-work.js'
import { DrainStage, watch } from '../support/peer/drain-stage.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const CLOSE_TIMEOUT_MS = 5_000
const HANDLERS_MS = 4_000

describe('Channel.close(), while handlers run', () => {
  let stage: DrainStage
  let channel: Channel
  let work: HeldWork

  beforeEach(async () => {
    stage = await DrainStage.open()
    channel = await stage.connection.openChannel({ confirm: true })
    work = new HeldWork()
  })

  afterEach(async () => {
    work.endAll()
    await within(1_000, 'the end', stage.connection.close())
    expect(stage.clock.timers).to.deep.equal([])
  })

  async function consume(concurrency: number, ...bodies: string[]): Promise<Consumer> {
    const consumer = await channel.consume('q', { concurrency }, work.handle)
    await stage.deliver(channel, consumer, ...bodies)
    return consumer
  }

  it('cancels, hands back, waits for the handlers, and closes when they have settled', async () => {
    const consumer = await consume(2, 'a', 'b', 'c')
    const closing = watch(channel.close())
    expect(channel.state).to.equal('closing')
    expect(await stage.told()).to.deep.equal(['cancel', 'nack 3 requeue'])
    work.end('a')
    expect(await stage.told()).to.deep.equal(['ack 1'])
    expect(channel.state).to.equal('closing')
    work.end('b')
    expect(await stage.told()).to.deep.equal(['ack 2', 'channel.close'])
    expect(closing()).to.deep.equal({ by: 'client' })
    expect(channel.state).to.equal('closed')
    expect(closing()).to.equal(await channel.closed)
    expect(await consumer.closed).to.deep.equal({ by: 'client' })
    expect(work.begun).to.deep.equal(['a', 'b'])
  })

  it('closes in the same turn when none runs', async () => {
    await consume(1)
    const closing = watch(channel.close())
    expect(await stage.told()).to.deep.equal(['channel.close'])
    expect(closing()).to.deep.equal({ by: 'client' })
  })

  it('begins nothing more when none runs, while it waits for confirms', async () => {
    const consumer = await consume(1)
    const published = watch(channel.publish('', 'q', 'x').then(() => 'confirmed'))
    const closing = watch(channel.close())
    await stage.deliver(channel, consumer, 'late')
    expect(await stage.told()).to.deep.equal(['publish'])
    stage.confirm(channel, 1)
    expect(await stage.told()).to.deep.equal(['channel.close'])
    expect([published(), closing()]).to.deep.equal(['confirmed', { by: 'client' }])
    expect(work.begun).to.deep.equal([])
  })

  it('lets handlers publish, call and settle to the end, waits for their confirms, and refuses consumers', async () => {
    const other = await channel.consume('q', { autoSettle: false }, async delivery => {
      await work.handle(delivery)
      const declared = await channel.queueDeclare('inner')
      void channel.publish('', declared.queue, 'result')
      expect(delivery.ack()).to.equal(true)
    })
    await stage.deliver(channel, other, 'a')
    const closing = watch(channel.close())
    const refused = await rejectionOf(channel.consume('q'), ChannelClosedError)
    expect(refused).to.include({ method: 'basic.consume', channelNumber: channel.number })
    expect(refused.message).to.include('closed by the application: it is closing')
    work.end('a')
    expect(await stage.told()).to.deep.equal(['cancel', 'publish', 'ack 1'])
    expect(closing()).to.equal('pending')
    stage.confirm(channel, 1)
    expect(await stage.told()).to.deep.equal(['channel.close'])
    expect(closing()).to.deep.equal({ by: 'client' })
  })

  it('waits also for handlers of a consumer that was cancelled before, by either side', async () => {
    const first = await consume(1, 'a')
    const second = await consume(1, 'b', 'c')
    void first.cancel()
    stage.cancelByServer(channel, second)
    await stage.told()
    const closing = watch(channel.close())
    expect(await stage.told()).to.deep.equal(['nack 3 requeue'])
    work.end('a')
    expect(await stage.told()).to.deep.equal(['ack 1'])
    expect(closing()).to.equal('pending')
    work.end('b')
    expect(await stage.told()).to.deep.equal(['ack 2', 'channel.close'])
  })

  it('says what was given up also when the connection closes over it', async () => {
    await consume(2, 'a', 'b')
    const closing = watch(channel.close())
    await stage.told()
    await within(1_000, 'the close', Promise.race([stage.connection.close(), stage.clock.advance(500)]))
    await stage.told()
    expect(closing()).to.include({ by: 'client', text: '2 handlers still running' })
    expect((closing() as CloseReason).error).to.be.instanceOf(CloseTimeoutError)
  })

  it('ends the loops of other consumers, and hands back what they have not yielded', async () => {
    await consume(1, 'a')
    const iterated = await channel.consume('q')
    await stage.deliver(channel, iterated, 'b', 'c')
    const looping = watch(
      (async () => {
        const bodies: string[] = []
        for await (const delivery of iterated) {
          bodies.push(String(delivery.body))
          await channel.close({ timeout: 100 })
        }
        return bodies
      })(),
    )
    expect(await stage.told()).to.include.members(['cancel', 'nack 3 requeue'])
    work.end('a')
    expect(await stage.told()).to.deep.equal(['ack 1', 'channel.close'])
    expect(looping()).to.deep.equal(['b'])
  })

  it('leaves the replies of direct reply-to open until the handlers are done: one may be waiting', async () => {
    const replies = await channel.consume('amq.rabbitmq.reply-to', { noAck: true, prefetch: 0 }, reply => {
      work.end(String(reply.body))
    })
    await consume(1, 'a')
    const closing = watch(channel.close())
    expect(await stage.told()).to.deep.equal(['cancel'])
    await stage.deliver(channel, replies, 'a')
    expect(await stage.told()).to.deep.equal(['ack 1', 'channel.close'])
    expect(closing()).to.deep.equal({ by: 'client' })
  })

  it('gives handlers four fifths of closeTimeout, and says how many were given up', async () => {
    await consume(3, 'a', 'b', 'c')
    const closing = watch(channel.close())
    work.end('b')
    await stage.clock.advance(HANDLERS_MS - 1)
    expect(await stage.told()).to.deep.equal(['cancel', 'ack 2'])
    await stage.clock.advance(1)
    expect(await stage.told()).to.deep.equal(['channel.close'])
    const reason = await channel.closed
    expect(closing()).to.equal(reason)
    expect(reason).to.include({ by: 'client', text: '2 handlers still running' })
    expect(reason.error).to.be.instanceOf(CloseTimeoutError)
    expect(reason.error?.message).to.equal(`channel ${channel.number}: 2 handlers still running`)
    work.end('a', 'c')
    expect(await stage.told()).to.deep.equal([])
  })

  it('says everything that was given up: handlers, publishes, and the answer', async () => {
    await consume(1, 'a')
    const published = channel.publish('', 'q', 'x').catch((error: unknown) => error)
    stage.silence('channel.close')
    const closing = watch(channel.close({ timeout: 1_000 }))
    await stage.clock.advance(1_000)
    const reason = closing()
    if (reason === 'pending') throw new Error('it has not given up')
    expect(reason).to.include({
      by: 'client',
      text: '1 handler still running; not closed within 200 ms; 1 publishes unconfirmed',
    })
    expect(reason.error?.cause).to.be.instanceOf(CloseTimeoutError)
    expect(await published).to.be.instanceOf(UnconfirmedError)
  })

  it('settles within its bound when the peer is silent', async () => {
    await consume(1, 'a')
    stage.silence('basic.cancel', 'channel.close')
    const closing = watch(channel.close())
    work.end('a')
    await stage.clock.advance(CLOSE_TIMEOUT_MS - 1)
    expect(closing()).to.equal('pending')
    await stage.clock.advance(1)
    expect(closing()).to.include({ by: 'client', text: 'not closed within 1000 ms; 0 publishes unconfirmed' })
  })

  it('is one close, however often it is called, and keeps to the time of the first call', async () => {
    await consume(1, 'a')
    const closings = [channel.close(), channel.close({ timeout: 60_000 }), channel[Symbol.asyncDispose]()]
    await stage.clock.advance(HANDLERS_MS)
    const [first, second] = await within(1_000, 'close()', Promise.all(closings))
    expect(first).to.equal(second)
    expect(await channel.close()).to.equal(first)
    expect(await stage.told()).to.deep.equal(['cancel', 'channel.close'])
  })

  it('resolves with the reason of another end that comes meanwhile, and waits no longer', async () => {
    const ends: ((ending: Channel) => unknown)[] = [
      ending => stage.closeByServer(ending),
      () => stage.peer.socket.reset(),
    ]
    for (const end of ends) {
      const ending = await stage.connection.openChannel()
      const consumer = await ending.consume('q', work.handle)
      await stage.deliver(ending, consumer, 'a')
      const closing = watch(ending.close())
      expect(await stage.told()).to.deep.equal(['cancel'])
      end(ending)
      await stage.clock.settle()
      expect(closing()).to.equal(await ending.closed)
      expect(closing()).to.have.property('by').that.is.oneOf(['server', 'transport'])
      expect((await ending.closed).text).to.not.include('handlers')
      work.endAll()
    }
  })

  it('rejects options that nobody knows, and closes nothing', async () => {
    for (const [options, path] of [
      [{ timeout: -1 }, 'options.timeout'],
      [{ drain: true }, 'options.drain'],
      [1, 'options'],
    ] as const) {
      expect((await rejectionOf(channel.close(options as never), ArgumentError)).path).to.equal(path)
    }
    expect(channel.state).to.equal('open')
  })

  it('called by one of them waits for the others and not for it; its own delivery goes back', async () => {
    let acked: boolean | undefined
    const consumer = await channel.consume('q', async (delivery: Delivery) => {
      if (String(delivery.body) !== 'stop') return work.handle(delivery)
      await null
      const reason = await channel.close()
      expect(reason).to.deep.equal({ by: 'client' })
      acked = delivery.ack()
    })
    await stage.deliver(channel, consumer, 'a', 'stop')
    expect(await stage.told()).to.deep.equal(['cancel'])
    work.end('a')
    expect(await stage.told()).to.deep.equal(['ack 1', 'channel.close'])
    expect(acked).to.equal(false)
  })

  it('called by one of them that settles first loses nothing', async () => {
    const consumer = await channel.consume('q', async (delivery: Delivery) => {
      delivery.ack()
      await channel.close()
    })
    await stage.deliver(channel, consumer, 'a')
    expect(await stage.told()).to.deep.equal(['ack 1', 'cancel', 'channel.close'])
  })

  it('called by all of them waits for none', async () => {
    const consumer = await channel.consume('q', async () => {
      await null
      await channel.close()
    })
    await stage.deliver(channel, consumer, 'a', 'b', 'c')
    expect(await stage.told()).to.deep.equal(['cancel', 'channel.close'])
    expect(channel.state).to.equal('closed')
  })
})
