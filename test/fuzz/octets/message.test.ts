import { expect } from 'chai'
import { differences, numberedMessage, numberOf, octetsApart, type Seen } from './message.js'

const MESSAGE = numberedMessage(7, 'q')
const PROPERTIES = JSON.stringify(MESSAGE.options, [
  'contentType',
  'correlationId',
  'deliveryMode',
  'headers',
  'list',
  'number',
  'text',
  'three',
  'messageId',
  'timestamp',
])
const SEEN: Seen = { exchange: '', routingKey: 'q', properties: PROPERTIES, body: MESSAGE.body }

describe('A numbered message', () => {
  it('is what was published when all of it is', () => {
    expect(differences(SEEN, MESSAGE)).to.deep.equal([])
    expect(numberOf(SEEN)).to.equal(7)
  })

  it('says what is not', () => {
    const body = Buffer.from(MESSAGE.body)
    body.writeUInt8(body.readUInt8(3) ^ 1, 3)
    expect(differences({ ...SEEN, body }, MESSAGE)).to.deep.equal(['body', 'digest'])
    expect(octetsApart(body, MESSAGE.body)).to.equal(1)
    expect(differences({ ...SEEN, routingKey: 'other', exchange: 'x' }, MESSAGE)).to.deep.equal([
      'exchange',
      'routing key',
    ])
    const properties = PROPERTIES.replace('text/plain', 'text/plaim')
    expect(differences({ ...SEEN, properties }, MESSAGE)).to.deep.equal(['properties'])
  })

  it('has no number when its message id is none', () => {
    for (const messageId of ['"7x"', '"07"', '""', 'null'])
      expect(numberOf({ ...SEEN, properties: `{"messageId":${messageId}}` })).to.equal(undefined)
  })

  it('is no octet apart from itself, and cannot be compared with one of another length', () => {
    expect(octetsApart(MESSAGE.body, MESSAGE.body)).to.equal(0)
    expect(octetsApart(MESSAGE.body, Buffer.alloc(1))).to.equal(Number.POSITIVE_INFINITY)
  })
})
