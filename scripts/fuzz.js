#!/usr/bin/env node
// @ts-check
//
// `npm run fuzz`: a long run of the fuzzers, or of one of them: test/fuzz/main.ts with what it was given.
//
//   npm run fuzz                                    each of them for a few seconds
//   npm run fuzz -- decoder --cases 100000000       one of them, for longer
//   npm run fuzz -- server --cases 1000 --seed 7    again the sessions of a run with this seed, and as many
//   THUMP_FUZZ_CORPUS=DIR npm run fuzz -- decoder   begins with the inputs that are kept there, and keeps what it finds

import { runTestProgram } from './test-program.js'

/** The fuzzers with no real broker at the other end. */
const OFFLINE = ['decoder', 'server']

const parameters = process.argv.slice(2)
const names = parameters.filter(one => /^[a-z]/.test(one))
const wantsBroker = names.length === 0 || names.some(name => !OFFLINE.includes(name))
process.exitCode = await runTestProgram('fuzz/main.js', parameters, { wantsBroker })
