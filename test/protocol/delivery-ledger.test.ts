import { expect } from 'chai'
import fc from 'fast-check'
import { DeliveryLedger, type DeliveryState } from '../../src/protocol/delivery-ledger.js'

type Step =
  | { readonly kind: 'deliver'; readonly noAck: boolean }
  | { readonly kind: 'settle'; readonly pick: number; readonly multiple: boolean }
  | { readonly kind: 'recover' }

/** The same by brute force: one entry for each tag, looked through from the first. */
class NaiveLedger {
  readonly states: DeliveryState[] = []

  deliver(noAck: boolean): number {
    // The state of a no-ack delivery is not asked of a ledger.
    return this.states.push(noAck ? 'settled' : 'unsettled')
  }

  settle(deliveryTag: number, multiple: boolean): boolean {
    if (this.states[deliveryTag - 1] !== 'unsettled') return false
    this.states.forEach((state, index) => {
      const isCovered = multiple ? index < deliveryTag : index === deliveryTag - 1
      if (isCovered && state === 'unsettled') this.states[index] = 'settled'
    })
    return true
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver' as const), noAck: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('settle' as const), pick: fc.nat(), multiple: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'recover' as const }) },
)

describe('DeliveryLedger', () => {
  it('agrees with a list that is looked through, whatever is delivered and settled in which order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), steps => {
        const ledger = new DeliveryLedger()
        const naive = new NaiveLedger()
        for (const next of steps) {
          if (next.kind === 'deliver') {
            const deliveryTag = naive.deliver(next.noAck)
            if (!next.noAck) ledger.add(deliveryTag)
          } else if (next.kind === 'recover') {
            ledger.settleAll()
            naive.settle(naive.states.lastIndexOf('unsettled') + 1, true)
          } else {
            // One in a few is a tag that was never delivered.
            const deliveryTag = next.pick % (naive.states.length + 2)
            expect(ledger.settle(deliveryTag, next.multiple)).to.equal(
              naive.settle(deliveryTag, next.multiple),
            )
          }
          naive.states.forEach((state, index) => {
            expect(ledger.stateOf(index + 1)).to.equal(state)
          })
          expect(ledger.size).to.equal(naive.states.filter(state => state === 'unsettled').length)
        }
      }),
    )
  })

  it('settles nothing after the end of the life, and tells what was settled from what is stale', () => {
    const ledger = new DeliveryLedger()
    for (const tag of [1, 2, 3]) ledger.add(tag)
    ledger.settle(2, false)
    ledger.end()
    expect([1, 2, 3].map(tag => ledger.stateOf(tag))).to.deep.equal(['stale', 'settled', 'stale'])
    expect(ledger.settle(1, false)).to.equal(false)
    expect(ledger.settle(3, true)).to.equal(false)
    expect([1, 2, 3].map(tag => ledger.stateOf(tag))).to.deep.equal(['stale', 'settled', 'stale'])
  })
})
