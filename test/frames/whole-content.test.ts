import { expect } from 'chai'
import fc from 'fast-check'
import { FRAME_END, FrameType } from '../../src/frames/constants.js'
import { FrameDecoder } from '../../src/frames/frame-decoder.js'
import { WholeContent } from '../../src/frames/whole-content.js'
import { octets } from '../support/arbitraries.js'
import { hex } from '../support/hex.js'

const FRAME_MAX = 4096

// basic.deliver of `hi` to consumer `t`, tag 1, from the default exchange with the key `q`, without properties: octets of the specification.
const METHOD = hex`01 0005 00000012 003c 003c 01 74 0000000000000001 00 00 01 71 ce`
const HEADER = hex`02 0005 0000000e 003c 0000 0000000000000002 0000 ce`
const BODY = hex`03 0005 00000002 6869 ce`
const CONTENT = Buffer.concat([METHOD, HEADER, BODY])

function find(chunk: Buffer, at = 0, frameMax = FRAME_MAX): WholeContent | undefined {
  const place = new WholeContent()
  return place.find(chunk, at, frameMax) ? place : undefined
}

function frame(type: number, channelNumber: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(7)
  head.writeUInt8(type, 0)
  head.writeUInt16BE(channelNumber, 1)
  head.writeUInt32BE(payload.length, 3)
  return Buffer.concat([head, payload, Buffer.from([FRAME_END])])
}

describe('WholeContent', () => {
  it('says where the parts of a content are, wherever it begins', () => {
    for (const before of [0, 3]) {
      const chunk = Buffer.concat([Buffer.alloc(before), CONTENT, METHOD])
      const place = find(chunk, before)
      if (place === undefined) throw new Error('not found')
      expect(place.channelNumber).to.equal(5)
      expect(chunk.subarray(place.methodStart, place.methodEnd)).to.deep.equal(METHOD.subarray(7, -1))
      expect(chunk.subarray(place.headerStart, place.headerEnd)).to.deep.equal(HEADER.subarray(7, -1))
      expect(chunk.toString('latin1', place.bodyStart, place.bodyEnd)).to.equal('hi')
      expect(place.end).to.equal(before + CONTENT.length)
    }
  })

  it('finds none whose last octet has not come', () => {
    for (let length = 0; length < CONTENT.length; length++)
      expect(find(CONTENT.subarray(0, length))).to.equal(undefined)
  })

  it('finds none when one octet of the frames is another, but for those that only their reader understands', () => {
    const place = find(CONTENT) as WholeContent
    const isPayload = (index: number): boolean =>
      (index >= place.methodStart && index < place.methodEnd) ||
      (index >= place.headerStart && index < place.headerStart + 4) ||
      (index >= place.headerStart + 12 && index < place.headerEnd) ||
      (index >= place.bodyStart && index < place.bodyEnd)
    CONTENT.forEach((octet, index) => {
      const changed = Buffer.from(CONTENT)
      changed[index] = octet ^ 0x10
      expect(find(changed) !== undefined, `octet ${index}`).to.equal(isPayload(index))
    })
  })

  it('finds none with frames above frame-max', () => {
    expect(find(CONTENT, 0, METHOD.length)).not.to.equal(undefined)
    expect(find(CONTENT, 0, METHOD.length - 1)).to.equal(undefined)
  })

  it('finds none whose header is too short to have a body size, nor one whose body comes in pieces', () => {
    const short = frame(FrameType.Header, 5, Buffer.alloc(11))
    expect(find(Buffer.concat([METHOD, short, BODY]))).to.equal(undefined)
    const longer = frame(FrameType.Header, 5, hex`003c 0000 0000000000000003 0000`)
    expect(find(Buffer.concat([METHOD, longer, BODY]))).to.equal(undefined)
    const huge = frame(FrameType.Header, 5, hex`003c 0000 0000000100000002 0000`)
    expect(find(Buffer.concat([METHOD, huge, BODY]))).to.equal(undefined)
  })

  it('finds exactly the contents that the decoder gives as three whole frames', () => {
    const payload = octets({ maxLength: 40 })
    const frames = fc.array(
      fc.record({
        type: fc.constantFrom<number>(
          FrameType.Method,
          FrameType.Header,
          FrameType.Body,
          FrameType.Heartbeat,
        ),
        channelNumber: fc.nat(1),
        payload,
        fits: fc.boolean(),
      }),
      { minLength: 3, maxLength: 3 },
    )
    fc.assert(
      fc.property(frames, fc.nat(200), (parts, cut) => {
        const [, , last] = parts
        const chunk = Buffer.concat(
          parts.map(({ type, channelNumber, payload, fits }) => {
            if (type !== FrameType.Header || !fits) return frame(type, channelNumber, payload)
            const size = Buffer.alloc(12)
            size.writeUInt32BE(last?.payload.length ?? 0, 8)
            return frame(type, channelNumber, Buffer.concat([size, payload]))
          }),
        )
        const given = cut < 20 ? chunk.subarray(0, -cut - 1) : chunk
        const place = find(given)
        const naive = decoded(given)
        expect(place !== undefined).to.equal(naive !== undefined)
        if (place === undefined) return
        const { methodStart, methodEnd, headerStart, headerEnd, bodyStart, bodyEnd, channelNumber } = place
        const ranges = [
          [methodStart, methodEnd],
          [headerStart, headerEnd],
          [bodyStart, bodyEnd],
        ].map(([start, end]) => given.toString('hex', start, end))
        expect([channelNumber, ...ranges]).to.deep.equal(naive)
      }),
    )
  })
})

/** By the decoder: a method, a header that announces the body, and the body, on one channel, whole and in this order. */
function decoded(chunk: Buffer): [number, string, string, string] | undefined {
  const decoder = new FrameDecoder()
  decoder.frameMax = FRAME_MAX
  decoder.push(chunk)
  const payloads: Buffer[] = []
  const channels = new Set<number>()
  try {
    for (const type of [FrameType.Method, FrameType.Header, FrameType.Body]) {
      if (decoder.next() !== type || !decoder.frameComplete) return undefined
      payloads.push(Buffer.from(decoder.buffer.subarray(decoder.start, decoder.end)))
      channels.add(decoder.channelNumber)
    }
  } catch {
    return undefined
  }
  const [method, header, body] = payloads as [Buffer, Buffer, Buffer]
  if (channels.size > 1 || header.length < 12 || header.readBigUInt64BE(4) !== BigInt(body.length))
    return undefined
  return [decoder.channelNumber, method.toString('hex'), header.toString('hex'), body.toString('hex')]
}
