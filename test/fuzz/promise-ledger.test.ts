import { expect } from 'chai'
import { describeOutcome, PromiseLedger, verdictOf } from './promise-ledger.js'

describe('The ledger of promises', () => {
  it('tells what became of each, in order, and what pends', async () => {
    const ledger = new PromiseLedger()
    const error = Object.assign(new Error('no'), { code: 'AMQP_NO' })
    void ledger.note('first', Promise.resolve(1))
    void ledger.note('second', Promise.reject(error))
    void ledger.note('third', new Promise(() => {}))
    expect(await ledger.outcomes()).to.deep.equal([
      { what: 'first', state: 'resolved', value: 1 },
      { what: 'second', state: 'rejected', error },
      { what: 'third', state: 'pending' },
    ])
    expect((await ledger.outcomes()).map(describeOutcome)).to.deep.equal([
      'first: ok',
      'second: AMQP_NO',
      'third: pending',
    ])
  })

  it('gives back the promise itself, with no handler of its own', () => {
    const promise = Promise.resolve()
    expect(new PromiseLedger().note('it', promise)).to.equal(promise)
  })

  it('names errors without a code, and what is no error', () => {
    expect(verdictOf({ what: 'it', state: 'rejected', error: new TypeError('x') })).to.equal('TypeError')
    expect(verdictOf({ what: 'it', state: 'rejected', error: 'words' })).to.equal('words')
  })
})
