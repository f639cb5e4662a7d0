import { expect } from 'chai'
import { ChildProgram } from '../support/child-programs/child-program.js'
import { FrameTap, type SeenFrame } from '../support/frame-tap.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { ScenarioSession } from './scenario-session.js'

const MIB = 1024 * 1024
/** Until a heartbeat of a second is missed, and the program has started and ended. */
const FLOOD_MS = 15_000
/** What a slow machine publishes meanwhile, at the least. */
const MANY = 50_000

/** What may become of a publish of the flood: by the error's name and its outcome. */
const FATES = {
  plain: ['resolved', 'BackpressureError not-sent', 'ConnectionClosedError', 'ChannelClosedError'],
  confirm: [
    'BackpressureError not-sent',
    'UnconfirmedError unknown',
    'UnconfirmedError not-sent',
    'ChannelClosedError',
  ],
} as const

describe('back-pressure, with RabbitMQ', () => {
  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  it('keeps publishes that nobody awaits and nobody reads within maxBuffered, and tells each its fate', async function () {
    this.timeout(2 * FLOOD_MS)
    const { url } = await sharedBroker()
    const floods = [
      { mode: 'plain', maxBuffered: 8 * MIB, program: new ChildProgram('flood', url, 'plain', `${8 * MIB}`) },
      { mode: 'confirm', maxBuffered: 64 * MIB, program: new ChildProgram('flood', url, 'confirm') },
    ] as const
    try {
      for (const { mode, maxBuffered, program } of floods) {
        const told = await program.report('closed', FLOOD_MS)
        const { by, published, fates, bufferedOctets, rssGrowth } = told
        expect(by).to.equal('heartbeat')
        expect(published).to.be.above(MANY)
        expect(bufferedOctets).to.be.within(maxBuffered / 2, maxBuffered)
        // What waits, what the proxy and the kernel took before, and what the collector has not got round to.
        expect(rssGrowth, `growth of ${mode}`).to.be.below(4 * maxBuffered + 100 * MIB)
        expect(fates).to.have.all.keys(...FATES[mode])
        const known = Object.values(fates as Record<string, number>).reduce((sum, count) => sum + count, 0)
        expect(known).to.equal(published)
        expect(await program.exit()).to.deep.equal({ code: 0, signal: null, complaints: '' })
      }
    } finally {
      for (const { program } of floods) await program.end()
    }
  })

  describe('of one large body', () => {
    let tap: FrameTap
    let session: ScenarioSession

    beforeEach(async () => {
      const { url } = await sharedBroker()
      const { hostname: host, port } = new URL(url)
      tap = await FrameTap.start({ host, port: Number(port) })
      session = await ScenarioSession.open({ url: tap.url(url), maxBuffered: 128 * MIB })
    })

    afterEach(async () => {
      await session.close()
      await tap.close()
    })

    /** Body frames of a channel that stand between two of its own octets and the first frame of another's publish. */
    const bodyFrames = (channelNumber: number, from: number, to: number): SeenFrame[] =>
      tap.frames.filter(
        frame =>
          frame.type === 'body' &&
          frame.channelNumber === channelNumber &&
          frame.position >= from &&
          frame.position < to,
      )

    it('lets small messages of other channels pass after a few frames, at any time', async function () {
      this.timeout(20_000)
      const small = await session.connection.openChannel()
      const { queue } = await small.queueDeclare('', { maxLength: 1 })
      const begun = tap.frames.length
      const large = session.channel.publish('amq.fanout', '', Buffer.alloc(64 * MIB))
      const issuedAt = [session.connection.stats.octetsSent]
      void small.publish('', queue, 'with it')
      for (const part of [0.25, 0.5, 0.75]) {
        const reached = (): boolean => session.connection.stats.octetsSent > part * 64 * MIB
        await until(10_000, `${part} of the body`, reached)
        issuedAt.push(session.connection.stats.octetsSent)
        void small.publish('', queue, 'in the middle')
      }
      await within(10_000, 'the large publish', large)
      await small.queueDeclare('')
      await session.channel.queueDeclare('')
      const frames = tap.frames.slice(begun)
      const publishes = frames.filter(
        ({ type, channelNumber }, index) =>
          channelNumber === small.number && type === 'method' && frames[index + 1]?.type === 'header',
      )
      expect(publishes).to.have.length(issuedAt.length)
      const passed = publishes.map(
        ({ position }, each) => bodyFrames(session.channel.number, issuedAt[each] ?? 0, position).length,
      )
      // What the socket was given last is 256 KiB: two frames. One more may have been begun.
      for (const count of passed) expect(count, `body frames passed: ${passed}`).to.be.at.most(4)
      const all = bodyFrames(session.channel.number, 0, Number.POSITIVE_INFINITY)
      expect(all.reduce((sum, { size }) => sum + size, 0)).to.equal(64 * MIB)
    })
  })
})
