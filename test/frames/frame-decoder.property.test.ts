import { expect } from 'chai'
import fc from 'fast-check'
import { FrameDecoder } from '../../src/frames/frame-decoder.js'
import { octetsAllocated } from '../support/allocations.js'
import { chunkSizes, cut } from '../support/arbitraries.js'
import { expectLinear } from '../support/linear.js'
import { runs } from '../support/runs.js'

function frame(type: number, payload: Buffer): Buffer {
  const header = Buffer.of(type, 0, 1, 0, 0, 0, 0)
  header.writeUInt32BE(payload.length, 3)
  return Buffer.concat([header, payload, Buffer.of(0xce)])
}

function decode(decoder: FrameDecoder, chunks: readonly Buffer[]): void {
  for (const chunk of chunks) {
    decoder.push(chunk)
    while (decoder.next() !== 0);
  }
}

describe('FrameDecoder, in memory and time,', () => {
  const payload = fc.nat(3000).map(size => Buffer.alloc(size, size))
  const frames = fc.array(fc.tuple(fc.constantFrom(1, 2, 3), payload), { maxLength: 20 })

  it('asks for the octets of a frame once, if they come in parts, and for none of a body', () => {
    fc.assert(
      fc.property(frames, chunkSizes, (sent, sizes) => {
        const stream = Buffer.concat(sent.map(([type, octets]) => frame(type, octets)))
        const whole = sent.filter(([type]) => type !== 3)
        const chunks = cut(stream, sizes)
        const decoder = new FrameDecoder()
        const allocated = octetsAllocated(() => decode(decoder, chunks))
        expect(allocated).to.be.at.most(whole.reduce((sum, [, octets]) => sum + octets.length + 1, 0))
        expect(decoder.framesDecoded).to.equal(sent.length)
        expect(octetsAllocated(() => decode(decoder, [stream]))).to.equal(0)
      }),
      runs(100),
    )
  })

  it('holds what has come of a frame and the chunk, and after the frame nothing', () => {
    fc.assert(
      fc.property(frames, chunkSizes, (sent, sizes) => {
        const decoder = new FrameDecoder()
        let [most, mostBetween] = [0, 0]
        for (const chunk of cut(Buffer.concat(sent.map(([type, octets]) => frame(type, octets))), sizes)) {
          decode(decoder, [chunk])
          most = Math.max(most, decoder.buffered)
          if (!decoder.midFrame) mostBetween = Math.max(mostBetween, decoder.buffered)
        }
        expect(most).to.be.at.most(Math.max(0, ...sent.map(([, octets]) => octets.length + 1)))
        expect(mostBetween).to.equal(0)
      }),
      runs(100),
    )
  })

  const streams: readonly (readonly [what: string, stream: (size: number) => Buffer, chunk: number])[] = [
    ['one method frame, octet by octet', size => frame(1, Buffer.alloc(size)), 1],
    ['one body frame, octet by octet', size => frame(3, Buffer.alloc(size)), 1],
    ['empty frames', size => Buffer.alloc(size - (size % 8), frame(1, Buffer.alloc(0))), 65_536],
    [
      'empty frames, cut in their headers',
      size => Buffer.alloc(size - (size % 8), frame(1, Buffer.alloc(0))),
      3,
    ],
  ]
  for (const [what, stream, chunk] of streams) {
    it(`takes time in proportion to the octets of ${what}`, () => {
      expectLinear(what, 5_000, size => {
        const chunks = cut(stream(size), [chunk])
        return () => {
          const decoder = new FrameDecoder()
          decoder.frameMax = 2 ** 20
          decode(decoder, chunks)
        }
      })
    })
  }
})
