import { expect } from 'chai'
import { LARGE_SLAB, SlabPool, SMALL_SLAB } from '../../src/frames/slab-pool.js'

const KEPT = 1024 * 1024

describe('SlabPool', () => {
  it('gives memory of the size that is asked for, not of the shared pool', () => {
    const pool = new SlabPool()
    for (const size of [SMALL_SLAB, LARGE_SLAB, 100_000]) {
      const memory = pool.take(size)
      expect([memory.length, memory.byteOffset, memory.buffer.byteLength]).to.deep.equal([size, 0, size])
    }
  })

  it('gives the same memory again, and never to two at a time', () => {
    const pool = new SlabPool()
    const [first, second] = [pool.take(SMALL_SLAB), pool.take(SMALL_SLAB)]
    expect(second).not.to.equal(first)
    pool.give(first)
    expect(pool.take(SMALL_SLAB)).to.equal(first)
    expect(pool.take(SMALL_SLAB)).not.to.equal(first)
  })

  it('keeps sizes apart', () => {
    const pool = new SlabPool()
    pool.give(pool.take(LARGE_SLAB))
    expect(pool.take(SMALL_SLAB).length).to.equal(SMALL_SLAB)
  })

  it('leaves memory of other sizes to the garbage collector', () => {
    const pool = new SlabPool()
    const odd = pool.take(100_000)
    pool.give(odd)
    expect(pool.take(100_000)).not.to.equal(odd)
  })

  for (const size of [SMALL_SLAB, LARGE_SLAB]) {
    it(`keeps one MiB of free memory of ${size} octets, and no more`, () => {
      const pool = new SlabPool()
      const all = Array.from({ length: KEPT / size + 3 }, () => pool.take(size))
      for (const memory of all) pool.give(memory)
      const known = new Set(all)
      let again = 0
      while (known.has(pool.take(size))) again++
      expect(again).to.equal(KEPT / size)
    })
  }
})
