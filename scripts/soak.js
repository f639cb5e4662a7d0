#!/usr/bin/env node
// @ts-check
//
// `npm run soak`: long runs that look for what grows. Installs the packages unless they are there, compiles, sees to it that
// there is a RabbitMQ when one is wanted, and runs test/soak/main.ts with what it was given.
//
//   npm run soak                                all of them: ten million messages, a thousand connections and more
//   npm run soak -- channels                    one of them
//   npm run soak -- confirmed plain --factor 10 two of them, for ten times as long

import { fileURLToPath } from 'node:url'
import { ensurePackages } from './packages.js'
import { endAllOnSignals, runNode } from './process-tree.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TSC = 'node_modules/typescript/bin/tsc'
/** The one workload that has a real broker at the other end. */
const LIVE = 'live'
/** All of it takes three minutes, and may be asked for many times over. */
const DEADLINE_MS = 12 * 3_600_000
/** As long as `npm test` gives an installation. */
const INSTALLATION_MS = 15 * 60_000

endAllOnSignals()

process.exitCode = await main(process.argv.slice(2))

/** @param {string[]} parameters */
async function main(parameters) {
  if (!(await ensurePackages(ROOT))) return 1
  const compiled = await runNode([TSC, '-p', 'tsconfig.test.json'], { cwd: ROOT })
  if (compiled.status !== 0) return 1
  const isLive = parameters.includes(LIVE) || parameters.every(one => /^(-|\d)/.test(one))
  if (isLive && !process.env['AMQP_URL']) {
    const series = process.env['RABBITMQ_SERIES'] ?? ''
    const search = ['scripts/ensure-rabbitmq.js', '--series', series]
    const found = await runNode(search, { cwd: ROOT, deadlineMs: INSTALLATION_MS })
    if (found.status !== 0) return 1
  }
  const { status } = await runNode(['--enable-source-maps', 'build/test/soak/main.js', ...parameters], {
    cwd: ROOT,
    deadlineMs: DEADLINE_MS,
  })
  return status ?? 1
}
