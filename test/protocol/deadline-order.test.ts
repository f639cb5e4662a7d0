import { expect } from 'chai'
import fc from 'fast-check'
import { DeadlineOrder } from '../../src/protocol/deadline-order.js'
import { PublishFailures } from '../../src/protocol/publish-failures.js'
import { PublishTerms } from '../../src/protocol/publish-terms.js'
import { runs } from '../support/runs.js'

type Step =
  | { readonly kind: 'publish' | 'call'; readonly timeoutMs: number }
  | { readonly kind: 'turn'; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('publish' as const, 'call' as const),
      timeoutMs: fc.nat(5),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('turn' as const), ms: fc.nat(10) }) },
)

describe('DeadlineOrder', () => {
  it('is kept only as long as deadlines stand in order, also when some have moved with the end of a turn', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), steps => {
        const order = new DeadlineOrder()
        const added: { readonly deadline: number }[] = []
        let moving: PublishTerms[] = []
        let now = 0
        for (const current of steps) {
          if (current.kind === 'turn') {
            now += current.ms
            for (const terms of moving) terms.begin(now)
            moving = []
          } else if (current.kind === 'call') {
            const call = { deadline: now + current.timeoutMs }
            added.push(call)
            order.add(call)
          } else {
            const terms = new PublishTerms(current.timeoutMs, new PublishFailures(), now)
            moving.push(terms)
            const publish = {
              get deadline() {
                return terms.deadline
              },
              get isMoving() {
                return !terms.hasBegun
              },
            }
            added.push(publish)
            order.add(publish)
          }
        }
        for (const terms of moving) terms.begin(now + 3)
        const deadlines = added.map(({ deadline }) => deadline)
        const isSorted = deadlines.every(
          (deadline, index) => index === 0 || deadline >= (deadlines[index - 1] as number),
        )
        if (order.isKept) expect(isSorted, deadlines.join(' ')).to.equal(true)
      }),
      runs(500),
    )
  })

  it('is kept by what has one timeout, however long turns are', () => {
    const order = new DeadlineOrder()
    for (let turn = 0; turn < 5; turn++) {
      const terms = new PublishTerms(30, new PublishFailures(), 100 * turn)
      for (let count = 0; count < 3; count++)
        order.add({ deadline: terms.deadline, isMoving: !terms.hasBegun })
      terms.begin(100 * turn + 50)
    }
    expect(order.isKept).to.equal(true)
  })

  it('is broken by a deadline that was changed, and begins anew when nothing is waited for', () => {
    const order = new DeadlineOrder()
    order.add({ deadline: 2 })
    order.break()
    order.add({ deadline: 3 })
    expect(order.isKept).to.equal(false)
    order.restart()
    order.add({ deadline: 1 })
    expect(order.isKept).to.equal(true)
    order.add({ deadline: 0 })
    expect(order.isKept).to.equal(false)
  })
})
