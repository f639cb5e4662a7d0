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
    registry.disown('a')
    expect(registry.get('a')).to.deep.equal({ consumerTag: 'a', consumer: undefined, noAck: true })
    registry.disown('b')
    expect(registry.has('b')).to.equal(false)
  })

  it('keeps one that is retired for what is still on its way to it, until a reply says that nothing is', () => {
    const registry = new ConsumerRegistry()
    const [retired, other] = [registered('a'), registered('b')]
    registry.add(retired)
    registry.add(other)
    expect(registry.retire('a')).to.equal(retired)
    expect(registry.get('a')).to.deep.equal({ ...retired, consumer: undefined })
    registry.forgetRetired()
    expect(registry.has('a')).to.equal(false)
    expect(registry.get('b')).to.equal(other)
  })

  it('retires one that nobody has, and none that it does not know', () => {
    const registry = new ConsumerRegistry()
    registry.add(registered('a'))
    registry.disown('a')
    expect(registry.retire('a')).to.include({ consumer: undefined })
    expect(registry.retire('b')).to.equal(undefined)
    registry.forgetRetired()
    expect([registry.has('a'), registry.has('b')]).to.deep.equal([false, false])
  })

  it('forgets nobody twice: a tag that is used again belongs to the new one', () => {
    const registry = new ConsumerRegistry()
    registry.add(registered('a'))
    registry.retire('a')
    registry.forgetRetired()
    const next = registered('a')
    registry.add(next)
    registry.forgetRetired()
    expect(registry.get('a')).to.equal(next)
  })

  it('leaves alone whoever has the tag of a retired one that was removed before its reply', () => {
    const registry = new ConsumerRegistry()
    registry.add(registered('a'))
    registry.retire('a')
    registry.remove('a')
    const next = registered('a')
    registry.add(next)
    registry.forgetRetired()
    expect(registry.get('a')).to.equal(next)
  })

  it('makes no tag that a retired one still has', () => {
    const registry = new ConsumerRegistry()
    registry.add(registered('thump-1'))
    registry.retire('thump-1')
    expect(registry.generateTag()).not.to.equal('thump-1')
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
