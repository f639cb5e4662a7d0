#!/usr/bin/env node
// @ts-check
//
// `npm run demo`, on a machine with nothing but Node and npm: sees to the packages and to a RabbitMQ (unless AMQP_URL names
// one), compiles the demo, and runs it. What it shows is demo/.

import { fileURLToPath } from 'node:url'
import { ensurePackages } from './packages.js'
import { endAll, runNode } from './process-tree.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TSC = 'node_modules/typescript/bin/tsc'
const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])
/** What a shell makes of a Ctrl-C. */
const INTERRUPTED = 130

process.chdir(ROOT)
for (const name of SIGNALS) process.on(name, endPreparations)

if (await prepare()) {
  // From here on a signal is for the demo, which has a broker to stop.
  for (const name of SIGNALS) process.off(name, endPreparations)
  const { main } = await import(new URL('../build/demonstration/demo/main.js', import.meta.url).href)
  process.exitCode = await main()
} else {
  process.exitCode = 1
}

async function prepare() {
  if (!(await ensurePackages(ROOT))) return false
  if (!(await succeeds(TSC, '-p', 'demo'))) return false
  return Boolean(process.env['AMQP_URL']) || succeeds('scripts/ensure-rabbitmq.js')
}

/** @param {readonly string[]} parameters */
async function succeeds(...parameters) {
  const { status } = await runNode(parameters, { deadlineMs: 15 * 60_000 })
  return status === 0
}

function endPreparations() {
  endAll()
  process.exit(INTERRUPTED)
}
