import { inspect } from 'node:util'
import { expect } from 'chai'
import { ArgumentError, kindOf } from '../../src/frames/argument-error.js'
import { FieldPath } from '../../src/frames/argument-path.js'

describe('ArgumentError', () => {
  it('is a TypeError with a stable code that names the argument first', () => {
    const error = new ArgumentError('headers.a', 'must be a string')
    expect(error).to.be.instanceOf(TypeError)
    expect(error.code).to.equal('AMQP_ARGUMENT')
    expect(error.name).to.equal('ArgumentError')
    expect(error.path).to.equal('headers.a')
    expect(error.message).to.equal('headers.a must be a string')
    expect(inspect(error)).to.match(/^ArgumentError: headers.a must be a string\n/)
  })

  it('spells a path in a table', () => {
    const path = new FieldPath('headers')
    path.key = 'a'
    expect(new ArgumentError(path, 'must be less').path).to.equal('headers.a')
  })
})

describe('The kind of a value', () => {
  class Order {}
  const kinds: [unknown, string][] = [
    [null, 'null'],
    [undefined, 'undefined'],
    [[1], 'an array'],
    ['secret', 'a string'],
    [42, 'a number'],
    [42n, 'a bigint'],
    [true, 'a boolean'],
    [Symbol('secret'), 'a symbol'],
    [() => 'secret', 'a function'],
    [{ password: 'secret' }, 'an object'],
    [Object.create(null), 'an object'],
    [Object.create(Object.create(null)), 'an object'],
    [{ constructor: { name: 'secret' } }, 'an object'],
    [new Map(), 'an instance of Map'],
    [new Order(), 'an instance of Order'],
  ]

  for (const [value, kind] of kinds) {
    it(`is told without the value: ${kind}`, () => {
      expect(kindOf(value)).to.equal(kind)
    })
  }
})
