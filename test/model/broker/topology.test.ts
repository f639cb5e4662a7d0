import { expect } from 'chai'
import { Refusal } from './refusal.js'
import { Topology } from './topology.js'

const DURABLE = { durable: true, exclusive: false, autoDelete: false }

describe('the topology of the model broker', () => {
  for (const [pattern, matching, others] of [
    ['a.*', ['a.b'], ['a', 'a.b.c', 'b.a']],
    ['a.#', ['a', 'a.b', 'a.b.c'], ['b', 'ab']],
    ['#', ['a', 'a.b', ''], []],
    ['#.c', ['c', 'a.b.c'], ['c.a']],
    ['*.b', ['a.b'], ['b', 'a.a.b']],
    ['#.b.#', ['b', 'a.b', 'b.c', 'a.b.c'], ['a']],
  ] as const) {
    it(`routes by the topic pattern ${pattern}`, () => {
      const topology = new Topology()
      topology.declareQueue('q', DURABLE, false)
      topology.bind({ source: 'amq.topic', destination: 'q', to: 'queue', routingKey: pattern })
      const routes = (key: string): boolean => topology.route('amq.topic', key).has('q')
      expect(matching.filter(key => !routes(key))).to.deep.equal([])
      expect(others.filter(routes)).to.deep.equal([])
    })
  }

  it('brings a message to each queue once, through circles of exchanges too', () => {
    const topology = new Topology()
    topology.declareQueue('q', DURABLE, false)
    topology.declareExchange('e', 'fanout', false)
    topology.bind({ source: 'amq.fanout', destination: 'e', to: 'exchange', routingKey: '' })
    topology.bind({ source: 'e', destination: 'amq.fanout', to: 'exchange', routingKey: '' })
    for (const source of ['e', 'amq.fanout'])
      topology.bind({ source, destination: 'q', to: 'queue', routingKey: 'any' })
    expect([...topology.route('e', 'other')]).to.deep.equal(['q'])
  })

  it('forgets the bindings of what is deleted', () => {
    const topology = new Topology()
    topology.declareQueue('q', DURABLE, false)
    topology.declareExchange('e', 'direct', false)
    topology.bind({ source: 'e', destination: 'q', to: 'queue', routingKey: 'a' })
    topology.deleteExchange('e', false)
    topology.declareExchange('e', 'direct', false)
    expect([...topology.route('e', 'a')]).to.deep.equal([])
    expect([...topology.route('', 'q')]).to.deep.equal(['q'])
  })

  it('refuses as RabbitMQ does', () => {
    const topology = new Topology()
    topology.declareQueue('q', DURABLE, false)
    const refusals: readonly (readonly [number, () => void])[] = [
      [404, () => topology.declareQueue('none', DURABLE, true)],
      [406, () => topology.declareQueue('q', { ...DURABLE, durable: false }, false)],
      [403, () => topology.declareQueue('amq.mine', DURABLE, false)],
      [404, () => topology.declareExchange('none', 'direct', true)],
      [406, () => topology.declareExchange('amq.topic', 'direct', false)],
      [403, () => topology.declareExchange('amq.mine', 'direct', false)],
      [403, () => topology.deleteExchange('', false)],
      [403, () => topology.bind({ source: '', destination: 'q', to: 'queue', routingKey: 'a' })],
      [404, () => topology.bind({ source: 'none', destination: 'q', to: 'queue', routingKey: 'a' })],
    ]
    for (const [replyCode, refused] of refusals)
      expect(refused).to.throw(Refusal).with.property('replyCode', replyCode)
  })
})
