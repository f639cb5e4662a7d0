import { expect } from 'chai'
import { explore } from './exploration.js'

const PLANTED = new URL('./planted/', import.meta.url).href
const INPUTS = 20_000

describe('Exploring', () => {
  it('finds by its steps a branch that chance alone would not, and keeps what led there', async () => {
    const { found, complaints, reached, known } = await explore({
      target: `${PLANTED}rare-branch.js`,
      folders: [PLANTED],
      stems: [Buffer.alloc(4)],
      seed: 1,
      inputs: INPUTS,
    })
    expect(complaints.map(({ what }) => what)).to.include('all octets were right')
    const steps = found.map(octets => Buffer.from(octets).toString('hex'))
    expect(steps, steps.join(' ')).to.satisfy(() => steps.some(octets => octets.startsWith('807f01')))
    expect(reached).to.be.within(3, known)
  }).timeout(20_000)

  it('of code that is not there rejects', async () => {
    const journey = { target: `${PLANTED}none.js`, folders: [], stems: [Buffer.alloc(1)], seed: 1, inputs: 1 }
    const error = await explore(journey).then(
      () => undefined,
      (rejection: Error) => rejection,
    )
    expect(error?.message).to.match(/Cannot find module/)
  }).timeout(10_000)
})
