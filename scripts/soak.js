#!/usr/bin/env node
// @ts-check
//
// `npm run soak`: long runs that look for what grows: test/soak/main.ts with what it was given.
//
//   npm run soak                                all of them: ten million messages, a thousand connections and more
//   npm run soak -- channels                    one of them
//   npm run soak -- confirmed plain --factor 10 two of them, for ten times as long

import { runTestProgram } from './test-program.js'

/** The one workload that has a real broker at the other end. */
const LIVE = 'live'

const parameters = process.argv.slice(2)
/** Of workloads, rather than `--factor` and its number, there may be none: then all are meant. */
const wantsBroker = parameters.includes(LIVE) || parameters.every(one => /^(-|\d)/.test(one))
process.exitCode = await runTestProgram('soak/main.js', parameters, { wantsBroker })
