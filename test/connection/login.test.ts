import { inspect } from 'node:util'
import { expect } from 'chai'
import { isAuth, Login, type LoginOptions } from '../../src/connection/login.js'
import { ArgumentError } from '../../src/index.js'
import { thrownBy } from '../support/rejection.js'

function login(options: Partial<LoginOptions> = {}): Login {
  return new Login({ auth: 'PLAIN', username: 'u', password: 'hunter2', credentials: undefined, ...options })
}

function said(mechanisms: ReturnType<Login['mechanisms']>): [string, string][] {
  return mechanisms.map(each => [each.mechanism, Buffer.from(each.initialResponse()).toString('latin1')])
}

describe('Login', () => {
  const own = { mechanism: 'OWN', initialResponse: () => Buffer.from('mine') }

  it('makes the mechanisms in the order of preference, from the options', () => {
    expect(said(login({ auth: ['EXTERNAL', own, 'PLAIN'] }).mechanisms())).to.deep.equal([
      ['EXTERNAL', ''],
      ['OWN', 'mine'],
      ['PLAIN', '\0u\0hunter2'],
    ])
    expect(login({ auth: own }).mechanisms()).to.deep.equal([own])
  })

  it('prefers what was given, and keeps nothing of it', () => {
    const given = { username: undefined, password: 'q', lifeMs: undefined }
    const asked = login({ auth: 'PLAIN' })
    expect(said(asked.mechanisms(given))).to.deep.equal([['PLAIN', '\0u\0q']])
    expect(said(asked.mechanisms({ ...given, username: 'v' }))).to.deep.equal([['PLAIN', '\0v\0q']])
    expect(said(asked.mechanisms())).to.deep.equal([['PLAIN', '\0u\0hunter2']])
  })

  it('shows nothing', () => {
    expect(inspect(login(), { depth: null, showHidden: true, getters: true })).not.to.include('hunter2')
    expect(JSON.stringify(login())).to.equal('{}')
  })
})

describe('isAuth', () => {
  it('names what may be given, for a name that nobody knows', () => {
    const error = thrownBy(() => isAuth(['PLAIN', 'SCRAM-SHA-256'], 'options.auth'), ArgumentError)
    expect(error.message).to.equal(
      'options.auth[1] must be one of PLAIN, AMQPLAIN, EXTERNAL, or an object for another mechanism',
    )
  })
})
