import { expect } from 'chai'
import { EventQueue } from '../../src/protocol/event-queue.js'

describe('EventQueue', () => {
  it('gives events in order, each once, and those that come meanwhile too', () => {
    const queue = new EventQueue()
    expect(queue.shift()).to.equal(undefined)
    queue.push({ type: 'opened' })
    queue.push({ type: 'unblocked' })
    expect(queue.shift()).to.deep.equal({ type: 'opened' })
    queue.push({ type: 'blocked', reason: 'disk' })
    expect(queue.shift()).to.deep.equal({ type: 'unblocked' })
    expect(queue.shift()).to.deep.equal({ type: 'blocked', reason: 'disk' })
    expect(queue.shift()).to.equal(undefined)
    queue.push({ type: 'opened' })
    expect(queue.shift()).to.deep.equal({ type: 'opened' })
    expect(queue.shift()).to.equal(undefined)
  })
})
