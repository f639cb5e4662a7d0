#!/usr/bin/env node
// @ts-check
//
// `npm run bench`: what thump costs beside other clients and a bare socket, on a machine with nothing but Node and npm.
// Installs the packages unless they are there, those of bench/ too, compiles, and runs bench/main.ts with what it was given;
// bench/README.md says what comes out. With --build DIRECTORY it measures what was compiled to there, and compiles nothing.

import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensurePackages } from './packages.js'
import { endAllOnSignals, runNode } from './process-tree.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TSC = 'node_modules/typescript/bin/tsc'
/** A full run of the longest measurements is over long before. */
const DEADLINE_MS = 6 * 3_600_000

endAllOnSignals()

process.exitCode = await main(process.argv.slice(2))

/** @param {string[]} parameters */
async function main(parameters) {
  const at = parameters.indexOf('--build')
  const [, given] = at === -1 ? [] : parameters.splice(at, 2)
  if (!(await ensurePackages(ROOT)) || !(await ensurePackages(join(ROOT, 'bench')))) return 1
  if (given === undefined) {
    const compiled = await runNode([TSC, '-p', 'bench/tsconfig.json'], { cwd: ROOT })
    if (compiled.status !== 0) return 1
  }
  const program = resolve(given ?? join(ROOT, 'build'), 'bench', 'main.js')
  const { status } = await runNode([program, ...parameters], {
    deadlineMs: DEADLINE_MS,
    env: { BENCH_CHECKOUT: ROOT },
  })
  return status ?? 1
}
