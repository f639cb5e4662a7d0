import { expect } from 'chai'
import {
  FRAME_END,
  FRAME_HEADER_SIZE,
  FRAME_OVERHEAD,
  FrameType,
  HEARTBEAT_FRAME,
  PROTOCOL_HEADER,
} from '../../src/frames/constants.js'
import { hex } from '../support/hex.js'

describe('The framing constants', () => {
  it('are the numbers of the specification', () => {
    expect(FrameType).to.deep.equal({ Method: 1, Header: 2, Body: 3, Heartbeat: 8 })
    expect(FRAME_END).to.equal(0xce)
    expect(FRAME_HEADER_SIZE).to.equal(7)
    expect(FRAME_OVERHEAD).to.equal(8)
  })

  it('spell the protocol header and the heartbeat frame', () => {
    expect(PROTOCOL_HEADER).to.deep.equal(hex`414d5150 00 00 09 01`)
    expect(HEARTBEAT_FRAME).to.deep.equal(hex`08 0000 00000000 ce`)
  })

  it('cannot be changed', () => {
    expect(FrameType).to.be.frozen
  })
})
