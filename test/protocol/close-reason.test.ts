import { expect } from 'chai'
import { type CloseReason, describeReason } from '../../src/protocol/close-reason.js'

describe('describeReason', () => {
  const described: readonly (readonly [reason: CloseReason, line: string])[] = [
    [{ by: 'client' }, 'closed by the application'],
    [{ by: 'client', text: 'it is closing' }, 'closed by the application: it is closing'],
    [
      { by: 'server', code: 404, text: "NOT_FOUND - no queue 'q'", method: 'basic.consume' },
      "closed by the server: 404 NOT_FOUND - no queue 'q' (basic.consume)",
    ],
    [{ by: 'server', code: 541, text: '' }, 'closed by the server: 541 INTERNAL_ERROR'],
    [{ by: 'server', code: 320 }, 'closed by the server: 320 CONNECTION_FORCED'],
    [{ by: 'transport', text: 'read ECONNRESET' }, 'closed by the transport: read ECONNRESET'],
    [{ by: 'heartbeat', text: 'nothing received' }, 'closed by a missed heartbeat: nothing received'],
    [
      { by: 'protocol', code: 505, text: 'unexpected' },
      'closed by a protocol violation of the peer: 505 unexpected',
    ],
    [{ by: 'timeout', text: 'no reply' }, 'closed by a timeout: no reply'],
    [{ by: 'recovery' }, 'closed by recovery giving up'],
  ]
  for (const [reason, line] of described) {
    it(`makes one line of a reason by ${reason.by}: ${line}`, () => {
      expect(describeReason(reason)).to.equal(line)
    })
  }
})
