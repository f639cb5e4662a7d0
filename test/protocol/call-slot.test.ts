import { expect } from 'chai'
import { type AnsweredCall, CallSlot } from '../../src/protocol/call-slot.js'
import { type CallCommand, callForNobody } from '../../src/protocol/channel-commands.js'
import type { CallName, Method, MethodOf } from '../../src/protocol/method-types.js'
import { Violation } from '../../src/protocol/violation.js'
import { thrownBy } from '../support/rejection.js'

const QOS: MethodOf<'basic.qos'> = {
  name: 'basic.qos',
  args: { prefetchSize: 0, prefetchCount: 1, global: false },
}
const QOS_OK: Method = { name: 'basic.qos-ok', args: {} }
const CONSUME_OK: Method = { name: 'basic.consume-ok', args: { consumerTag: 't' } }
const PURGE_OK: Method = { name: 'queue.purge-ok', args: { messageCount: 0 } }

function purge(noWait = false): MethodOf<'queue.purge'> {
  return { name: 'queue.purge', args: { queue: 'q', noWait } }
}

function consume(noWait = false): MethodOf<'basic.consume'> {
  const args = { queue: 'q', consumerTag: 't', noLocal: false, noAck: false, exclusive: false, noWait }
  return { name: 'basic.consume', args: { ...args, arguments: {} } }
}

function callOf(...methods: MethodOf<CallName>[]): CallCommand {
  const steps = methods.map(method => ({ method, frames: Buffer.alloc(0) }))
  return {
    kind: 'call',
    token: {},
    steps,
    step: 0,
    deadline: 500,
    timeoutMs: 20,
    abandoned: false,
    octets: 0,
  }
}

/** A slot with this call, whose first step was sent at the position. */
function slotWith(call: CallCommand, position = 0): CallSlot {
  const slot = new CallSlot()
  slot.begin(call)
  slot.noteSent(position)
  return slot
}

function expectEmpty(slot: CallSlot): void {
  expect(slot).to.include({ call: undefined, awaited: undefined, deadline: Number.POSITIVE_INFINITY })
  expect(slot).to.include({ isExclusive: false, isMidCall: false, awaitsDeparture: false })
  expect(slot.noteHandedOver(Number.MAX_SAFE_INTEGER)).to.equal(undefined)
}

function expectViolation(slot: CallSlot, reply: Method): void {
  const violation = thrownBy(() => slot.takeReply(reply), Violation)
  expect(violation.message).to.equal(`${reply.name} answers nothing that was asked`)
  expect(violation).to.include({ replyCode: 504 })
}

describe('CallSlot', () => {
  it('is empty at first, and no reply is expected then', () => {
    const slot = new CallSlot()
    expectEmpty(slot)
    expectViolation(slot, QOS_OK)
  })

  it('holds a call until it is answered', () => {
    const call = callOf(purge())
    const slot = new CallSlot()
    expect(slot.begin(call)).to.equal(call.steps[0])
    slot.noteSent(0)
    expect(slot.call).to.equal(call)
    expect(slot.awaited).to.equal(call.steps[0]?.method)
    expect(slot).to.include({ deadline: 500, isMidCall: false, isExclusive: false, awaitsDeparture: false })
    expect(slot.takeReply(PURGE_OK)).to.deep.equal({ call, method: call.steps[0]?.method, told: false })
    expectEmpty(slot)
  })

  it('takes the reply to something else for a violation, and still holds the call', () => {
    const call = callOf(purge())
    const slot = slotWith(call)
    expectViolation(slot, QOS_OK)
    expect(slot.call).to.equal(call)
    expect(slot.takeReply(PURGE_OK)).to.include({ call })
    expectViolation(slot, PURGE_OK)
  })

  it('takes either reply of a call that has two', () => {
    const call = callOf({ name: 'basic.get', args: { queue: 'q', noAck: false } })
    const slot = slotWith(call)
    expect(slot.takeReply({ name: 'basic.get-empty', args: {} })).to.include({ call })
  })

  it('gives the next step on each reply but the last', () => {
    const call = callOf(QOS, consume())
    const slot = slotWith(call)
    expect(slot.isMidCall).to.equal(true)
    expectViolation(slot, CONSUME_OK)
    expect(slot.takeReply(QOS_OK)).to.equal(call.steps[1])
    slot.noteSent(10)
    expect(slot).to.include({ call, isMidCall: false })
    expectViolation(slot, QOS_OK)
    expect(slot.takeReply(CONSUME_OK)).to.deep.equal({ call, method: call.steps[1]?.method, told: false })
    expectEmpty(slot)
  })

  it('ends a call that was given up at the reply to the step it had come to', () => {
    const call = callOf(QOS, consume())
    const slot = slotWith(call)
    call.abandoned = true
    expect(slot.isMidCall, 'no step of it is still to be sent').to.equal(false)
    expect(slot.takeReply(QOS_OK)).to.deep.equal({ call, method: QOS, told: true })
    expectEmpty(slot)
  })

  it('keeps what wants no reply until the first octet of it has left', () => {
    const call = callOf(purge(true))
    const slot = slotWith(call, 100)
    expect(slot.awaitsDeparture).to.equal(true)
    for (const handedOver of [0, 99, 100]) expect(slot.noteHandedOver(handedOver)).to.equal(undefined)
    expect(slot.call).to.equal(call)
    expect(slot.noteHandedOver(101)).to.deep.equal({ call, method: call.steps[0]?.method, told: false })
    expectEmpty(slot)
  })

  it('takes a reply to what wants none for a violation', () => {
    const slot = slotWith(callOf(purge(true)), 100)
    expectViolation(slot, PURGE_OK)
  })

  it('waits for no departure of what wants a reply', () => {
    const call = callOf(purge())
    const slot = slotWith(call, 100)
    expect(slot.awaitsDeparture).to.equal(false)
    expect(slot.noteHandedOver(101)).to.equal(undefined)
    expect(slot.call).to.equal(call)
  })

  it('waits for the reply to the first step and for the departure of the second', () => {
    const call = callOf(QOS, consume(true))
    const slot = slotWith(call, 100)
    expect(slot.noteHandedOver(200)).to.equal(undefined)
    slot.takeReply(QOS_OK)
    slot.noteSent(300)
    expect(slot.noteHandedOver(300)).to.equal(undefined)
    const ended: AnsweredCall | undefined = slot.noteHandedOver(301)
    expect(ended).to.deep.equal({ call, method: call.steps[1]?.method, told: false })
  })

  it('is exclusive with a method of a transaction', () => {
    for (const name of ['tx.select', 'tx.commit', 'tx.rollback'] as const) {
      expect(slotWith(callOf({ name, args: {} })).isExclusive, name).to.equal(true)
    }
  })

  it('forgets its call when the channel is gone, one that only waits to leave too', () => {
    for (const noWait of [false, true]) {
      const slot = slotWith(callOf(purge(noWait)), 5)
      slot.clear()
      expectEmpty(slot)
    }
  })

  it('keeps a cancel that nobody waits for until it is answered: that is told of when it has left', () => {
    const method = { name: 'basic.cancel', args: { consumerTag: 't', noWait: true } } as const
    const call = { ...callForNobody({ method, frames: Buffer.alloc(0) }), abandoned: false }
    const slot = slotWith(call, 100)
    const reply = { name: 'basic.cancel-ok', args: { consumerTag: 't' } } as const
    expect(() => slot.takeReply(reply), 'before it has left').to.throw('answers nothing')
    expect(slot.noteHandedOver(101)).to.deep.equal({ call, method, told: false })
    expect(slot).to.include({ call, awaitsDeparture: false })
    expect(slot.noteHandedOver(102)).to.equal(undefined)
    expect(slot.takeReply(reply)).to.deep.equal({ call, method, told: true })
    expect(slot.call).to.equal(undefined)
  })
})
