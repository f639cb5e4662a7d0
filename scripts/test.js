#!/usr/bin/env node
// @ts-check
//
// `npm test`: everything that must hold, on a machine with nothing but Node and npm. Every part runs even when an earlier
// one failed; only when nothing was compiled there is nothing to run. The last line is the sum: `N passed, N failed`.
//
//   npm test                          all of it
//   npm test -- unit live             only these parts (and the build that they need)
//   npm run test:rabbitmq4            the live tests with a RabbitMQ 4: the part `live4`
//   npm test -- unit --grep WORDS     only the tests whose title matches: mocha's --grep
//   FC_SEED=N npm test                the properties again, from the seed that a failed run printed
//
// It uses nothing but Node until the packages are there.

import { randomInt } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ensurePackages } from './packages.js'
import { endAllOnSignals, runNode } from './process-tree.js'
import { SecretWatch } from './secrets.js'

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MINUTE = 60_000

/** What each part is called, in the order in which they run. */
const PARTS = /** @type {const} */ (['lint', 'types', 'build', 'unit', 'live', 'live4', 'package', 'fuzz'])

const TSC = 'node_modules/typescript/bin/tsc'
const COVERAGE = 'coverage/tmp'

/**
 * @typedef {{
 *   name: string,
 *   folder: string,
 *   files: string[],
 *   ignore?: string[],
 *   deadlineMs: number,
 *   env?: Record<string, string>,
 * }} MochaPart A deadline is for what hangs: several times what the part takes on two cores.
 */

/** @type {MochaPart} */
const UNIT = {
  name: 'unit',
  folder: 'build/test',
  files: ['build/test/**/*.test.js'],
  ignore: ['integration/**', 'package/**', 'fuzz/**', 'support/rabbitmq.test.js'].map(
    pattern => `build/test/${pattern}`,
  ),
  deadlineMs: 8 * MINUTE,
}

/** @type {MochaPart} */
const LIVE = {
  name: 'live',
  folder: 'build/test/support/rabbitmq',
  files: ['build/test/integration/**/*.test.js', 'build/test/support/rabbitmq.test.js'],
  deadlineMs: 10 * MINUTE,
}

/** @type {MochaPart} The same once more, and never at the same time: they measure time. */
const LIVE4 = { ...LIVE, name: 'live4', env: { RABBITMQ_SERIES: '4' } }

/** @type {MochaPart} */
const PACKAGE = {
  name: 'package',
  folder: 'build/test/package',
  files: ['build/test/package/**/*.test.js'],
  deadlineMs: 6 * MINUTE,
}

/** @type {MochaPart} */
const FUZZ = {
  name: 'fuzz',
  folder: 'build/test/fuzz',
  files: ['build/test/fuzz/**/*.test.js'],
  deadlineMs: 6 * MINUTE,
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', multiple: true }, grep: { type: 'string' } },
})
const wanted = [...positionals, ...(options.only ?? [])]
const unknown = wanted.find(name => !PARTS.some(part => part === name))
if (unknown !== undefined) {
  process.stderr.write(`there is no part '${unknown}'; there are ${PARTS.join(', ')}\n`)
  process.exit(2)
}

const isWanted = (/** @type {string} */ name) => wanted.length === 0 || wanted.includes(name)
const seed = process.env['FC_SEED'] ?? String(randomInt(2 ** 31))
/** What runs the properties many times as often may take many times as long. */
const longer = Math.max(1, Number(process.env['FC_RUNS_FACTOR'] ?? 1))

/** @type {{ name: string, counts: Counts, milliseconds: number }[]} */
const results = []

/** Everything that is printed passes it. */
const secrets = new SecretWatch()
/** The part that is running. */
let running = 'the run'

/** What was not run, and why: it is said again beside the sum. @type {string[]} */
const notes = []

process.chdir(ROOT)
endAllOnSignals()

await main()

async function main() {
  print(`Node ${process.version} on ${process.platform}, fast-check seed ${seed}`)
  if (!(await ensurePackages(ROOT))) {
    results.push({ name: 'packages', counts: verdict(false), milliseconds: 0 })
    return finish()
  }
  // Installing a broker is mostly waiting for the network: it goes on beside the parts that need none.
  const broker = isWanted('live') ? findBroker(15 * MINUTE) : undefined
  // Not before it is known what `live` gets: on some machines that is a RabbitMQ 4 already.
  const broker4 = isWanted('live4')
    ? Promise.resolve(broker).then(() => findBroker(6 * MINUTE, '4'))
    : undefined

  if (isWanted('lint')) await part('lint', 'biome: style and format', lint)
  if (isWanted('types')) await part('types', 'tsc: every file, nothing emitted', checkTypes)
  if (PARTS.slice(2).some(isWanted)) await part('build', 'tsc: dist and build', build)
  if (!existsSync('build/test')) return finish()

  if (isWanted('unit')) {
    await part('unit', 'unit, property and model tests, no network', unit)
    if (options.grep === undefined) await part('coverage', 'src/frames and src/protocol', coverage)
  }
  if (isWanted('live')) await part('live', 'tests with a RabbitMQ', () => live(LIVE, broker))
  if (isWanted('live4')) await live4(broker, broker4)
  if (isWanted('package')) await part('package', 'layers, public names, packed tarball', () => mocha(PACKAGE))
  if (isWanted('fuzz')) await part('fuzz', 'a short run of each fuzzer', () => mocha(FUZZ))
  await part('secrets', 'no password of a test in all that was printed', noSecrets)
  finish()
}

/**
 * Runs one part under its headline and notes what came of it.
 *
 * @param {string} name
 * @param {string} headline
 * @param {() => Promise<Counts>} action
 */
async function part(name, headline, action) {
  running = name
  print(`\n== ${name}: ${headline}`)
  const begin = performance.now()
  const counts = await action()
  const milliseconds = performance.now() - begin
  results.push({ name, counts, milliseconds })
  print(`-- ${name}: ${summary(counts)} in ${seconds(milliseconds)}`)
}

async function lint() {
  return check(['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'])
}

async function checkTypes() {
  return check([TSC, '--noEmit'], [TSC, '--noEmit', '-p', 'tsconfig.scripts.json'])
}

/** What an earlier build left of files that are gone would be tested as well: it goes first. */
async function build() {
  for (const folder of [
    'dist',
    'build/src',
    'build/test',
    'build/bench',
    'build/demo',
    'build/.tsbuildinfo',
  ]) {
    rmSync(folder, { recursive: true, force: true })
  }
  return check([TSC, '-p', 'tsconfig.build.json'], [TSC, '-p', 'tsconfig.test.json'])
}

async function unit() {
  if (options.grep === undefined) rmSync(COVERAGE, { recursive: true, force: true })
  return mocha(UNIT, options.grep === undefined ? { NODE_V8_COVERAGE: COVERAGE } : {})
}

/** Thresholds are in .c8rc.json. */
async function coverage() {
  return check(['node_modules/c8/bin/c8.js', 'report'])
}

/** A check of the checks above: what they printed must not show what the tests keep secret. */
async function noSecrets() {
  for (const leak of secrets.leaks) print(`  ${leak}`)
  return verdict(secrets.leaks.length === 0)
}

/** @typedef {Promise<import('./process-tree.js').Outcome | undefined> | undefined} Search */

/**
 * @param {MochaPart} tests
 * @param {Search} broker
 */
async function live(tests, broker) {
  const found = await broker
  if (found !== undefined) print(`  ${found.output.trim().split('\n').join('\n  ')}`)
  if (found !== undefined && found.status !== 0) return verdict(false)
  // Programs of another client, and a dissector; tests that miss them are skipped. Not beside the broker's installation: apt
  // does one at a time.
  for (const script of ['scripts/ensure-amqp-tools.js', 'scripts/ensure-tshark.js']) {
    const { output } = await runNode([script], { quiet: true, deadlineMs: 10 * MINUTE })
    print(`  ${output.trim().split('\n').join('\n  ')}`)
  }
  return mocha(tests)
}

/**
 * The live tests on a RabbitMQ 4. A machine that cannot have one fails nothing, unless it was asked for just this.
 *
 * @param {Search} broker
 * @param {Search} broker4
 */
async function live4(broker, broker4) {
  const [found, found4] = [await broker, await broker4]
  const failure = failureOf(found4)
  if (failure === undefined && lastLine(found) === lastLine(found4)) {
    notes.push(`live on RabbitMQ 4: that was \`live\`, on ${lastLine(found4)}`)
  } else if (failure !== undefined && !wanted.includes('live4')) {
    notes.push(`live on RabbitMQ 4: not run: ${failure}`)
  } else {
    return part('live4', 'the same tests with a RabbitMQ 4', async () => {
      if (failure === undefined) return live(LIVE4, broker4)
      print(`  ${failure}`)
      return verdict(false)
    })
  }
  print(`\n${notes.at(-1)}`)
}

/**
 * Why a search found none, in one line.
 *
 * @param {import('./process-tree.js').Outcome | undefined} search
 */
function failureOf(search) {
  if (search === undefined) return 'AMQP_URL names the broker'
  if (search.isLate) return `there was none after ${seconds(search.milliseconds)}`
  return search.status === 0 ? undefined : lastLine(search) || 'there is none'
}

/** @param {import('./process-tree.js').Outcome | undefined} outcome */
function lastLine(outcome) {
  return outcome?.output.trim().split('\n').at(-1) ?? ''
}

/**
 * Undefined when AMQP_URL names a broker.
 *
 * @param {number} deadlineMs
 * @param {string} [series]
 */
async function findBroker(deadlineMs, series = process.env['RABBITMQ_SERIES'] ?? '') {
  if (process.env['AMQP_URL']) return undefined
  return runNode(['scripts/ensure-rabbitmq.js', '--series', series], { quiet: true, deadlineMs })
}

/**
 * Runs programs that only say yes or no; together they are one check.
 *
 * @param {readonly string[][]} programs
 * @returns {Promise<Counts>}
 */
async function check(...programs) {
  let ok = true
  for (const parameters of programs) {
    const { status, isLate } = await runNode(parameters, { deadlineMs: 5 * MINUTE, look })
    if (isLate) print('  it did not end in time and was ended')
    ok &&= status === 0
  }
  return verdict(ok)
}

/**
 * Runs mocha and reads the counts that its reporter left.
 *
 * @param {MochaPart} part
 * @param {Record<string, string>} [env]
 * @returns {Promise<Counts>}
 */
async function mocha({ name, files, ignore = [], folder, deadlineMs, env: ownEnv }, env = {}) {
  if (!existsSync(folder)) {
    print(`  there is no ${folder.replace('build/', '')}`)
    return { passed: 0, failed: 0, skipped: 0 }
  }
  mkdirSync('build', { recursive: true })
  const file = join('build', `summary-${name}.json`)
  rmSync(file, { force: true })
  const { status, signal, isLate } = await runNode(
    [
      'node_modules/mocha/bin/mocha.js',
      ...['--require', 'build/test/support/root.js'],
      // The invariants tell the warnings that nobody expects.
      ...['--node-option', 'no-warnings'],
      ...['--reporter', 'scripts/reporter.js', '--reporter-option', `summary=${file}`],
      ...ignore.flatMap(pattern => ['--ignore', pattern]),
      ...(options.grep === undefined ? [] : ['--grep', options.grep]),
      ...files,
    ],
    { deadlineMs: deadlineMs * longer, env: { FC_SEED: seed, ...ownEnv, ...env }, look },
  )
  const counts = existsSync(file)
    ? JSON.parse(readFileSync(file, 'utf8'))
    : { passed: 0, failed: 0, skipped: 0 }
  if (isLate)
    print(`  not over after ${seconds(deadlineMs * longer)}: it was ended, with all that it had started`)
  else if (status !== 0 && counts.failed === 0)
    print(`  mocha ended with ${signal ?? status} and no failed test`)
  if (isLate || (status !== 0 && counts.failed === 0)) counts.failed += 1
  if (counts.failed > 0) print(`  to repeat: FC_SEED=${seed} npm test -- ${name}`)
  return counts
}

/** @param {boolean} ok */
function verdict(ok) {
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }
}

function finish() {
  print('')
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const { name, counts, milliseconds } of results) {
    for (const key of /** @type {const} */ (['passed', 'failed', 'skipped'])) total[key] += counts[key]
    const mark = counts.failed > 0 ? '✗' : '✓'
    print(`${mark} ${name.padEnd(9)} ${summary(counts).padEnd(36)} ${seconds(milliseconds).padStart(7)}`)
  }
  for (const note of notes) print(`- ${note}`)
  print(summary(total))
  process.exitCode = total.failed > 0 ? 1 : 0
}

/** @param {Counts} counts */
function summary({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/** @param {number} milliseconds */
function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(1)} s`
}

/** @param {string} line */
function print(line) {
  look(line)
  process.stdout.write(`${line}\n`)
}

/** @param {string} text */
function look(text) {
  secrets.look(text, running)
}
