import { expect } from 'chai'
import fc from 'fast-check'
import { negotiateTune } from '../../src/protocol/tune.js'

/** What the options and the connection layer make of a missing wish. */
const DEFAULT_HEARTBEAT = 20

function heartbeatOf(server: number, client: number): number {
  return negotiateTune({ channelMax: 0, frameMax: 0, heartbeat: server }, { heartbeat: client }).heartbeat
}

describe('negotiateTune', () => {
  const heartbeats: readonly (readonly [client: number, server: number, agreed: number])[] = [
    [DEFAULT_HEARTBEAT, 0, 20],
    [DEFAULT_HEARTBEAT, 5, 5],
    [DEFAULT_HEARTBEAT, 60, 20],
    [0, 0, 0],
    [0, 5, 0],
    [0, 60, 0],
    [5, 0, 5],
    [5, 5, 5],
    [5, 60, 5],
    [60, 0, 60],
    [60, 5, 5],
    [60, 60, 60],
  ]
  for (const [client, server, agreed] of heartbeats) {
    it(`agrees on a heartbeat of ${agreed} s when the client wants ${client} and the server ${server}`, () => {
      expect(heartbeatOf(server, client)).to.equal(agreed)
    })
  }

  const limits: readonly (readonly [
    server: number,
    wish: number | undefined,
    channelMax: number,
    frameMax: number,
  ])[] = [
    [0, undefined, 2047, 131_072],
    [0, 9000, 9000, 9000],
    [9000, undefined, 9000, 9000],
    [9000, 0, 9000, 9000],
    [9000, 10_000, 9000, 9000],
    [10_000, 9000, 9000, 9000],
  ]
  for (const [server, wish, channelMax, frameMax] of limits) {
    it(`takes ${channelMax} channels and frames of ${frameMax} from the server's ${server} and the wish ${wish}`, () => {
      const agreed = negotiateTune(
        { channelMax: server, frameMax: server, heartbeat: 0 },
        { channelMax: wish, frameMax: wish, heartbeat: 0 },
      )
      expect(agreed).to.deep.equal({ channelMax, frameMax, heartbeat: 0 })
    })
  }

  it('accepts frames of 4096 octets, and none above a mebibyte', () => {
    const frameMaxOf = (frameMax: number) =>
      negotiateTune({ channelMax: 0, frameMax, heartbeat: 0 }, { heartbeat: 0 }).frameMax
    expect(frameMaxOf(4096)).to.equal(4096)
    expect(frameMaxOf(2 ** 32 - 1)).to.equal(1_048_576)
  })

  it('answers nothing that RabbitMQ hangs up on', () => {
    const short = fc.integer({ min: 0, max: 65_535 })
    const wish = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined })
    const frameMax = fc.oneof(fc.constant(0), fc.integer({ min: 8192, max: 2 ** 32 - 1 }))
    fc.assert(
      fc.property(short, frameMax, short, wish, frameMax, short, (channels, frames, beat, ...wishes) => {
        const server = { channelMax: channels, frameMax: frames, heartbeat: beat }
        const [wishedChannels, wishedFrames, heartbeat] = wishes
        const agreed = negotiateTune(server, {
          channelMax: wishedChannels,
          frameMax: wishedFrames === 0 ? undefined : wishedFrames,
          heartbeat,
        })
        expect(agreed.channelMax).to.be.within(1, channels || 65_535)
        expect(agreed.frameMax).to.be.within(8192, frames || 2 ** 32 - 1)
        expect(agreed.heartbeat).to.be.within(0, 65_535)
        if (heartbeat === 0) expect(agreed.heartbeat).to.equal(0)
      }),
    )
  })
})
