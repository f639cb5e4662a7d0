import { expect } from 'chai'
import fc from 'fast-check'
import { DeliveryLedger, type DeliveryState } from '../../src/protocol/delivery-ledger.js'
import { runs } from '../support/runs.js'
import { NaiveSettling } from './naive-settling.js'

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

type TransactionStep =
  | { readonly kind: 'deliver' | 'send' | 'recover' | 'begin' | 'commit' | 'rollback' }
  | { readonly kind: 'settle'; readonly pick: number; readonly multiple: boolean; readonly waits: boolean }

const transactionStep: fc.Arbitrary<TransactionStep> = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ kind: 'deliver' as const }) },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      pick: fc.nat(),
      multiple: fc.boolean(),
      waits: fc.boolean(),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constantFrom('send', 'send', 'send', 'begin', 'commit', 'rollback', 'rollback', 'recover'),
    }) as fc.Arbitrary<TransactionStep>,
  },
)

/** A ledger, the broker as it is when it has taken all that was sent, and the settlements that are not sent yet. */
class LedgerAndBroker {
  readonly #ledger = new DeliveryLedger()
  readonly #broker = new NaiveSettling()
  readonly #waiting: { readonly deliveryTag: number; readonly multiple: boolean; isVoid: boolean }[] = []
  #lastTag = 0

  take(step: TransactionStep): void {
    switch (step.kind) {
      case 'deliver':
        this.#broker.unacked.push(++this.#lastTag)
        this.#ledger.add(this.#lastTag)
        break
      case 'settle':
        this.#settle(step.pick % (this.#lastTag + 2), step.multiple, step.waits)
        break
      case 'send':
        this.#send()
        break
      default:
        this.#change(step.kind)
    }
    this.expectAgreement()
  }

  expectAgreement(): void {
    const { unacked } = this.#foreseen()
    for (let tag = 0; tag <= this.#lastTag + 1; tag++) {
      const expected = unacked.includes(tag) ? 'unsettled' : 'settled'
      expect(this.#ledger.stateOf(tag), `the state of ${tag}`).to.equal(expected)
    }
  }

  /** What waits is sent in order, so nothing is sent at once as long as something waits. */
  #settle(deliveryTag: number, multiple: boolean, waits: boolean): void {
    const isExpected = this.#foreseen().unacked.includes(deliveryTag)
    if (waits || this.#waiting.length > 0) {
      expect(this.#ledger.reserve(deliveryTag, multiple)).to.equal(isExpected)
      if (isExpected) this.#waiting.push({ deliveryTag, multiple, isVoid: false })
    } else {
      expect(this.#ledger.settle(deliveryTag, multiple)).to.equal(isExpected)
      if (isExpected) this.#broker.take({ name: 'basic.ack', args: { deliveryTag, multiple } })
    }
  }

  #send(): void {
    const next = this.#waiting.shift()
    if (next === undefined) return
    const { deliveryTag, multiple, isVoid } = next
    expect(this.#ledger.settleReserved(), `sending ${deliveryTag}`).to.equal(!isVoid)
    if (isVoid) return
    const refusal = this.#broker.take({ name: 'basic.ack', args: { deliveryTag, multiple } })
    expect(refusal).to.equal(undefined)
  }

  #change(kind: 'recover' | 'begin' | 'commit' | 'rollback'): void {
    if (kind === 'recover') {
      this.#ledger.takeBack()
      this.#broker.take({ name: 'basic.recover', args: { requeue: true } })
      for (const settlement of this.#waiting) settlement.isVoid = true
    } else if (kind === 'begin') {
      this.#ledger.beginTransactions()
      this.#broker.take({ name: 'tx.select', args: {} })
    } else if (this.#broker.aside !== undefined) {
      this.#broker.take({ name: `tx.${kind}`, args: {} })
      this.#ledger[kind]()
    }
  }

  #foreseen(): NaiveSettling {
    const foreseen = this.#broker.copy()
    for (const { deliveryTag, multiple, isVoid } of this.#waiting) {
      if (!isVoid) foreseen.take({ name: 'basic.ack', args: { deliveryTag, multiple } })
    }
    return foreseen
  }
}

function statesOf(ledger: DeliveryLedger, lastTag: number): DeliveryState[] {
  return Array.from({ length: lastTag }, (_, index) => ledger.stateOf(index + 1))
}

describe('DeliveryLedger', () => {
  it('agrees with a list that is looked through, whatever is delivered and settled in which order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), steps => {
        const ledger = new DeliveryLedger()
        const naive = new NaiveLedger()
        for (const next of steps) {
          if (next.kind === 'deliver') {
            const deliveryTag = naive.deliver(next.noAck)
            if (!next.noAck) ledger.add(deliveryTag)
          } else if (next.kind === 'recover') {
            ledger.takeBack()
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
        }
      }),
    )
  })

  it('agrees with the broker, whatever is settled in transactions, at once or in its turn behind one', () => {
    fc.assert(
      fc.property(fc.array(transactionStep, { maxLength: 80, size: 'max' }), steps => {
        const pair = new LedgerAndBroker()
        for (const next of steps) pair.take(next)
        pair.expectAgreement()
      }),
      runs(300),
    )
  }).timeout(60_000)

  it('has what was settled in a transaction settled, and unsettled again once that is rolled back', () => {
    const ledger = new DeliveryLedger()
    ledger.beginTransactions()
    for (const tag of [1, 2, 3]) ledger.add(tag)
    ledger.settle(2, true)
    expect(statesOf(ledger, 3)).to.deep.equal(['settled', 'settled', 'unsettled'])
    ledger.rollback()
    expect(statesOf(ledger, 3)).to.deep.equal(['unsettled', 'unsettled', 'unsettled'])
    expect(ledger.settle(2, true), 'in order again').to.equal(true)
    expect(statesOf(ledger, 3)).to.deep.equal(['settled', 'settled', 'unsettled'])
  })

  it('keeps what was committed settled', () => {
    const ledger = new DeliveryLedger()
    ledger.beginTransactions()
    ledger.add(1)
    ledger.settle(1, false)
    ledger.commit()
    ledger.rollback()
    expect(ledger.stateOf(1)).to.equal('settled')
  })

  it('makes nothing unsettled again that was settled before the first transaction', () => {
    const ledger = new DeliveryLedger()
    for (const tag of [1, 2, 3]) ledger.add(tag)
    ledger.settle(1, false)
    ledger.settle(2, true)
    ledger.beginTransactions()
    ledger.rollback()
    expect(statesOf(ledger, 3)).to.deep.equal(['settled', 'settled', 'unsettled'])
  })

  it('goes on with its transaction when one is begun again', () => {
    const ledger = new DeliveryLedger()
    ledger.beginTransactions()
    ledger.add(1)
    ledger.settle(1, false)
    ledger.beginTransactions()
    ledger.rollback()
    expect(ledger.stateOf(1)).to.equal('unsettled')
  })

  it('takes back what is unsettled, and not what was settled in a transaction: a rollback has that again', () => {
    const ledger = new DeliveryLedger()
    ledger.beginTransactions()
    for (const tag of [1, 2]) ledger.add(tag)
    ledger.settle(1, false)
    ledger.takeBack()
    expect(statesOf(ledger, 2)).to.deep.equal(['settled', 'settled'])
    ledger.rollback()
    expect(statesOf(ledger, 2)).to.deep.equal(['unsettled', 'settled'])
  })

  it('sends no settlement that waited while the broker took its delivery back, and the one behind it', () => {
    const ledger = new DeliveryLedger()
    ledger.add(1)
    expect(ledger.reserve(1, false)).to.equal(true)
    expect(ledger.reserve(1, false)).to.equal(false)
    ledger.takeBack()
    ledger.add(2)
    expect(ledger.reserve(2, true)).to.equal(true)
    expect(ledger.settleReserved()).to.equal(false)
    expect(ledger.settleReserved()).to.equal(true)
  })

  it('has a settlement that waits with multiple cover what a rollback in front of it puts back', () => {
    const ledger = new DeliveryLedger()
    ledger.beginTransactions()
    for (const tag of [1, 2, 3]) ledger.add(tag)
    ledger.settle(1, false)
    ledger.settle(3, false)
    ledger.reserve(2, true)
    ledger.rollback()
    expect(statesOf(ledger, 3)).to.deep.equal(['settled', 'settled', 'unsettled'])
    expect(ledger.settleReserved()).to.equal(true)
    ledger.rollback()
    expect(statesOf(ledger, 3)).to.deep.equal(['unsettled', 'unsettled', 'unsettled'])
  })

  it('leaves a settlement unsent whose delivery the broker took back, whatever a rollback then puts back', () => {
    const ledger = new DeliveryLedger()
    ledger.beginTransactions()
    for (const tag of [1, 2]) ledger.add(tag)
    ledger.settle(1, false)
    ledger.reserve(2, true)
    ledger.takeBack()
    ledger.rollback()
    expect(statesOf(ledger, 2)).to.deep.equal(['unsettled', 'settled'])
    expect(ledger.settleReserved()).to.equal(false)
  })

  it('names what was given back and is unsettled after a rollback, and nothing that a settlement behind it covers', () => {
    const ledger = new DeliveryLedger()
    ledger.beginTransactions()
    for (const tag of [1, 2, 3, 4]) ledger.add(tag)
    for (const tag of [1, 4]) {
      ledger.settle(tag, false)
      ledger.noteGivenBack(tag)
    }
    ledger.settle(3, false)
    ledger.reserve(2, true)
    expect(ledger.rollback()).to.deep.equal([4])
    expect(statesOf(ledger, 4)).to.deep.equal(['settled', 'settled', 'unsettled', 'unsettled'])
  })

  it('names what was given back while tx.select was still to be sent, when that transaction is rolled back', () => {
    const ledger = new DeliveryLedger()
    ledger.add(1)
    ledger.reserve(1, false)
    ledger.noteGivenBack(1)
    ledger.beginTransactions()
    ledger.settleReserved()
    expect(ledger.rollback()).to.deep.equal([1])
  })

  it('settles nothing after the end of the life, and tells what was settled from what is stale', () => {
    const ledger = new DeliveryLedger()
    for (const tag of [1, 2, 3]) ledger.add(tag)
    ledger.settle(2, false)
    ledger.end()
    expect(statesOf(ledger, 3)).to.deep.equal(['stale', 'settled', 'stale'])
    expect(ledger.settle(1, false)).to.equal(false)
    expect(ledger.settle(3, true)).to.equal(false)
    expect(statesOf(ledger, 3)).to.deep.equal(['stale', 'settled', 'stale'])
  })
})
