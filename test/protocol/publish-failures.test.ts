import { expect } from 'chai'
import { NackedError, PublishesFailedError } from '../../src/protocol/errors.js'
import { PublishFailures } from '../../src/protocol/publish-failures.js'

const ENDPOINT = { connectionName: 'orders', localPort: 54_321 }

describe('PublishFailures', () => {
  it('has nothing to tell when nothing went wrong', () => {
    expect(new PublishFailures().error(ENDPOINT)).to.equal(undefined)
  })

  it('tells one failure in its own words', () => {
    const failures = new PublishFailures()
    const first = new NackedError('the first was refused')
    failures.note(first)
    const error = failures.error(ENDPOINT)
    expect(error).to.be.instanceOf(PublishesFailedError)
    expect(error).to.include({ ...ENDPOINT, cause: first, failed: 1, code: 'AMQP_PUBLISHES_FAILED' })
    expect(error?.message).to.equal('not all publishes were confirmed: the first was refused')
  })

  it('tells of several the first, and how many more', () => {
    const failures = new PublishFailures()
    const errors = ['a', 'b', 'c'].map(text => new NackedError(text))
    for (const error of errors) failures.note(error)
    const error = failures.error(ENDPOINT)
    expect(error).to.include({ cause: errors[0], failed: 3 })
    expect(error?.message).to.equal('not all publishes were confirmed: a and 2 more')
  })

  it('passes what nobody asks for on to the next, and what is still to come', () => {
    const [earlier, later] = [new PublishFailures(), new PublishFailures()]
    const errors = ['a', 'b', 'c'].map(text => new NackedError(text)) as [
      NackedError,
      NackedError,
      NackedError,
    ]
    later.note(errors[2])
    earlier.note(errors[0])
    earlier.note(errors[1])
    earlier.bequeath(later)
    expect(later.error(ENDPOINT)).to.include({ cause: errors[0], failed: 3 })
    new PublishFailures().bequeath(later)
    earlier.note(new NackedError('late'))
    expect(later.error(ENDPOINT)).to.include({ cause: errors[0], failed: 4 })
  })
})
