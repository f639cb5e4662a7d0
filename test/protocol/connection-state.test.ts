import { expect } from 'chai'
import {
  CONNECTION_TRANSITIONS,
  type ConnectionState,
  type ConnectionTrigger,
  nextConnectionState,
} from '../../src/protocol/connection-state.js'

const METHODS: readonly ConnectionTrigger[] = [
  'start',
  'secure',
  'tune',
  'openOk',
  'close',
  'closeOk',
  'blocked',
  'unblocked',
]

// `-` is a violation, `.` is discarded.
const RECEIVED: Record<ConnectionState, readonly string[]> = {
  //               start           secure          tune              open-ok  close     close-ok  blocked     unblocked
  awaitingStart: ['awaitingTune', '-', '-', '-', 'ending', '-', '-', '-'],
  awaitingTune: ['-', 'awaitingTune', 'awaitingOpenOk', '-', 'ending', '-', '-', '-'],
  awaitingOpenOk: ['-', '-', '-', 'open', 'ending', '-', '-', '-'],
  open: ['-', '-', '-', '-', 'ending', '-', 'open', 'open'],
  draining: ['-', '-', '-', '-', 'ending', '-', 'draining', 'draining'],
  closing: ['.', '.', '.', '.', 'ending', 'closed', '.', '.'],
  ending: ['.', '.', '.', '.', '.', '.', '.', '.'],
  closed: ['.', '.', '.', '.', '.', '.', '.', '.'],
}

const HAPPENED: Record<
  ConnectionState,
  Record<'closeRequested' | 'drained' | 'flushed' | 'violated' | 'lost', string>
> = {
  awaitingStart: { closeRequested: 'closed', drained: '-', flushed: '-', violated: 'closed', lost: 'closed' },
  awaitingTune: { closeRequested: 'closed', drained: '-', flushed: '-', violated: 'closed', lost: 'closed' },
  awaitingOpenOk: {
    closeRequested: 'closed',
    drained: '-',
    flushed: '-',
    violated: 'closed',
    lost: 'closed',
  },
  open: { closeRequested: 'draining', drained: '-', flushed: '-', violated: 'ending', lost: 'closed' },
  draining: {
    closeRequested: 'draining',
    drained: 'closing',
    flushed: '-',
    violated: 'ending',
    lost: 'closed',
  },
  closing: { closeRequested: '.', drained: '.', flushed: '.', violated: 'closed', lost: 'closed' },
  ending: { closeRequested: '.', drained: '.', flushed: 'closed', violated: '.', lost: 'closed' },
  closed: { closeRequested: '.', drained: '.', flushed: '.', violated: '.', lost: '.' },
}

const SHORT: Record<string, string> = { violation: '-', discard: '.' }

function next(state: ConnectionState, trigger: ConnectionTrigger): string {
  const result = nextConnectionState(state, trigger)
  return SHORT[result] ?? result
}

const STATES = Object.keys(CONNECTION_TRANSITIONS) as ConnectionState[]

describe('nextConnectionState', () => {
  for (const state of STATES) {
    METHODS.forEach((method, index) => {
      const expected = RECEIVED[state][index]
      it(`of ${state} is ${expected} when ${method} comes`, () => {
        expect(next(state, method)).to.equal(expected)
      })
    })

    for (const [trigger, expected] of Object.entries(HAPPENED[state])) {
      it(`of ${state} is ${expected} when ${trigger}`, () => {
        expect(next(state, trigger as ConnectionTrigger)).to.equal(expected)
      })
    }
  }

  it('takes update-secret-ok only where a secret may be updated', () => {
    expect(STATES.filter(state => next(state, 'updateSecretOk') !== '-')).to.deep.equal([
      'open',
      'draining',
      'closing',
      'ending',
      'closed',
    ])
  })

  it('can reach the end from every state, and never leaves it', () => {
    for (const state of STATES) {
      if (state !== 'closed') expect(next(state, 'lost')).to.equal('closed')
    }
    expect(CONNECTION_TRANSITIONS.closed.on).to.deep.equal({})
  })

  it('follows a table that cannot be changed', () => {
    expect(Object.isFrozen(CONNECTION_TRANSITIONS)).to.equal(true)
    for (const row of Object.values(CONNECTION_TRANSITIONS)) {
      expect(Object.isFrozen(row)).to.equal(true)
      expect(Object.isFrozen(row.on)).to.equal(true)
    }
  })
})
