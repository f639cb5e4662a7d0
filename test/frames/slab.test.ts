import { expect } from 'chai'
import fc from 'fast-check'
import { ArgumentError } from '../../src/frames/argument-error.js'
import { Slab, type SlabChunk } from '../../src/frames/slab.js'
import { SlabPool } from '../../src/frames/slab-pool.js'
import { octets } from '../support/arbitraries.js'
import { toHex } from '../support/hex.js'

const KIB = 1024

function append(slab: Slab, size: number, octet = 0xee): void {
  slab.begin()
  slab.bytes(Buffer.alloc(size, octet))
  slab.commit()
}

/** Slabs with memory that no other test has. */
function newSlab(): { slab: Slab; pool: SlabPool } {
  const pool = new SlabPool()
  return { slab: new Slab(pool), pool }
}

function octetsOf(chunks: readonly SlabChunk[]): Buffer {
  return Buffer.concat(chunks.map(chunk => chunk.octets))
}

/** Sizes of the memory behind chunks. */
function capacities(chunks: readonly SlabChunk[]): number[] {
  return chunks.map(({ octets }) => octets.buffer.byteLength)
}

/** Sizes of the memory that is spent with each. */
function spentWith(chunks: readonly SlabChunk[]): (number | undefined)[] {
  return chunks.map(({ spent }) => spent?.length)
}

describe('Slab', () => {
  it('hands over committed commands in order, in one chunk', () => {
    const { slab } = newSlab()
    append(slab, 2, 1)
    append(slab, 3, 2)
    expect(slab.appended).to.equal(5)
    expect(slab.take().map(({ octets }) => toHex(octets))).to.deep.equal(['0101020202'])
    expect(slab.appended).to.equal(0)
  })

  it('hands over nothing when nothing was committed', () => {
    const { slab } = newSlab()
    expect(slab.take()).to.deep.equal([])
    slab.begin()
    slab.octet(1)
    expect(slab.take()).to.deep.equal([])
    expect(slab.appended).to.equal(0)
  })

  it('writes into other memory when what it has handed over may still be read', () => {
    const { slab } = newSlab()
    append(slab, 10, 1)
    const [first] = slab.take()
    append(slab, 10, 2)
    const [second] = slab.take()
    expect(second?.octets.buffer).not.to.equal(first?.octets.buffer)
    expect(toHex(first?.octets as Buffer)).to.equal('01'.repeat(10))
  })

  it('writes into the same memory again when that was given back', () => {
    const { slab, pool } = newSlab()
    append(slab, 10, 1)
    const [first] = slab.take()
    pool.give(first?.spent as Buffer)
    append(slab, 10, 2)
    expect(slab.take()[0]?.octets.buffer).to.equal(first?.octets.buffer)
  })

  it('goes on filling its memory behind what was taken with more to come, and spends it with the last chunk', () => {
    const { slab } = newSlab()
    append(slab, 10, 1)
    const [first] = slab.take(true)
    append(slab, 10, 2)
    const [second] = slab.take()
    expect(second?.octets.buffer).to.equal(first?.octets.buffer)
    expect([first?.spent, second?.spent?.buffer]).to.deep.equal([undefined, first?.octets.buffer])
    expect(toHex(first?.octets as Buffer)).to.equal('01'.repeat(10))
  })

  it('says with a chunk without octets that memory is spent behind which nothing more has come', () => {
    const { slab } = newSlab()
    append(slab, 10, 1)
    const [first] = slab.take(true)
    const rest = slab.take()
    expect(rest.map(({ octets }) => octets.length)).to.deep.equal([0])
    expect(rest[0]?.spent?.buffer).to.equal(first?.octets.buffer)
  })

  it('never sends a command that was rolled back', () => {
    const { slab } = newSlab()
    append(slab, 1, 1)
    slab.begin()
    slab.bytes(Buffer.alloc(5000, 0xff))
    expect(() => slab.octet(256, 'argument')).to.throw(ArgumentError)
    slab.rollback()
    append(slab, 1, 2)
    expect(octetsOf(slab.take())).to.deep.equal(Buffer.of(1, 2))
  })

  it('keeps an unfinished command while others are taken', () => {
    const { slab } = newSlab()
    append(slab, 4, 1)
    slab.begin()
    const offset = slab.reserve(4)
    expect(slab.take()).to.deep.equal([{ octets: Buffer.alloc(4, 1), spent: undefined }])
    slab.patchLong(offset, 0x02030405)
    slab.commit()
    expect(toHex(octetsOf(slab.take()))).to.equal('02030405')
  })

  it('refuses to begin a command inside another one', () => {
    const { slab } = newSlab()
    slab.begin()
    slab.octet(1)
    expect(() => slab.begin()).to.throw('inside another command')
    slab.commit()
    slab.begin()
  })

  describe('uses memory', () => {
    it('not at all before the first octet, nor when all is taken', () => {
      const { slab } = newSlab()
      expect(slab.written().buffer.byteLength).to.equal(0)
      append(slab, 1)
      slab.take()
      expect(slab.written().buffer.byteLength).to.equal(0)
    })

    it('of 4 KiB first and of 64 KiB behind it, each spent with its own octets', () => {
      const { slab } = newSlab()
      for (let octets = 0; octets < 150 * KIB; octets += 100) append(slab, 100)
      const chunks = slab.take()
      expect(capacities(chunks)).to.deep.equal([4, 64, 64, 64].map(size => size * KIB))
      expect(spentWith(chunks)).to.deep.equal(capacities(chunks))
    })

    it('of 64 KiB at once after a taking of more than 4 KiB, until one of less', () => {
      const { slab } = newSlab()
      const sizes = [5, 1, 1].map(octets => {
        append(slab, octets * KIB)
        return capacities(slab.take())
      })
      expect(sizes).to.deep.equal([[64 * KIB], [64 * KIB], [4 * KIB]])
    })

    it('of its own, not of the shared pool', () => {
      const { slab } = newSlab()
      append(slab, 1)
      expect(slab.take()[0]?.octets.byteOffset).to.equal(0)
    })

    it('for a command larger than a slab twice what it needs so far', () => {
      const { slab } = newSlab()
      append(slab, 100 * KIB)
      expect(capacities(slab.take())).to.deep.equal([200 * KIB])
    })

    it('for a command as large as a slab no more than that', () => {
      const { slab } = newSlab()
      append(slab, 4 * KIB)
      append(slab, 64 * KIB)
      expect(capacities(slab.take())).to.deep.equal([4 * KIB, 64 * KIB])
    })

    it('of an oversize slab only until its only command is rolled back', () => {
      const { slab } = newSlab()
      slab.begin()
      slab.bytes(Buffer.alloc(100 * KIB))
      slab.rollback()
      expect(slab.written().buffer.byteLength).to.equal(0)
    })

    it('of an oversize slab as long as a committed command is in it', () => {
      const { slab } = newSlab()
      append(slab, 100 * KIB, 1)
      slab.begin()
      slab.octet(2)
      slab.rollback()
      expect(octetsOf(slab.take())).to.deep.equal(Buffer.alloc(100 * KIB, 1))
    })

    it('that a command which was rolled back has left, for the next who asks', () => {
      const { slab, pool } = newSlab()
      slab.begin()
      slab.octet(1)
      const memory = slab.written().buffer
      slab.rollback()
      expect(pool.take(4 * KIB).buffer).to.equal(memory)
    })
  })

  it('hands over exactly what a list of commands would, and leaves it until its memory is given back', () => {
    const content = fc.oneof(
      { weight: 8, arbitrary: octets({ maxLength: 300 }) },
      { weight: 1, arbitrary: fc.integer({ min: 300, max: 150_000 }).map(size => Buffer.alloc(size, size)) },
    )
    const step = fc.oneof(
      { weight: 6, arbitrary: content.map(written => ({ kind: 'write', written }) as const) },
      { weight: 3, arbitrary: fc.constant({ kind: 'commit' } as const) },
      { weight: 2, arbitrary: fc.constant({ kind: 'rollback' } as const) },
      { weight: 2, arbitrary: fc.boolean().map(continues => ({ kind: 'take', continues }) as const) },
      { weight: 1, arbitrary: fc.constant({ kind: 'release' } as const) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const { slab, pool } = newSlab()
        let lent: { chunk: SlabChunk; copy: Buffer }[] = []
        let committed: Buffer[] = []
        let unfinished: Buffer[] = []
        slab.begin()
        for (const current of steps) {
          if (current.kind === 'write') {
            slab.bytes(current.written)
            unfinished.push(current.written)
          } else if (current.kind === 'take') {
            const chunks = slab.take(current.continues)
            expect(toHex(octetsOf(chunks))).to.equal(toHex(Buffer.concat(committed)))
            for (const chunk of chunks) lent.push({ chunk, copy: Buffer.from(chunk.octets) })
            committed = []
          } else if (current.kind === 'release') {
            for (const { chunk, copy } of lent)
              expect(chunk.octets.equals(copy), 'what is lent is as it was').to.equal(true)
            for (const { chunk } of lent) if (chunk.spent !== undefined) pool.give(chunk.spent)
            // Chunks that go on are spent with a later one.
            const ends = lent.findLastIndex(({ chunk }) => chunk.spent !== undefined)
            lent = lent.slice(ends + 1)
          } else {
            slab[current.kind]()
            if (current.kind === 'commit') committed.push(...unfinished)
            unfinished = []
            slab.begin()
          }
          expect(slab.appended).to.equal(Buffer.concat(committed).length)
          expect(toHex(slab.written())).to.equal(toHex(Buffer.concat(unfinished)))
        }
        for (const { chunk, copy } of lent)
          expect(chunk.octets.equals(copy), 'what is lent is as it was').to.equal(true)
      }),
    )
  })
})
