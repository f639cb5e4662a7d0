import { expect } from 'chai'
import fc from 'fast-check'
import { NameCache } from '../../src/frames/name-cache.js'
import { octets, shortText } from '../support/arbitraries.js'

/** Octets that count how often they are decoded. */
class Counted {
  readonly octets: Buffer
  readonly start: number
  decodings = 0

  /** The name stands behind so many other octets. */
  constructor(name: string, start = 0) {
    const octets = Buffer.concat([Buffer.alloc(start), Buffer.from(name)])
    this.octets = octets
    this.start = start
    const decode = octets.toString.bind(octets)
    octets.toString = (...parameters) => {
      this.decodings++
      return decode(...parameters)
    }
  }

  textIn(cache: NameCache): string {
    return textIn(cache, this.octets, this.start, this.octets.length)
  }
}

function textIn(cache: NameCache, buffer: Buffer, start: number, end: number): string {
  return cache.find(buffer, start, end) ?? cache.add(buffer, start, end)
}

describe('NameCache', () => {
  /** How many of the names had to be decoded. */
  function decodings(cache: NameCache, names: readonly string[]): number {
    const counted = names.map(name => new Counted(name))
    for (const [index, one] of counted.entries()) expect(one.textIn(cache)).to.equal(names[index])
    return counted.reduce((sum, one) => sum + one.decodings, 0)
  }

  const numbered = (count: number, name: (index: number) => string): string[] =>
    Array.from({ length: count }, (_, index) => name(index))

  it('decodes a name once, and nothing for an empty one', () => {
    const cache = new NameCache()
    expect(decodings(cache, ['orders', 'orders', 'orders', ''])).to.equal(1)
  })

  it('knows a name again wherever it stands', () => {
    const cache = new NameCache()
    const places = numbered(20, () => 'orders').map((name, start) => new Counted(name, start))
    for (const one of places) expect(one.textIn(cache)).to.equal('orders')
    expect(places.map(one => one.decodings)).to.deep.equal([1, ...Array(19).fill(0)])
  })

  it('knows names of up to 64 octets', () => {
    const cache = new NameCache()
    expect(
      decodings(
        cache,
        numbered(3, () => 'n'.repeat(64)),
      ),
    ).to.equal(1)
    expect(
      decodings(
        cache,
        numbered(3, () => 'n'.repeat(65)),
      ),
    ).to.equal(3)
  })

  it('knows names in ASCII only', () => {
    expect(
      decodings(
        new NameCache(),
        numbered(3, () => 'Ente-ü'),
      ),
    ).to.equal(3)
  })

  it('keeps the names of a family beside each other', () => {
    const families = [
      numbered(26, index => `orders.${String.fromCharCode(97 + index)}`),
      numbered(10, index => `amq.ctag-${index}`),
      numbered(8, index => 'x'.repeat(index + 1)),
    ]
    for (const family of families) {
      const cache = new NameCache()
      decodings(cache, family)
      expect(decodings(cache, family), family[0]).to.equal(0)
    }
  })

  it('tells names of one place apart, wherever they differ', () => {
    // First, middle and last octet choose the place, so that all but the last two of these fall into one.
    const names = ['abcdefg', 'aXcdefg', 'abXdefg', 'abcdXfg', 'abcdeXg', 'abcXefg', 'Xbcdefg', 'abcdefX']
    const cache = new NameCache()
    for (const name of names) for (const other of names) decodings(cache, [name, other, name])
    expect(decodings(cache, ['abcdefg', 'aXcdefg', 'abcdefg', 'abXdefg'])).to.equal(4)
  })

  it('holds 256 names at most, the last of each place', () => {
    const cache = new NameCache()
    const names = numbered(5_000, index => ((index * 2_654_435_761) >>> 0).toString(36))
    decodings(cache, names)
    const known = names.length - decodings(cache, names.reverse())
    expect(known).to.be.within(200, 256)
  })

  it('gives the same text as decoding, whatever octets came before', () => {
    const names = fc.array(
      fc.oneof(
        octets({ maxLength: 80 }),
        shortText.map(text => Buffer.from(text)),
      ),
    )
    // Few distinct names, so that many come again, and fall into each other's slots.
    const again = names.chain(some => fc.shuffledSubarray([...some, ...some, ...some]))
    fc.assert(
      fc.property(again, sequence => {
        const cache = new NameCache()
        for (const name of sequence) {
          const around = Buffer.concat([Buffer.from('<'), name, Buffer.from('>')])
          expect(textIn(cache, around, 1, 1 + name.length)).to.equal(name.toString())
        }
      }),
    )
  })

  it('does not mistake one octet for the character with its number', () => {
    // Both fall into one place: the first is ì in UTF-8, the second in Latin-1.
    for (const [utf8, latin1] of [
      ['c3ac', 'ec'],
      ['c3ac2e71', 'ec2e71'],
      ['61c3b0656e', '61f0656e'],
    ] as const) {
      const cache = new NameCache()
      for (const octetsOfName of [utf8, latin1, utf8]) {
        const name = Buffer.from(octetsOfName, 'hex')
        expect(textIn(cache, name, 0, name.length)).to.equal(name.toString())
      }
    }
  })

  it('does not mistake invalid octets for the replacement character they become', () => {
    const cache = new NameCache()
    for (const octet of [0xff, 0xfe, 0xfd, 0xff]) {
      expect(textIn(cache, Buffer.from([octet]), 0, 1)).to.equal('\ufffd')
    }
  })
})
