import { expect } from 'chai'
import { WholeContent } from '../../src/frames/index.js'
import { DeliveryReader } from '../../src/protocol/delivery-reader.js'
import { hex, toHex } from '../support/hex.js'

// Octets of the specification: a delivery of `abc` from exchange `x` with the key `k` to consumer `t`, delivery mode 2.
const METHOD = '003c003c 0174 0000000000000007 01 0178 016b'
const HEADER = '003c 0000 0000000000000003 1000 02'

function whole({ method = METHOD, header = HEADER } = {}): { chunk: Buffer; place: WholeContent } {
  const frame = (type: string, payload: Buffer): Buffer => {
    const size = payload.length.toString(16).padStart(8, '0')
    return Buffer.concat([hex`${type} 0001 ${size}`, payload, hex`ce`])
  }
  const chunk = Buffer.concat([
    frame('01', hex`${method}`),
    frame('02', hex`${header}`),
    hex`03 0001 00000003 616263 ce`,
  ])
  const place = new WholeContent()
  expect(place.find(chunk, 0, 4096), 'is whole').to.equal(true)
  return { chunk, place }
}

function read(reader: DeliveryReader, parts?: { method?: string; header?: string }): boolean {
  const { chunk, place } = whole(parts)
  const isRead = reader.read(chunk, place)
  // The chunk was lent.
  chunk.fill(0xff)
  return isRead
}

describe('DeliveryReader', () => {
  it('reads what a delivery says', () => {
    const reader = new DeliveryReader()
    expect(read(reader)).to.equal(true)
    const { consumerTag, deliveryTag, redelivered, exchange, routingKey, propertyOctets } = reader
    const all = [consumerTag, deliveryTag, redelivered, exchange, routingKey, toHex(propertyOctets)]
    expect(all).to.deep.equal(['t', 7, true, 'x', 'k', '100002'])
  })

  it('keeps the properties again only when they are others', () => {
    const reader = new DeliveryReader()
    read(reader)
    const { propertyOctets } = reader
    read(reader)
    expect(reader.propertyOctets).to.equal(propertyOctets)
    read(reader, { header: '003c 0000 0000000000000003 1000 01' })
    expect(toHex(reader.propertyOctets)).to.equal('100001')
    expect(toHex(propertyOctets)).to.equal('100002')
  })

  for (const [what, parts] of [
    ['another method of the class', { method: '003c0032 0138 00 0178 016b' }],
    ['a method of another class', { method: '0032003c 0174 0000000000000007 01 0178 016b' }],
    ['a delivery tag beyond 2^53', { method: '003c003c 0174 0020000000000000 01 0178 016b' }],
    ['arguments that end too soon', { method: '003c003c 0174 0000000000000007 01 0178 026b' }],
    ['octets behind the last argument', { method: `${METHOD} 00` }],
    ['a header of another class', { header: '0032 0000 0000000000000003 1000 02' }],
    ['a weight', { header: '003c 0001 0000000000000003 1000 02' }],
    ['properties that end too soon', { header: '003c 0000 0000000000000003 9000 05' }],
    ['octets behind the last property', { header: `${HEADER} 00` }],
  ] as const) {
    it(`leaves ${what} to the way frame by frame`, () => {
      const reader = new DeliveryReader()
      expect(read(reader, parts)).to.equal(false)
      expect(read(reader)).to.equal(true)
    })
  }
})
