import { expect } from 'chai'
import fc from 'fast-check'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import { NackedError, ReturnedError, UnconfirmedError } from '../../src/protocol/errors.js'
import type { Publishing } from '../../src/protocol/frame-writers.js'
import { hex } from '../support/hex.js'
import { grows } from '../support/invariants/index.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import { runs } from '../support/runs.js'

const KIB = 1024
const NO_ROUTE = { replyCode: 312, replyText: 'NO_ROUTE' }

function confirm(pair: ProtocolPair, deliveryTag: number, multiple = false): void {
  pair.send(1, { name: 'basic.ack', args: { deliveryTag, multiple } })
}

function sendReturn(pair: ProtocolPair, message: Partial<Publishing> = {}): void {
  const { exchange = '', routingKey = 'q', body = Buffer.from('body'), properties = {} } = message
  pair.sendContent(1, { name: 'basic.return', args: { ...NO_ROUTE, exchange, routingKey } }, body, properties)
}

function errorOf(pair: ProtocolPair, token: object | undefined): Error | undefined {
  const event = pair.settlementOf(token)
  return event?.type === 'failed' ? event.error : undefined
}

/** How each token was settled, in words. */
function fates(pair: ProtocolPair, tokens: readonly (object | undefined)[]): string[] {
  return tokens.map(token => {
    const event = pair.settlementOf(token)
    if (event === undefined) return 'waits'
    return event.type === 'failed' ? event.error.name : event.type
  })
}

function publishMany(pair: ProtocolPair, channel: ChannelProtocol, count: number): (object | undefined)[] {
  return Array.from({ length: count }, () => pair.publish(channel))
}

describe('ChannelPublisher, confirms', () => {
  it('are told together for one ack of several, oldest first', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const tokens = publishMany(pair, channel, 7)
    pair.sendOctets(hex`0100010000000d003c0050000000000000000300ce`)
    expect(pair.eventsOf('confirmed')).to.deep.equal([{ type: 'confirmed', tokens: [tokens[2]] }])
    pair.sendOctets(hex`0100010000000d003c0050000000000000000601ce`)
    const [, several] = pair.eventsOf('confirmed')
    expect(several?.tokens).to.deep.equal([0, 1, 3, 4, 5].map(index => tokens[index]))
    expect(fates(pair, tokens)[6]).to.equal('waits')
    expect(channel.unconfirmed).to.equal(1)
  })

  it('fail what the broker refuses, and only that', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const tokens = publishMany(pair, channel, 3)
    pair.sendOctets(hex`0100010000000d003c0078000000000000000202ce`)
    expect(fates(pair, tokens)).to.deep.equal(['waits', 'NackedError', 'waits'])
    const error = errorOf(pair, tokens[1])
    expect(error).to.be.instanceOf(NackedError)
    expect(error).to.include({ connectionName: 'pair' })
    expect(error?.message).to.equal(
      "publish to exchange '' with routing key 'q' was refused by the broker (basic.nack)",
    )
  })

  it('of numbers that are not outstanding are ignored', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const [token] = publishMany(pair, channel, 1)
    for (const tag of [0, 2, 99]) confirm(pair, tag)
    expect(fates(pair, [token])).to.deep.equal(['waits'])
    confirm(pair, 1)
    confirm(pair, 1)
    expect(fates(pair, [token])).to.deep.equal(['confirmed'])
    expect(channel.state).to.equal('open')
  })

  it('are ignored on a channel that never asked for them', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.publish(channel)
    confirm(pair, 1)
    expect(pair.events).to.deep.equal([])
    expect(channel.state).to.equal('open')
  })

  it('count what is published after confirm.select, answered or not', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.publish(channel)
    pair.call(channel, { name: 'confirm.select', args: { noWait: false } })
    const tokens = publishMany(pair, channel, 2)
    pair.send(1, { name: 'confirm.select-ok', args: {} })
    confirm(pair, 1)
    expect(fates(pair, tokens)).to.deep.equal(['confirmed', 'waits'])
  })

  it('that are overdue fail as unknown, and a late one is ignored without moving the count', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const overdue = pair.publish(channel)
    pair.advance(10_000)
    const next = pair.publish(channel)
    pair.advance(19_999)
    expect(fates(pair, [overdue, next])).to.deep.equal(['waits', 'waits'])
    pair.advance(1)
    expect(fates(pair, [overdue, next])).to.deep.equal(['UnconfirmedError', 'waits'])
    const error = errorOf(pair, overdue)
    expect(error).to.be.instanceOf(UnconfirmedError).and.include({ outcome: 'unknown', routingKey: 'q' })
    expect(error?.message).to.match(/may or may not have arrived: no confirm within 30000 ms$/)
    confirm(pair, 1)
    confirm(pair, 2)
    expect(fates(pair, [overdue, next])).to.deep.equal(['UnconfirmedError', 'confirmed'])
    expect(channel.state).to.equal('open')
  })

  it('that are overdue while the broker blocks the connection say so', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const token = pair.publish(channel)
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on disk' } })
    pair.advance(30_000)
    expect(errorOf(pair, token)?.message).to.match(/30000 ms; the broker blocks the connection: low on disk$/)
  })
})

describe('ChannelPublisher, returns', () => {
  it('fail the publish they belong to when it is confirmed, not before', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const token = pair.publish(channel, { routingKey: 'no', mandatory: true, body: Buffer.alloc(0) })
    pair.sendOctets(hex`01000100000013003c00320138084e4f5f524f55544500026e6fce`)
    pair.sendOctets(hex`0200010000000e003c000000000000000000000000ce`)
    expect(fates(pair, [token])).to.deep.equal(['waits'])
    pair.sendOctets(hex`0100010000000d003c0050000000000000000100ce`)
    const error = errorOf(pair, token)
    expect(error).to.be.instanceOf(ReturnedError).and.include({ replyCode: 312 })
    const { returned } = error as ReturnedError
    expect(returned).to.deep.include({ ...NO_ROUTE, exchange: '', routingKey: 'no', properties: {} })
    expect(pair.eventsOf('returned')).to.deep.equal([])
  })

  it('are events on a plain channel, and where they fit nothing outstanding', () => {
    const pair = ProtocolPair.opened()
    const plain = pair.openChannel()
    pair.publish(plain, { mandatory: true })
    sendReturn(pair, { properties: { messageId: '1' } })
    const [event] = pair.eventsOf('returned')
    expect(event?.channel).to.equal(plain.owner)
    expect(event?.message).to.deep.equal({
      ...NO_ROUTE,
      exchange: '',
      routingKey: 'q',
      properties: { messageId: '1' },
      body: Buffer.from('body'),
    })

    const other = ProtocolPair.opened()
    const channel = other.openChannel({ confirm: true })
    const tokens = [other.publish(channel, { mandatory: true }), other.publish(channel)]
    sendReturn(other, { body: Buffer.from('another') })
    sendReturn(other)
    sendReturn(other)
    expect(other.eventsOf('returned')).to.have.length(2)
    confirm(other, 2, true)
    expect(fates(other, tokens)).to.deep.equal(['ReturnedError', 'confirmed'])
  })

  it('find their publish by routing key, properties and body, when confirms of others overtake them', () => {
    const kind = fc.record({
      routingKey: fc.constantFrom('a', 'b'),
      messageId: fc.constantFrom('1', '2', undefined),
      body: fc.constantFrom('', 'body'),
      isRouted: fc.boolean(),
      mandatory: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(kind, { maxLength: 25 }), fc.infiniteStream(fc.nat()), (kinds, picks) => {
        const pair = ProtocolPair.opened()
        const channel = pair.openChannel({ confirm: true })
        const published = kinds.map(({ routingKey, messageId, body, mandatory, isRouted }, index) => {
          // Identical messages have one fate: nobody could tell them apart.
          const twin = kinds.findIndex(
            other =>
              other.routingKey === routingKey &&
              other.messageId === messageId &&
              other.body === body &&
              other.mandatory === mandatory,
          )
          const returns = mandatory && !(kinds[twin]?.isRouted ?? isRouted)
          const message = { routingKey, mandatory, properties: { messageId }, body: Buffer.from(body) }
          return { token: pair.publish(channel, message), message, returns, tag: index + 1 }
        })
        // The broker takes messages in order, and returns what it cannot route then. It confirms them later, in any order.
        const toTake = [...published]
        const toConfirm: typeof published = []
        while (toTake.length > 0 || toConfirm.length > 0) {
          const pick = picks.next().value as number
          const taken = pick % 2 === 0 || toConfirm.length === 0 ? toTake.shift() : undefined
          if (taken !== undefined) {
            if (taken.returns) sendReturn(pair, taken.message)
            toConfirm.push(taken)
          } else if (toConfirm.length > 0) {
            const [confirmed] = toConfirm.splice(pick % toConfirm.length, 1)
            confirm(pair, confirmed?.tag ?? 0)
          }
        }
        const expected = published.map(({ returns }) => (returns ? 'ReturnedError' : 'confirmed'))
        expect(
          fates(
            pair,
            published.map(({ token }) => token),
          ),
        ).to.deep.equal(expected)
        for (const { token, message, returns } of published) {
          if (!returns) continue
          const { returned } = errorOf(pair, token) as ReturnedError
          expect(returned.routingKey).to.equal(message.routingKey)
          expect(returned.properties.messageId).to.equal(message.properties.messageId)
        }
        expect(pair.eventsOf('returned')).to.deep.equal([])
      }),
      runs(60),
    )
  })

  it('belong, of publishes that are alike, to one that is confirmed: what the broker returns it does not refuse', () => {
    for (const order of [
      ['ack 2', 'nack 1'],
      ['nack 1', 'ack 2'],
    ]) {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel({ confirm: true })
      const tokens = [1, 2].map(() => pair.publish(channel, { mandatory: true }))
      sendReturn(pair)
      for (const step of order) {
        if (step === 'ack 2') confirm(pair, 2)
        else {
          const args = { deliveryTag: 1, multiple: false, requeue: false }
          pair.send(1, { name: 'basic.nack', args })
        }
      }
      expect(fates(pair, tokens), order.join(', ')).to.deep.equal(['NackedError', 'ReturnedError'])
    }
  })

  it('find a publish that waited, though its headers were changed meanwhile', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    const headers = { version: 'then' }
    const token = pair.publish(channel, { mandatory: true, properties: { headers } })
    headers.version = 'now'
    pair.send(0, { name: 'connection.unblocked', args: {} })
    sendReturn(pair, { properties: { headers: { version: 'then' } } })
    confirm(pair, 1)
    expect(fates(pair, [token])).to.deep.equal(['ReturnedError'])
    expect(pair.eventsOf('returned')).to.deep.equal([])
  })

  for (const waits of [false, true]) {
    it(`find a publish whose headers can be read once only, ${waits ? 'when it waits' : 'sent at once'}`, () => {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel({ confirm: true })
      if (waits) pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
      let reads = 0
      const headers = {
        get once(): string {
          if (++reads > 1) throw new Error('read again')
          return 'value'
        },
      }
      const token = pair.publish(channel, { mandatory: true, properties: { headers } })
      if (waits) pair.send(0, { name: 'connection.unblocked', args: {} })
      expect(pair.methods).to.deep.equal(['basic.publish'])
      sendReturn(pair, { properties: { headers: { once: 'value' } } })
      confirm(pair, 1)
      expect(fates(pair, [token])).to.deep.equal(['ReturnedError'])
    })
  }

  it('that come for a publish given up are told', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const token = pair.publish(channel, { mandatory: true })
    pair.advance(30_000)
    expect(fates(pair, [token])).to.deep.equal(['UnconfirmedError'])
    sendReturn(pair)
    confirm(pair, 1)
    expect(pair.eventsOf('returned')).to.have.length(1)
    expect(fates(pair, [token])).to.deep.equal(['UnconfirmedError'])
  })

  it('hold on to no message that was confirmed or given up', async () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const channel = pair.openChannel({ confirm: true })
    let tag = 0
    const publishAndForget = () => {
      for (let count = 0; count < 4; count++) {
        // A body of this size is kept by reference as long as its message may come back.
        pair.publish(channel, { mandatory: true, body: Buffer.alloc(20 * KIB) })
        tag++
        if (count % 2 === 0) confirm(pair, tag)
      }
      pair.advance(30_000)
      pair.forget()
    }
    await grows(publishAndForget, { times: 200, maxOctets: 2000 * KIB })
  })
})

describe('ChannelPublisher, at the end', () => {
  it('says of what not one octet of has left that it was not sent, and of the rest that it is unknown', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const sent = pair.publish(channel)
    pair.reads = false
    const body = Buffer.alloc(300 * KIB)
    const begun = pair.publish(channel, { body })
    pair.protocol.pollTransmit(pair.now)
    const unsent = pair.publish(channel)
    pair.cut(new Error('read ECONNRESET'))
    const outcomes = [sent, begun, unsent].map(token => (errorOf(pair, token) as UnconfirmedError).outcome)
    expect(outcomes).to.deep.equal(['unknown', 'unknown', 'not-sent'])
  })

  it('says not-sent of what was accepted and not taken', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    pair.reads = false
    const tokens = [10, 20 * KIB, 100 * KIB].map(size => pair.publish(channel, { body: Buffer.alloc(size) }))
    pair.cut()
    for (const token of tokens) expect(errorOf(pair, token)).to.include({ outcome: 'not-sent' })
  })

  const channelEnds: readonly (readonly [
    what: string,
    end: (pair: ProtocolPair, channel: ChannelProtocol) => void,
  ])[] = [
    ['a call that times out', pair => pair.advance(20_000)],
    [
      'a close that times out',
      (pair, channel) => {
        pair.run(() => channel.close(pair.now))
        pair.advance(5_000)
      },
    ],
    [
      'a close of the server',
      pair => {
        const args = { replyCode: 404, replyText: 'NOT_FOUND', classId: 60, methodId: 40 }
        pair.send(1, { name: 'channel.close', args })
      },
    ],
  ]
  for (const [what, end] of channelEnds) {
    it(`says unknown of what is still to leave when ${what} ends only the channel, and lets it leave first`, () => {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel({ confirm: true })
      pair.call(channel, { name: 'queue.purge', args: { queue: 'q', noWait: false } })
      pair.reads = false
      const tokens = [10, 20 * KIB, 100 * KIB].map(size =>
        pair.publish(channel, { body: Buffer.alloc(size) }),
      )
      end(pair, channel)
      for (const token of tokens) expect(errorOf(pair, token)).to.include({ outcome: 'unknown' })
      pair.reads = true
      pair.settle()
      const methods = pair.methods.filter(name => name !== 'queue.purge')
      expect(methods.slice(0, 3)).to.deep.equal(['basic.publish', 'basic.publish', 'basic.publish'])
      expect(methods[3]).to.match(/^channel\.close/)
    })
  }

  it('fails all that is unconfirmed when a publish closes the channel, oldest first', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const tokens = publishMany(pair, channel, 3)
    const replyText = "NOT_FOUND - no exchange 'x' in vhost '/'"
    pair.send(1, { name: 'channel.close', args: { replyCode: 404, replyText, classId: 60, methodId: 40 } })
    expect(pair.eventsOf('failed').map(({ token }) => token)).to.deep.equal(tokens)
    for (const token of tokens) {
      const error = errorOf(pair, token)
      expect(error).to.be.instanceOf(UnconfirmedError)
      expect(error).to.include({ outcome: 'unknown', replyCode: 404, method: 'basic.publish' })
      expect(error?.cause).to.have.property('code', 'AMQP_CHANNEL_CLOSED')
    }
  })

  it('fails nothing twice: what was given up before is over', () => {
    const pair = ProtocolPair.opened({ limits: { confirmTimeoutMs: 1000 } })
    const channel = pair.openChannel({ confirm: true })
    const [overdue] = publishMany(pair, channel, 1)
    pair.advance(1000)
    const [fresh] = publishMany(pair, channel, 1)
    pair.cut()
    expect(pair.eventsOf('failed').map(({ token }) => token)).to.deep.equal([overdue, fresh])
  })

  it('tells nobody of what waits on a plain channel and nobody asks after', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    pair.publish(channel)
    pair.cut()
    expect(pair.eventsOf('failed')).to.deep.equal([])
  })

  it('has a wait for confirms hear nothing of what was published before the channel was in confirm mode', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    const [publish, wait] = [{}, {}]
    const message = {
      exchange: '',
      routingKey: 'q',
      mandatory: false,
      properties: {},
      body: Buffer.from('x'),
    }
    pair.run(() => channel.publish(message, publish, pair.now, 1000))
    pair.advance(1000)
    expect(errorOf(pair, publish)).to.be.instanceOf(UnconfirmedError)
    pair.call(channel, { name: 'confirm.select', args: { noWait: false } })
    pair.send(1, { name: 'confirm.select-ok', args: {} })
    pair.run(() => channel.awaitConfirms(wait, pair.now))
    expect(pair.settlementOf(wait)).to.include({ type: 'replied' })
  })

  it('rejects what came back and was not confirmed in time as returned; of two alike, the one that is confirmed', () => {
    const pair = ProtocolPair.opened({ limits: { confirmTimeoutMs: 1000 } })
    const channel = pair.openChannel({ confirm: true })
    const alone = pair.publish(channel, { mandatory: true, routingKey: 'alone' })
    sendReturn(pair, { routingKey: 'alone' })
    const [one, two] = [1, 2].map(() => pair.publish(channel, { mandatory: true }))
    sendReturn(pair)
    pair.withdraw(channel, new Error('not wanted'), one)
    confirm(pair, 3)
    pair.advance(1000)
    expect(fates(pair, [alone, one, two])).to.deep.equal([
      'ReturnedError',
      'UnconfirmedError',
      'ReturnedError',
    ])
  })
})
