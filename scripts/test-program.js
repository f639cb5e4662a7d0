// @ts-check
//
// A program of the tests that runs for long, on a machine with nothing but Node and npm: installs the packages unless they
// are there, compiles, and sees to it that there is a RabbitMQ when the program wants one and AMQP_URL names none.

import { fileURLToPath } from 'node:url'
import { ensurePackages } from './packages.js'
import { endAllOnSignals, runNode } from './process-tree.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** The longest runs that anybody has made took a third of an hour. */
const DEADLINE_MS = 12 * 3_600_000
/** As long as `npm test` gives an installation. */
const INSTALLATION_MS = 15 * 60_000

/**
 * @param {string} program below build/test
 * @param {readonly string[]} parameters what it is given
 * @param {{ wantsBroker: boolean }} options
 * @returns {Promise<number>} the status to exit with
 */
export async function runTestProgram(program, parameters, { wantsBroker }) {
  endAllOnSignals()
  if (!(await ensurePackages(ROOT))) return 1
  const compiler = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.test.json']
  const compiled = await runNode(compiler, { cwd: ROOT })
  if (compiled.status !== 0) return 1
  if (wantsBroker && !process.env['AMQP_URL']) {
    const search = ['scripts/ensure-rabbitmq.js', '--series', process.env['RABBITMQ_SERIES'] ?? '']
    const found = await runNode(search, { cwd: ROOT, deadlineMs: INSTALLATION_MS })
    if (found.status !== 0) return 1
  }
  const command = ['--enable-source-maps', `build/test/${program}`, ...parameters]
  const { status } = await runNode(command, { cwd: ROOT, deadlineMs: DEADLINE_MS })
  return status ?? 1
}
