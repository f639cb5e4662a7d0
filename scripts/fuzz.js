#!/usr/bin/env node
// @ts-check
//
// `npm run fuzz`: a long run of the fuzzers, or of one of them. Installs the packages unless they are there, compiles, sees
// to it that there is a RabbitMQ when one is wanted, and runs test/fuzz/main.ts with what it was given.
//
//   npm run fuzz                                    each of them for a few seconds
//   npm run fuzz -- decoder --cases 100000000       one of them, for longer
//   npm run fuzz -- server --cases 1000 --seed 7    again the sessions of a run with this seed, and as many
//   THUMP_FUZZ_CORPUS=DIR npm run fuzz -- decoder   begins with the inputs that are kept there, and keeps what it finds

import { fileURLToPath } from 'node:url'
import { ensurePackages } from './packages.js'
import { endAllOnSignals, runNode } from './process-tree.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TSC = 'node_modules/typescript/bin/tsc'
/** A hundred million inputs, and a million operations on a broker, are over long before. */
const DEADLINE_MS = 12 * 3_600_000
/** As long as `npm test` gives an installation. */
const INSTALLATION_MS = 15 * 60_000
/** The fuzzers with no real broker at the other end. */
const OFFLINE = ['decoder', 'server']

endAllOnSignals()

process.exitCode = await main(process.argv.slice(2))

/** @param {string[]} parameters */
async function main(parameters) {
  if (!(await ensurePackages(ROOT))) return 1
  const compiled = await runNode([TSC, '-p', 'tsconfig.test.json'], { cwd: ROOT })
  if (compiled.status !== 0) return 1
  const isOffline = OFFLINE.some(name => parameters.includes(name))
  if (!isOffline && !process.env['AMQP_URL']) {
    const series = process.env['RABBITMQ_SERIES'] ?? ''
    const search = ['scripts/ensure-rabbitmq.js', '--series', series]
    const found = await runNode(search, { cwd: ROOT, deadlineMs: INSTALLATION_MS })
    if (found.status !== 0) return 1
  }
  const { status } = await runNode(['--enable-source-maps', 'build/test/fuzz/main.js', ...parameters], {
    cwd: ROOT,
    deadlineMs: DEADLINE_MS,
  })
  return status ?? 1
}
