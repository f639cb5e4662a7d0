// @ts-check
//
// Mutation testing of src/frames and src/protocol: each of thousands of small defects put in must make a test fail.
//
// One compilation holds all mutants (`tsc` emits whatever its types say), so no mutant costs a build. What a test covers is
// measured first, and a mutant is tried with just those tests: the examples before the properties, because they are quicker.
// The few tests that take seconds by their nature are left out, and properties are tried less often: what survives is an
// upper bound.

import { readdirSync } from 'node:fs'

const isSlow = (/** @type {string} */ name) =>
  /^(year|hostile-(frames|tables|silence)|channel-publisher\.model)/.test(name)
const SLOW_TITLES = [
  'holds? on to no',
  'keeps nothing of what',
  'takes time in proportion',
  'thousands of returns',
  'a hundred thousand commands',
  'in every subset its flags',
]
const isProperty = (/** @type {string} */ name) => /\.(property|model)\./.test(name)

const tests = ['frames', 'protocol'].flatMap(layer =>
  readdirSync(`test/${layer}`)
    .filter(name => name.endsWith('.test.ts') && !isSlow(name))
    .map(name => `build/test/${layer}/${name.replace('.ts', '.js')}`),
)

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  mutate: ['src/frames/**/*.ts', 'src/protocol/**/*.ts'],
  ignorePatterns: ['/build', '/dist', '/coverage', '/mutation', '/docs', '/examples', '/bench', '/demo'],
  buildCommand: 'node ../../../node_modules/typescript/bin/tsc -p tsconfig.test.json',
  plugins: ['@stryker-mutator/mocha-runner'],
  // It would rewrite the configuration of the compiler by the compiler's own library, which TypeScript 7 has no more.
  tsconfigFile: 'mutation/none.json',
  testRunner: 'mocha',
  mochaOptions: {
    grep: `^(?!.*(${SLOW_TITLES.join('|')}))`,
    require: ['build/test/support/runs.js'],
    spec: [...tests.filter(name => !isProperty(name)), ...tests.filter(isProperty)],
  },
  coverageAnalysis: 'perTest',
  concurrency: 2,
  timeoutMS: 3_000,
  timeoutFactor: 2,
  tempDirName: 'build/mutation',
  incremental: true,
  incrementalFile: 'build/mutation.json',
  clearTextReporter: { reportTests: false, logTests: false },
  reporters: ['clear-text', 'json', 'html'],
  jsonReporter: { fileName: 'coverage/mutation/mutation.json' },
  htmlReporter: { fileName: 'coverage/mutation/index.html' },
  thresholds: { high: 95, low: 90, break: 85 },
}
