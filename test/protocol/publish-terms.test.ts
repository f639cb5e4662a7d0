import { expect } from 'chai'
import { ENDLESS } from '../../src/protocol/publish-terms.js'

describe('The terms of a publish on a plain channel', () => {
  it('never run out', () => {
    expect(ENDLESS).to.include({ deadline: Number.POSITIVE_INFINITY, timeoutMs: Number.POSITIVE_INFINITY })
  })
})
