// The root file of every test run (`mocha --require`): the invariants around each test, the time that a long run
// of the properties takes, and the end of the broker that tests share.

import { Channel, Connection, Consumer } from '../../src/index.js'
import { invariantHooks, invariants } from './invariants/index.js'
import { stopSharedBroker } from './rabbitmq/index.js'
import { runsFactor } from './runs.js'

for (const watched of [Connection, Channel, Consumer]) invariants.watchClass(watched)

const hooks = invariantHooks(invariants, stopSharedBroker)

export const mochaHooks: Mocha.RootHookObject = { ...hooks, beforeEach: [hooks.beforeEach, giveTime] }

/** What runs a hundred times as long may take a hundred times as long. */
function giveTime(this: Mocha.Context): void {
  const test = this.currentTest
  if (runsFactor > 1) test?.timeout(test.timeout() * runsFactor)
}
