// Promises that must not pend for ever. An async hook on every promise would see also those that an implementation
// holds for itself and may rightly drop (the loser of a race), and cannot tell a returned promise from them; so the
// seam is the public one: the methods and getters of the classes that users hold are wrapped in place, whichever file
// they are imported from, and what they return is watched. A test may watch any other promise by hand.
// Watching attaches no handler: that would mark a rejection handled, and hide a stray one.

import { inspect } from 'node:util'
import { Origin } from './origin.js'
import type { Remainder } from './remainder.js'
import type { Owner } from './resource-tracker.js'

export type AnyClass = abstract new (...parameters: never[]) => object

/** Above this many watched promises the settled ones are let go, lest the watch itself grows. */
const SWEEP_ABOVE = 1024

export class PendingPromises {
  #watched = new Map<Promise<unknown>, PendingPromise>()
  #sweepAbove = SWEEP_ABOVE
  #wrapped = new WeakSet<object>()
  owner: Owner

  constructor(owner: Owner) {
    this.owner = owner
  }

  /** Watches one promise; `what` names it in the message. */
  watch<T>(promise: Promise<T>, what: string): Promise<T> {
    if (this.#watched.has(promise)) return promise
    this.#watched.set(promise, new PendingPromise(promise, what, this.owner, new Origin(this.watch)))
    if (this.#watched.size > this.#sweepAbove) {
      this.sweep()
      this.#sweepAbove = Math.max(SWEEP_ABOVE, 2 * this.#watched.size)
    }
    return promise
  }

  /** Watches every promise that a method, a getter or an async iterator of the class will give. */
  watchClass(watchedClass: AnyClass) {
    const prototype = watchedClass.prototype as object
    if (this.#wrapped.has(prototype)) return
    this.#wrapped.add(prototype)
    for (const key of Reflect.ownKeys(prototype)) {
      const descriptor = Object.getOwnPropertyDescriptor(prototype, key)
      if (key === 'constructor' || descriptor?.configurable !== true) continue
      const what = `${watchedClass.name}.${typeof key === 'symbol' ? `[${key.description}]` : key}`
      if (typeof descriptor.value === 'function') descriptor.value = this.#wrap(descriptor.value, what)
      if (descriptor.get !== undefined) descriptor.get = this.#wrap(descriptor.get, what)
      Object.defineProperty(prototype, key, descriptor)
    }
  }

  /** Lets go of what has settled. */
  sweep() {
    for (const [promise, one] of this.#watched) if (!one.isThere) this.#watched.delete(promise)
  }

  /** What was watched in `owner`'s time and has not settled. */
  remaining(owner?: Owner | undefined): readonly PendingPromise[] {
    this.sweep()
    return [...this.#watched.values()].filter(one => owner === undefined || one.madeBy === owner)
  }

  #wrap(original: AnyFunction, what: string): AnyFunction {
    const pending = this
    return function wrapped(this: unknown, ...parameters: unknown[]): unknown {
      const result = original.apply(this, parameters)
      if (result instanceof Promise) return pending.watch(result, what)
      if (pending.#isUnwatchedIterator(result)) {
        pending.#wrapped.add(result)
        Object.defineProperty(result, 'next', { value: pending.#wrap(result.next, `${what}.next`) })
      }
      return result
    }
  }

  /** An iterator whose class is watched needs nothing more; a generator, or an object made on the spot, does. */
  #isUnwatchedIterator(value: unknown): value is { next: AnyFunction } {
    if (typeof value !== 'object' || value === null || !(Symbol.asyncIterator in value)) return false
    if (this.#wrapped.has(value) || this.#wrapped.has(Object.getPrototypeOf(value))) return false
    return 'next' in value && typeof value.next === 'function'
  }
}

type AnyFunction = (...parameters: unknown[]) => unknown

class PendingPromise implements Remainder {
  readonly mayBelongToSuite = true
  readonly mayBeGoing = true
  readonly madeBy: Owner
  readonly #promise: Promise<unknown>
  readonly #what: string
  readonly #origin: Origin

  constructor(promise: Promise<unknown>, what: string, owner: Owner, origin: Origin) {
    this.#promise = promise
    this.#what = what
    this.madeBy = owner
    this.#origin = origin
  }

  get owner(): string {
    return this.madeBy.title
  }

  /** Node shows the state of a promise to nobody but its inspector. */
  get isThere(): boolean {
    return /^[^{]*\{\s*<pending>/.test(inspect(this.#promise, { depth: 0 }))
  }

  describe(): string {
    return `pends for ever: a promise of ${this.#what}, returned ${this.#origin}`
  }

  release() {}
}
