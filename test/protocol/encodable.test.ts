import { expect } from 'chai'
import { ArgumentError } from '../../src/frames/index.js'
import { checkShortstr, checkTable } from '../../src/protocol/encodable.js'

describe('checkTable', () => {
  it('accepts what can be sent', () => {
    checkTable({ product: 'test', nested: { list: [1, null, 'x'] } }, 'options.clientProperties')
  })

  it('refuses what cannot by its place', () => {
    const table = { nested: { list: [1, Number.NaN] } }
    expect(() => checkTable(table, 'options.clientProperties'))
      .to.throw(ArgumentError)
      .with.property('path', 'options.clientProperties.nested.list[1]')
  })
})

describe('checkShortstr', () => {
  it('accepts 255 octets and no more', () => {
    checkShortstr('é'.repeat(127), 'options.vhost')
    expect(() => checkShortstr('é'.repeat(128), 'options.vhost'))
      .to.throw(ArgumentError)
      .with.property('path', 'options.vhost')
  })
})
