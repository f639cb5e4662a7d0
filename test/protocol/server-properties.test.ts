import { expect } from 'chai'
import type { FieldTable, FieldValue } from '../../src/frames/index.js'
import { sharedProperties } from '../../src/protocol/server-properties.js'

/** As it is read: without a prototype. */
function table(fields: Record<string, FieldValue>): FieldTable {
  return Object.assign(Object.create(null), fields)
}

function broker(capabilities: Record<string, FieldValue> = { 'basic.nack': true }): FieldTable {
  return table({ product: 'RabbitMQ', nodes: 3, cluster: null, capabilities: table(capabilities) })
}

describe('sharedProperties', () => {
  it('gives one table, frozen, to all who are told the same', () => {
    const first = sharedProperties(broker())
    expect(first).to.deep.equal(broker())
    expect(sharedProperties(broker())).to.equal(first)
    expect(Object.isFrozen(first)).to.equal(true)
    expect(Object.isFrozen(first['capabilities'])).to.equal(true)
  })

  it('gives everybody what he was told', () => {
    const others = [
      broker(),
      broker({}),
      broker({ 'basic.nack': false }),
      broker({ 'basic.nack': true, other: true }),
      table({ ...broker(), capabilities: 'none' }),
      table({ ...broker(), nodes: '3' }),
      table({}),
    ]
    for (const told of [...others, ...others]) {
      const expected = structuredClone(told)
      expect({ ...sharedProperties(told) }).to.deep.equal({ ...expected })
    }
  })

  it('does not share what cannot be frozen', () => {
    for (const value of [Buffer.from('octets'), [1], table({ inner: Buffer.from('octets') })]) {
      const [one, other] = [table({ value }), table({ value })]
      expect(sharedProperties(one)).to.equal(one)
      expect(sharedProperties(other)).to.equal(other)
      expect(Object.isFrozen(one)).to.equal(false)
    }
  })
})
