import { expect } from 'chai'
import { blockedClause, type ChannelLink } from '../../src/protocol/channel-link.js'

describe('blockedClause', () => {
  it('adds why the broker blocks, and nothing when it does not', () => {
    expect(blockedClause({ blocked: 'low on disk' } as ChannelLink)).to.equal(
      '; the broker blocks the connection: low on disk',
    )
    expect(blockedClause({ blocked: undefined } as ChannelLink)).to.equal('')
  })
})
