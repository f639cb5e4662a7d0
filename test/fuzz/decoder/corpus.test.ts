import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { hex } from '../../support/hex.js'
import { Random } from '../random.js'
import { Corpus } from './corpus.js'
import { CorpusFolder } from './corpus-folder.js'

const SEEDS = [hex`08000000000000ce`, hex`01 0001 00000004 003c000b ce`]

describe('The corpus', () => {
  it('takes what is new, and copies it', () => {
    const corpus = new Corpus(SEEDS, new Random(1))
    const octets = Buffer.from('new')
    expect(corpus.add(octets)).to.equal(true)
    octets.fill(0)
    expect(corpus.add(Buffer.from('new'))).to.equal(false)
    expect(corpus.add(SEEDS[0] as Buffer)).to.equal(false)
    expect(corpus.found.map(String)).to.deep.equal(['new'])
    expect(corpus.all).to.have.length(3)
  })

  it('takes nothing new that is long, because its children would be too', () => {
    const corpus = new Corpus([Buffer.alloc(1000)], new Random(1))
    expect(corpus.add(Buffer.alloc(1000, 1))).to.equal(false)
    expect(corpus.size).to.equal(1)
  })

  it('is bounded, and keeps its beginning', () => {
    const corpus = new Corpus(SEEDS, new Random(1))
    const number = Buffer.alloc(4)
    for (let count = 0; count < 20_000; count++) {
      number.writeUInt32BE(count)
      corpus.add(number)
    }
    expect(corpus.size).to.equal(SEEDS.length + 16_384)
    expect(corpus.all.slice(0, 2)).to.deep.equal(SEEDS)
    expect(corpus.found.at(-1)).not.to.equal(undefined)
  })

  it('picks of both, what it began with and what was found', () => {
    const corpus = new Corpus(SEEDS, new Random(1))
    for (let count = 0; count < 300; count++) corpus.add(Buffer.of(1, count >> 8, count))
    const picked = new Set(Array.from({ length: 20_000 }, () => corpus.pick().octets.toString('hex')))
    expect(picked.size).to.equal(302)
  })
})

describe('The folder of the corpus', () => {
  let path: string
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'thump-corpus-'))
  })
  afterEach(() => rmSync(path, { recursive: true, force: true }))

  it('keeps inputs from one run to the next, each once', () => {
    new CorpusFolder(path).add(SEEDS)
    new CorpusFolder(path).add([...SEEDS, Buffer.of(1)])
    expect(readdirSync(path)).to.have.length(3)
    expect(new CorpusFolder(path).read()).to.have.deep.members([...SEEDS, Buffer.of(1)])
  })

  it('is made when it is not there, and is empty until then', () => {
    const folder = new CorpusFolder(join(path, 'new'))
    expect(folder.read()).to.deep.equal([])
    folder.add(SEEDS)
    expect(folder.read()).to.have.length(2)
  })
})
