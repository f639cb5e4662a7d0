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

  it('comes from a stream if it has the header that RabbitMQ adds there', () => {
    const origins: [properties: Buffer, isFromStream: boolean][] = [
      [hex`2000 00000019 0f 782d73747265616d2d6f6666736574 6c 0000000000000000`, true],
      [hex`2000 00000004 016e 62 01`, false],
      [hex`2000 00000000`, false],
      [hex`0000`, false],
    ]
    for (const [properties, isFromStream] of origins) {
      expect(new Content(properties, Buffer.alloc(0)).isFromStream, toHex(properties)).to.equal(isFromStream)
    }
  })
})
