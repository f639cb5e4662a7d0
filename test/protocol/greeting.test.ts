import { expect } from 'chai'
import { explainGreeting, isFrame } from '../../src/protocol/greeting.js'
import { hex } from '../support/hex.js'

describe('isFrame', () => {
  it('takes an AMQP 0-9-1 server by the type octet of a method frame, and nobody else', () => {
    const firstOctets = Array.from({ length: 256 }, (_, octet) => octet)
    expect(firstOctets.filter(isFrame)).to.deep.equal([1])
    expect(isFrame(undefined), 'before there is one').to.equal(false)
  })
})

describe('explainGreeting', () => {
  const greetings: readonly (readonly [octets: Buffer, what: RegExp, hint: RegExp])[] = [
    [hex`414d515000000901`, /refused AMQP 0-9-1 and suggests 0\.9\.1 \(protocol id 0\)/, /AMQP 1\.0/],
    [hex`414d515003010000`, /refused AMQP 0-9-1 and suggests 1\.0\.0 \(protocol id 3\)/, /AMQP 1\.0/],
    [hex`414d515001010800`, /suggests 1\.8\.0 \(protocol id 1\)/, /old/],
    [Buffer.from('HTTP/1.1'), /an HTTP server answered/, /management port/],
    [hex`1503010002022800`, /a TLS server answered/, /with TLS/],
    [hex`1603030000000000`, /a TLS server answered/, /with TLS/],
    [Buffer.from('SSH-2.0-'), /not AMQP \(5353482d322e302d\)/, /host and port/],
    [Buffer.from('AMQP'), /not AMQP \(414d5150\)/, /host and port/],
  ]
  for (const [octets, what, hint] of greetings) {
    it(`tells what is behind ${octets.toString('hex')}`, () => {
      const explained = explainGreeting(octets)
      expect(explained.what).to.match(what)
      expect(explained.hint).to.match(hint)
    })
  }
})
