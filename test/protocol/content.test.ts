import { expect } from 'chai'
import { Content } from '../../src/protocol/content.js'
import { hex, toHex } from '../support/hex.js'

describe('Content', () => {
  it('keeps the properties as they came and builds them once, when they are read', () => {
    const propertyOctets = hex`9000 03612f62 02`
    const content = new Content(propertyOctets, Buffer.from('abc'))
    const { properties } = content
    expect(properties).to.deep.equal({ contentType: 'a/b', deliveryMode: 2 })
    expect(content.properties).to.equal(properties)
    expect(toHex(content.propertyOctets)).to.equal('900003612f6202')
    expect(content.body.toString()).to.equal('abc')
  })
})
