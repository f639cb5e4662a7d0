import { expect } from 'chai'
import {
  CHANNEL_TRANSITIONS,
  type ChannelState,
  type ChannelTrigger,
  nextChannelState,
  triggerOf,
} from '../../src/protocol/channel-state.js'

type Expected = Record<ChannelTrigger, string>

// `-` is a violation (504), `.` is discarded.
const EXPECTED: Record<ChannelState, Expected> = {
  opening: {
    openOk: 'open',
    close: 'closed',
    closeOk: '-',
    other: '-',
    closeRequested: 'closing',
    drained: '-',
    gaveUp: 'closing',
    lost: 'closed',
  },
  open: {
    openOk: '-',
    close: 'closed',
    closeOk: '-',
    other: 'open',
    closeRequested: 'draining',
    drained: '-',
    gaveUp: 'closing',
    lost: 'closed',
  },
  draining: {
    openOk: '-',
    close: 'closed',
    closeOk: '-',
    other: 'draining',
    closeRequested: 'draining',
    drained: 'closing',
    gaveUp: 'closing',
    lost: 'closed',
  },
  closing: {
    openOk: '.',
    close: 'closing',
    closeOk: 'closed',
    other: '.',
    closeRequested: 'closing',
    drained: '.',
    gaveUp: 'closing',
    lost: 'closed',
  },
  closed: {
    openOk: '.',
    close: '.',
    closeOk: '.',
    other: '.',
    closeRequested: '.',
    drained: '.',
    gaveUp: '.',
    lost: '.',
  },
}

const SHORT: Record<string, string> = { violation: '-', discard: '.' }

describe('nextChannelState', () => {
  for (const [state, row] of Object.entries(EXPECTED)) {
    for (const [trigger, expected] of Object.entries(row)) {
      it(`of ${state} is ${expected} on ${trigger}`, () => {
        const next = nextChannelState(state as ChannelState, trigger as ChannelTrigger)
        expect(SHORT[next] ?? next).to.equal(expected)
      })
    }
  }

  it('follows a table that cannot be changed and has no other states', () => {
    expect(Object.keys(CHANNEL_TRANSITIONS)).to.have.members(Object.keys(EXPECTED))
    expect(Object.isFrozen(CHANNEL_TRANSITIONS)).to.equal(true)
    for (const row of Object.values(CHANNEL_TRANSITIONS)) {
      expect(Object.isFrozen(row)).to.equal(true)
      expect(Object.isFrozen(row.on)).to.equal(true)
    }
  })
})

describe('triggerOf', () => {
  it('knows the methods of the life of a channel from all others', () => {
    expect(triggerOf('channel.open-ok')).to.equal('openOk')
    expect(triggerOf('channel.close')).to.equal('close')
    expect(triggerOf('channel.close-ok')).to.equal('closeOk')
    expect(triggerOf('channel.flow')).to.equal('other')
    expect(triggerOf('basic.deliver')).to.equal('other')
  })
})
