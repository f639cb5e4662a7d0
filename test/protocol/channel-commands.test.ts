import { expect } from 'chai'
import {
  type CallCommand,
  type ConsumeCommand,
  callForNobody,
  callsOf,
  isContentMethod,
  isExclusive,
  isNoWait,
  isReplyTo,
  nameOf,
  onTheWire,
} from '../../src/protocol/channel-commands.js'
import type { CallName, Method, MethodOf } from '../../src/protocol/method-types.js'

const COMMAND: ConsumeCommand = {
  queue: 'q',
  consumerTag: '',
  prefetch: 10,
  noAck: false,
  exclusive: true,
  noWait: false,
  arguments: { 'x-priority': 1 },
  consumer: {},
}

describe('callsOf', () => {
  const consume = {
    name: 'basic.consume',
    args: {
      queue: 'q',
      consumerTag: 't',
      noLocal: false,
      noAck: false,
      exclusive: true,
      noWait: false,
      arguments: { 'x-priority': 1 },
    },
  }

  it('limits the consumer before it is started', () => {
    expect(callsOf(COMMAND, 't')).to.deep.equal([
      { name: 'basic.qos', args: { prefetchSize: 0, prefetchCount: 10, global: false } },
      consume,
    ])
  })

  it('leaves the limit of the channel alone when none is given', () => {
    expect(callsOf({ ...COMMAND, prefetch: undefined }, 't')).to.deep.equal([consume])
  })
})

describe('a call', () => {
  it('of several methods is named by the last', () => {
    const steps = callsOf(COMMAND, 't').map(method => ({ method, frames: Buffer.alloc(0) }))
    const call: CallCommand = {
      kind: 'call',
      token: {},
      steps,
      step: 0,
      deadline: 0,
      timeoutMs: 0,
      abandoned: false,
      octets: 0,
    }
    expect(nameOf(call)).to.equal('basic.consume')
  })

  it('wants a reply unless its no-wait bit says that it does not', () => {
    const select = (noWait: boolean): MethodOf<'confirm.select'> => ({
      name: 'confirm.select',
      args: { noWait },
    })
    expect(isNoWait(select(true))).to.equal(true)
    expect(isNoWait(select(false))).to.equal(false)
    expect(isNoWait({ name: 'tx.commit', args: {} })).to.equal(false)
  })

  it('is answered by its own replies and no others', () => {
    const empty: Method = { name: 'basic.get-empty', args: {} }
    const qosOk: Method = { name: 'basic.qos-ok', args: {} }
    expect(isReplyTo(empty, 'basic.get')).to.equal(true)
    expect(isReplyTo(qosOk, 'basic.get')).to.equal(false)
    expect(isReplyTo({ name: 'exchange.unbind-ok', args: {} }, 'exchange.unbind')).to.equal(true)
  })

  it('is alone on its channel when it is one of a transaction', () => {
    const calls: CallName[] = ['tx.select', 'tx.commit', 'tx.rollback', 'basic.get', 'confirm.select']
    expect(calls.map(isExclusive)).to.deep.equal([true, true, true, false, false])
  })
})

describe('isContentMethod', () => {
  it('knows the methods from the server that a content follows', () => {
    const message = { exchange: '', routingKey: '', redelivered: false, deliveryTag: 1 }
    expect(isContentMethod({ name: 'basic.deliver', args: { ...message, consumerTag: '' } })).to.equal(true)
    expect(isContentMethod({ name: 'basic.get-ok', args: { ...message, messageCount: 0 } })).to.equal(true)
    expect(isContentMethod({ name: 'basic.get-empty', args: {} })).to.equal(false)
  })
})

describe('callForNobody', () => {
  it('waits for ever for an answer that nobody is told of', () => {
    const method = { name: 'basic.cancel', args: { consumerTag: 't', noWait: false } } as const
    const step = { method, frames: Buffer.alloc(0) }
    const never = Number.POSITIVE_INFINITY
    expect(callForNobody(step)).to.deep.equal({
      kind: 'call',
      token: {},
      steps: [step],
      step: 0,
      deadline: never,
      timeoutMs: never,
      abandoned: true,
      octets: 0,
    })
  })
})

describe('onTheWire', () => {
  it('asks for the answer to a cancel, whatever the caller wants, and leaves other calls as they are', () => {
    const cancel = (noWait: boolean) =>
      ({ name: 'basic.cancel', args: { consumerTag: 't', noWait } }) as const
    expect(onTheWire(cancel(true))).to.deep.equal(cancel(false))
    expect(onTheWire(cancel(false))).to.deep.equal(cancel(false))
    const purge = { name: 'queue.purge', args: { queue: 'q', noWait: true } } as const
    expect(onTheWire(purge)).to.equal(purge)
  })
})
