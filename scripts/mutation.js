#!/usr/bin/env node
// @ts-check
//
// `npm run mutation`: puts small defects into src/frames and src/protocol, one at a time, and sees whether a test notices.
// It takes the better part of an hour on two cores, so it is no part of `npm test`; the second run tries only what has changed.
// Its tool has packages of its own in mutation/, which are installed first.
//
//   npm run mutation                                     all of it
//   npm run mutation -- --mutate src/frames/slab.ts      one file
//   npm run mutation -- --force                          also what has not changed since the last run

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensurePackages } from './packages.js'
import { endAllOnSignals, runNode } from './process-tree.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const STRYKER = 'mutation/node_modules/@stryker-mutator/core/bin/stryker.js'
const DEADLINE_MS = 12 * 3_600_000
/** The same properties for every mutant, each tried a few times. */
const ENVIRONMENT = { FC_SEED: '1', FC_RUNS_FACTOR: '0.03' }

endAllOnSignals()

process.exitCode = await main(process.argv.slice(2))

/** @param {string[]} parameters */
async function main(parameters) {
  if (!(await ensurePackages(ROOT)) || !(await ensurePackages(join(ROOT, 'mutation')))) return 1
  const options = { cwd: ROOT, deadlineMs: DEADLINE_MS, env: ENVIRONMENT }
  const { status } = await runNode([STRYKER, 'run', 'mutation/stryker.config.js', ...parameters], options)
  return status ?? 1
}
