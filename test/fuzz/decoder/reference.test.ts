import { expect } from 'chai'
import { hex } from '../../support/hex.js'
import { FrameMap } from './frame-map.js'
import { Reference } from './reference.js'
import { Spans } from './spans.js'
import { FRAME_MAX } from './stem.js'

function judged(octets: Buffer, builds = true): { map: FrameMap; reference: Reference } {
  const [map, reference] = [new FrameMap(), new Reference()]
  map.read(octets, octets.length, FRAME_MAX)
  reference.judge(octets, octets.length, map, builds)
  return { map, reference }
}

const DELIVER = hex`01 0001 00000013 003c003c 0174 0000000000000001 00 00 026431 ce`

describe('The frame map', () => {
  const rests: readonly (readonly [
    octets: Buffer,
    count: number,
    headers: number,
    rest: FrameMap['rest'],
  ])[] = [
    [hex``, 0, 0, 'nothing'],
    [hex`${DELIVER} 08 0000 00000000 ce`, 2, 2, 'nothing'],
    [hex`${DELIVER} 01`, 1, 1, 'partial'],
    [DELIVER.subarray(0, -1), 0, 1, 'partial'],
    [hex`${DELIVER} 04`, 1, 1, 'refused'],
    [hex`01 0001 00000000 cd`, 0, 1, 'refused'],
    [hex`03 0001 00000ff8`, 0, 1, 'partial'],
    [hex`03 0001 00000ff9`, 0, 0, 'refused'],
    [hex`08 0001 00000000 ce`, 0, 0, 'refused'],
  ]
  for (const [octets, count, headers, rest] of rests) {
    it(`tells ${count} frames and behind them ${rest}: ${octets.toString('hex').slice(-24)}`, () => {
      expect(judged(octets).map).to.include({ count, headers, rest })
    })
  }
})

describe('The reference', () => {
  it('reads the arguments of a method and the properties of a content', () => {
    const { reference } = judged(
      hex`${DELIVER} 02 0001 00000013 003c 0000 0000000000000003 9000 03612f62 02 ce`,
    )
    expect(reference.replyCode).to.equal(0)
    expect(reference.values).to.deep.equal([
      ['t', 1, false, '', 'd1'],
      { bodySize: 3, properties: { contentType: 'a/b', deliveryMode: 2 } },
    ])
  })

  it('reads a table, and notes the lengths in it', () => {
    const [reader, spans] = [new Reference().reader, new Spans()]
    reader.builds = true
    reader.spans = spans
    const table = hex`00000016 0161 46 00000004 017a 74 01 0162 41 00000004 6201 62ff`
    reader.reset(table, 0, table.length)
    expect(reader.table()).to.deep.equal({ a: { z: true }, b: [1, -1] })
    const noted = Array.from(
      { length: spans.count },
      (_, index) => `${spans.kind(index)} at ${spans.sizeAt(index)}`,
    )
    expect(noted.sort()).to.deep.equal(
      ['array at 18', 'shortstr at 11', 'shortstr at 15', 'shortstr at 4', 'table at 0', 'table at 7'].sort(),
    )
  })

  const refused: readonly (readonly [what: string, octets: Buffer, replyCode: number])[] = [
    ['a method that does not exist', hex`01 0001 00000004 003c000c ce`, 540],
    ['a method without ids', hex`01 0001 00000003 003c00 ce`, 501],
    ['a method with octets left over', hex`01 0001 00000005 003c000b 00 ce`, 501],
    ['a delivery tag that is none', hex`01 0001 0000000d 003c0050 0020000000000000 00 ce`, 502],
    ['a content of another class', hex`02 0001 0000000e 0032 0000 0000000000000000 0000 ce`, 505],
    [
      'a body that is longer than announced',
      hex`02 0001 0000000e 003c 0000 0000000000000001 0000 ce 03 0001 00000002 6162 ce`,
      501,
    ],
    ['an unknown type of field', hex`01 0001 0000000e 000a000b 00000003 0161 5a 000000 ce`, 502],
  ]
  for (const [what, octets, replyCode] of refused) {
    it(`refuses ${what} with ${replyCode}`, () => {
      expect(judged(octets, false).reference.replyCode).to.equal(replyCode)
    })
  }
})
