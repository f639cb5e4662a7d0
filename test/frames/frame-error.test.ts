import { expect } from 'chai'
import { FrameError } from '../../src/frames/frame-error.js'

describe('FrameError', () => {
  it('is an Error that carries the reply code for the close', () => {
    const error = new FrameError(502, 'cannot decode')
    expect(error).to.be.instanceOf(Error)
    expect(error.replyCode).to.equal(502)
    expect(String(error)).to.equal('FrameError: cannot decode')
    expect(error.stack).to.match(/^FrameError: cannot decode\n/)
  })
})
