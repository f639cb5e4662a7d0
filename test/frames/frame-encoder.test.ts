import { expect } from 'chai'
import fc from 'fast-check'
import { ArgumentError } from '../../src/frames/argument-error.js'
import { ByteWriter } from '../../src/frames/byte-writer.js'
import { FrameType } from '../../src/frames/constants.js'
import { beginFrame, endFrame, writeBodyFrames, writeFrameHeader } from '../../src/frames/frame-encoder.js'
import { octets } from '../support/arbitraries.js'
import { hex, toHex } from '../support/hex.js'

function bodyFrames(body: Buffer, frameMax: number, channelNumber = 1): Buffer {
  const writer = new ByteWriter()
  writeBodyFrames(writer, channelNumber, body, frameMax)
  return writer.written()
}

describe('A frame', () => {
  it('is written around its payload', () => {
    const writer = new ByteWriter()
    const offset = beginFrame(writer, FrameType.Method, 1)
    writer.bytes(hex`003c0028 0000 00 01 71 01`)
    endFrame(writer, offset, 131072, 'publish')
    expect(toHex(writer.written())).to.equal('0100010000000a003c0028000000017101ce')
  })

  it('is written behind others', () => {
    const writer = new ByteWriter()
    writer.octet(0xaa)
    writer.begin()
    for (const channelNumber of [1, 0xfffe]) {
      const offset = beginFrame(writer, FrameType.Header, channelNumber)
      writer.bytes(Buffer.alloc(300, channelNumber))
      endFrame(writer, offset, 131072, 'properties')
    }
    const [first, second] = [Buffer.alloc(300, 1), Buffer.alloc(300, 0xfe)]
    expect(toHex(writer.written())).to.equal(
      toHex(hex`02 0001 0000012c ${first} ce 02 fffe 0000012c ${second} ce`),
    )
  })

  it('may be as large as frame-max and no larger', () => {
    const writeFrame = (size: number) => {
      const writer = new ByteWriter()
      const offset = beginFrame(writer, FrameType.Header, 1)
      writer.bytes(Buffer.alloc(size))
      endFrame(writer, offset, 4096, 'properties')
    }
    writeFrame(4088)
    expect(() => writeFrame(4089))
      .to.throw(ArgumentError, 'properties must fit one frame: it makes 4097 octets, frame-max is 4096')
      .with.property('path', 'properties')
  })

  it('has its header written alone for a payload that is sent by reference', () => {
    const writer = new ByteWriter()
    writeFrameHeader(writer, FrameType.Body, 1, 131064)
    expect(toHex(writer.written())).to.equal('0300010001fff8')
  })
})

describe('writeBodyFrames', () => {
  it('puts a small body into one frame', () => {
    expect(toHex(bodyFrames(Buffer.from('abc'), 131072))).to.equal('03000100000003616263ce')
  })

  it('writes nothing for an empty body', () => {
    expect(bodyFrames(Buffer.alloc(0), 131072)).to.have.length(0)
  })

  it('splits a body so that every frame is as large as frame-max allows', () => {
    const body = Buffer.from(Array.from({ length: 9000 }, (_, index) => index & 0xff))
    const expected = hex`
      03 0001 00000ff8 ${body.subarray(0, 4088)} ce
      03 0001 00000ff8 ${body.subarray(4088, 8176)} ce
      03 0001 00000338 ${body.subarray(8176)} ce`
    expect(toHex(bodyFrames(body, 4096))).to.equal(toHex(expected))
  })

  it('needs no second frame for a body that fills the first', () => {
    expect(bodyFrames(Buffer.alloc(4088), 4096)).to.have.length(4096)
    expect(bodyFrames(Buffer.alloc(4089), 4096)).to.have.length(4096 + 9)
  })

  it('copies the body', () => {
    const body = Buffer.from('abc')
    const frames = bodyFrames(body, 131072)
    body.fill(0)
    expect(toHex(frames)).to.contain('616263')
  })

  it('loses nothing of any body at any frame-max', () => {
    fc.assert(
      fc.property(octets({ size: 'large' }), fc.integer({ min: 9, max: 100 }), (body, frameMax) => {
        const frames = bodyFrames(body, frameMax, 7)
        const pieces: Buffer[] = []
        for (let at = 0; at < frames.length; ) {
          const size = frames.readUInt32BE(at + 3)
          expect(size).to.be.within(1, frameMax - 8)
          expect(toHex(frames.subarray(at, at + 3))).to.equal('030007')
          expect(frames[at + 7 + size]).to.equal(0xce)
          pieces.push(frames.subarray(at + 7, at + 7 + size))
          at += 8 + size
        }
        expect(toHex(Buffer.concat(pieces))).to.equal(toHex(body))
      }),
    )
  })
})
