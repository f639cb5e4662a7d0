import { expect } from 'chai'
import { checkRich, RICH_TIMESTAMP, richProperties, richPropertyOctets } from '../../bench/rich.js'

describe('A rich message of the benchmark', () => {
  it('has ten properties and eight headers, and ids of its own', () => {
    const { headers, ...properties } = richProperties(1, RICH_TIMESTAMP)
    expect(Object.keys(properties)).to.have.lengthOf(10)
    expect(Object.keys(headers)).to.have.lengthOf(8)
    expect(richProperties(2, RICH_TIMESTAMP).messageId).not.to.equal(properties.messageId)
  })

  it('is as long as every other, so that blocks of them can be written', () => {
    const [first, second, last] = [0, 1, 999].map(richPropertyOctets) as [Buffer, Buffer, Buffer]
    expect(second).to.have.lengthOf(first.length)
    expect(last).to.have.lengthOf(first.length)
    expect(second.equals(first)).to.equal(false)
  })

  it('is known by its headers and its id', () => {
    const { headers, messageId } = richProperties(7, RICH_TIMESTAMP)
    checkRich(headers, messageId)
    expect(() => checkRich(headers, 'another')).to.throw('message another has the headers')
    expect(() => checkRich({ ...headers, 'x-tenant': '' }, messageId)).to.throw('has the headers')
  })
})
