import { inspect } from 'node:util'
import { expect } from 'chai'
import type { ConnectionState } from '../../src/protocol/connection-state.js'
import {
  AuthenticationError,
  ConnectError,
  ConnectionClosedError,
  HeartbeatError,
  ProtocolError,
} from '../../src/protocol/errors.js'
import type { Method } from '../../src/protocol/method-types.js'
import { loadCapture } from '../support/captures.js'
import { hex, toHex } from '../support/hex.js'
import { type PairOptions, ProtocolPair } from '../support/peer/protocol-pair.js'

const KIB = 1024
const HEARTBEAT = hex`08000000000000ce`
const TUNE = hex`0100000000000c000a001e07ff00020000003cce`
const OPEN_OK = hex`01000000000005000a002900ce`
const DELIVER = hex`01000100000013003c003c017400000000000000010000026431ce`
const HEADER = hex`02000100000013003c00000000000000000003900003612f6202ce`
const BODY = hex`03000100000003616263ce`

const START: Extract<Method, { name: 'connection.start' }> = {
  name: 'connection.start',
  args: {
    versionMajor: 0,
    versionMinor: 9,
    serverProperties: { product: 'RabbitMQ' },
    mechanisms: Buffer.from('AMQPLAIN PLAIN'),
    locales: Buffer.from('en_US'),
  },
}

function reasonOf(pair: ProtocolPair) {
  const closed = pair.eventsOf('closed')
  expect(closed.length, 'closed events').to.be.at.most(1)
  return closed[0]?.reason
}

function octetsOf(pair: ProtocolPair): string {
  return toHex(Buffer.concat(pair.batches.flat()))
}

/** A pair whose handshake has come to the state. */
function pairIn(state: ConnectionState, options: PairOptions = {}): ProtocolPair {
  const pair = new ProtocolPair(options)
  pair.settle()
  if (state === 'awaitingStart') return pair
  pair.send(0, START)
  if (state === 'awaitingTune') return pair
  pair.sendOctets(TUNE)
  if (state === 'awaitingOpenOk') return pair
  pair.sendOctets(OPEN_OK)
  pair.forget()
  return pair
}

/** An open connection with a channel 1 that has the consumer t. */
function pairWithConsumer(): ProtocolPair {
  const pair = ProtocolPair.opened()
  const channel = pair.openChannel()
  const command = {
    queue: 'q',
    consumerTag: 't',
    prefetch: undefined,
    noAck: false,
    exclusive: false,
    noWait: false,
    arguments: {},
  }
  pair.run(() => channel.consume({ ...command, consumer: {} }, {}, 0))
  pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
  pair.forget()
  return pair
}

describe('ConnectionProtocol, the handshake', () => {
  it('begins with the protocol header and waits for Start', () => {
    const pair = pairIn('awaitingStart')
    expect(octetsOf(pair)).to.equal('414d515000000901')
    expect(pair.protocol).to.include({ state: 'awaitingStart', phase: 'start', tune: undefined })
    expect(pair.protocol.nextDeadline(), 'the connect timeout is not its affair').to.equal(
      Number.POSITIVE_INFINITY,
    )
  })

  it('answers what RabbitMQ sent, and is open', () => {
    const pair = new ProtocolPair()
    pair.settle()
    pair.sendOctets(loadCapture('connection-open').received)
    expect(pair.events).to.deep.equal([{ type: 'opened' }])
    expect(pair.protocol.serverProperties).to.include({ product: 'RabbitMQ', version: '3.10.8' })
    expect(pair.protocol.phase, 'the last there was').to.equal('open')
    expect(pair.protocol.tune).to.deep.equal({ channelMax: 2047, frameMax: 131_072, heartbeat: 60 })
    expect(pair.methods).to.deep.equal(['connection.start-ok', 'connection.tune-ok', 'connection.open'])
  })

  it('sends Tune-Ok and Open in one batch', () => {
    const pair = pairIn('awaitingTune')
    pair.batches.length = 0
    pair.sendOctets(TUNE)
    expect(pair.batches).to.have.length(1)
    expect(octetsOf(pair)).to.equal(
      '0100000000000c000a001f07ff00020000003cce01000000000008000a0028012f0000ce',
    )
    expect(pair.protocol).to.include({ state: 'awaitingOpenOk', phase: 'open' })
  })

  it('answers challenges', () => {
    const auth = {
      mechanism: 'PLAIN',
      initialResponse: () => Buffer.from('guest'),
      answer: () => Buffer.from('My password is guest'),
    }
    const pair = pairIn('awaitingTune', { handshake: { auth: [auth] } })
    pair.sendOctets(
      hex`01000000000024000a00140000001c506c656173652074656c6c206d6520796f75722070617373776f7264ce`,
    )
    pair.sendOctets(TUNE)
    pair.sendOctets(OPEN_OK)
    expect(pair.methods).to.deep.equal([
      'connection.start-ok',
      'connection.secure-ok',
      'connection.tune-ok',
      'connection.open',
    ])
    expect(pair.events).to.deep.equal([{ type: 'opened' }])
  })

  it('ignores heartbeats at any point', () => {
    const pair = new ProtocolPair()
    pair.settle()
    for (const octets of [pair.peer.method(0, START), HEARTBEAT, TUNE, HEARTBEAT, OPEN_OK, HEARTBEAT]) {
      pair.sendOctets(octets)
    }
    expect(pair.events).to.deep.equal([{ type: 'opened' }])
  })

  const greetings: readonly (readonly [octets: Buffer, message: RegExp])[] = [
    [hex`414d515003010000`, /refused AMQP 0-9-1 and suggests 1\.0\.0/],
    [hex`414d515000000901`, /refused AMQP 0-9-1 and suggests 0\.9\.1/],
    [Buffer.from('HTTP/1.1 400 Bad Request'), /an HTTP server answered.*management port/],
    [hex`15030300020246 ff`, /a TLS server answered.*TLS/],
    [Buffer.from('220 mail.example.org'), /something that is not AMQP/],
    [HEARTBEAT, /something that is not AMQP/],
  ]
  for (const [octets, message] of greetings) {
    it(`tells who it is that answers ${octets.toString('hex').slice(0, 16)}, in one chunk or octet by octet`, () => {
      for (const size of [octets.length, 1]) {
        const pair = pairIn('awaitingStart')
        for (let at = 0; at < octets.length; at += size) pair.sendOctets(octets.subarray(at, at + size))
        expect(reasonOf(pair)?.error).to.be.instanceOf(ConnectError).and.include({ phase: 'start' })
        expect(reasonOf(pair)?.error?.message).to.match(message)
        // No close was sent or received: there is no code, and least of all that of a mistake of ours.
        expect(reasonOf(pair)).to.include({ by: 'protocol' }).and.not.to.have.property('code')
        expect(pair.events.map(({ type }) => type)).to.deep.equal(['closed'])
        expect(pair.methods).to.deep.equal([])
      }
    })
  }

  it('tells who it may be that ends after a few octets', () => {
    const pair = pairIn('awaitingStart')
    pair.sendOctets(Buffer.from('HTTP/'))
    expect(pair.protocol.explainStandstill('no answer within 10 ms', 10).message).to.match(
      /an HTTP server answered/,
    )
    pair.cut()
    expect(reasonOf(pair)?.error?.message).to.match(/the peer ended the connection; an HTTP server answered/)
  })

  const phases: readonly (readonly [state: ConnectionState, waiting: string, hint: RegExp])[] = [
    ['awaitingStart', 'Connection.Start', /TLS/],
    ['awaitingTune', 'Connection.Tune', /credentials or the mechanism/],
    [
      'awaitingOpenOk',
      'Connection.Open-Ok',
      /refused the tuning: channelMax 2047, frameMax 131072, heartbeat 60/,
    ],
  ]
  for (const [state, waiting, hint] of phases) {
    for (const error of [undefined, new Error('read ECONNRESET')]) {
      it(`explains a peer that goes away ${state}, ${error === undefined ? 'with an end' : 'with a reset'}`, () => {
        const pair = pairIn(state)
        pair.now = 3210
        pair.cut(error)
        const reason = reasonOf(pair)
        expect(reason).to.include({ by: 'transport' })
        expect(reason?.error).to.be.instanceOf(ConnectError)
        expect(reason?.error?.message).to.include(
          `${error?.message ?? 'the peer ended the connection'}, waiting for ${waiting}`,
        )
        expect(reason?.error?.message).to.include('after 3210 ms').and.to.match(hint)
        expect(pair.events.map(({ type }) => type)).to.deep.equal(['closed'])
      })
    }

    it(`answers a close ${state}, and tells what the server said`, () => {
      const pair = pairIn(state)
      const args = { replyCode: 403, replyText: 'ACCESS_REFUSED - no', classId: 0, methodId: 0 }
      pair.send(0, { name: 'connection.close', args })
      expect(pair.methods.at(-1)).to.equal('connection.close-ok')
      const { error } = reasonOf(pair) ?? {}
      expect(reasonOf(pair)).to.include({ by: 'server', code: 403 })
      expect(error).to.be.instanceOf(state === 'awaitingOpenOk' ? ConnectError : AuthenticationError)
      expect(error?.message).to.match(/the server refused: 403 ACCESS_REFUSED - no/)
    })

    it(`ends at once, without a close, for a violation ${state}`, () => {
      for (const frame of [
        hex`01000000000004000a003dce`,
        hex`01000000000004000a0033ce`,
        hex`0100000000000400630001ce`,
        hex`010001000000080014000b00000000ce`,
        hex`0200010000000e003c000000000000000000000000ce`,
        hex`01000000000004000a003dcd`,
      ]) {
        const pair = pairIn(state)
        const { length } = pair.batches
        pair.sendOctets(frame)
        expect(reasonOf(pair)).to.include({ by: 'protocol' })
        expect(reasonOf(pair)?.error).to.be.instanceOf(ConnectError)
        expect(pair.batches, 'nobody answers a close now').to.have.length(length)
      }
    })
  }

  it('refuses frames beyond 8192 octets before Tune, and beyond the agreed limit after it', () => {
    const before = pairIn('awaitingStart')
    before.sendOctets(hex`0100000000 1ff9`)
    expect(reasonOf(before)?.error?.message).to.match(/broke the protocol \(501\): frame of 8193 octets/)
    const after = ProtocolPair.opened()
    after.openChannel()
    after.sendOctets(hex`0300010001fff9`)
    expect(reasonOf(after)).to.include({ by: 'protocol', code: 501 })
  })

  it('sends nothing any more once it is closed, also what an authentication mechanism that aborts returns', () => {
    const auth = {
      mechanism: 'PLAIN',
      initialResponse: () => {
        pair.protocol.abort({ by: 'client', text: 'aborted' })
        return Buffer.from('too late')
      },
    }
    const pair: ProtocolPair = pairIn('awaitingStart', { handshake: { auth: [auth] } })
    pair.forget()
    pair.send(0, START)
    expect(reasonOf(pair)).to.deep.equal({ by: 'client', text: 'aborted' })
    expect(pair.batches).to.deep.equal([])
    expect(pair.protocol.pollTransmit(pair.now)).to.equal(undefined)
    expect(pair.protocol.nextDeadline()).to.equal(Number.POSITIVE_INFINITY)
  })

  it('takes frames up to the agreed limit', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const token = pair.call(channel, { name: 'basic.get', args: { queue: 'q', noAck: true } })
    const args = { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
    pair.sendContent(1, { name: 'basic.get-ok', args }, Buffer.alloc(131_072 - 8))
    expect(pair.settlementOf(token)?.type).to.equal('got')
  })

  it('has no password in its reason, whatever goes wrong', () => {
    const secret = 'hunter2'
    const auth = {
      mechanism: 'PLAIN',
      initialResponse: () => Buffer.from(`\0guest\0${secret}`),
    }
    for (const state of ['awaitingStart', 'awaitingTune', 'awaitingOpenOk'] as const) {
      const pair = pairIn(state, { handshake: { auth: [auth] } })
      pair.cut(new Error('read ECONNRESET'))
      expect(inspect(pair.events, { depth: 10, showHidden: true })).not.to.include(secret)
    }
  })

  it("blames nobody's protocol for client properties that cannot be sent", () => {
    const pair = pairIn('awaitingStart', { handshake: { clientProperties: { large: 'x'.repeat(9000) } } })
    pair.send(0, START)
    expect(reasonOf(pair)?.error).to.be.instanceOf(ConnectError)
    expect(reasonOf(pair)?.error?.message).to.match(/connection\.start-ok would make 9\d{3} octets/)
    expect(reasonOf(pair)?.error?.message).not.to.include('the peer broke the protocol')
  })

  it('judges no silent server by its heartbeats before it is open, and sends its own', () => {
    const pair = pairIn('awaitingOpenOk', { heartbeat: 1 })
    pair.advance(9000)
    expect(pair.events).to.deep.equal([])
    expect(pair.received.filter(({ type }) => type === 'heartbeat')).to.have.length(18)
    pair.sendOctets(OPEN_OK)
    pair.advance(1999)
    expect(pair.events).to.deep.equal([{ type: 'opened' }])
    pair.advance(1)
    expect(reasonOf(pair)).to.include({ by: 'heartbeat' })
  })
})

describe('ConnectionProtocol, violations', () => {
  const message = { exchange: '', routingKey: '', redelivered: false, deliveryTag: 1 }
  const violations: readonly (readonly [what: string, octets: Buffer, replyCode: number])[] = [
    ['a heartbeat on a channel', hex`08000100000000ce`, 501],
    ['a heartbeat with a payload', hex`0800000000000101ce`, 501],
    ['an unknown frame type', hex`04000000000000ce`, 501],
    ['a wrong frame-end', hex`01000100000004003c000bcd`, 501],
    ['a frame that is too large', hex`0300010001fff9`, 501],
    ['a method frame without ids', hex`01000100000002003cce`, 501],
    ['octets behind the arguments', hex`01000100000005003c000b00ce`, 501],
    ['arguments that end too soon', hex`01000100000008003c003c017400 00ce`, 501],
    ['a method inside a content', hex`${DELIVER} ${HEADER} 01000100000004003c000bce`, 505],
    ['a method in place of a header', hex`${DELIVER} 01000100000004003c000bce`, 505],
    ['a body in place of a header', hex`${DELIVER} ${BODY}`, 505],
    ['a header without a method', HEADER, 505],
    ['a body without a method', BODY, 505],
    ['more body than announced', hex`${DELIVER} ${HEADER} 0300010000000461626364ce`, 501],
    ['a header of another class', hex`${DELIVER} 0200010000000e003d000000000000000000000000ce`, 505],
    ['a header with a weight', hex`${DELIVER} 0200010000000e003c000100000000000000000000ce`, 505],
    [
      'an unknown field type',
      hex`${DELIVER} 02000100000015003c000000000000000000002000000000 03016b5ace`,
      502,
    ],
    [
      'a table longer than its frame',
      hex`${DELIVER} 02000100000012003c00000000000000000000200000000 0ffce`,
      501,
    ],
    ['tables nested too deep', hex`${DELIVER} ${nestedTables()}`, 502],
    ['a body size beyond 2^53', hex`${DELIVER} 0200010000000e003c0000 0020000000000000 0000ce`, 501],
    ['a delivery tag beyond 2^53', hex`01000100000012003c003c0174002000000000000101000171ce`, 502],
    [
      'a delivery tag that does not count up',
      hex`${DELIVER} ${HEADER} ${BODY} ${DELIVER} ${HEADER} ${BODY}`,
      502,
    ],
    [
      'a delivery to nobody',
      hex`01000100000013003c003c017500000000000000010000026431ce ${HEADER} ${BODY}`,
      503,
    ],
    ['an unknown class', hex`0100010000000400630001ce`, 540],
    ['an unknown method of channel 0', hex`010000000000040033000ace`, 540],
    ['a method on a channel that is not open', hex`0100030000000400280015ce`, 504],
    ['a content frame on a channel that is not open', hex`0200030000000e003c000000000000000000000000ce`, 505],
    ['a content frame on channel 0', hex`0300000000000161ce`, 505],
    ['a method of a channel on channel 0', hex`01000000000004003c000bce`, 504],
    ['a method of the connection on a channel', hex`01000100000004000a003dce`, 503],
    ['a second Start', encoded(0, START), 504],
    ['a second Tune', TUNE, 504],
    ['a second Open-Ok', OPEN_OK, 504],
    ['Close-Ok without a Close', hex`01000000000004000a0033ce`, 504],
    ['a method that only a client may send', encoded(1, { name: 'tx.commit', args: {} }), 503],
    ['Open from the server', encoded(0, { name: 'connection.open', args: { virtualHost: '/' } }), 503],
    ['a reply that was not asked for', encoded(1, { name: 'basic.qos-ok', args: {} }), 504],
    [
      'a get-ok that was not asked for',
      hex`${encoded(1, { name: 'basic.get-ok', args: { ...message, messageCount: 0 } })} ${HEADER} ${BODY}`,
      504,
    ],
  ]
  for (const [what, octets, replyCode] of violations) {
    it(`closes with ${replyCode} for ${what}, and reads nothing more`, () => {
      const pair = pairWithConsumer()
      pair.sendOctets(Buffer.concat([octets, HEARTBEAT, DELIVER, HEADER, BODY]))
      const close = pair.received.at(-1)
      const method = close?.type === 'method' ? close.method : undefined
      expect(method?.name).to.equal('connection.close')
      expect(method?.args).to.include({ replyCode })
      expect(reasonOf(pair)).to.include({ by: 'protocol', code: replyCode })
      expect(reasonOf(pair)?.error).to.be.instanceOf(ProtocolError).and.include({ replyCode })
      expect(pair.methods.filter(name => name === 'connection.close')).to.have.length(1)
      expect(pair.events.at(-1)?.type).to.equal('closed')
    })
  }

  it('closes also when the text of the violation is cut inside a character', () => {
    for (let length = 20; length < 60; length++) {
      const pair = pairWithConsumer()
      const name = Buffer.from(`${'x'.repeat(length)}\u{1f407}`)
      const table = Buffer.concat([Buffer.of(name.length), name, Buffer.from('Z')])
      const tableSize = Buffer.of(0, 0, 0, table.length)
      const payload = hex`003c0000 0000000000000000 2000 ${tableSize} ${table}`
      pair.sendOctets(hex`${DELIVER} 020001 000000${Buffer.of(payload.length)} ${payload} ce`)
      expect(pair.methods).to.deep.equal(['connection.close'])
    }
  })

  it('sends nothing of what waited before the close', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.reads = false
    pair.publish(channel, { body: Buffer.alloc(300 * KIB) })
    pair.sendOctets(hex`04000000000000ce`)
    pair.reads = true
    pair.settle()
    expect(pair.methods).to.deep.equal(['connection.close'])
  })

  it('says by the ids of the close which method was wrong', () => {
    const pair = pairWithConsumer()
    pair.sendOctets(hex`01000100000005003c000b00ce`)
    const [close] = pair.received
    expect(close?.type === 'method' && close.method.args).to.include({ classId: 60, methodId: 11 })
  })
})

describe('ConnectionProtocol, heartbeats', () => {
  it('are sent each half interval by an idle connection, one at a time, and any octet is life', () => {
    const pair = ProtocolPair.opened({ heartbeat: 2 })
    for (let ms = 0; ms < 60_000; ms += 1900) {
      pair.advance(1900)
      pair.sendOctets(HEARTBEAT)
    }
    expect(pair.eventsOf('closed')).to.deep.equal([])
    const heartbeats = pair.received.filter(({ type }) => type === 'heartbeat').length
    expect(heartbeats).to.equal(Math.floor(pair.now / 1000))
    expect(pair.protocol.counts).to.include({ heartbeatsSent: heartbeats, heartbeatsReceived: 32 })
  })

  it('find a silent peer dead after two intervals: no close, all fails, and the facts are told', () => {
    const pair = ProtocolPair.opened({ heartbeat: 2 })
    const channel = pair.openChannel()
    const token = pair.call(channel, { name: 'queue.purge', args: { queue: 'q', noWait: false } })
    pair.forget()
    pair.advance(3999)
    expect(pair.events).to.deep.equal([])
    pair.reads = false
    pair.publish(channel, { body: Buffer.alloc(1000) })
    pair.protocol.pollTransmit(pair.now)
    pair.publish(channel, { body: Buffer.alloc(500) })
    pair.advance(1)
    pair.reads = true
    pair.settle()
    const reason = reasonOf(pair)
    expect(reason).to.include({ by: 'heartbeat' })
    expect(reason?.text).to.equal('nothing received for 4000 ms, heartbeat interval 2 s')
    expect(reason?.error).to.be.instanceOf(HeartbeatError)
    expect(reason?.error).to.include({
      intervalMs: 2000,
      silenceMs: 4000,
      eventLoopLagMs: 0,
      connectionName: 'pair',
    })
    expect((reason?.error as HeartbeatError | undefined)?.queuedOctets).to.be.within(1500, 1700)
    expect(pair.methods).to.deep.equal([])
    expect(pair.settlementOf(token)?.type).to.equal('failed')
    expect(pair.protocol.nextDeadline()).to.equal(Number.POSITIVE_INFINITY)
  })

  it('live on a trickle inside one frame, and end a frame that swallows them', () => {
    const pair = ProtocolPair.opened({ heartbeat: 2 })
    pair.openChannel()
    pair.sendOctets(hex`010001 00001000`)
    for (let ms = 0; ms < 15_500; ms += 500) {
      pair.advance(500)
      expect(pair.eventsOf('closed'), `at ${ms}`).to.deep.equal([])
      pair.sendOctets(HEARTBEAT)
    }
    pair.advance(1000)
    expect(reasonOf(pair)).to.include({ by: 'heartbeat' })
    expect(reasonOf(pair)?.text).to.match(/has not ended for 8 heartbeat intervals of 2 s/)
  })

  it('live on one octet at a time', () => {
    const pair = ProtocolPair.opened({ heartbeat: 2 })
    for (let count = 0; count < 100; count++) {
      pair.advance(1900)
      pair.sendOctets(HEARTBEAT.subarray(count % 8, (count % 8) + 1))
    }
    expect(pair.eventsOf('closed')).to.deep.equal([])
  })

  it('may be sent by hand once it is open, and not before or after', () => {
    const opening = pairIn('awaitingOpenOk')
    expect(opening.protocol.sendHeartbeat()).to.equal(false)
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    expect(pair.protocol.sendHeartbeat()).to.equal(true)
    pair.settle()
    expect(octetsOf(pair)).to.equal(toHex(HEARTBEAT))
    pair.cut()
    expect(pair.protocol.sendHeartbeat()).to.equal(false)
  })

  it('of interval 0 want no timer, and those that come are ignored', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    expect(pair.protocol.nextDeadline()).to.equal(Number.POSITIVE_INFINITY)
    pair.sendOctets(HEARTBEAT)
    pair.advance(1e9)
    expect(pair.events).to.deep.equal([])
    expect(pair.received).to.deep.equal([])
  })

  it('go on while the broker blocks, and while the close waits', () => {
    const pair = ProtocolPair.opened({ heartbeat: 2, limits: { closeTimeoutMs: 20_000 } })
    const channel = pair.openChannel({ confirm: true })
    pair.publish(channel)
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    pair.run(() => pair.protocol.close(pair.now))
    pair.forget()
    for (let count = 0; count < 10; count++) {
      pair.advance(1900)
      pair.sendOctets(HEARTBEAT)
    }
    expect(pair.received.filter(({ type }) => type === 'heartbeat').length).to.be.at.least(17)
  })

  it('lead what a stall of the event loop produced, and the stall is told first', () => {
    const pair = ProtocolPair.opened({ heartbeat: 10 })
    const channel = pair.openChannel()
    pair.now = 9000
    pair.publish(channel)
    expect(pair.received.map(({ type }) => type)).to.deep.equal(['heartbeat', 'method'])
    pair.forget()
    pair.now = 60_000
    pair.run(() => pair.protocol.handleTimeout(pair.now))
    expect(pair.events).to.deep.equal([{ type: 'stalled', lagMs: 55_000 }])
    expect(pair.protocol.nextDeadline(), 'look again after the sockets were read').to.equal(60_000)
    pair.sendOctets(HEARTBEAT)
    pair.run(() => pair.protocol.handleTimeout(pair.now))
    pair.advance(1)
    expect(pair.eventsOf('closed')).to.deep.equal([])
  })

  it('tell a stall before the verdict, and both in one reason', () => {
    const pair = ProtocolPair.opened({ heartbeat: 10 })
    pair.now = 60_000
    pair.advance(0)
    expect(pair.events.map(({ type }) => type)).to.deep.equal(['stalled', 'closed'])
    expect(reasonOf(pair)?.text).to.match(/the event loop was blocked for 55000 ms$/)
    expect(reasonOf(pair)?.error).to.include({ eventLoopLagMs: 55_000 })
  })

  it('tell a stall before the reset that it caused', () => {
    const pair = ProtocolPair.opened({ heartbeat: 10 })
    pair.now = 60_000
    pair.cut(new Error('read ECONNRESET'))
    expect(pair.events.map(({ type }) => type)).to.deep.equal(['stalled', 'closed'])
    expect(reasonOf(pair)?.text).to.match(
      /ECONNRESET; the event loop was blocked for 55000 ms, so it may have missed/,
    )
  })

  it('leave the peer one interval after a suspension, and a publish made on waking does not hang', () => {
    const pair = ProtocolPair.opened({ heartbeat: 10 })
    const channel = pair.openChannel({ confirm: true })
    pair.now = 3_600_000
    pair.protocol.handleSuspension(pair.now)
    const token = pair.publish(channel)
    expect(pair.received.map(({ type }) => type)).to.deep.equal(['heartbeat', 'method'])
    pair.advance(9_999)
    expect(pair.events).to.deep.equal([])
    pair.advance(1)
    expect(reasonOf(pair)).to.include({ by: 'heartbeat' })
    expect(pair.settlementOf(token)?.type).to.equal('failed')
  })

  it('judge nobody while reading is paused, and give two intervals when it goes on', () => {
    const pair = ProtocolPair.opened({ heartbeat: 10 })
    pair.protocol.pauseReceiving()
    pair.advance(100_000)
    expect(pair.received.filter(({ type }) => type === 'heartbeat')).to.have.length(20)
    pair.protocol.resumeReceiving(pair.now)
    pair.advance(19_999)
    expect(pair.events).to.deep.equal([])
    pair.advance(1)
    expect(reasonOf(pair)).to.include({ by: 'heartbeat' })
  })

  it('are not due while the socket still has a backlog', () => {
    const pair = ProtocolPair.opened({ heartbeat: 10 })
    const channel = pair.openChannel()
    pair.reads = false
    pair.publish(channel)
    pair.protocol.pollTransmit(pair.now)
    pair.advance(15_000)
    expect(pair.protocol.pollTransmit(pair.now)).to.equal(undefined)
    pair.reads = true
    pair.run(() => pair.protocol.handleWritten(pair.now))
    pair.sendOctets(HEARTBEAT)
    pair.forget()
    pair.advance(5000)
    expect(pair.received.map(({ type }) => type)).to.deep.equal(['heartbeat'])
  })
})

describe('ConnectionProtocol, the broker blocks', () => {
  it('tells it, with each new reason, and the end of it', () => {
    const pair = ProtocolPair.opened()
    pair.sendOctets(hex`01000000000012000a003c0d6c6f77206f6e206d656d6f7279ce`)
    expect(pair.protocol.blocked).to.equal('low on memory')
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory & disk' } })
    pair.sendOctets(hex`01000000000004000a003dce`)
    expect(pair.events).to.deep.equal([
      { type: 'blocked', reason: 'low on memory' },
      { type: 'blocked', reason: 'low on memory & disk' },
      { type: 'unblocked' },
    ])
    expect(pair.protocol.blocked).to.equal(undefined)
  })
})

describe('ConnectionProtocol, a close behind a large body that takes long', () => {
  it('goes out when the body has left, though confirms are waited for no longer', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const channel = pair.openChannel({ confirm: true })
    pair.reads = false
    pair.publish(channel, { body: Buffer.alloc(600_000) })
    pair.run(() => pair.protocol.close(pair.now))
    pair.advance(4_200)
    expect(pair.protocol.state).to.equal('draining')
    pair.reads = true
    pair.settle()
    expect(pair.methods.at(-1)).to.equal('connection.close')
    expect(pair.protocol.reason?.text).to.match(
      /^closed before everything was answered: 1 publishes unconfirmed/,
    )
  })
})

describe('ConnectionProtocol, counting', () => {
  it('counts frames, octets and heartbeats both ways', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const before = pair.protocol.counts
    const channel = pair.openChannel()
    const afterOpen = pair.protocol.counts
    expect(afterOpen.framesSent - before.framesSent).to.equal(1)
    expect(afterOpen.octetsSent - before.octetsSent).to.equal(13)
    expect(afterOpen.framesReceived - before.framesReceived).to.equal(1)
    expect(afterOpen.octetsReceived - before.octetsReceived).to.equal(16)
    pair.publish(channel, { body: Buffer.alloc(200 * KIB) })
    pair.protocol.sendHeartbeat()
    pair.settle()
    pair.sendOctets(HEARTBEAT)
    const after = pair.protocol.counts
    const octets = Buffer.concat(pair.batches.flat()).length
    expect(after.framesSent - afterOpen.framesSent).to.equal(5)
    expect(after.octetsSent - afterOpen.octetsSent).to.equal(octets)
    expect(after).to.include({ heartbeatsSent: 1, heartbeatsReceived: 1 })
  })

  it('tells what was accepted, what waits to be handed over, and what the socket has not taken', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const channel = pair.openChannel()
    const before = pair.protocol.appended
    pair.reads = false
    pair.publish(channel, { body: Buffer.alloc(1000) })
    const { unsent } = pair.protocol
    expect(unsent).to.be.within(1000, 1100)
    expect(pair.protocol.appended - before).to.equal(unsent)
    pair.protocol.pollTransmit(pair.now)
    expect(pair.protocol).to.include({ unsent, buffered: unsent })
    pair.protocol.handleWritten(pair.now)
    expect(pair.protocol).to.include({ unsent: 0, buffered: 0 })
    expect(pair.protocol.appended - before).to.equal(unsent)
  })

  it('takes frames that end and begin in the same octets for life, each with eight intervals of its own', () => {
    const pair = pairIn('open', { heartbeat: 60 })
    const interval = (pair.protocol.tune?.heartbeat ?? 0) * 1000
    // Each piece is the end of one frame and the beginning of the next.
    const piece = Buffer.concat([HEARTBEAT.subarray(4), HEARTBEAT.subarray(0, 4)])
    pair.sendOctets(HEARTBEAT.subarray(0, 4))
    for (let pieces = 0; pieces < 40; pieces++) {
      pair.advance(interval)
      pair.sendOctets(piece)
    }
    expect(pair.protocol.state).to.equal('open')
  })

  it('may be told of time, sleep and pauses before heartbeats are agreed on', () => {
    const pair = pairIn('awaitingStart')
    const { protocol } = pair
    for (const tell of [
      () => protocol.handleTimeout(1_000_000),
      () => protocol.handleSuspension(1_000_000),
      () => protocol.pauseReceiving(),
      () => protocol.resumeReceiving(1_000_000),
    ]) {
      pair.run(tell)
    }
    expect(pair.events).to.deep.equal([])
    expect(protocol.state).to.equal('awaitingStart')
  })

  it('refuses new channels while it closes, and says where', () => {
    const pair = ProtocolPair.opened()
    pair.publish(pair.openChannel({ confirm: true }))
    pair.run(() => pair.protocol.close(pair.now))
    expect(() => pair.protocol.openChannel({}, 1, {}, pair.now))
      .to.throw(ConnectionClosedError, 'connection closed by the application: it is closing')
      .and.include({ connectionName: 'pair', localPort: 1 })
  })

  it('tells the ages of the last octets', () => {
    const fresh = new ProtocolPair()
    expect(fresh.protocol.receivedAgo(0)).to.equal(undefined)
    expect(fresh.protocol.sentAgo(0)).to.equal(undefined)
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    pair.now = 1000
    pair.sendOctets(HEARTBEAT)
    pair.openChannel()
    expect(pair.protocol.receivedAgo(1500)).to.equal(500)
    expect(pair.protocol.sentAgo(1700)).to.equal(700)
  })
})

function encoded(channelNumber: number, method: Method): Buffer {
  return new ProtocolPair().peer.method(channelNumber, method)
}

/** A header whose table holds 65 tables, one in the other. */
function nestedTables(): Buffer {
  let table = hex`00000000`
  for (let depth = 0; depth < 65; depth++) {
    const field = hex`0174 46 ${table}`
    const size = Buffer.alloc(4)
    size.writeUInt32BE(field.length)
    table = Buffer.concat([size, field])
  }
  const payload = hex`003c0000 0000000000000000 2000 ${table}`
  const size = Buffer.alloc(4)
  size.writeUInt32BE(payload.length)
  return hex`020001 ${size} ${payload} ce`
}
