import { expect } from 'chai'
import fc from 'fast-check'
import { FrameError } from '../../src/frames/index.js'
import {
  closedByServer,
  closedForViolation,
  gaveUpClosing,
  lostTransport,
  missedHeartbeat,
} from '../../src/protocol/connection-end.js'
import {
  CloseTimeoutError,
  ConnectionClosedError,
  HeartbeatError,
  ProtocolError,
  TransportError,
} from '../../src/protocol/errors.js'
import { encodeAhead, encodeMethodFrame } from '../../src/protocol/frame-writers.js'
import { Heartbeat } from '../../src/protocol/heartbeat.js'
import { Violation } from '../../src/protocol/violation.js'

const FACTS = { intervalMs: 10_000, silenceMs: 20_000 }
const ENDPOINT = { connectionName: 'orders', localPort: 54_321 }

describe('closedByServer', () => {
  it('tells code, text and the method that caused it', () => {
    const args = {
      replyCode: 504,
      replyText: "CHANNEL_ERROR - expected 'channel.open'",
      classId: 60,
      methodId: 40,
    }
    const reason = closedByServer(args, ENDPOINT)
    expect(reason).to.deep.include({
      by: 'server',
      code: 504,
      text: "CHANNEL_ERROR - expected 'channel.open'",
      classId: 60,
      methodId: 40,
      method: 'basic.publish',
    })
    expect(reason.error).to.be.instanceOf(ConnectionClosedError).and.include(ENDPOINT)
  })

  it('names no method when the server names none', () => {
    const args = { replyCode: 320, replyText: 'CONNECTION_FORCED - bye', classId: 0, methodId: 0 }
    expect(closedByServer(args, ENDPOINT)).not.to.have.any.keys('classId', 'methodId', 'method')
  })
})

describe('lostTransport', () => {
  it("tells the system's error and keeps it as the cause", () => {
    const cause = new Error('read ECONNRESET')
    const reason = lostTransport(cause, undefined, ENDPOINT)
    expect(reason).to.include({ by: 'transport', text: 'read ECONNRESET' })
    expect(reason.error).to.be.instanceOf(TransportError).and.include(ENDPOINT)
    expect(reason.error?.cause).to.equal(cause)
  })

  it('tells an end without an error', () => {
    const reason = lostTransport(undefined, undefined, ENDPOINT)
    expect(reason.text).to.equal('the peer ended the connection without connection.close')
    expect(reason.error?.cause).to.equal(undefined)
  })

  it('tells that the event loop was blocked before, which the peer may have taken for our death', () => {
    const reason = lostTransport(new Error('read ECONNRESET'), { lagMs: 25_000.4, at: 0 }, ENDPOINT)
    expect(reason.text).to.equal(
      'read ECONNRESET; the event loop was blocked for 25000 ms, so it may have missed our heartbeats',
    )
  })
})

describe('missedHeartbeat', () => {
  it('tells interval, silence and octets queued', () => {
    const heartbeat = new Heartbeat(10, 0)
    const reason = missedHeartbeat(heartbeat, 20_000, 4711, ENDPOINT)
    expect(reason).to.include({
      by: 'heartbeat',
      text: 'nothing received for 20000 ms, heartbeat interval 10 s',
    })
    expect(reason.error).to.be.instanceOf(HeartbeatError)
    expect(reason.error).to.include({ ...ENDPOINT, ...FACTS, queuedOctets: 4711, eventLoopLagMs: 0 })
    expect(reason.error?.message).to.equal(`${reason.text}; 4711 octets not sent`)
  })

  it('tells that the event loop was blocked before', () => {
    const heartbeat = new Heartbeat(10, 0)
    heartbeat.noteStall(20_000)
    const reason = missedHeartbeat(heartbeat, 20_000, 0, ENDPOINT)
    expect(reason.text).to.match(/interval 10 s; the event loop was blocked for 15000 ms$/)
    expect(reason.error).to.include({ ...FACTS, queuedOctets: 0, eventLoopLagMs: 15_000 })
  })
})

describe('closedForViolation', () => {
  it('closes with the code and the ids of the violation, and blames the peer', () => {
    const violation = new Violation(503, 'delivery to nobody', 'basic.deliver')
    const { close, reason } = closedForViolation(violation, ENDPOINT)
    expect(close).to.deep.equal({
      replyCode: 503,
      replyText: 'delivery to nobody',
      classId: 60,
      methodId: 60,
    })
    expect(reason).to.include({
      by: 'protocol',
      code: 503,
      text: 'delivery to nobody',
      method: 'basic.deliver',
    })
    expect(reason.error)
      .to.be.instanceOf(ProtocolError)
      .and.include({ ...ENDPOINT, replyCode: 503 })
    expect(reason.error?.message).to.equal('the peer broke the protocol: delivery to nobody')
    expect(reason.error?.cause).to.equal(violation)
  })

  it('closes with the code of a FrameError', () => {
    const { close } = closedForViolation(new FrameError(502, 'unknown tag'), ENDPOINT)
    expect(close).to.deep.equal({ replyCode: 502, replyText: 'unknown tag', classId: 0, methodId: 0 })
  })

  it('closes with 541 for anything else', () => {
    expect(closedForViolation(new TypeError('oops'), ENDPOINT).close.replyCode).to.equal(541)
    expect(closedForViolation('oops', ENDPOINT).close.replyText).to.equal('oops')
  })

  it('makes a close that can be sent, whatever the peer has put into the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 60, maxLength: 200 }), text => {
        const { close } = closedForViolation(new FrameError(502, text), ENDPOINT)
        encodeAhead(encodeMethodFrame, 0, 4096, { name: 'connection.close', args: close })
      }),
    )
  })
})

describe('gaveUpClosing', () => {
  it('tells what was given up', () => {
    const reason = gaveUpClosing('close not completed: 3 publishes unconfirmed', ENDPOINT)
    expect(reason).to.include({ by: 'client', text: 'close not completed: 3 publishes unconfirmed' })
    expect(reason.error).to.be.instanceOf(CloseTimeoutError).and.include(ENDPOINT)
    expect(reason.error?.message).to.equal('connection close not completed: 3 publishes unconfirmed')
  })
})
