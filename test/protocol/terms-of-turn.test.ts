import { expect } from 'chai'
import type { ChannelLink } from '../../src/protocol/channel-link.js'
import { PublishFailures } from '../../src/protocol/publish-failures.js'
import type { PublishTerms } from '../../src/protocol/publish-terms.js'
import { TermsOfTurn } from '../../src/protocol/terms-of-turn.js'

describe('TermsOfTurn', () => {
  const failures = new PublishFailures()
  let issued: PublishTerms[]
  let terms: TermsOfTurn

  beforeEach(() => {
    issued = []
    const link = {
      limits: { confirmTimeoutMs: 30 },
      noteIssued: (each: PublishTerms) => void issued.push(each),
    }
    terms = new TermsOfTurn(link as unknown as ChannelLink)
  })

  it('are one for the publishes of a turn, with the timeout of the connection, and told once', () => {
    const first = terms.of(failures, 5, undefined)
    expect(terms.of(failures, 7, undefined)).to.equal(first)
    expect([first.timeoutMs, first.deadline, first.failures]).to.deep.equal([30, 35, failures])
    expect(issued).to.deep.equal([first])
  })

  it('are others in the next turn, and for what somebody else will ask after', () => {
    const first = terms.of(failures, 0, undefined)
    const second = terms.of(new PublishFailures(), 0, undefined)
    expect(second).not.to.equal(first)
    second.begin(1)
    expect(terms.of(second.failures, 1, undefined)).not.to.equal(second)
    expect(issued).to.have.length(3)
  })

  it('are its own for a publish with a timeout, and leave those of the turn as they are', () => {
    const shared = terms.of(failures, 0, undefined)
    const own = terms.of(failures, 0, 10)
    expect([own.deadline, own.timeoutMs]).to.deep.equal([10, 10])
    expect(terms.of(failures, 0, 10)).not.to.equal(own)
    expect(terms.of(failures, 0, undefined)).to.equal(shared)
    expect(issued).to.have.length(3)
  })
})
