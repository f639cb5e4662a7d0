import { expect } from 'chai'
import { OctetKeeper } from '../../src/frames/index.js'
import { ChannelLifecycle, type LifecycleOwner } from '../../src/protocol/channel-lifecycle.js'
import type { ChannelLink } from '../../src/protocol/channel-link.js'
import type { CloseReason } from '../../src/protocol/close-reason.js'
import { ChannelClosedError, CloseTimeoutError, type ErrorDetails } from '../../src/protocol/errors.js'
import type { ProtocolEvent } from '../../src/protocol/events.js'
import type { Method } from '../../src/protocol/method-types.js'
import { Outbound } from '../../src/protocol/outbound.js'
import { Violation } from '../../src/protocol/violation.js'
import { PeerCodec } from '../support/peer/peer-codec.js'

const LIMITS = {
  maxMessageSize: 1000,
  maxBuffered: 1000,
  highWaterMark: 1000,
  rpcTimeoutMs: 1000,
  confirmTimeoutMs: 1000,
  closeTimeoutMs: 1000,
}
const OPEN_OK: Method = { name: 'channel.open-ok', args: {} }
const CLOSE_OK: Method = { name: 'channel.close-ok', args: {} }
const CLOSE_404 = { replyCode: 404, replyText: 'NOT_FOUND - no queue', classId: 60, methodId: 70 }

interface Ending {
  readonly reason: CloseReason
  readonly details: ErrorDetails
  readonly connectionLost: boolean
}

/** A lifecycle, and all that it tells its channel and its connection. */
class Stage implements LifecycleOwner, ChannelLink {
  readonly number = 3
  isIdle = true
  unconfirmed = 0
  readonly outbound = new Outbound(8192)
  readonly endpoint = { connectionName: 'orders', localPort: 54_321 }
  readonly limits = LIMITS
  readonly bodies = new OctetKeeper()
  readonly blocked = undefined
  readonly buffered = 0
  readonly endings: Ending[] = []
  readonly released: number[] = []
  closesSent = 0
  wakeAt = Number.POSITIVE_INFINITY
  readonly lifecycle = new ChannelLifecycle(this, this)
  readonly #peer = new PeerCodec()

  constructor(isOpen = true) {
    this.#peer.receive(Buffer.from('AMQP\0\0\x09\x01', 'latin1'))
    if (isOpen) this.lifecycle.receive(OPEN_OK)
  }

  onCloseSent(): void {
    this.closesSent++
  }

  onEnd(reason: CloseReason, details: ErrorDetails, connectionLost: boolean): void {
    this.endings.push({ reason, details, connectionLost })
  }

  release(channelNumber: number): void {
    this.released.push(channelNumber)
  }

  wakeBy(deadline: number): void {
    this.wakeAt = Math.min(this.wakeAt, deadline)
  }

  noteQueued(): void {}
  noteIssued(): void {}
  watchDeparture(): void {}
  emit(_event: ProtocolEvent): void {}

  /** What was appended since this was asked last. */
  sent(): Method[] {
    const octets = Buffer.concat(this.outbound.take() ?? [])
    return this.#peer
      .receive(octets)
      .flatMap(received => (received.type === 'method' ? [received.method] : []))
  }
}

function close(replyCode: number, replyText: string): Method {
  return { name: 'channel.close', args: { replyCode, replyText, classId: 0, methodId: 0 } }
}

describe('ChannelLifecycle', () => {
  it('is opening until open-ok, and takes nothing else before', () => {
    const { lifecycle } = new Stage(false)
    expect(lifecycle).to.include({ state: 'opening', isOver: false, reason: undefined })
    expect(() => lifecycle.expectOpen('queue.purge')).to.throw(ChannelClosedError)
    expect(() => lifecycle.receive({ name: 'basic.get-empty', args: {} }))
      .to.throw(Violation, 'basic.get-empty on a channel that is opening')
      .with.property('replyCode', 504)
    expect(lifecycle.receive(OPEN_OK)).to.equal(true)
    expect(lifecycle.state).to.equal('open')
    lifecycle.expectOpen('queue.purge')
  })

  it('closes when that is asked for and nothing waits, and releases the number on close-ok', () => {
    const stage = new Stage()
    const { lifecycle } = stage
    lifecycle.requestClose(100, 500)
    expect(lifecycle).to.include({ state: 'draining', deadline: 600 })
    expect(stage.wakeAt).to.equal(600)
    expect(() => lifecycle.expectOpen('queue.purge'))
      .to.throw(ChannelClosedError, 'channel 3 closed by the application: it is closing')
      .and.include({ connectionName: 'orders', localPort: 54_321, method: 'queue.purge' })
    lifecycle.advance()
    expect(stage.sent()).to.deep.equal([close(200, '')])
    expect(stage).to.include({ closesSent: 1 })
    expect(lifecycle).to.include({ state: 'closing', isOver: false })
    expect(lifecycle.receive({ name: 'basic.get-empty', args: {} }), 'discarded').to.equal(false)
    expect(lifecycle.receive(CLOSE_OK)).to.equal(true)
    lifecycle.receiveCloseOk()
    expect(lifecycle).to.include({ state: 'closed', isOver: true })
    expect(stage.released).to.deep.equal([3])
    expect(stage.endings.map(({ reason }) => reason)).to.deep.equal([{ by: 'client' }])
    expect(stage.endings[0]?.connectionLost).to.equal(false)
  })

  it('waits with its close for what still waits on the channel', () => {
    const stage = new Stage()
    stage.isIdle = false
    stage.lifecycle.requestClose(0, 500)
    stage.lifecycle.advance()
    expect(stage.sent()).to.deep.equal([])
    stage.isIdle = true
    stage.lifecycle.advance()
    stage.lifecycle.advance()
    expect(stage.sent()).to.deep.equal([close(200, '')])
  })

  it('keeps the deadline of the first request', () => {
    const stage = new Stage()
    stage.lifecycle.requestClose(0, 500)
    stage.lifecycle.requestClose(100, 5000)
    expect(stage.lifecycle.deadline).to.equal(500)
  })

  it('is not closed again when it is closed', () => {
    const stage = new Stage()
    stage.lifecycle.lose({ by: 'server' })
    stage.lifecycle.requestClose(0, 500)
    expect(stage.lifecycle).to.include({ state: 'closed', deadline: Number.POSITIVE_INFINITY })
    expect(stage.wakeAt).to.equal(Number.POSITIVE_INFINITY)
    expect(stage.sent()).to.deep.equal([])
  })

  it('closes at once what is not open yet', () => {
    const stage = new Stage(false)
    stage.lifecycle.requestClose(0, 500)
    stage.lifecycle.advance()
    expect(stage.sent()).to.deep.equal([close(200, '')])
    expect(stage.lifecycle.receive(OPEN_OK), 'discarded').to.equal(false)
  })

  it('gives up on a close after its time, says what was given up, and keeps the number until close-ok', () => {
    const stage = new Stage()
    stage.isIdle = false
    stage.unconfirmed = 7
    stage.lifecycle.requestClose(0, 500)
    stage.lifecycle.expire(499)
    expect(stage.endings).to.deep.equal([])
    stage.lifecycle.expire(500)
    const [ending] = stage.endings
    expect(ending?.reason).to.include({
      by: 'client',
      text: 'not closed within 500 ms; 7 publishes unconfirmed',
    })
    expect(ending?.reason.error).to.be.instanceOf(CloseTimeoutError)
    expect(ending?.reason.error?.message).to.equal(
      'channel 3 not closed within 500 ms; 7 publishes unconfirmed',
    )
    expect(ending?.details.cause).to.equal(ending?.reason.error)
    expect(stage.sent()).to.deep.equal([close(200, 'not closed within 500 ms; 7 publishes unconfirmed')])
    expect(stage.released).to.deep.equal([])
    stage.lifecycle.receive(CLOSE_OK)
    stage.lifecycle.receiveCloseOk()
    expect(stage.released).to.deep.equal([3])
    expect(stage.endings).to.have.length(1)
  })

  it('answers a close of the server, tells it, and releases the number', () => {
    const stage = new Stage()
    stage.lifecycle.receive({ name: 'channel.close', args: CLOSE_404 })
    stage.lifecycle.receiveClose(CLOSE_404)
    expect(stage.sent()).to.deep.equal([CLOSE_OK])
    expect(stage.released).to.deep.equal([3])
    const [ending] = stage.endings
    expect(ending?.reason).to.include({
      by: 'server',
      code: 404,
      text: 'NOT_FOUND - no queue',
      method: 'basic.get',
    })
    expect(ending?.details).to.include({
      ...stage.endpoint,
      replyCode: 404,
      replyText: 'NOT_FOUND - no queue',
      method: 'basic.get',
    })
    expect(ending?.reason.error).to.be.instanceOf(ChannelClosedError).and.include({ channelNumber: 3 })
    expect(() => stage.lifecycle.expectOpen('basic.get')).to.throw(ChannelClosedError, /404 NOT_FOUND/)
  })

  it('names no method where the server names none', () => {
    const stage = new Stage()
    const args = { ...CLOSE_404, classId: 0, methodId: 0 }
    stage.lifecycle.receive({ name: 'channel.close', args })
    stage.lifecycle.receiveClose(args)
    expect(stage.endings[0]?.reason).not.to.have.any.keys('classId', 'methodId', 'method')
  })

  it('keeps the number when the closes of both sides cross, until its own is answered', () => {
    const stage = new Stage()
    stage.lifecycle.requestClose(0, 500)
    stage.lifecycle.advance()
    stage.sent()
    stage.lifecycle.receive({ name: 'channel.close', args: CLOSE_404 })
    stage.lifecycle.receiveClose(CLOSE_404)
    expect(stage.sent()).to.deep.equal([CLOSE_OK])
    expect(stage.released).to.deep.equal([])
    stage.lifecycle.receive(CLOSE_OK)
    stage.lifecycle.receiveCloseOk()
    expect(stage.released).to.deep.equal([3])
    expect(stage.endings.map(({ reason }) => reason.by)).to.deep.equal(['server'])
  })

  it('refuses a message that is too large (311)', () => {
    const stage = new Stage()
    stage.lifecycle.refuseOversized()
    const text = 'message body above the limit of 1000 octets'
    expect(stage.sent()).to.deep.equal([close(311, text)])
    expect(stage.endings[0]?.reason).to.include({ by: 'protocol', code: 311, text })
    expect(stage.lifecycle).to.include({ state: 'closing', isOver: true })
  })

  it('sends no second close when it gives up while closing', () => {
    const stage = new Stage()
    stage.lifecycle.requestClose(0, 500)
    stage.lifecycle.advance()
    stage.sent()
    stage.lifecycle.refuse({ by: 'timeout', text: 'no reply' }, 200)
    expect(stage.sent()).to.deep.equal([])
    expect(stage.endings[0]?.reason).to.include({ by: 'timeout' })
    expect(stage.closesSent).to.equal(1)
  })

  it('cuts the text of its close to what a short string holds, and tells all of it', () => {
    const stage = new Stage()
    const text = 'é'.repeat(200)
    stage.lifecycle.refuse({ by: 'timeout', text }, 200)
    const [sent] = stage.sent()
    const { replyText } = (sent as Extract<Method, { name: 'channel.close' }>).args
    expect(Buffer.byteLength(replyText)).to.be.within(100, 255)
    expect(text.startsWith(replyText)).to.equal(true)
    expect(stage.endings[0]?.reason.text).to.equal(text)
  })

  it('drains without a close of its own when the connection is about to close', () => {
    const stage = new Stage()
    stage.lifecycle.quiesce()
    stage.lifecycle.advance()
    expect(stage.lifecycle).to.include({ state: 'draining', isOver: false })
    expect(stage.sent()).to.deep.equal([])
    stage.lifecycle.seal()
    expect(stage.lifecycle.isOver, 'nothing may follow').to.equal(true)
    expect(stage.closesSent).to.equal(1)
    expect(stage.endings).to.deep.equal([])
  })

  it('ends with its connection, once, for the same reason', () => {
    const stage = new Stage()
    const reason: CloseReason = { by: 'transport', text: 'read ECONNRESET' }
    stage.lifecycle.lose(reason)
    stage.lifecycle.lose({ by: 'client' })
    expect(stage.endings).to.have.length(1)
    const [ending] = stage.endings
    expect(ending?.reason).to.equal(reason)
    expect(ending?.connectionLost).to.equal(true)
    expect(ending?.details.cause, 'there is always something that it leads to').to.be.instanceOf(
      ChannelClosedError,
    )
    expect(stage.lifecycle).to.include({ state: 'closed', reason, isOver: true })
    expect(stage.sent()).to.deep.equal([])
  })
})
