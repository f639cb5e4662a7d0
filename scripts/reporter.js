// @ts-check
//
// The mocha reporter of `npm test`: one line for each outermost suite with its failures in full, and the counts in a JSON
// file (--reporter-option summary=FILE). A test counts once, by its last state: the invariants may fail a test that
// had passed. The file is written before every test and names it: one that never lets go of the event loop can be
// killed, but not asked.

import { writeFileSync } from 'node:fs'
import Mocha from 'mocha'

const { Base } = Mocha.reporters
const {
  EVENT_RUN_END,
  EVENT_SUITE_BEGIN,
  EVENT_SUITE_END,
  EVENT_TEST_BEGIN,
  EVENT_TEST_FAIL,
  EVENT_TEST_PASS,
  EVENT_TEST_PENDING,
} = Mocha.Runner.constants

export default class SummaryReporter extends Base {
  /** @type {Map<Mocha.Runnable, 'passed' | 'failed' | 'skipped'>} */
  #states = new Map()
  /** @type {Set<Mocha.Runnable>} */
  #listed = new Set()
  #suiteBegin = 0
  /** @type {string | undefined} */
  #file

  /**
   * @param {Mocha.Runner} runner
   * @param {Mocha.MochaOptions} options
   */
  constructor(runner, options) {
    super(runner, options)
    this.#file = options.reporterOptions?.summary
    runner.on(EVENT_SUITE_BEGIN, suite => this.#beginSuite(suite))
    runner.on(EVENT_SUITE_END, suite => this.#endSuite(suite))
    runner.on(EVENT_TEST_BEGIN, test => this.#write(test.fullTitle()))
    runner.on(EVENT_TEST_PASS, test => this.#states.set(test, 'passed'))
    runner.on(EVENT_TEST_FAIL, test => this.#states.set(test, 'failed'))
    runner.on(EVENT_TEST_PENDING, test => this.#states.set(test, 'skipped'))
    runner.once(EVENT_RUN_END, () => this.#end())
    process.once('SIGTERM', () => {
      this.#listFailures(() => true)
      process.exit(1)
    })
  }

  /** @param {Mocha.Suite} suite */
  #beginSuite(suite) {
    if (suite.parent?.root) this.#suiteBegin = performance.now()
  }

  /** @param {Mocha.Suite} suite */
  #endSuite(suite) {
    if (!suite.parent?.root) return
    const counts = this.#count(test => isWithin(test, suite))
    const mark = counts.failed > 0 ? '✗' : '✓'
    const milliseconds = Math.round(performance.now() - this.#suiteBegin)
    process.stdout.write(`  ${mark} ${suite.title}: ${inWords(counts)}, ${milliseconds} ms\n`)
    this.#listFailures(test => isWithin(test, suite))
  }

  /** What no suite holds comes last: the verdict of the invariants on the whole run, and hooks of all tests. */
  #end() {
    this.#listFailures(() => true)
    this.#write(undefined)
  }

  /** @param {(test: Mocha.Runnable) => boolean} matches */
  #listFailures(matches) {
    // A test that failed twice is in the list twice; mocha prints both errors only then.
    const failures = this.failures.filter(test => matches(test) && !this.#listed.has(test))
    for (const test of failures) this.#listed.add(test)
    if (failures.length > 0) Base.list(failures)
  }

  /** @param {string | undefined} running the title of the test that begins */
  #write(running) {
    if (this.#file === undefined) return
    writeFileSync(this.#file, JSON.stringify({ ...this.#count(() => true), running }))
  }

  /** @param {(test: Mocha.Runnable) => boolean} matches */
  #count(matches) {
    const counts = { passed: 0, failed: 0, skipped: 0 }
    for (const [test, state] of this.#states) if (matches(test)) counts[state] += 1
    return counts
  }
}

/**
 * @param {Mocha.Runnable} test
 * @param {Mocha.Suite} suite
 */
function isWithin(test, suite) {
  let parent = test.parent
  while (parent !== undefined && parent !== suite) parent = parent.parent
  return parent === suite
}

/** @param {{ passed: number, failed: number, skipped: number }} counts */
function inWords({ passed, failed, skipped }) {
  return `${passed} passed${failed > 0 ? `, ${failed} failed` : ''}${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
