import { expect } from 'chai'
import { ConsumerRegistry } from '../../src/protocol/consumer-registry.js'

function registered(consumerTag: string) {
  return { consumerTag, consumer: {}, noAck: false }
}

describe('ConsumerRegistry', () => {
  it('finds a consumer by its tag until it is removed', () => {
    const registry = new ConsumerRegistry()
    const consumer = registered('a')
    registry.add(consumer)
    registry.add(registered('b'))
    expect(registry.has('a')).to.equal(true)
    expect(registry.get('a')).to.equal(consumer)
    expect(registry.remove('a')).to.equal(consumer)
    expect(registry.has('a')).to.equal(false)
    expect(registry.get('a')).to.equal(undefined)
    expect(registry.remove('a')).to.equal(undefined)
    expect(registry.has('b')).to.equal(true)
  })

  it('counts the tags it makes from 1', () => {
    const registry = new ConsumerRegistry()
    expect([registry.generateTag(), registry.generateTag()]).to.deep.equal(['thump-1', 'thump-2'])
  })

  it('makes tags that are not in use, also where the application has used such a one', () => {
    const registry = new ConsumerRegistry()
    const first = registry.generateTag()
    registry.add(registered(first))
    registry.add(registered(first.replace('1', '2')))
    const tags = [first, registry.generateTag(), registry.generateTag()]
    expect(new Set(tags).size).to.equal(3)
    expect(tags).not.to.include(first.replace('1', '2'))
    for (const tag of tags) expect(Buffer.byteLength(tag)).to.be.within(1, 255)
  })

  it('keeps one that nobody has any more, without whoever had it', () => {
    const registry = new ConsumerRegistry()
    registry.add({ ...registered('a'), noAck: true })
    const { consumer } = registry.get('a') ?? {}
    expect(registry.disown('a')).to.deep.equal({ consumerTag: 'a', consumer, noAck: true })
    expect(registry.get('a')).to.deep.equal({ consumerTag: 'a', consumer: undefined, noAck: true })
    expect(registry.disown('b')).to.equal(undefined)
    expect(registry.has('b')).to.equal(false)
  })

  it('gives up all at once, in the order in which they came', () => {
    const registry = new ConsumerRegistry()
    const consumers = ['b', 'a'].map(registered)
    for (const consumer of consumers) registry.add(consumer)
    expect(registry.drain()).to.deep.equal(consumers)
    expect(registry.drain()).to.deep.equal([])
    expect(registry.has('a')).to.equal(false)
  })
})
