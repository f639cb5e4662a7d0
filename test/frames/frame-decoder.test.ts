import { expect } from 'chai'
import fc from 'fast-check'
import { FrameType } from '../../src/frames/constants.js'
import { FrameDecoder } from '../../src/frames/frame-decoder.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { chunkSizes, cut, octets } from '../support/arbitraries.js'
import { hex, toHex } from '../support/hex.js'

const HEARTBEAT = hex`08 0000 00000000 ce`
const TUNE = hex`01 0000 0000000c 000a001e 07ff 00020000 003c ce`
const DELIVER = hex`01 0001 00000013 003c003c 0174 0000000000000001 00 00 026431 ce`
const PROPERTIES = hex`02 0001 00000013 003c 0000 0000000000000003 9000 03612f62 02 ce`

interface DecodedFrame {
  type: number
  channelNumber: number
  payload: string
}

/** What came out of a decoder: whole frames, body pieces put together. */
class Collector {
  readonly decoder = new FrameDecoder()
  readonly frames: DecodedFrame[] = []
  error: FrameError | undefined
  #pieces: Buffer[] = []

  /** Lends the chunk, and destroys it as soon as it is consumed. */
  push(chunk: Buffer): void {
    const borrowed = Buffer.from(chunk)
    this.decoder.push(borrowed)
    try {
      for (let type = this.decoder.next(); type !== 0; type = this.decoder.next()) this.#collect(type)
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      expect(this.error, 'a second error').to.equal(undefined)
      this.error = error
    }
    borrowed.fill(0xff)
  }

  #collect(type: FrameType): void {
    const { channelNumber, buffer, start, end, frameComplete } = this.decoder
    this.#pieces.push(Buffer.from(buffer.subarray(start, end)))
    if (type !== FrameType.Body) expect(frameComplete, 'only bodies come in pieces').to.equal(true)
    if (!frameComplete) return
    this.frames.push({ type, channelNumber, payload: toHex(Buffer.concat(this.#pieces)) })
    this.#pieces = []
  }
}

type Cutting = (stream: Buffer) => Buffer[]

const CUTTINGS: Record<string, Cutting> = {
  whole: stream => [stream],
  'octet by octet': stream => cut(stream, [1]),
  'in halves': stream => cut(stream, [Math.ceil(stream.length / 2)]),
  'with half a frame behind': stream => [Buffer.concat([stream, TUNE.subarray(0, 9)])],
}

function decode(stream: Buffer, cutting: Cutting = CUTTINGS['whole'] as Cutting): Collector {
  const collector = new Collector()
  collector.decoder.frameMax = 131072
  for (const chunk of cutting(stream)) collector.push(chunk)
  return collector
}

function frame(type: number, channelNumber: number, payload: string): DecodedFrame {
  return { type, channelNumber, payload }
}

const DELIVER_FRAME = frame(1, 1, '003c003c017400000000000000010000026431')
const PROPERTIES_FRAME = frame(2, 1, '003c00000000000000000003900003612f6202')

const STREAMS: [what: string, stream: Buffer, frames: DecodedFrame[]][] = [
  ['a method', TUNE, [frame(1, 0, '000a001e07ff00020000003c')]],
  ['a heartbeat', HEARTBEAT, [frame(8, 0, '')]],
  [
    'heartbeats',
    hex`${HEARTBEAT} ${HEARTBEAT} ${HEARTBEAT}`,
    [frame(8, 0, ''), frame(8, 0, ''), frame(8, 0, '')],
  ],
  [
    'a content',
    hex`${DELIVER} ${PROPERTIES} 03 0001 00000003 616263 ce`,
    [DELIVER_FRAME, PROPERTIES_FRAME, frame(3, 1, '616263')],
  ],
  [
    'a content in three body frames, one of them empty',
    hex`${DELIVER} ${PROPERTIES} 03 0001 00000001 61 ce 03 0001 00000000 ce 03 0001 00000002 6263 ce`,
    [DELIVER_FRAME, PROPERTIES_FRAME, frame(3, 1, '61'), frame(3, 1, ''), frame(3, 1, '6263')],
  ],
  [
    'a content with frames of others between its own',
    hex`${DELIVER} ${HEARTBEAT} ${PROPERTIES} 01 0002 00000004 003c000b ce 03 0001 00000003 616263 ce`,
    [DELIVER_FRAME, frame(8, 0, ''), PROPERTIES_FRAME, frame(1, 2, '003c000b'), frame(3, 1, '616263')],
  ],
  [
    'a payload that looks like frames',
    hex`03 fffe 00000008 ${HEARTBEAT} ce`,
    [frame(3, 0xfffe, toHex(HEARTBEAT))],
  ],
  ['a method without a payload', hex`01 0001 00000000 ce`, [frame(1, 1, '')]],
]

const BROKEN: [what: string, stream: Buffer, octetsNeeded: number, message: RegExp][] = [
  ['an unknown frame type', hex`04 0000 00000000 ce`, 1, /unknown frame type 4/],
  ['frame type 0', hex`00 0000 00000000 ce`, 1, /unknown frame type 0/],
  ['the answer of a server that speaks something else', hex`414d5150 03010000`, 1, /unknown frame type 65/],
  ['a heartbeat on a channel', hex`08 0001 00000000 ce`, 7, /heartbeat of 0 octets on channel 1/],
  ['a heartbeat with a payload', hex`08 0000 00000001 01 ce`, 7, /heartbeat of 1 octets on channel 0/],
  ['a frame beyond frame-max', hex`03 0001 0001fff9 00`, 7, /frame of 131073 octets, frame-max is 131072/],
  ['a frame of 4 GiB', hex`01 0001 ffffffff 00`, 7, /frame of 4294967303 octets/],
  [
    'a method with a wrong frame-end',
    hex`01 0001 00000004 003c000b cd`,
    12,
    /octet 205 in place of the frame-end/,
  ],
  ['a heartbeat with a wrong frame-end', hex`08 0000 00000000 cd`, 8, /in place of the frame-end/],
  ['a body with a wrong frame-end', hex`03 0001 00000002 6162 00`, 10, /octet 0 in place of the frame-end/],
  [
    'an empty body with a wrong frame-end',
    hex`03 0001 00000000 cf`,
    8,
    /octet 207 in place of the frame-end/,
  ],
]

describe('FrameDecoder', () => {
  for (const [what, stream, frames] of STREAMS) {
    for (const [how, cutting] of Object.entries(CUTTINGS)) {
      it(`decodes ${what} (${how})`, () => {
        const { decoder, ...collected } = decode(stream, cutting)
        expect(collected.error).to.equal(undefined)
        expect(collected.frames).to.deep.equal(frames)
        expect(decoder.framesDecoded).to.equal(frames.length)
        expect(decoder.heartbeatsDecoded).to.equal(frames.filter(({ type }) => type === 8).length)
        expect(decoder.midFrame).to.equal(how === 'with half a frame behind')
      })
    }
  }

  for (const [what, stream, octetsNeeded, message] of BROKEN) {
    for (const [how, cutting] of Object.entries(CUTTINGS)) {
      it(`refuses ${what} (${how})`, () => {
        const { decoder, error, frames } = decode(hex`${HEARTBEAT} ${stream}`, cutting)
        expect(error).to.be.instanceOf(FrameError)
        expect(error?.replyCode).to.equal(501)
        expect(error?.message).to.match(message)
        expect(frames).to.deep.equal([frame(8, 0, '')])
        expect(decoder.framesDecoded).to.equal(1)
        expect(decoder.buffered).to.equal(0)
      })
    }

    it(`refuses ${what} at the first octet that shows it`, () => {
      expect(decode(stream.subarray(0, octetsNeeded - 1)).error).to.equal(undefined)
      expect(decode(stream.subarray(0, octetsNeeded)).error).to.be.instanceOf(FrameError)
    })

    it(`gives nothing after ${what}`, () => {
      const collector = decode(hex`${stream} ${HEARTBEAT}`)
      const framesBefore = collector.frames.length
      collector.push(hex`${HEARTBEAT} ${TUNE}`)
      collector.push(TUNE.subarray(0, 3))
      expect(collector.frames).to.have.length(framesBefore)
      expect(collector.decoder.next()).to.equal(0)
      expect(collector.decoder.midFrame).to.equal(false)
    })
  }

  it('accepts a frame of exactly frame-max', () => {
    const payload = Buffer.alloc(131064, 0xab)
    for (const type of [1, 2, 3]) {
      const stream = hex`0${String(type)} 0001 0001fff8 ${payload} ce`
      expect(decode(stream).frames).to.deep.equal([frame(type, 1, toHex(payload))])
    }
  })

  it('accepts 8192 octets until it is told another frame-max', () => {
    const collector = new Collector()
    collector.push(hex`01 0000 00001ff8`)
    expect(collector.error).to.equal(undefined)
    expect(new Collector().decoder.frameMax).to.equal(8192)
    const refused = new Collector()
    refused.push(hex`01 0000 00001ff9`)
    expect(refused.error?.message).to.equal('frame of 8193 octets, frame-max is 8192')
  })

  it('judges a frame by the frame-max at its header', () => {
    const collector = decode(TUNE.subarray(0, 7))
    collector.decoder.frameMax = 8
    collector.push(TUNE.subarray(7))
    expect(collector.frames).to.have.length(1)
    collector.push(TUNE)
    expect(collector.error?.message).to.equal('frame of 20 octets, frame-max is 8')
  })

  it('gives a frame in place when the chunk has all of it', () => {
    const decoder = new FrameDecoder()
    const chunk = hex`${HEARTBEAT} ${TUNE}`
    decoder.push(chunk)
    decoder.next()
    expect(decoder.next()).to.equal(FrameType.Method)
    expect(decoder.buffer).to.equal(chunk)
    expect([decoder.start, decoder.end]).to.deep.equal([15, 27])
  })

  it('gives a piece of a body before it refuses the frame-end behind it, as when they come one after the other', () => {
    const decoder = new FrameDecoder()
    decoder.push(hex`03 0001 00000002 6162 00`)
    expect(decoder.next()).to.equal(FrameType.Body)
    expect(decoder).to.include({ start: 7, end: 9, frameComplete: false, framesDecoded: 0 })
    expect(() => decoder.next()).to.throw(FrameError, 'octet 0 in place of the frame-end')
    expect(decoder.next()).to.equal(0)
  })

  it('gives a frame that is missing its last octet from a copy of its own size', () => {
    const decoder = new FrameDecoder()
    decoder.push(TUNE.subarray(0, -1))
    expect(decoder.next()).to.equal(0)
    expect(decoder.buffered).to.equal(13)
    decoder.push(hex`ce`)
    expect(decoder.next()).to.equal(FrameType.Method)
    expect(decoder.buffer.buffer.byteLength).to.equal(13)
    expect([decoder.start, decoder.end]).to.deep.equal([0, 12])
    expect(decoder.buffered).to.equal(0)
  })

  it('refers to no chunk once it is consumed', () => {
    const decoder = new FrameDecoder()
    for (const chunk of [hex`${HEARTBEAT} 03 0001 00000003 61`, hex`6263ce 01`]) {
      decoder.push(chunk)
      while (decoder.next() !== 0) expect(decoder.buffer).to.equal(chunk)
      expect(decoder.buffer.length).to.equal(0)
      expect([decoder.start, decoder.end]).to.deep.equal([0, 0])
    }
  })

  it('gives the pieces of a body as they come, the last one with the frame-end', () => {
    const decoder = new FrameDecoder()
    const pieces: [string, boolean][] = []
    for (const chunk of [
      hex`03 0001 00000005`,
      hex`6162`,
      hex`636465`,
      hex`ce`,
      hex`03 0002 00000001 66 ce`,
    ]) {
      decoder.push(chunk)
      while (decoder.next() !== 0) {
        const { channelNumber, buffer, start, end, frameComplete } = decoder
        pieces.push([`${channelNumber} ${buffer.toString('latin1', start, end)}`, frameComplete])
      }
    }
    expect(pieces).to.deep.equal([
      ['1 ab', false],
      ['1 cde', false],
      ['1 ', true],
      ['2 f', true],
    ])
  })

  it('buffers nothing of a body', () => {
    const collector = decode(hex`03 0001 0001fff8 ${Buffer.alloc(100_000)}`)
    expect(collector.decoder.buffered).to.equal(0)
    expect(collector.decoder.midFrame).to.equal(true)
  })

  it('says how much of the payload of a body frame is still to come, and nothing outside of one', () => {
    const collector = new Collector()
    const left = [...hex`${DELIVER} 03 0001 00000003 616263 ce 08 0000 00000000 ce`].map(octet => {
      collector.push(Buffer.from([octet]))
      return collector.decoder.bodyLeft
    })
    const outside = Array(DELIVER.length + 6).fill(undefined)
    expect(left).to.deep.equal([...outside, 3, 2, 1, 0, ...Array(9).fill(undefined)])
  })

  it('buffers nothing for a frame before the first octet of its payload', () => {
    expect(decode(hex`01 0001 0001fff8`).decoder.buffered).to.equal(0)
  })

  it('is in the middle of a frame from its first octet up to its frame-end', () => {
    const collector = new Collector()
    expect(collector.decoder.midFrame).to.equal(false)
    for (let octet = 0; octet < DELIVER.length; octet++) {
      collector.push(DELIVER.subarray(octet, octet + 1))
      expect(collector.decoder.midFrame).to.equal(octet < DELIVER.length - 1)
    }
  })

  it('takes an empty chunk for nothing', () => {
    const collector = decode(TUNE.subarray(0, 3))
    collector.push(Buffer.alloc(0))
    collector.push(TUNE.subarray(3, 12))
    collector.push(Buffer.alloc(0))
    collector.push(TUNE.subarray(12))
    expect(collector.frames).to.have.length(1)
    expect(new FrameDecoder().next()).to.equal(0)
  })

  const anyFrame = fc
    .record({
      type: fc.constantFrom(1, 2, 3, 8),
      channelNumber: fc.nat(0xffff),
      payload: octets({ size: 'medium' }),
    })
    .map(({ type, channelNumber, payload }) => {
      if (type === 8) return HEARTBEAT
      const header = Buffer.alloc(7)
      header.writeUInt8(type)
      header.writeUInt16BE(channelNumber, 1)
      header.writeUInt32BE(payload.length, 3)
      return Buffer.concat([header, payload, hex`ce`])
    })
  const anyStream = fc.array(anyFrame, { maxLength: 20 }).map(frames => Buffer.concat(frames))

  it('gives the same frames however the stream is cut', () => {
    fc.assert(
      fc.property(anyStream, chunkSizes, (stream, sizes) => {
        const whole = decode(stream)
        const inChunks = decode(stream, octets => cut(octets, sizes))
        expect(whole.error).to.equal(undefined)
        expect(inChunks.error).to.equal(undefined)
        expect(inChunks.frames).to.deep.equal(whole.frames)
        expect(inChunks.decoder.midFrame).to.equal(false)
      }),
    )
  })

  it('gives frames or one FrameError for any octets, the same in any chunks, in bounded memory', () => {
    const damaged = fc.tuple(anyStream, fc.nat(), fc.nat(0xff)).map(([stream, position, octet]) => {
      const copy = Buffer.from(stream)
      if (copy.length > 0) copy[position % copy.length] = octet
      return copy
    })
    fc.assert(
      fc.property(
        fc.oneof(octets({ size: 'large' }), damaged),
        chunkSizes,
        fc.integer({ min: 8, max: 300 }),
        (stream, sizes, frameMax) => {
          const collectors = [[stream], cut(stream, sizes)].map(chunks => {
            const collector = new Collector()
            collector.decoder.frameMax = frameMax
            for (const chunk of chunks) {
              collector.push(chunk)
              expect(collector.decoder.buffered).to.be.at.most(frameMax)
            }
            return collector
          })
          const [whole, inChunks] = collectors as [Collector, Collector]
          expect(inChunks.frames).to.deep.equal(whole.frames)
          expect(inChunks.error?.message).to.equal(whole.error?.message)
        },
      ),
    )
  })
})
