import { expect } from 'chai'
import { BROKER_START_MS } from '../support/live-session.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { campaigns } from './campaigns.js'

const { FC_SEED } = process.env
const SEED = Number(FC_SEED ?? Math.floor(Math.random() * 2 ** 31)) >>> 0
/** Several times what a short run takes on two cores. */
const SHORT_RUN_MS = 60_000

describe('A short run of the fuzzer', () => {
  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  for (const campaign of campaigns) {
    it(`finds nothing: ${campaign.name}, ${campaign.shortRun} ${campaign.unit}`, async () => {
      const { cases, histograms, findings } = await campaign.run({ seed: SEED, cases: campaign.shortRun })
      for (const histogram of histograms) process.stdout.write(`${histogram}\n`)
      expect(findings, `npm run fuzz -- ${campaign.name} --seed ${SEED}`).to.deep.equal([])
      expect(cases).to.be.at.least(campaign.shortRun)
    }).timeout(SHORT_RUN_MS)
  }
})
