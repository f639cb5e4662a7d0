import { inspect } from 'node:util'
import { expect } from 'chai'
import { plain } from '../../src/protocol/sasl.js'
import { toHex } from '../support/hex.js'

describe('plain', () => {
  it('answers with an empty authorization identity, the user and the password', () => {
    const { mechanism, initialResponse } = plain('guest', 'gu\u{1f407}st')
    expect(mechanism).to.equal('PLAIN')
    expect(toHex(initialResponse())).to.equal('00677565737400 6775f09f90877374'.replace(' ', ''))
  })

  it('expects no challenge', () => {
    expect(plain('guest', 'guest').answer).to.equal(undefined)
  })

  it('shows the password in no inspection', () => {
    const mechanism = plain('guest', 'hunter2')
    expect(inspect(mechanism, { depth: 10, showHidden: true })).not.to.include('hunter2')
    expect(JSON.stringify(mechanism)).not.to.include('hunter2')
  })
})
