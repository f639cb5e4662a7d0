import { expect } from 'chai'
import { ArgumentError } from '../../src/frames/index.js'
import { BackpressureError, CallTimeoutError, ConnectionClosedError } from '../../src/protocol/errors.js'
import { hex, toHex } from '../support/hex.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

/** connection.update-secret-ok. */
const OK = hex`01000000000004000a0047ce`
/** 530 NOT_ALLOWED - bad secret, caused by connection.update-secret. */
const CLOSE_530 = hex`01000000000023000a00320212184e4f545f414c4c4f574544202d2062616420736563726574000a0046ce`

function update(pair: ProtocolPair, secret = 'new', timeoutMs?: number): object {
  const token = {}
  pair.run(() => pair.protocol.updateSecret(Buffer.from(secret), 'rotation', token, pair.now, timeoutMs))
  return token
}

function withdraw(pair: ProtocolPair, cause: Error, ...tokens: object[]): void {
  pair.run(() => pair.protocol.withdraw(new Map(tokens.map(token => [token, cause]))))
}

/** The secrets that have reached the peer. */
function secretsSent(pair: ProtocolPair): string[] {
  return pair.received.flatMap(received =>
    received.type === 'method' && received.method.name === 'connection.update-secret'
      ? [received.method.args.newSecret.toString()]
      : [],
  )
}

describe('SecretUpdates', () => {
  it('sends the secret and the reason, and is answered', () => {
    const pair = ProtocolPair.opened()
    const token = update(pair, 'Tcl0', 1000)
    expect(toHex(Buffer.concat(pair.batches.flat()))).to.equal(
      '01000000000015000a00460000000454636c3008726f746174696f6ece',
    )
    expect(pair.settlementOf(token)).to.equal(undefined)
    pair.sendOctets(OK)
    expect(pair.settlementOf(token)).to.deep.equal({ type: 'replied', token, reply: undefined })
    pair.advance(1_000)
    expect(pair.eventsOf('failed')).to.deep.equal([])
  })

  it('has one outstanding at a time: the next goes on the reply, in order', () => {
    const pair = ProtocolPair.opened()
    const tokens = ['a', 'b', 'c'].map(secret => update(pair, secret))
    expect(secretsSent(pair)).to.deep.equal(['a'])
    pair.sendOctets(OK)
    expect(secretsSent(pair)).to.deep.equal(['a', 'b'])
    pair.sendOctets(OK)
    pair.sendOctets(OK)
    expect(pair.eventsOf('replied').map(({ token }) => token)).to.deep.equal(tokens)
  })

  it('is refused by a close of the connection, which every one that waits hears of', () => {
    const pair = ProtocolPair.opened()
    const tokens = [update(pair, 'a'), update(pair, 'b')]
    pair.sendOctets(CLOSE_530)
    for (const token of tokens) {
      const error = pair.errorOf(token)
      expect(error).to.be.instanceOf(ConnectionClosedError).and.include({
        replyCode: 530,
        method: 'connection.update-secret',
        connectionName: 'pair',
      })
    }
    expect(secretsSent(pair)).to.deep.equal(['a'])
    expect(pair.eventsOf('closed')[0]?.reason).to.include({ by: 'server', code: 530 })
    expect(pair.events.at(-1)?.type).to.equal('closed')
  })

  it('fails each when the connection is lost, or is ended without a word', () => {
    for (const end of [
      (pair: ProtocolPair) => pair.cut(new Error('read ECONNRESET')),
      (pair: ProtocolPair) => pair.run(() => pair.protocol.abort({ by: 'client' })),
    ]) {
      const pair = ProtocolPair.opened()
      const tokens = [update(pair), update(pair)]
      end(pair)
      for (const token of tokens) expect(pair.errorOf(token)).to.be.instanceOf(ConnectionClosedError)
      pair.advance(1_000_000)
      expect(pair.eventsOf('failed')).to.have.length(2)
    }
  })

  it('gives up after the time of a call, takes a late reply for what it is, and goes on with the next', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const late = update(pair, 'late')
    pair.advance(10_000)
    const next = update(pair, 'next')
    pair.advance(9_999)
    expect(pair.settlementOf(late)).to.equal(undefined)
    pair.advance(1)
    const error = pair.errorOf(late)
    expect(error).to.be.instanceOf(CallTimeoutError).and.include({ method: 'connection.update-secret' })
    expect(error?.message).to.equal('connection.update-secret: no reply within 20000 ms')
    expect(pair.protocol.state, 'the connection lives').to.equal('open')
    expect(secretsSent(pair)).to.deep.equal(['late'])
    pair.sendOctets(OK)
    expect(secretsSent(pair)).to.deep.equal(['late', 'next'])
    expect(pair.settlementOf(next)).to.equal(undefined)
    pair.sendOctets(OK)
    expect(pair.settlementOf(next)?.type).to.equal('replied')
    expect(pair.settlementOf(late)?.type, 'told once').to.equal('failed')
  })

  it('says so when the broker blocks the connection meanwhile: it answers nothing then', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const token = update(pair, 'a')
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    pair.advance(20_000)
    expect(pair.errorOf(token)?.message).to.match(
      / 20000 ms; the broker blocks the connection: low on memory$/,
    )
  })

  it('waits as long as it was told to, whichever is over first', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const [outstanding, patient, hasty] = [
      update(pair, 'a', 3000),
      update(pair, 'b', 2000),
      update(pair, 'c', 1000),
    ]
    expect(pair.protocol.nextDeadline()).to.equal(1000)
    pair.advance(1000)
    expect(pair.errorOf(hasty)?.message).to.match(/within 1000 ms$/)
    pair.advance(1000)
    expect(pair.errorOf(patient)?.message).to.match(/within 2000 ms$/)
    pair.advance(1000)
    expect(pair.errorOf(outstanding)?.message).to.match(/within 3000 ms$/)
    pair.sendOctets(OK)
    expect(secretsSent(pair), 'what timed out is not sent').to.deep.equal(['a'])
    expect(pair.protocol.nextDeadline()).to.equal(Number.POSITIVE_INFINITY)
  })

  it('takes one back that was not sent, and tells whoever waits for one that was', () => {
    const pair = ProtocolPair.opened()
    const [sent, queued, next] = [update(pair, 'a'), update(pair, 'b'), update(pair, 'c')]
    const cause = new Error('aborted')
    withdraw(pair, cause, sent, queued, {})
    withdraw(pair, cause, sent, queued)
    expect([sent, queued].map(token => pair.errorOf(token))).to.deep.equal([cause, cause])
    pair.sendOctets(OK)
    expect(secretsSent(pair)).to.deep.equal(['a', 'c'])
    pair.sendOctets(OK)
    expect(pair.settlementOf(next)?.type).to.equal('replied')
    expect(pair.eventsOf('failed')).to.have.length(2)
  })

  it('takes a reply that answers nothing for a violation (503)', () => {
    for (const before of [false, true]) {
      const pair = ProtocolPair.opened()
      if (before) {
        update(pair)
        pair.sendOctets(OK)
      }
      pair.sendOctets(OK)
      expect(pair.eventsOf('closed')[0]?.reason).to.include({
        by: 'protocol',
        code: 503,
        method: 'connection.update-secret-ok',
      })
    }
  })

  it('refuses what cannot be encoded, and a connection that is not open', () => {
    const pair = ProtocolPair.opened()
    const secret = Buffer.from('secret')
    expect(() => pair.protocol.updateSecret(secret, 'r'.repeat(256), {}, 0)).to.throw(ArgumentError, /reason/)
    const token = update(pair)
    pair.run(() => pair.protocol.close(pair.now))
    expect(() => pair.protocol.updateSecret(secret, '', {}, 0)).to.throw(
      ConnectionClosedError,
      /it is closing/,
    )
    pair.sendOctets(OK)
    expect(pair.settlementOf(token)?.type).to.equal('replied')
    expect(() => new ProtocolPair().protocol.updateSecret(secret, '', {}, 0)).to.throw(ConnectionClosedError)
  })

  it('is waited for by a close of the connection, those in the queue too', () => {
    const pair = ProtocolPair.opened()
    const tokens = [update(pair, 'a'), update(pair, 'b')]
    pair.run(() => pair.protocol.close(pair.now))
    expect(pair.methods).not.to.include('connection.close')
    pair.sendOctets(OK)
    expect(pair.methods).not.to.include('connection.close')
    pair.sendOctets(OK)
    expect(tokens.map(token => pair.settlementOf(token)?.type)).to.deep.equal(['replied', 'replied'])
    expect(pair.methods.at(-1)).to.equal('connection.close')
  })

  it('holds a close up no longer than four fifths of its time, and fails with its end', () => {
    const pair = ProtocolPair.opened({ limits: { closeTimeoutMs: 5000 } })
    const token = update(pair)
    pair.run(() => pair.protocol.close(pair.now))
    pair.advance(3999)
    expect(pair.methods).not.to.include('connection.close')
    pair.advance(1)
    expect(pair.methods.at(-1)).to.equal('connection.close')
    pair.sendOctets(OK)
    expect(pair.settlementOf(token), 'nothing but close-ok is read').to.equal(undefined)
    pair.send(0, { name: 'connection.close-ok', args: {} })
    expect(pair.errorOf(token)).to.be.instanceOf(ConnectionClosedError)
    expect(pair.eventsOf('closed')).to.have.length(1)
  })

  it('goes beside what the channels send, and in front of nothing that was accepted before', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    pair.call(channel, { name: 'queue.purge', args: { queue: 'q', noWait: false } })
    pair.publish(channel)
    update(pair)
    pair.publish(channel)
    expect(pair.methods).to.deep.equal([
      'queue.purge',
      'basic.publish',
      'connection.update-secret',
      'basic.publish',
    ])
  })

  it('has its secret in no event and no error', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    update(pair, 'a-great-secret', 1000)
    update(pair, 'a-great-secret', 2000)
    pair.advance(1000)
    pair.sendOctets(CLOSE_530)
    expect(pair.events.length).to.be.at.least(3)
    for (const event of pair.events) {
      const error = 'error' in event ? event.error : undefined
      expect(`${JSON.stringify(event)} ${error?.stack}`).not.to.include('a-great-secret')
    }
  })

  it('waits in no larger number than there is room for', () => {
    const octets = 28 + 512
    for (const [maxBuffered, waiting] of [
      [2 * octets, 2],
      [2 * octets - 1, 1],
    ] as const) {
      const pair = ProtocolPair.opened({ limits: { maxBuffered } })
      update(pair)
      for (let times = 0; times < 3; times++) {
        const tokens = Array.from({ length: waiting }, () => update(pair))
        expect(() => update(pair), `at most ${maxBuffered}`).to.throw(
          BackpressureError,
          `a call of ${octets} octets would join ${waiting * octets} that wait to be sent`,
        )
        // Those that are withdrawn wait no more, nor does one whose turn has come.
        withdraw(pair, new Error('not wanted'), ...tokens)
        update(pair)
        pair.sendOctets(OK)
      }
    }
  })

  it('is answered by nothing that was not asked', () => {
    const pair = ProtocolPair.opened()
    pair.sendOctets(OK)
    expect(pair.eventsOf('closed')[0]?.reason).to.include({
      by: 'protocol',
      code: 503,
      text: 'connection.update-secret-ok answers nothing that was asked',
    })
  })
})
