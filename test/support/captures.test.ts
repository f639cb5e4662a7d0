import { expect } from 'chai'
import { captureNames, loadCapture, parseCapture } from './captures.js'
import { toHex } from './hex.js'

describe('parseCapture', () => {
  it('keeps the directions apart and joins lines', () => {
    const { sent, received } = parseCapture('# comment\n\n> 0102\n< ff\n> 03\n', 'example')
    expect(toHex(sent)).to.equal('010203')
    expect(toHex(received)).to.equal('ff')
  })

  it('repeats octets', () => {
    expect(toHex(parseCapture('< (00ff)*3\n< 01\n', 'example').received)).to.equal('00ff00ff00ff01')
  })

  for (const line of ['0102', '= 01', '> 012', '> (01)', '> 01 02', '> xy']) {
    it(`throws on the line "${line}" and says which it is`, () => {
      expect(() => parseCapture(`# comment\n${line}\n`, 'example')).to.throw('example, line 2')
    })
  }
})

describe('loadCapture', () => {
  it('throws on a name that there is none of', () => {
    expect(() => loadCapture('no-such-capture')).to.throw('ENOENT')
  })

  // What RabbitMQ 3.10.8 is known to send, each worked out by hand from the specification.
  const known: readonly (readonly [name: string, octets: string])[] = [
    ['connection-open', '0100000000000c000a001e07ff00020000003cce 01000000000005000a002900ce'],
    ['channel-open', '010001000000080014000b00000000ce'],
    ['basic-qos', '01000100000004003c000bce'],
    ['basic-get', '01000100000005003c004800ce'],
    ['channel-close', '0100010000000400140029ce'],
    ['connection-close', '01000000000004000a0033ce'],
    ['heartbeat', '08000000000000ce 08000000000000ce 08000000000000ce'],
    ['connection-blocked', '01000000000012000a003c0d6c6f77206f6e206d656d6f7279ce 01000000000004000a003dce'],
    [
      'connection-close-operator',
      '01000000000022000a0032014017434f4e4e454354494f4e5f464f52434544202d2062796500000000ce',
    ],
  ]
  for (const [name, octets] of known) {
    it(`loads what RabbitMQ sent in ${name}`, () => {
      expect(toHex(loadCapture(name).received)).to.match(new RegExp(`${octets.replaceAll(' ', '')}$`))
    })
  }

  it('loads a delivery with the properties that were published', () => {
    const { sent, received } = loadCapture('basic-deliver')
    const content = toHex(sent).slice(toHex(sent).indexOf('02000100'))
    expect(toHex(received).endsWith(content)).to.equal(true)
    expect(content).to.match(/^020001000000de003c00000000000000000003fffc02637402636500/)
  })

  it('loads a body of 140 000 octets', () => {
    const { received } = loadCapture('basic-deliver-large')
    const lastFrame = received.subarray(received.length - 8_936 - 8)
    expect(toHex(lastFrame.subarray(0, 9))).to.equal('030001000022e82a2b')
    expect(lastFrame.readUInt8(lastFrame.length - 2)).to.equal(139_999 % 251)
  })

  it('finds whole frames and nothing else in what RabbitMQ sent, in every capture', () => {
    expect(captureNames()).to.include.members(['connection-open', 'basic-nack', 'channel-close-406'])
    for (const name of captureNames()) {
      const { received } = loadCapture(name)
      let offset = 0
      while (offset < received.length) {
        offset += 7 + received.readUInt32BE(offset + 3)
        expect(received.readUInt8(offset++), `frame-end in ${name}`).to.equal(0xce)
      }
    }
  })
})
