// Puts the invariants around every mocha test. Two things mocha offers no door for, so its runner is caught as it starts:
//   A root hook that throws ends the whole run, and a test has passed before its hooks run; so a violation is given
//   to the runner as a failure of that very test.
//   Its own listener takes an exception from nowhere that comes after a test as a reason to stop the run; ours remembers
//   it, and passes on only what a test or hook that is still running should hear at once.

import Mocha from 'mocha'
import type { Invariants } from './invariants.js'

/** The runner's inside, which the declared types leave out or call private. */
interface MochaRunner {
  readonly suite: Mocha.Suite
  readonly currentRunnable?: Mocha.Runnable | undefined
  on(event: 'suite', listener: (suite: Mocha.Suite) => void): unknown
  once(event: 'end', listener: () => void): unknown
  uncaught(error: unknown): void
  fail(runnable: Mocha.Runnable, error: Error, force?: boolean): void
}

/** Returns what a file given to mocha's `--require` exports as `mochaHooks`. `atEnd` ends what belongs to the whole run. */
export function invariantHooks(invariants: Invariants, atEnd: () => unknown = () => {}) {
  const seam = new MochaSeam(invariants)
  return {
    beforeEach(this: Mocha.Context) {
      seam.begin(this)
    },
    async afterEach(this: Mocha.Context) {
      // Of a test with a hundred thousand promises it looks at each.
      this.timeout(END_DEADLINE_MS)
      await seam.judgeTest(this)
    },
    async afterAll(this: Mocha.Context) {
      this.timeout(END_DEADLINE_MS)
      await atEnd()
      await seam.judgeRun()
    },
  } satisfies Mocha.RootHookObject
}

/** A broker with open connections takes a few seconds to stop; a busy machine takes as long for less. */
const END_DEADLINE_MS = 60_000

class MochaSeam {
  readonly #invariants: Invariants
  #runner: MochaRunner | undefined
  /** While the harness looks, what comes is for it alone: mocha would fail the harness' own hook and end the run. */
  #judging = false

  constructor(invariants: Invariants) {
    this.#invariants = invariants
    const seam = this
    const prototype = Mocha.Runner.prototype
    const run = prototype.run
    prototype.run = function (this: Mocha.Runner, ...parameters) {
      const result = run.apply(this, parameters)
      seam.#attach(this as unknown as MochaRunner)
      return result
    }
  }

  begin(context: Mocha.Context) {
    this.#invariants.beginTest(context.currentTest?.fullTitle() ?? '')
  }

  async judgeTest(context: Mocha.Context) {
    const test = context.currentTest
    this.#judging = true
    const violations = await this.#invariants.endTest(test?.state !== 'failed')
    this.#judging = false
    if (test !== undefined) this.#fail(test, violations)
  }

  async judgeRun() {
    this.#judging = true
    const violations = await this.#invariants.endRun()
    this.#judging = false
    const whole = new Mocha.Test('leaves nothing behind when all tests are over', () => {})
    if (this.#runner !== undefined) whole.parent = this.#runner.suite
    this.#fail(whole, violations)
  }

  #attach(runner: MochaRunner) {
    this.#runner = runner
    process.off('uncaughtException', runner.uncaught as NodeJS.UncaughtExceptionListener)
    process.on('uncaughtException', this.#noteException)
    runner.on('suite', suite => this.#invariants.enterSuite(suite.fullTitle() || 'all tests'))
    runner.once('end', () => {
      this.#invariants.disable()
      process.off('uncaughtException', this.#noteException)
      // From here on an exception ends the process, as it would any other.
    })
    this.#invariants.enable()
  }

  readonly #noteException = (error: unknown) => {
    const runnable = this.#runner?.currentRunnable
    const isRunning = runnable !== undefined && runnable.state === undefined && !runnable.isPending()
    if (isRunning && !this.#judging) this.#runner?.uncaught(error)
    else this.#invariants.strays.noteException(error)
  }

  #fail(runnable: Mocha.Runnable, violations: readonly string[]) {
    if (violations.length === 0) return
    const error = new Error(violations.join('\n      '))
    error.name = 'InvariantError'
    // Its own stack leads here: the messages name the places that matter.
    error.stack = ''
    this.#runner?.fail(runnable, error, true)
  }
}
