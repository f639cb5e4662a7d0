import { expect } from 'chai'
import fc from 'fast-check'
import { ArgumentError } from '../../src/frames/argument-error.js'
import { Slab } from '../../src/frames/slab.js'
import { octets } from '../support/arbitraries.js'
import { toHex } from '../support/hex.js'

const KIB = 1024

function append(slab: Slab, size: number, octet = 0xee): void {
  slab.begin()
  slab.bytes(Buffer.alloc(size, octet))
  slab.commit()
}

/** Sizes of the memory behind chunks: what they keep alive. */
function capacities(chunks: Buffer[]): number[] {
  return chunks.map(chunk => chunk.buffer.byteLength)
}

describe('Slab', () => {
  it('hands over committed commands in order, in one chunk', () => {
    const slab = new Slab()
    append(slab, 2, 1)
    append(slab, 3, 2)
    expect(slab.appended).to.equal(5)
    expect(slab.take().map(toHex)).to.deep.equal(['0101020202'])
    expect(slab.appended).to.equal(0)
  })

  it('hands over nothing when nothing was committed', () => {
    const slab = new Slab()
    expect(slab.take()).to.deep.equal([])
    slab.begin()
    slab.octet(1)
    expect(slab.take()).to.deep.equal([])
    expect(slab.appended).to.equal(0)
  })

  it('goes on filling the rest of the slab that was taken', () => {
    const slab = new Slab()
    append(slab, 10, 1)
    const [first] = slab.take()
    append(slab, 10, 2)
    const [second] = slab.take()
    expect(second?.buffer).to.equal(first?.buffer)
    expect(toHex(first as Buffer)).to.equal('01'.repeat(10))
  })

  it('never sends a command that was rolled back', () => {
    const slab = new Slab()
    append(slab, 1, 1)
    slab.begin()
    slab.bytes(Buffer.alloc(5000, 0xff))
    expect(() => slab.octet(256, 'argument')).to.throw(ArgumentError)
    slab.rollback()
    append(slab, 1, 2)
    expect(Buffer.concat(slab.take())).to.deep.equal(Buffer.of(1, 2))
  })

  it('keeps an unfinished command while others are taken', () => {
    const slab = new Slab()
    append(slab, 4, 1)
    slab.begin()
    const offset = slab.reserve(4)
    expect(slab.take().map(toHex)).to.deep.equal(['01010101'])
    slab.patchLong(offset, 0x02030405)
    slab.commit()
    expect(slab.take().map(toHex)).to.deep.equal(['02030405'])
  })

  it('refuses to begin a command inside another one', () => {
    const slab = new Slab()
    slab.begin()
    slab.octet(1)
    expect(() => slab.begin()).to.throw('inside another command')
    slab.commit()
    slab.begin()
  })

  describe('uses memory', () => {
    it('not at all before the first octet', () => {
      expect(new Slab().written().buffer.byteLength).to.equal(0)
    })

    it('in slabs from 4 KiB doubling to 64 KiB', () => {
      const slab = new Slab()
      for (let octets = 0; octets < 300 * KIB; octets += 100) append(slab, 100)
      const sizes = capacities(slab.take())
      expect(sizes.slice(0, 6)).to.deep.equal([4, 8, 16, 32, 64, 64].map(size => size * KIB))
    })

    it('of its own, not of the shared pool', () => {
      const slab = new Slab()
      append(slab, 1)
      expect(slab.take()[0]?.byteOffset).to.equal(0)
    })

    it('for a command larger than a slab twice what it needs so far', () => {
      const slab = new Slab()
      append(slab, 100 * KIB)
      expect(capacities(slab.take())).to.deep.equal([200 * KIB])
    })

    it('for a command as large as the next slab no more than that', () => {
      const slab = new Slab()
      append(slab, 4 * KIB)
      append(slab, 8 * KIB)
      expect(capacities(slab.take())).to.deep.equal([4 * KIB, 8 * KIB])
    })

    it('of the largest slab until little is left of it', () => {
      const slab = new Slab()
      for (const size of [4, 8, 16, 32]) append(slab, size * KIB)
      append(slab, 64 * KIB - 512)
      slab.take()
      append(slab, 1)
      const [chunk] = slab.take()
      expect([chunk?.buffer.byteLength, chunk?.byteOffset]).to.deep.equal([64 * KIB, 64 * KIB - 512])
      expect(slab.written().buffer.byteLength).to.equal(0)
    })

    it('of one slab for all commands that fit it', () => {
      const slab = new Slab()
      append(slab, 3 * KIB)
      append(slab, 7 * KIB)
      expect(capacities(slab.take())).to.deep.equal([4 * KIB, 8 * KIB])
    })

    it('of an oversize slab only until its commands are taken', () => {
      const slab = new Slab()
      append(slab, 100 * KIB)
      slab.take()
      append(slab, 1)
      expect(capacities(slab.take())).to.deep.equal([8 * KIB])
    })

    it('of an oversize slab only until its only command is rolled back', () => {
      const slab = new Slab()
      slab.begin()
      slab.bytes(Buffer.alloc(100 * KIB))
      slab.rollback()
      expect(slab.written().buffer.byteLength).to.equal(0)
    })

    it('of an oversize slab as long as a committed command is in it', () => {
      const slab = new Slab()
      append(slab, 100 * KIB, 1)
      slab.begin()
      slab.octet(2)
      slab.rollback()
      expect(Buffer.concat(slab.take())).to.deep.equal(Buffer.alloc(100 * KIB, 1))
    })

    it('of a slab that is nearly full no longer than until it is taken', () => {
      const slab = new Slab()
      append(slab, 4 * KIB - 100)
      slab.take()
      expect(slab.written().buffer.byteLength).to.equal(0)
      append(slab, 1)
      expect(capacities(slab.take())).to.deep.equal([8 * KIB])
    })

    it('of a nearly full slab as long as an unfinished command is in it', () => {
      const slab = new Slab()
      append(slab, 4 * KIB - 100, 1)
      slab.begin()
      slab.octet(2)
      slab.take()
      slab.commit()
      expect(slab.take().map(toHex)).to.deep.equal(['02'])
    })
  })

  it('hands over exactly what a list of commands would, and never writes to it again', () => {
    const content = fc.oneof(
      { weight: 8, arbitrary: octets({ maxLength: 300 }) },
      { weight: 1, arbitrary: fc.integer({ min: 300, max: 150_000 }).map(size => Buffer.alloc(size, size)) },
    )
    const step = fc.oneof(
      { weight: 6, arbitrary: content.map(written => ({ kind: 'write', written }) as const) },
      { weight: 3, arbitrary: fc.constant({ kind: 'commit' } as const) },
      { weight: 2, arbitrary: fc.constant({ kind: 'rollback' } as const) },
      { weight: 2, arbitrary: fc.constant({ kind: 'take' } as const) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const slab = new Slab()
        const taken: { chunk: Buffer; copy: Buffer }[] = []
        let committed: Buffer[] = []
        let unfinished: Buffer[] = []
        slab.begin()
        for (const current of steps) {
          if (current.kind === 'write') {
            slab.bytes(current.written)
            unfinished.push(current.written)
          } else if (current.kind === 'take') {
            const chunks = slab.take()
            expect(toHex(Buffer.concat(chunks))).to.equal(toHex(Buffer.concat(committed)))
            expect(chunks.every(chunk => chunk.length > 0)).to.equal(true)
            for (const chunk of chunks) taken.push({ chunk, copy: Buffer.from(chunk) })
            committed = []
          } else {
            slab[current.kind]()
            if (current.kind === 'commit') committed.push(...unfinished)
            unfinished = []
            slab.begin()
          }
          expect(slab.appended).to.equal(Buffer.concat(committed).length)
          expect(toHex(slab.written())).to.equal(toHex(Buffer.concat(unfinished)))
        }
        for (const { chunk, copy } of taken)
          expect(chunk.equals(copy), 'a taken chunk is as it was').to.equal(true)
      }),
    )
  })
})
