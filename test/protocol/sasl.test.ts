import { inspect } from 'node:util'
import { expect } from 'chai'
import { ArgumentError } from '../../src/frames/index.js'
import { AUTH_NAMES, amqplain, conceal, external, mechanismNamed, plain } from '../../src/protocol/sasl.js'
import { toHex } from '../support/hex.js'

describe('plain', () => {
  it('answers with an empty authorization identity, the user and the password', () => {
    const { mechanism, initialResponse } = plain('guest', 'gu\u{1f407}st')
    expect(mechanism).to.equal('PLAIN')
    expect(toHex(initialResponse())).to.equal('00677565737400 6775f09f90877374'.replace(' ', ''))
  })

  for (const text of ['a\0b', '\0', '\ud800', 'x\udc00y']) {
    it(`refuses what it cannot carry by its name, and does not show it: ${JSON.stringify(text)}`, () => {
      expect(() => plain(text, 'p').initialResponse())
        .to.throw(ArgumentError, 'username must be well-formed Unicode without NUL characters, for PLAIN')
        .with.property('path', 'username')
      expect(() => plain('u', text).initialResponse())
        .to.throw(ArgumentError)
        .with.property('path', 'password')
    })
  }
})

describe('amqplain', () => {
  it('answers with the contents of a table, without its length', () => {
    const { mechanism, initialResponse } = amqplain('guest', 'guest')
    expect(mechanism).to.equal('AMQPLAIN')
    // As RabbitMQ takes it, and as its own client sends it.
    expect(toHex(initialResponse())).to.equal(
      '054c4f47494e5300000005677565737408504153535' + '74f5244530000000567756573' + '74',
    )
  })

  it('carries NUL characters, and refuses half a character by its name', () => {
    expect(toHex(amqplain('u', 'a\0b').initialResponse())).to.match(/5300000003610062$/)
    expect(() => amqplain('u', 'hunter2\ud800').initialResponse())
      .to.throw(ArgumentError)
      .with.property('path', 'credentials.PASSWORD')
  })
})

describe('external', () => {
  it('answers with nothing', () => {
    expect(external().mechanism).to.equal('EXTERNAL')
    expect(external().initialResponse()).to.have.length(0)
  })
})

describe('mechanismNamed', () => {
  it('knows three', () => {
    expect(AUTH_NAMES).to.deep.equal(['PLAIN', 'AMQPLAIN', 'EXTERNAL'])
  })

  for (const name of AUTH_NAMES) {
    it(`makes ${name}, which expects no challenge and shows the password in no inspection`, () => {
      const mechanism = mechanismNamed(name, 'guest', 'hunter2')
      expect(mechanism.mechanism).to.equal(name)
      expect(mechanism.answer).to.equal(undefined)
      expect(inspect(mechanism, { depth: 10, showHidden: true })).not.to.include('hunter2')
      expect(JSON.stringify(mechanism)).not.to.include('hunter2')
    })
  }
})

describe('conceal', () => {
  it('leaves the password out of what a server says', () => {
    for (const make of [plain, amqplain]) {
      expect(conceal('hunter2? Not hunter2!', make('guest', 'hunter2'))).to.equal(
        '[password]? Not [password]!',
      )
    }
  })

  it('takes five characters for a secret, and no fewer', () => {
    expect(conceal('a12345 b1234', plain('u', '12345'))).to.equal('a[password] b1234')
    expect(conceal('a12345 b1234', plain('u', '1234'))).to.equal('a12345 b1234')
  })

  it('leaves alone what is no secret, and what it does not know', () => {
    for (const mechanism of [plain('guest', 'guest'), plain('u', 'user'), plain('u', ''), external()]) {
      const said = 'user guest may not: undefined'
      expect(conceal(said, mechanism)).to.equal(said)
    }
  })
})
