import { expect } from 'chai'
import {
  checkOptions,
  isBoolean,
  isFunction,
  isInteger,
  isObject,
  isOneOf,
  isSecret,
  isShortstr,
  isSignal,
  isString,
  isTable,
  isTimeout,
} from '../../src/connection/arguments.js'
import { ArgumentError } from '../../src/index.js'
import { thrownBy } from '../support/rejection.js'

const SECRET = 'hunter2'

describe('checks of arguments', () => {
  const samples: Record<string, unknown> = {
    string: SECRET,
    boolean: true,
    function: () => SECRET,
    object: { SECRET },
    array: [SECRET],
    null: null,
    undefined: undefined,
    number: 3,
    bigint: 3n,
    symbol: Symbol(SECRET),
    instance: new Map([[SECRET, SECRET]]),
    octets: Buffer.from(SECRET),
    signal: new AbortController().signal,
  }
  const accepted: [name: string, check: typeof isString, kinds: string[]][] = [
    ['isString', isString, ['string']],
    ['isBoolean', isBoolean, ['boolean']],
    ['isFunction', isFunction, ['function']],
    ['isObject', isObject, ['object', 'instance', 'octets', 'signal']],
    ['isTable', isTable, ['object']],
    ['isShortstr', isShortstr, ['string']],
    ['isSecret', isSecret, ['string', 'octets']],
    ['isSignal', isSignal, ['signal']],
    ['isTimeout', isTimeout, ['number']],
    ['isInteger', isInteger(0, 9), ['number']],
    ['isOneOf', isOneOf('requeue', 3), ['number']],
  ]
  for (const [name, check, kinds] of accepted) {
    it(`${name} takes ${kinds.join(' and ')} and nothing else, names the path and never the value`, () => {
      for (const [kind, value] of Object.entries(samples)) {
        if (kinds.includes(kind)) check(value, 'options.x')
        else {
          const error = thrownBy(() => check(value, 'options.x'), ArgumentError)
          expect(error.path, kind).to.equal('options.x')
          expect(error.message, kind).to.match(/^options\.x must be/)
          expect(error.message, kind).to.not.include(SECRET)
        }
      }
    })
  }

  it('isInteger takes both ends of its range and nothing beyond or between', () => {
    const check = isInteger(2, 4)
    for (const value of [2, 3, 4]) check(value, 'n')
    for (const value of [1, 5, 2.5, -0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => check(value, 'n')).to.throw(ArgumentError, 'n must be a whole number from 2 to 4')
    }
  })

  it('isTimeout takes what a timer of Node takes', () => {
    for (const value of [1, 2 ** 31 - 1]) isTimeout(value, 'n')
    for (const value of [0, -1, 0.5, 2 ** 31]) expect(() => isTimeout(value, 'n')).to.throw(ArgumentError)
  })

  it('isShortstr takes 255 octets, and isTable names the place of what cannot be sent', () => {
    isShortstr('x'.repeat(255), 'name')
    expect(() => isShortstr('π'.repeat(128), 'name')).to.throw(
      ArgumentError,
      /^name must be at most 255 octets/,
    )
    expect(() => isTable({ a: [{ b: Number.NaN }] }, 'args')).to.throw(
      ArgumentError,
      /^args\.a\[0\]\.b must be/,
    )
  })

  it('isOneOf says what there is to choose from', () => {
    expect(() => isOneOf('a', 'b')('c', 'p')).to.throw(ArgumentError, 'p must be one of a, b')
  })
})

describe('checkOptions', () => {
  const checks = { size: isInteger(0, 9), name: isString }

  it('takes none, some, and those that are there and undefined', () => {
    checkOptions({}, checks, 'options')
    checkOptions({ size: 1 }, checks, 'options')
    checkOptions({ size: undefined, name: undefined }, checks, 'options')
  })

  it('checks each option under its own path', () => {
    expect(() => checkOptions({ size: 1, name: 2 }, checks, 'a.b')).to.throw(
      ArgumentError,
      'a.b.name must be',
    )
  })

  it('refuses unknown ones, those of the prototype of objects too', () => {
    for (const name of ['sizes', 'toString', 'hasOwnProperty']) {
      expect(() => checkOptions({ [name]: undefined }, checks, 'options')).to.throw(
        ArgumentError,
        `options.${name} is unknown; known are size, name`,
      )
    }
  })
})
