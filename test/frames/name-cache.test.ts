import { expect } from 'chai'
import fc from 'fast-check'
import { NameCache } from '../../src/frames/name-cache.js'
import { octets, shortText } from '../support/arbitraries.js'

describe('NameCache', () => {
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
          expect(cache.textOf(around, 1, 1 + name.length)).to.equal(name.toString())
        }
      }),
    )
  })

  it('does not mistake invalid octets for the replacement character they become', () => {
    const cache = new NameCache()
    for (const octet of [0xff, 0xfe, 0xfd, 0xff]) {
      expect(cache.textOf(Buffer.from([octet]), 0, 1)).to.equal('\ufffd')
    }
  })
})
