import { expect } from 'chai'
import fc from 'fast-check'
import { keepOctets, OctetKeeper } from '../../src/frames/kept-octets.js'
import { octets } from '../support/arbitraries.js'

const KIB = 1024

describe('keepOctets', () => {
  it('gives a copy, whatever happens to the octets or to other copies', () => {
    const piece = fc.oneof(
      octets({ maxLength: 100 }),
      fc.integer({ min: 0, max: 10_000 }).map(size => Buffer.alloc(size, size)),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.nat(3), (pieces, before) => {
        const kept = pieces.map(each => {
          const chunk = Buffer.concat([Buffer.alloc(before, 0xaa), each, Buffer.from([0xbb])])
          const copy = keepOctets(chunk, before, before + each.length)
          chunk.fill(0xcc)
          return copy
        })
        kept.forEach((copy, index) => {
          expect(copy.equals(pieces[index] as Buffer)).to.equal(true)
        })
        kept.forEach((copy, index) => {
          copy.fill(index)
        })
        const isOwn = kept.every((copy, index) => copy.every(octet => octet === index))
        expect(isOwn, 'none lies in another').to.equal(true)
      }),
    )
  })

  for (const size of [0, 1, 24, 25, 64, 8 * KIB + 1, 1024 * KIB]) {
    it(`keeps ${size} octets in memory of their own`, () => {
      const kept = keepOctets(Buffer.alloc(size, 7), 0, size)
      expect([kept.length, kept.buffer.byteLength]).to.deep.equal([size, size])
    })
  }

  for (const [size, piece] of [
    [65, 16 * KIB],
    [1023, 16 * KIB],
    [1024, 64 * KIB],
    [8 * KIB, 64 * KIB],
  ] as const) {
    it(`keeps ${size} octets beside others in ${piece}, as many as go in`, () => {
      const chunk = Buffer.alloc(size, 7)
      const kept = Array.from({ length: 3 * Math.floor(piece / size) }, () => keepOctets(chunk, 0, size))
      expect(kept.every(each => each.buffer.byteLength === piece && each.equals(chunk))).to.equal(true)
      const pieces = new Set(kept.map(each => each.buffer))
      expect(pieces.size).to.be.within(3, 4)
      const places = new Set(kept.map(each => [...pieces].indexOf(each.buffer) * piece + each.byteOffset))
      expect(places.size, 'no two in one place').to.equal(kept.length)
    })
  }
})

describe('OctetKeeper, memory that is offered', () => {
  const keeper = new OctetKeeper()

  it('keeps the first large octets in it as they are, once', () => {
    const offered = keeper.offer(80 * KIB)
    const chunk = offered.fill('abc').subarray(5, 79 * KIB)
    expect(keeper.keep(chunk, 0, 32 * KIB - 1).buffer, 'too small').to.not.equal(offered.buffer)
    const kept = keeper.keep(chunk, 7, 7 + 32 * KIB)
    expect([kept.buffer, kept.byteOffset, kept.length]).to.deep.equal([offered.buffer, 12, 32 * KIB])
    expect(kept).to.be.instanceOf(Buffer)
    expect(keeper.keep(chunk, 40 * KIB, 75 * KIB).buffer, 'a second time').to.not.equal(offered.buffer)
  })

  it('adopts what has only begun to come, if all of it goes in', () => {
    const offered = keeper.offer(65 * KIB)
    const chunk = offered.subarray(0, 2 * KIB)
    expect(keeper.adopt(chunk, KIB, 64 * KIB + 1)).to.equal(undefined)
    expect(keeper.adopt(chunk, KIB, 32 * KIB - 1)).to.equal(undefined)
    const adopted = keeper.adopt(chunk, KIB, 64 * KIB)
    expect([adopted?.buffer, adopted?.byteOffset, adopted?.length]).to.deep.equal([
      offered.buffer,
      KIB,
      64 * KIB,
    ])
    expect(keeper.adopt(chunk, KIB, 64 * KIB)).to.equal(undefined)
  })

  it('adopts nothing that lies elsewhere, nor what another keeper has offered', () => {
    expect(keeper.adopt(Buffer.alloc(64 * KIB), 0, 64 * KIB)).to.equal(undefined)
    expect(new OctetKeeper().adopt(keeper.offer(64 * KIB), 0, 64 * KIB)).to.equal(undefined)
  })
})
