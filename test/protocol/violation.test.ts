import { expect } from 'chai'
import { Violation } from '../../src/protocol/violation.js'

describe('Violation', () => {
  it('carries the reply code and the ids of the method concerned', () => {
    const violation = new Violation(504, 'not now', 'basic.deliver')
    expect(violation).to.include({ replyCode: 504, classId: 60, methodId: 60, name: 'Violation' })
    expect(violation.message).to.equal('not now')
  })

  it('names no method when none is concerned', () => {
    expect(new Violation(501, 'broken')).to.include({ classId: 0, methodId: 0 })
  })
})
