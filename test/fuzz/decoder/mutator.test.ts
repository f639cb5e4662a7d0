import { expect } from 'chai'
import { EXPECTED_METHODS } from '../../protocol/method-table.expected.js'
import { Random } from '../random.js'
import { Corpus } from './corpus.js'
import { DecodingTrial } from './decoding-trial.js'
import { Draft } from './draft.js'
import { FrameMap } from './frame-map.js'
import { frameMutations } from './frame-mutations.js'
import { Mutator } from './mutator.js'
import { payloadMutations } from './payload-mutations.js'
import { rawMutations } from './raw-mutations.js'
import { seeds } from './seeds.js'
import { FRAME_MAX } from './stem.js'

const SEED = 11
const TIMES = 300

function surroundings(): { draft: Draft; random: Random; corpus: Corpus } {
  const random = new Random(SEED)
  return { draft: new Draft(), random, corpus: new Corpus(seeds(), random) }
}

/** Where the draft itself believes its frames to be. */
function startsOf(draft: Draft): number[] {
  return Array.from({ length: draft.frames + 1 }, (_, frame) => draft.startOf(frame))
}

describe('The seeds of the decoder fuzzer', () => {
  it('are good frames, or begin with something that is none', () => {
    const map = new FrameMap()
    for (const octets of seeds()) {
      map.read(octets, octets.length, FRAME_MAX)
      if (map.count > 0) expect(map.rest, octets.toString('hex')).to.equal('nothing')
    }
  })

  it('have every method of the table', () => {
    const trial = new DecodingTrial()
    for (const octets of seeds()) expect(trial.judge(octets)).to.equal(undefined)
    for (const { name } of EXPECTED_METHODS) expect(trial.methods.of(name), name).to.be.above(0)
  })
})

describe('The mutations', () => {
  for (const { name, apply } of [...payloadMutations, ...frameMutations]) {
    it(`keep frames well formed, and know where they are: ${name}`, () => {
      const all = surroundings()
      const { draft, corpus } = all
      const map = new FrameMap()
      let applied = 0
      for (let time = 0; time < TIMES; time++) {
        draft.load(corpus.pick())
        if (draft.frames === 0 || !apply(all)) continue
        applied++
        const length = draft.length
        map.read(draft.octets, length, Number.MAX_SAFE_INTEGER)
        // Also a heartbeat that has become something else is a frame; one that something else has become may be none.
        expect(map.rest, draft.octets.toString('hex', 0, length)).to.equal('nothing')
        expect(startsOf(draft)).to.deep.equal([...map.starts.subarray(0, map.count + 1)])
      }
      expect(applied).to.be.above(0)
    })
  }

  for (const { name, apply } of rawMutations) {
    it(`respect nothing, but know of no frame that is none: ${name}`, () => {
      const all = surroundings()
      const { draft, corpus } = all
      const map = new FrameMap()
      for (let time = 0; time < TIMES; time++) {
        draft.load(corpus.pick())
        if (!apply(all)) continue
        expect(draft.length).to.be.within(0, draft.octets.length)
        map.read(draft.octets, draft.length, Number.MAX_SAFE_INTEGER)
        const starts = startsOf(draft)
        expect(starts).to.deep.equal([...map.starts.subarray(0, starts.length)])
      }
    })
  }

  it('that add a field keep all lengths around it true', () => {
    const all = surroundings()
    const addField = payloadMutations.find(({ name }) => name === 'add a field')
    const trial = new DecodingTrial()
    let good = 0
    for (let time = 0; time < TIMES; time++) {
      all.draft.load(all.corpus.pick())
      if (addField?.apply(all) !== true) continue
      trial.judge(all.draft.octets.subarray(0, all.draft.length))
      good++
    }
    // A part is not repaired on purpose, and a few seeds are too deep as they are.
    expect(trial.ends.of('all good') / good).to.be.above(0.6)
  })
})

describe('The mutator', () => {
  it('makes the same inputs from the same seed', () => {
    const [first, second] = [1, 2].map(() => {
      const { random, corpus } = surroundings()
      const mutator = new Mutator(corpus, random)
      return Array.from({ length: TIMES }, () => mutator.next().toString('hex'))
    })
    expect(first).to.deep.equal(second)
    expect(new Set(first).size).to.be.above(TIMES / 2)
  })

  it('gets most inputs past a frame header, and leaves many good as a whole', () => {
    const { random, corpus } = surroundings()
    const mutator = new Mutator(corpus, random)
    const trial = new DecodingTrial()
    for (let time = 0; time < 5_000; time++) expect(trial.judge(mutator.next())).to.equal(undefined)
    const depth = trial.depth.histogram()
    expect(1 - depth.share('no frame header'), String(depth)).to.be.above(0.8)
    expect(depth.share('into a payload'), String(depth)).to.be.above(0.5)
    expect(trial.ends.histogram().share('all good')).to.be.above(0.15)
  })
})
