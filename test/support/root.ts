// The root file of every test run (`mocha --require`): the invariants around each test, one seed for all properties, and
// the end of the broker that tests share.

import fc from 'fast-check'
import { Channel, Connection, Consumer } from '../../src/index.js'
import { invariantHooks, invariants } from './invariants/index.js'
import { stopSharedBroker } from './rabbitmq/index.js'

/** Set by `npm test`, which prints it; fast-check prints its seed with every failure as well. */
const seed = process.env['FC_SEED']
/** For a long run: how often each property is tried, instead of fast-check's hundred times. */
const numRuns = process.env['FC_NUM_RUNS']

fc.configureGlobal({
  ...(seed === undefined ? {} : { seed: Number(seed) }),
  ...(numRuns === undefined ? {} : { numRuns: Number(numRuns) }),
})

for (const watched of [Connection, Channel, Consumer]) invariants.watchClass(watched)

export const mochaHooks = invariantHooks(invariants, stopSharedBroker)
