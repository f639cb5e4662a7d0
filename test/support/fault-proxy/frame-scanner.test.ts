import { expect } from 'chai'
import fc from 'fast-check'
import { hex } from '../hex.js'
import { FrameScanner, type Segment } from './frame-scanner.js'

/** The protocol header, Tune (2047, 131072, 60) and a heartbeat. */
const STREAM = hex`414d515000000901 0100000000000c000a001e07ff00020000003cce 08000000000000ce`

describe('FrameScanner', () => {
  it('tells the parts of frames after a protocol header', () => {
    expect(describeParts(new FrameScanner().scan(STREAM))).to.deep.equal([
      'header 8/8',
      ...['type 1/1', 'channel 2/2', 'size 4/4', 'payload 12/12', 'end 1/1'],
      ...['type 1/1', 'channel 2/2', 'size 4/4', 'end 1/1'],
    ])
  })

  it('tells the same parts in whatever chunks the stream comes', () => {
    const whole = octetParts([STREAM])
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), sizes => {
        expect(octetParts(cut(STREAM, sizes))).to.deep.equal(whole)
      }),
    )
  })

  it('takes a stream without a protocol header, as a server sends it', () => {
    expect(describeParts(new FrameScanner().scan(hex`08000000000000ce`))).to.have.length(4)
  })

  it('calls everything unknown after a type that does not exist', () => {
    const scanner = new FrameScanner()
    scanner.scan(hex`08000000000000ce`)
    expect(describeParts(scanner.scan(hex`0408000000000000ce`))).to.deep.equal(['unknown 9/Infinity'])
    expect(describeParts(scanner.scan(hex`08`))).to.deep.equal(['unknown 1/Infinity'])
  })

  it('calls everything unknown from a wrong frame-end on', () => {
    const parts = describeParts(new FrameScanner().scan(hex`01000100000004003c000b cd 08`))
    expect(parts.slice(3)).to.deep.equal(['payload 4/4', 'unknown 2/Infinity'])
  })
})

function describeParts(segments: readonly Segment[]): string[] {
  return segments.map(({ part, start, end, length }) => `${part} ${end - start}/${length}`)
}

/** For each octet of the stream: its part, and its place in it. */
function octetParts(chunks: readonly Buffer[]): string[] {
  const scanner = new FrameScanner()
  return chunks.flatMap(chunk =>
    scanner.scan(chunk).flatMap(({ part, start, end, position }) => {
      return Array.from({ length: end - start }, (_, index) => `${part} ${position + index}`)
    }),
  )
}

function cut(stream: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let start = 0, turn = 0; start < stream.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    chunks.push(stream.subarray(start, start + size))
    start += size
  }
  return chunks
}
