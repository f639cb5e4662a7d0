import { expect } from 'chai'
import { Deferred, handled } from '../../src/connection/deferred.js'
import { rejectionOf } from '../support/rejection.js'

describe('Deferred', () => {
  it('resolves once', async () => {
    const deferred = new Deferred<number>()
    deferred.resolve(1)
    deferred.resolve(2)
    deferred.reject(new Error('too late'))
    expect(await deferred.promise).to.equal(1)
  })

  it('rejects whoever awaits it', async () => {
    const deferred = new Deferred<number>()
    deferred.reject(new RangeError('no'))
    expect((await rejectionOf(deferred.promise, RangeError)).message).to.equal('no')
  })

  // The harness around every test tells a rejection that nobody handled.
  it('rejects without harm when nobody awaits it', () => {
    new Deferred<number>().reject(new Error('nobody listens'))
  })

  it('does not hide the rejection of what is made of it', async () => {
    const deferred = new Deferred<number>()
    const derived = deferred.promise.then(value => value + 1)
    deferred.reject(new Error('no'))
    await rejectionOf(derived, Error)
  })
})

describe('handled', () => {
  it('gives the result', async () => {
    expect(await handled(async () => 1)).to.equal(1)
  })

  it('turns a throw into a rejection, which nobody has to handle', async () => {
    const fail = (): never => {
      throw new RangeError('at once')
    }
    handled(fail)
    handled(async () => fail())
    await rejectionOf(handled(fail), RangeError)
  })
})
