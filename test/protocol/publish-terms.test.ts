import { expect } from 'chai'
import { PublishFailures } from '../../src/protocol/publish-failures.js'
import { ENDLESS, PublishTerms } from '../../src/protocol/publish-terms.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

describe('PublishTerms', () => {
  it('count from when they were issued, and from the end of that turn when it has come', () => {
    const failures = new PublishFailures()
    const terms = new PublishTerms(30, failures, 5)
    expect([terms.deadline, terms.hasBegun, terms.failures]).to.deep.equal([35, false, failures])
    terms.begin(50)
    expect([terms.deadline, terms.hasBegun]).to.deep.equal([80, true])
  })

  it('never end where nobody waits', () => {
    expect([ENDLESS.deadline, ENDLESS.timeoutMs, ENDLESS.hasBegun]).to.deep.equal([Infinity, Infinity, true])
  })
})

describe('The time of a publish', () => {
  /** Two publishes of one turn that took so long, one of them behind something that has to be answered first. */
  function afterTurnOf(milliseconds: number) {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const channel = pair.openChannel({ confirm: true, maxUnconfirmed: 1 })
    const message = {
      exchange: '',
      routingKey: 'q',
      mandatory: false,
      properties: {},
      body: Buffer.from('a'),
    }
    const [sent, waiting, limited] = [{}, {}, {}]
    channel.publish(message, sent, pair.now)
    channel.publish(message, waiting, pair.now)
    channel.publish(message, limited, pair.now, 100)
    pair.now += milliseconds
    pair.settle()
    return { pair, sent, waiting, limited }
  }

  it('begins when the turn ends in which it was issued, sent or waiting, whatever its timeout', () => {
    const turn = 40_000
    const { pair, sent, waiting, limited } = afterTurnOf(turn)
    pair.advance(99)
    for (const token of [sent, waiting, limited]) expect(pair.errorOf(token)).to.equal(undefined)
    pair.advance(1)
    expect(pair.errorOf(limited)?.message).to.contain('not sent within 100 ms')
    pair.advance(29_899)
    for (const token of [sent, waiting]) expect(pair.errorOf(token)).to.equal(undefined)
    pair.advance(1)
    expect(pair.errorOf(sent)?.message).to.contain('no confirm within 30000 ms')
    expect(pair.errorOf(waiting)?.message).to.contain('not sent within 30000 ms')
  })

  it('ends in time behind one of a long turn that ends later, sent or waiting', () => {
    for (const maxUnconfirmed of [1, 1000]) {
      const pair = ProtocolPair.opened({ heartbeat: 0 })
      const channel = pair.openChannel({ confirm: true, maxUnconfirmed })
      const message = {
        exchange: '',
        routingKey: 'q',
        mandatory: false,
        properties: {},
        body: Buffer.from('a'),
      }
      if (maxUnconfirmed === 1) channel.publish(message, {}, pair.now)
      channel.publish(message, {}, pair.now)
      pair.now += 26_000
      pair.settle()
      const limited = {}
      pair.run(() => channel.publish(message, limited, pair.now, 5_000))
      pair.advance(4_999)
      expect(pair.errorOf(limited)).to.equal(undefined)
      pair.advance(1)
      expect(pair.errorOf(limited)?.message).to.contain('within 5000 ms')
    }
  })

  it('is its own for those of the next turn', () => {
    const { pair, sent } = afterTurnOf(0)
    pair.advance(10_000)
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    expect(pair.settlementOf(sent)?.type).to.equal('confirmed')
    pair.advance(25_000)
    expect(pair.eventsOf('failed')).to.have.length(2)
  })
})
