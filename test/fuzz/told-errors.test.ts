import { expect } from 'chai'
import { AmqpError, ArgumentError, ConnectionClosedError } from '../../src/index.js'
import { faultsOfError, faultsOfReason } from './told-errors.js'

describe('What is wrong with an error', () => {
  it('is nothing, of a class of thump with a code, words and a cause that ends', () => {
    const lost = { by: 'transport', text: 'gone', error: new AmqpError('gone') } as const
    expect(faultsOfError(new ConnectionClosedError(lost))).to.deep.equal([])
    expect(faultsOfError(new ArgumentError('options.x', 'is unknown'))).to.deep.equal([])
    expect(faultsOfReason(lost)).to.deep.equal([])
    expect(faultsOfReason({ by: 'client' })).to.deep.equal([])
    expect(faultsOfReason({ by: 'server', method: 'basic.cancel' })).to.deep.equal([])
  })

  for (const [what, error] of [
    ['that it is of no class of thump', new Error('no')],
    ['that it is no error', undefined],
    ['that it says nothing', new AmqpError('')],
    ['that a word is missing', new AmqpError('channel undefined is closed')],
    ['that its reason has no known initiator', new ConnectionClosedError({ by: 'nobody' as 'client' })],
    ['that its causes go round', roundError()],
  ] as const) {
    it(`is ${what}`, () => {
      expect(faultsOfError(error)).to.have.length.above(0)
    })
  }

  for (const [what, reason] of [
    ['that it does not say who', {}],
    ['that the code is none', { by: 'client', code: 70_000 }],
    ['that an end by another has no error', { by: 'transport' }],
    ['that its error is of no class of thump', { by: 'transport', error: new Error('no') }],
  ] as const) {
    it(`or, of a reason, is ${what}`, () => {
      expect(faultsOfReason(reason)).to.have.length.above(0)
    })
  }
})

function roundError(): AmqpError {
  const inner = new Error('inner')
  const outer = new AmqpError('outer', { cause: inner })
  inner.cause = outer
  return outer
}
