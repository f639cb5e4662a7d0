import { expect } from 'chai'
import fc from 'fast-check'
import { ArgumentError } from '../../src/frames/index.js'
import {
  copyMethodFrame,
  copyPublish,
  type Encode,
  encodeAhead,
  encodeContentHeader,
  encodeMethodFrame,
  encodeProtocolHeader,
  encodePublish,
  type Publishing,
  propertyOctetsIn,
} from '../../src/protocol/frame-writers.js'
import type { PublishProperties } from '../../src/protocol/properties.js'
import { shortText } from '../support/arbitraries.js'
import { toHex } from '../support/hex.js'
import { heldOctets } from '../support/invariants/growth.js'

const FRAME_MAX = 4096
const MIB = 1024 * 1024

function written<T>(encode: Encode<T>, channelNumber: number, value: T): { hex: string; frames: number } {
  let frames = -1
  const counting: Encode<T> = (...parameters) => {
    frames = encode(...parameters)
    return frames
  }
  return { hex: toHex(encodeAhead(counting, channelNumber, FRAME_MAX, value)), frames }
}

const PUBLISHING: Publishing = {
  exchange: '',
  routingKey: 'q',
  mandatory: true,
  properties: {},
  body: Buffer.from('abc'),
}
const PUBLISH_FRAMES = '0100010000000a003c0028000000017101ce0200010000000e003c000000000000000000030000ce'

describe('encodeProtocolHeader', () => {
  it('writes what a client begins with, which is no frame', () => {
    expect(written(encodeProtocolHeader, 0, undefined)).to.deep.equal({ hex: '414d515000000901', frames: 0 })
  })
})

describe('encodeMethodFrame', () => {
  it('writes one frame', () => {
    const close = written(encodeMethodFrame, 1, { name: 'channel.close-ok', args: {} })
    expect(close).to.deep.equal({ hex: '0100010000000400140029ce', frames: 1 })
  })

  it('refuses a method that does not fit one frame', () => {
    const args = {
      queue: 'q',
      exchange: 'x',
      routingKey: '',
      noWait: false,
      arguments: { a: 'x'.repeat(5000) },
    }
    expect(() => written(encodeMethodFrame, 1, { name: 'queue.bind', args }))
      .to.throw(ArgumentError, 'queue.bind must fit one frame')
      .with.property('path', 'queue.bind')
  })
})

describe('encodePublish', () => {
  it('writes method and header frame, and leaves the body to the outbound', () => {
    expect(written(encodePublish, 1, PUBLISHING)).to.deep.equal({ hex: PUBLISH_FRAMES, frames: 2 })
  })

  for (const path of ['exchange', 'routingKey']) {
    it(`refuses a wrong ${path} by its name`, () => {
      expect(() => written(encodePublish, 1, { ...PUBLISHING, [path]: 'x'.repeat(256) }))
        .to.throw(ArgumentError, `${path} must be at most 255 octets of UTF-8`)
        .with.property('path', path)
    })
  }

  it('refuses headers that do not fit one frame, by their name', () => {
    const properties = { headers: { a: 'x'.repeat(5000) } }
    expect(() => written(encodePublish, 1, { ...PUBLISHING, properties }))
      .to.throw(ArgumentError)
      .with.property('path', 'options.headers')
  })
})

describe('a frame', () => {
  it('is at most as large as frame-max, or its command is refused', () => {
    // Every size around the limit. Around the text a header frame has 33 octets, and one of queue.bind 29.
    const sizeOfFrames = (frames: Buffer): number[] => {
      const sizes: number[] = []
      for (let at = 0; at < frames.length; at += sizes.at(-1) as number) {
        sizes.push(frames.readUInt32BE(at + 3) + 8)
        expect(frames[at + (sizes.at(-1) as number) - 1]).to.equal(0xce)
      }
      return sizes
    }
    for (let size = FRAME_MAX - 60; size <= FRAME_MAX; size++) {
      const text = 'x'.repeat(size)
      const publishing = { ...PUBLISHING, properties: { headers: { a: text } } }
      const args = { queue: '', exchange: '', routingKey: '', noWait: false, arguments: { a: text } }
      for (const [fixed, encoded] of [
        [33, () => encodeAhead(encodePublish, 1, FRAME_MAX, publishing)],
        [29, () => encodeAhead(encodeMethodFrame, 1, FRAME_MAX, { name: 'queue.bind', args })],
      ] as const) {
        if (fixed + size > FRAME_MAX)
          expect(encoded).to.throw(ArgumentError, `it makes ${fixed + size} octets`)
        else expect(sizeOfFrames(encoded()).at(-1)).to.equal(fixed + size)
      }
    }
  })
})

describe('encodeContentHeader', () => {
  it('writes class, weight, body size and properties', () => {
    const content = { properties: { contentType: 'a/b', deliveryMode: 2 }, body: Buffer.from('abc') }
    expect(written(encodeContentHeader, 1, content)).to.deep.equal({
      hex: '02000100000013003c00000000000000000003900003612f6202ce',
      frames: 1,
    })
  })
})

describe('encodePublish, written by hand,', () => {
  it('gives the octets that the method table gives', () => {
    fc.assert(
      fc.property(shortText, shortText, fc.boolean(), (exchange, routingKey, mandatory) => {
        const byHand = written(encodePublish, 7, { ...PUBLISHING, exchange, routingKey, mandatory }).hex
        const args = { exchange, routingKey, mandatory, immediate: false }
        const byTable = written(encodeMethodFrame, 7, { name: 'basic.publish', args }).hex
        expect(byHand.startsWith(byTable)).to.equal(true)
      }),
    )
  })
})

describe('what was encoded ahead', () => {
  it('is copied as it is and counted as the frames it is', () => {
    const ahead = encodeAhead(encodePublish, 1, FRAME_MAX, PUBLISHING)
    expect(written(copyPublish, 1, ahead)).to.deep.equal({ hex: PUBLISH_FRAMES, frames: 2 })
    const method = encodeAhead(encodeMethodFrame, 1, FRAME_MAX, { name: 'channel.open', args: {} })
    expect(written(copyMethodFrame, 1, method)).to.deep.equal({ hex: toHex(method), frames: 1 })
  })

  it('is whole when a getter in its headers has something else encoded meanwhile', () => {
    const ahead = (properties: PublishProperties): string =>
      toHex(encodeAhead(encodePublish, 1, FRAME_MAX, { ...PUBLISHING, properties }))
    let meanwhile = ''
    const headers = {
      first: 'a',
      get second() {
        meanwhile = ahead({ messageId: 'm' })
        return 'b'
      },
    }
    expect(ahead({ headers })).to.equal(ahead({ headers: { first: 'a', second: 'b' } }))
    expect(meanwhile).to.equal(ahead({ messageId: 'm' }))
  })

  it('keeps no memory of one that was refused for its size', async () => {
    const huge = { ...PUBLISHING, properties: { headers: { a: 'x'.repeat(20 * MIB) } } }
    const before = await heldOctets()
    expect(() => encodeAhead(encodePublish, 1, FRAME_MAX, huge)).to.throw(ArgumentError)
    huge.properties.headers.a = ''
    expect((await heldOctets()) - before).to.be.below(MIB)
  })

  it('leaves nothing behind when it cannot be encoded', () => {
    const good = (): string => toHex(encodeAhead(encodePublish, 1, FRAME_MAX, PUBLISHING))
    const before = good()
    const bad = { ...PUBLISHING, properties: { headers: { a: 1, b: Symbol('b') as never } } }
    expect(() => encodeAhead(encodePublish, 1, FRAME_MAX, bad)).to.throw(ArgumentError)
    expect(good()).to.equal(before)
  })
})

describe('propertyOctetsIn', () => {
  it('gives flags and list as they stand in the header of an encoded publish', () => {
    const octetsOf = (properties: PublishProperties): string =>
      toHex(propertyOctetsIn(encodeAhead(encodePublish, 1, FRAME_MAX, { ...PUBLISHING, properties })))
    expect(octetsOf({ contentType: 'a/b', deliveryMode: 2 })).to.equal('900003612f6202')
    expect(octetsOf({})).to.equal('0000')
  })
})
