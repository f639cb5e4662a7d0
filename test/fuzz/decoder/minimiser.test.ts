import { expect } from 'chai'
import { hex } from '../../support/hex.js'
import { FrameMap } from './frame-map.js'
import { minimise } from './minimiser.js'

describe('minimise', () => {
  it('leaves of an input only what matters, and zeros in the place of what only fills', () => {
    const octets = Buffer.from('nothing of this matters but one X and, somewhere behind it, a Y or two')
    const isStill = (candidate: Buffer): boolean =>
      candidate.includes('Y', candidate.indexOf('X') + 5) && candidate.includes('X')
    const smallest = minimise(octets, isStill)
    expect(smallest.toString('latin1')).to.equal('X\0\0\0\0Y')
  })

  it('leaves an input as it is of which nothing can be left out', () => {
    const octets = hex`01ff01`
    expect(minimise(octets, candidate => candidate.equals(octets))).to.deep.equal(octets)
  })

  it('shortens a payload together with the size of its frame', () => {
    const octets = hex`08 0000 00000000 ce 01 0001 00000008 61626364 65666768 ce`
    const map = new FrameMap()
    const smallest = minimise(octets, candidate => {
      map.read(candidate, candidate.length, 4096)
      return map.count > 0 && map.rest === 'nothing' && candidate.includes(0x67)
    })
    expect(smallest).to.deep.equal(hex`01 0000 00000001 67 ce`)
  })

  it('gives up in time on what takes for ever', () => {
    let tries = 0
    minimise(Buffer.alloc(5000, 1), () => ++tries % 3 === 0)
    expect(tries).to.be.at.most(5000)
  })
})
