import { expect } from 'chai'
import fc from 'fast-check'
import { Fifo } from '../../src/connection/fifo.js'

describe('Fifo', () => {
  it('gives what it was given, in order, like an array', () => {
    const step = fc.oneof({ weight: 3, arbitrary: fc.nat() }, fc.constant('shift'), fc.constant('drain'))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const fifo = new Fifo<number>()
        let model: number[] = []
        for (const each of steps) {
          if (typeof each === 'number') {
            fifo.push(each)
            model.push(each)
          } else if (each === 'shift') expect(fifo.shift()).to.equal(model.shift())
          else {
            expect(fifo.drain()).to.deep.equal(model)
            model = []
          }
        }
        expect(fifo.drain()).to.deep.equal(model)
      }),
    )
  })

  it('takes no longer for each when there are many', () => {
    const fifo = new Fifo<number>()
    for (let item = 0; item < 200_000; item++) fifo.push(item)
    // An array takes 20 s for this, twice what a test is given; the queue 10 ms.
    for (let item = 0; item < 200_000; item++) if (fifo.shift() !== item) throw new Error('out of order')
    expect(fifo.shift()).to.equal(undefined)
  })
})
