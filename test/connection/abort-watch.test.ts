import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import { AbortWatch, abortCause, expectNotAborted } from '../../src/connection/abort-watch.js'
import { Deferred } from '../../src/connection/deferred.js'
import type { Causes } from '../../src/protocol/index.js'

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

describe('AbortWatch', () => {
  let withdrawn: Causes[]
  let watch: AbortWatch
  let controller: AbortController

  beforeEach(() => {
    withdrawn = []
    watch = new AbortWatch(causes => void withdrawn.push(causes))
    controller = new AbortController()
  })

  it('does nothing without a signal', () => {
    watch.watch(undefined, new Deferred())
  })

  it('has one listener on a signal, however many wait, and none when the last has settled', async () => {
    const waits = Array.from({ length: 1_000 }, () => new Deferred<void>())
    for (const wait of waits) watch.watch(controller.signal, wait)
    expect(listenersOf(controller.signal)).to.equal(1)
    for (const wait of waits.slice(1)) wait.resolve()
    await Promise.all(waits.slice(1).map(({ promise }) => promise))
    expect(listenersOf(controller.signal)).to.equal(1)
    waits[0]?.reject(new Error('failed'))
    await waits[0]?.promise.catch(() => undefined)
    expect(listenersOf(controller.signal)).to.equal(0)
    controller.abort()
    expect(withdrawn).to.deep.equal([])
  })

  it('withdraws all who still wait at once, and nobody else', async () => {
    const [done, one, other, stranger] = [new Deferred(), new Deferred(), new Deferred(), new Deferred()]
    for (const wait of [done, one, other]) watch.watch(controller.signal, wait)
    watch.watch(new AbortController().signal, stranger)
    done.resolve(undefined)
    await done.promise
    const reason = new Error('enough')
    controller.abort(reason)
    expect(withdrawn.map(causes => [...causes])).to.deep.equal([
      [
        [one, reason],
        [other, reason],
      ],
    ])
    expect(listenersOf(controller.signal)).to.equal(0)
    for (const wait of [one, other]) wait.resolve(undefined)
    await Promise.all([one.promise, other.promise])
    expect(withdrawn).to.have.lengthOf(1)
  })

  it('withdraws at once for the first signal of a turn, and together for all others', async () => {
    const controllers = Array.from({ length: 100 }, () => new AbortController())
    const waits = controllers.map(({ signal }) => {
      const wait = new Deferred<void>()
      watch.watch(signal, wait)
      return wait
    })
    controllers.forEach((each, index) => {
      each.abort(new Error(String(index)))
    })
    expect(withdrawn.map(({ size }) => size)).to.deep.equal([1])
    await new Promise(resolve => setImmediate(resolve))
    expect(withdrawn.map(({ size }) => size)).to.deep.equal([1, 99])
    const causes = new Map([...(withdrawn[0] ?? []), ...(withdrawn[1] ?? [])])
    expect(waits.map(wait => causes.get(wait)?.message)).to.deep.equal(waits.map((_, index) => String(index)))
    const next = new Deferred<void>()
    watch.watch(controller.signal, next)
    controller.abort()
    expect(withdrawn.map(({ size }) => size)).to.deep.equal([1, 99, 1])
  })

  it('listens again when somebody waits after all others have settled', async () => {
    const [first, second] = [new Deferred<void>(), new Deferred<void>()]
    watch.watch(controller.signal, first)
    first.resolve()
    await first.promise
    watch.watch(controller.signal, second)
    expect(listenersOf(controller.signal)).to.equal(1)
    controller.abort()
    expect([...(withdrawn[0]?.keys() ?? [])]).to.deep.equal([second])
  })
})

describe('the cause of an abort', () => {
  it('is the reason of the signal when that is an Error', () => {
    const reason = new RangeError('enough')
    expect(abortCause(AbortSignal.abort(reason))).to.equal(reason)
    expect(abortCause(AbortSignal.abort())).to.include({ name: 'AbortError' })
  })

  it('is an Error around the reason when that is none', () => {
    for (const reason of ['enough', 5, null, { message: 'enough' }]) {
      const cause = abortCause(AbortSignal.abort(reason))
      expect(cause).to.be.instanceOf(Error)
      expect(cause).to.include({ message: 'aborted by a signal', cause: reason })
    }
  })

  it('is thrown where a signal must not have fired', () => {
    const reason = new Error('enough')
    expectNotAborted(undefined)
    expectNotAborted(new AbortController().signal)
    expect(() => expectNotAborted(AbortSignal.abort(reason))).to.throw(reason)
  })
})
