import { expect } from 'chai'
import { METHODS, methodRow } from '../../src/protocol/methods.js'
import { EXPECTED_METHODS } from './method-table.expected.js'

const ROWS = Object.entries(METHODS).map(([name]) => ({ name, row: methodRow(name as keyof typeof METHODS) }))

/** `reservedShortstr` is a shortstr on the wire. */
function onTheWire(domain: string): string {
  return domain.replace(/^reserved(.)/, (_, letter: string) => letter.toLowerCase())
}

describe('METHODS', () => {
  it('has the methods of the class reference and no others', () => {
    expect(ROWS.map(({ name }) => name)).to.have.members(EXPECTED_METHODS.map(({ name }) => name))
  })

  for (const expected of EXPECTED_METHODS) {
    it(`has ${expected.name} as the class reference has it`, () => {
      const row = ROWS.find(({ name }) => name === expected.name)?.row
      expect(row, 'row').not.to.equal(undefined)
      const replies = (row?.replies ?? []).map(reply => EXPECTED_METHODS.find(({ name }) => name === reply))
      expect(
        replies.every(reply => reply?.classId === expected.classId),
        'replies of its class',
      ).to.equal(true)
      expect({
        classId: row?.classId,
        methodId: row?.methodId,
        sender: row?.sender,
        types: Object.values(row?.args ?? {}).map(onTheWire),
        replies: replies.map(reply => reply?.methodId),
        content: row?.content === true,
      }).to.deep.equal({
        classId: expected.classId,
        methodId: expected.methodId,
        sender: expected.sender,
        types: expected.types,
        replies: expected.replies,
        content: expected.content,
      })
    })
  }

  it('gives no two methods the same ids', () => {
    const ids = ROWS.map(({ row }) => `${row.classId},${row.methodId}`)
    expect(new Set(ids).size).to.equal(ids.length)
  })

  it('lets nothing be sent beside a transaction method, and beside no other', () => {
    const exclusive = ROWS.filter(({ row }) => row.exclusive === true).map(({ name }) => name)
    expect(exclusive).to.have.members(['tx.select', 'tx.commit', 'tx.rollback'])
  })

  it('cannot be changed', () => {
    expect(Object.isFrozen(METHODS)).to.equal(true)
    for (const { row } of ROWS) {
      expect(Object.isFrozen(row)).to.equal(true)
      expect(Object.isFrozen(row.args)).to.equal(true)
    }
  })
})
