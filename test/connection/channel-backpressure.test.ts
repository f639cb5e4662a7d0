import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import {
  BackpressureError,
  type Channel,
  ChannelClosedError,
  ConnectionClosedError,
  type ConnectOptions,
  UnconfirmedError,
} from '../../src/index.js'
import { ScriptedSession } from '../support/peer/scripted-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const KIB = 1024
const MIB = 1024 * KIB

describe('publish, faster than the server reads', () => {
  let session: ScriptedSession
  let channel: Channel
  let received: number

  async function begin(options: ConnectOptions = {}, confirm = false): Promise<void> {
    session = await ScriptedSession.open({ closeTimeout: 300, ...options })
    channel = await session.connection.openChannel({ confirm })
    received = 0
    session.peer.on('basic.publish', () => void received++)
  }

  afterEach(() => session.close())

  /**
   * Resolves when octets wait and the kernel has taken all that it will: nothing goes on until the peer reads. It may grow
   * its buffers now and then, so one look that finds nothing moved says little.
   */
  async function stuck(): Promise<void> {
    let before = -1
    let looks = 0
    await until(8_000, 'a standstill', async () => {
      await new Promise(resolve => setTimeout(resolve, 30))
      const { octetsSent, bufferedOctets } = session.connection.stats
      looks = octetsSent === before && bufferedOctets > 0 ? looks + 1 : 0
      before = octetsSent
      return looks >= 6
    })
  }

  async function isPending(promise: Promise<unknown>): Promise<boolean> {
    const pending = Symbol('pending')
    return (await Promise.race([promise, nextTurn(pending)])) === pending
  }

  for (const [what, body] of [
    ['empty', Buffer.alloc(0)],
    ['small', Buffer.alloc(10)],
    ['of a few KiB', Buffer.alloc(5 * KIB)],
    ['passed by reference', Buffer.alloc(20 * KIB)],
    ['large', Buffer.alloc(200 * KIB)],
  ] as const) {
    it(`lets timers run during a loop that awaits: bodies that are ${what}`, async () => {
      await begin()
      const most = 1_000_000
      let ticks = 0
      const interval = setInterval(() => void ticks++, 1)
      const startedAt = performance.now()
      let published = 0
      while (ticks < 5 && published < most && performance.now() - startedAt < 3_000) {
        await channel.publish('', 'q', body)
        published++
      }
      clearInterval(interval)
      expect(ticks, `${published} publishes`).to.equal(5)
      expect(performance.now() - startedAt).to.be.below(3_000)
      expect(session.connection.stats.bufferedOctets).to.be.below(2 * MIB)
      await channel.close()
      expect(received).to.equal(published)
    })
  }

  it('makes whoever awaits wait, however large the headers and small the bodies', async () => {
    await begin()
    session.peer.socket.pause()
    const headers = { story: 'x'.repeat(50 * KIB) }
    let published = 0
    const loop = (async () => {
      while (published < 10_000) {
        await channel.publish('', 'q', '', { headers })
        published++
      }
    })()
    await stuck()
    expect(await isPending(loop)).to.equal(true)
    expect(published).to.be.below(1_000)
    expect(session.connection.stats.bufferedOctets).to.be.below(2 * MIB)
    session.peer.socket.destroy()
    await rejectionOf(loop, Error)
  })

  it('makes whoever awaits wait until the server reads on', async () => {
    await begin()
    session.peer.socket.pause()
    let published = 0
    const loop = (async () => {
      for (; published < 500; published++) await channel.publish('', 'q', Buffer.alloc(100 * KIB))
    })()
    await stuck()
    expect(await isPending(loop)).to.equal(true)
    const { bufferedOctets } = session.connection.stats
    expect(bufferedOctets).to.be.within(1, 2 * MIB)
    expect(published).to.be.below(500)
    session.peer.socket.resume()
    await within(8_000, 'all publishes', loop)
    await channel.close()
    expect(received).to.equal(500)
  })

  it('refuses what goes beyond maxBuffered, keeps nothing of it, and stays usable', async () => {
    await begin({ maxBuffered: 4 * MIB })
    session.peer.socket.pause()
    const body = Buffer.alloc(256 * KIB)
    const accepted: Promise<void>[] = []
    let refused: Promise<void> | undefined
    // Not one of these is awaited: what the kernel takes is gone from the buffer, the rest is what counts.
    for (let turn = 0; turn < 400; turn++) {
      const before = session.connection.stats.bufferedOctets
      const publish = channel.publish('', 'q', body)
      if (before + body.length > 4 * MIB) refused = publish
      else accepted.push(publish)
      expect(session.connection.stats.bufferedOctets).to.be.at.most(4 * MIB + 64 * KIB)
      await nextTurn()
    }
    const error = await rejectionOf(refused as Promise<void>, BackpressureError)
    expect(error).to.include({ code: 'AMQP_BACKPRESSURE', outcome: 'not-sent' })
    expect(error.message).to.match(
      /^a body of 262144 octets would join \d+ that wait to be sent; the limit is 4194304$/,
    )
    session.peer.socket.resume()
    await within(8_000, 'the publishes accepted', Promise.all(accepted))
    await channel.exchangeDeclare('a round trip', 'direct')
    expect(received).to.equal(accepted.length)
    await channel.publish('', 'q', body)
  })

  it('refuses a body larger than maxBuffered at once', async () => {
    await begin({ maxBuffered: MIB })
    await rejectionOf(channel.publish('', 'q', Buffer.alloc(MIB + 1)), BackpressureError)
    await channel.publish('', 'q', Buffer.alloc(MIB / 2))
  })

  it('refuses in the same way on a confirm channel, where what waits for the window counts too', async () => {
    await begin({ maxBuffered: 2 * MIB }, true)
    const publishes = Array.from({ length: 5_000 }, () => channel.publish('', 'q', Buffer.alloc(KIB)))
    const errors: Error[] = []
    for (const publish of publishes) publish.catch(error => errors.push(error))
    await until(2_000, 'the window', () => received === 1000)
    expect(session.connection.stats.bufferedOctets).to.be.within(MIB / 2, 2 * MIB)
    expect(errors).to.have.length.above(1_000)
    for (const error of errors) expect(error).to.be.instanceOf(BackpressureError)
    session.peer.socket.destroy()
    const outcomes = await Promise.allSettled(publishes)
    const fates = outcomes.map(outcome => {
      const reason: unknown = outcome.status === 'rejected' ? outcome.reason : undefined
      return reason instanceof UnconfirmedError || reason instanceof BackpressureError
        ? reason.outcome
        : 'odd'
    })
    expect(fates.filter(fate => fate === 'unknown')).to.have.length(1000)
    expect(fates.filter(fate => fate === 'odd')).to.deep.equal([])
  })

  it('holds no memory for what it has refused', async () => {
    await begin({ maxBuffered: MIB })
    session.peer.socket.pause()
    const errors = new Map<string, number>()
    const before = process.memoryUsage().arrayBuffers
    for (let turn = 0; turn < 300; turn++) {
      for (let each = 0; each < 4; each++) {
        channel.publish('', 'q', Buffer.alloc(256 * KIB)).catch((error: Error) => {
          errors.set(error.name, (errors.get(error.name) ?? 0) + 1)
        })
      }
      await nextTurn()
    }
    expect(errors.get('BackpressureError')).to.be.above(500)
    // The body being written, up to maxBuffered, the kernel's copy, and what is not collected yet; 300 MiB were given.
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(100 * MIB)
    session.peer.socket.destroy()
    await session.connection.closed
  })

  it('rejects whoever waits when the connection is lost', async () => {
    await begin()
    session.peer.socket.pause()
    const waiting: Promise<void>[] = []
    for (let each = 0; each < 200; each++) waiting.push(channel.publish('', 'q', Buffer.alloc(100 * KIB)))
    await stuck()
    expect(await isPending(waiting.at(-1) as Promise<void>)).to.equal(true)
    session.peer.socket.resetAndDestroy()
    const reason = await session.connection.closed
    const error = await rejectionOf(waiting.at(-1) as Promise<void>, Error)
    expect(error).to.satisfy(
      (each: Error) => each instanceof ChannelClosedError || each instanceof ConnectionClosedError,
    )
    expect(error).to.include({ reason })
    await Promise.allSettled(waiting)
  })

  it('lets other channels through while one has much to send', async () => {
    await begin()
    const other = await session.connection.openChannel()
    session.peer.socket.pause()
    const large = channel.publish('', 'q', Buffer.alloc(20 * MIB))
    const order: string[] = []
    session.peer.on('basic.publish', ({ channelNumber }) => void order.push(`content on ${channelNumber}`))
    const small = other.publish('', 'q', 'small')
    session.peer.socket.resume()
    await Promise.all([large, small])
    await until(8_000, 'both', () => order.length === 2)
    expect(order).to.deep.equal([`content on ${other.number}`, `content on ${channel.number}`])
  })
})
