import { inspect } from 'node:util'
import { expect } from 'chai'
import { Delivery } from '../../src/connection/delivery.js'
import { ArgumentError, type IncomingDelivery } from '../../src/protocol/index.js'
import { FakeLife } from '../support/peer/fake-life.js'
import { thrownBy } from '../support/rejection.js'

describe('Delivery', () => {
  let life: FakeLife
  let flushes: number

  beforeEach(() => {
    life = new FakeLife()
    flushes = 0
  })

  function delivery(given: Parameters<FakeLife['incoming']>[0] = {}): Delivery {
    return new Delivery(life.incoming(given), () => flushes++)
  }

  it('shows what came', () => {
    const properties = { messageId: '1', headers: { n: 1 } }
    const received = delivery({ body: Buffer.from('hello'), properties, redelivered: true })
    expect(received.body.toString()).to.equal('hello')
    expect(received).to.include({
      exchange: 'exchange',
      routingKey: 'routing.key',
      consumerTag: 'consumer',
      deliveryTag: 1,
      redelivered: true,
      messageCount: undefined,
    })
    expect(received.properties.messageId).to.equal('1')
    expect({ ...received.properties.headers }).to.deep.equal({ n: 1 })
    expect(delivery({ messageCount: 7 }).messageCount).to.equal(7)
  })

  it('builds the properties once', () => {
    const received = delivery({ properties: { headers: {} } })
    expect(received.properties).to.equal(received.properties)
  })

  const settlements: [string, (received: Delivery) => boolean, object][] = [
    ['ack()', received => received.ack(), { kind: 'ack', multiple: false }],
    ['ack({ multiple })', received => received.ack({ multiple: true }), { kind: 'ack', multiple: true }],
    ['nack()', received => received.nack(), { kind: 'nack', requeue: false, multiple: false }],
    [
      'nack({ requeue, multiple })',
      received => received.nack({ requeue: true, multiple: true }),
      { kind: 'nack', requeue: true, multiple: true },
    ],
    ['reject()', received => received.reject(), { kind: 'reject', requeue: false }],
    [
      'reject({ requeue })',
      received => received.reject({ requeue: true }),
      { kind: 'reject', requeue: true },
    ],
    [
      'undefined options',
      received => received.nack({ requeue: undefined }),
      { kind: 'nack', requeue: false, multiple: false },
    ],
  ]
  for (const [what, settle, settlement] of settlements) {
    it(`settles by ${what}, once`, () => {
      const received = delivery()
      expect(received.state).to.equal('unsettled')
      expect(settle(received)).to.equal(true)
      expect(received.state).to.equal('settled')
      expect(life.settlements).to.deep.equal([settlement])
      expect(flushes).to.equal(1)
      expect([received.ack(), received.nack(), received.reject()]).to.deep.equal([false, false, false])
      expect(life.settlements).to.have.length(1)
      expect(flushes).to.equal(1)
    })
  }

  const refused: [string, (received: Delivery) => boolean, string][] = [
    [
      'a requeue that is no boolean',
      received => received.nack({ requeue: 'false' as never }),
      'options.requeue',
    ],
    ['a requeue of 1', received => received.reject({ requeue: 1 as never }), 'options.requeue'],
    ['a requeue of null', received => received.nack({ requeue: null as never }), 'options.requeue'],
    [
      'a multiple that is no boolean',
      received => received.ack({ multiple: 'yes' as never }),
      'options.multiple',
    ],
    ['a misspelt option', received => received.nack({ requeu: true } as never), 'options.requeu'],
    ['a requeue for ack()', received => received.ack({ requeue: true } as never), 'options.requeue'],
    ['a multiple for reject()', received => received.reject({ multiple: true } as never), 'options.multiple'],
    ['a bare boolean', received => received.nack(true as never), 'options'],
  ]
  for (const [what, settle, path] of refused) {
    it(`refuses ${what}, and is not settled by it`, () => {
      const received = delivery()
      expect(thrownBy(() => settle(received), ArgumentError).path).to.equal(path)
      expect(received.state).to.equal('unsettled')
      expect(life.settlements).to.deep.equal([])
      expect(flushes).to.equal(0)
      expect(received.ack()).to.equal(true)
    })
  }

  it('counts as settled when a later one is settled with multiple', () => {
    const [first, second, third] = [delivery(), delivery(), delivery()]
    expect(second.ack({ multiple: true })).to.equal(true)
    expect([first.state, second.state, third.state]).to.deep.equal(['settled', 'settled', 'unsettled'])
    expect(first.ack()).to.equal(false)
  })

  it('is stale once its channel is gone, and not settled any more', () => {
    const [settled, unsettled] = [delivery(), delivery()]
    settled.ack()
    life.end()
    expect([settled.state, unsettled.state]).to.deep.equal(['settled', 'stale'])
    expect(unsettled.ack()).to.equal(false)
    expect(unsettled.state).to.equal('stale')
    expect(life.settlements).to.have.length(1)
  })

  it('is not to be settled when it came without acknowledgement', () => {
    const received = delivery({ noAck: true })
    expect(received.state).to.equal('noAck')
    expect([received.ack(), received.nack(), received.reject()]).to.deep.equal([false, false, false])
    expect(life.settlements).to.deep.equal([])
    expect(flushes).to.equal(0)
  })

  it('shows itself without its body', () => {
    const received = delivery({ body: Buffer.from('do not print me'), properties: { messageId: 'm-1' } })
    expect(JSON.parse(JSON.stringify(received))).to.deep.equal({
      exchange: 'exchange',
      routingKey: 'routing.key',
      deliveryTag: 1,
      consumerTag: 'consumer',
      redelivered: false,
      state: 'unsettled',
      bodyLength: 15,
    })
    expect(inspect(received)).to.match(/^Delivery \{.*bodyLength: 15.*messageId: 'm-1'/s)
    expect(inspect({ received }, { depth: Number.POSITIVE_INFINITY })).to.not.include('do not print')
  })

  it('can be shown also when its properties hold what JSON cannot say', () => {
    const headers = { big: 2n ** 60n, nothing: null, octets: Buffer.from([1]) }
    const received = delivery({ properties: { headers } } as Partial<IncomingDelivery>)
    expect(JSON.stringify(received)).to.be.a('string')
    expect(inspect(received)).to.include('1152921504606846976n')
  })

  it('is spread into nothing', () => {
    expect({ ...delivery() }).to.deep.equal({})
  })
})
