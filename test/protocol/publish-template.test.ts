import { expect } from 'chai'
import fc from 'fast-check'
import { ByteWriter, writeBodyFrames } from '../../src/frames/index.js'
import { encodePublish, type Publishing } from '../../src/protocol/frame-writers.js'
import { DEFAULT_PROPERTIES } from '../../src/protocol/properties.js'
import { LastPublish, PublishTemplate } from '../../src/protocol/publish-template.js'
import { octets, shortText } from '../support/arbitraries.js'
import { toHex } from '../support/hex.js'

const FRAME_MAX = 8192

function publishing(changes: Partial<Publishing> = {}): Publishing {
  const body = Buffer.from('a')
  return {
    exchange: 'x',
    routingKey: 'q',
    mandatory: false,
    properties: DEFAULT_PROPERTIES,
    body,
    ...changes,
  }
}

/** As the outbound does it for a message that is like none before. */
function encoded(channelNumber: number, message: Publishing): { octets: string; frames: number } {
  const writer = new ByteWriter()
  writer.begin()
  const frames = encodePublish(writer, channelNumber, FRAME_MAX, message)
  writeBodyFrames(writer, channelNumber, message.body, FRAME_MAX)
  return { octets: toHex(writer.written()), frames: frames + 1 }
}

describe('PublishTemplate', () => {
  it('stamps exactly what encoding would write, behind what is there', () => {
    const bodies = fc.array(octets({ minLength: 1, maxLength: 3000 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 65_535 }),
        shortText,
        shortText,
        bodies,
        (channelNumber, exchange, routingKey, all) => {
          const template = new PublishTemplate(channelNumber, FRAME_MAX, publishing({ exchange, routingKey }))
          const writer = new ByteWriter()
          for (const body of all) {
            writer.begin()
            const frames = template.stamp(writer, body)
            const expected = encoded(channelNumber, publishing({ exchange, routingKey, body }))
            expect({ octets: toHex(writer.written()), frames }).to.deep.equal(expected)
          }
        },
      ),
    )
  })
})

describe('LastPublish', () => {
  it('gives a template from the second time in a row on, always the same', () => {
    const last = new LastPublish(1, FRAME_MAX)
    expect(last.templateOf(publishing())).to.equal(undefined)
    const template = last.templateOf(publishing({ body: Buffer.from('b') }))
    expect(template).to.be.instanceOf(PublishTemplate)
    expect(last.templateOf(publishing())).to.equal(template)
  })

  it('has none for an exchange or a routing key that is another, and forgets the one before', () => {
    for (const changes of [{ exchange: 'y' }, { routingKey: 'r' }]) {
      const last = new LastPublish(1, FRAME_MAX)
      last.templateOf(publishing())
      last.templateOf(publishing())
      expect(last.templateOf(publishing(changes))).to.equal(undefined)
      expect(last.templateOf(publishing())).to.equal(undefined)
    }
  })

  it('has none for what is mandatory, or has properties of its own, and keeps the one it has', () => {
    const last = new LastPublish(1, FRAME_MAX)
    last.templateOf(publishing())
    const template = last.templateOf(publishing())
    for (const changes of [{ mandatory: true }, { properties: { deliveryMode: 2 } }]) {
      for (let times = 0; times < 3; times++) expect(last.templateOf(publishing(changes))).to.equal(undefined)
    }
    expect(last.templateOf(publishing())).to.equal(template)
  })

  it('does not take the first message with empty names for one that came before', () => {
    const last = new LastPublish(1, FRAME_MAX)
    const empty = publishing({ exchange: '', routingKey: '' })
    expect(last.templateOf(empty)?.stamp(new ByteWriter(), Buffer.from('a'))).to.equal(3)
  })
})
