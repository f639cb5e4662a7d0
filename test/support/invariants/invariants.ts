// The three things that must hold in every test, whatever it is about:
//   nothing pends for ever          promises that thump returned have settled by the end of the test;
//   nothing is thrown from nowhere  no stray exception, rejection or warning, with no listener attached;
//   nothing is left behind          no socket, server, timer, immediate, process or listener of the test's own remains.
// (That nothing grows without bound needs repetition: a test asks for it with `grows`.) This file opens and closes the
// account of each test; it does not know the test runner.

import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises'
import { keep } from './keep.js'
import { type AnyClass, PendingPromises } from './pending-promises.js'
import { ProcessListeners } from './process-listeners.js'
import type { Remainder } from './remainder.js'
import { type Owner, ResourceTracker } from './resource-tracker.js'
import { describeStray, Strays } from './strays.js'

/** Node tells the end of a timer or immediate in a later turn of the event loop, a rejection's after its microtasks. */
const TURNS = 4
/** Handles that are being closed, and promises that are being settled by it, have this long to go. */
const SETTLE_MS = 500
const LOOK_EVERY_MS = 5

const OUTSIDE: Owner = { title: 'outside of all tests', kind: 'suite' }

export class Invariants {
  readonly #resources = new ResourceTracker(OUTSIDE)
  readonly #listeners = new ProcessListeners(OUTSIDE)
  readonly #promises = new PendingPromises(OUTSIDE)
  readonly #told = new WeakSet<Remainder>()
  #current: Owner = OUTSIDE
  /** The suite whose tests run now. */
  #around: Owner = OUTSIDE

  readonly strays = new Strays()

  enable() {
    this.#resources.enable()
    this.strays.enable()
    this.#listeners.enable()
  }

  disable() {
    this.#resources.disable()
    this.#listeners.disable()
    this.strays.disable()
  }

  watch<T>(promise: Promise<T>, what: string): Promise<T> {
    return this.#promises.watch(promise, what)
  }

  watchClass(watchedClass: AnyClass) {
    this.#promises.watchClass(watchedClass)
  }

  /** Lets go of promises that have settled, so that a measurement of memory does not count the watch. */
  sweep() {
    this.#promises.sweep()
  }

  /** From here on things belong to this test. */
  beginTest(title: string) {
    this.#own({ title, kind: 'test' })
  }

  /** From here on things belong to what stands around tests: the hooks of the suite with this title. */
  enterSuite(title: string) {
    this.#around = { title, kind: 'suite' }
    this.#own(this.#around)
  }

  /**
   * Judges the current test; returns one message for each violation. A test that failed left things where they were:
   * they are released but not told, as its own error is what matters.
   */
  async endTest(hasPassed: boolean): Promise<readonly string[]> {
    const test = this.#current
    await this.#settle(test)
    const open = this.#suiteHoldsHandles
    const left = this.#remaining(test).filter(one => !(open && one.mayBelongToSuite))
    this.#own(this.#around)
    const told = this.#tell(left)
    return hasPassed ? [...this.#takeStrays(), ...told] : this.#takeStrays()
  }

  /** Judges what stood around the tests, and what may have belonged to it, when all of them are over. */
  async endRun(): Promise<readonly string[]> {
    await this.#settle(undefined)
    const told = this.#tell(this.#remaining(undefined))
    return [...this.#takeStrays(), ...told]
  }

  #own(owner: Owner) {
    this.#current = owner
    this.#resources.owner = owner
    this.#listeners.owner = owner
    this.#promises.owner = owner
  }

  /** Whether something that a suite opened for its tests to share is still open. */
  get #suiteHoldsHandles(): boolean {
    return this.#resources.remaining().some(one => one.madeBy.kind === 'suite' && !one.isTimer)
  }

  #remaining(owner: Owner | undefined): readonly Remainder[] {
    const everything: Remainder[] = [
      ...this.#promises.remaining(owner),
      ...this.#resources.remaining(owner),
      ...this.#listeners.remaining(owner),
    ]
    return everything.filter(one => !this.#told.has(one))
  }

  async #settle(owner: Owner | undefined) {
    await keep('the wait of the harness', async () => {
      for (let turn = 0; turn < TURNS; turn += 1) await immediate()
      const deadline = performance.now() + SETTLE_MS
      while (performance.now() < deadline && this.#remaining(owner).some(one => one.mayBeGoing)) {
        await delay(LOOK_EVERY_MS)
      }
    })
  }

  #takeStrays(): string[] {
    return this.strays.take().map(stray => `thrown from nowhere: ${describeStray(stray)}`)
  }

  #tell(left: readonly Remainder[]): string[] {
    return left.map(one => {
      this.#told.add(one)
      one.release()
      return `${one.describe()}; of "${one.owner}"`
    })
  }
}
