// waitForConfirms: whoever asks is answered when everything published before is settled, and hears of what went wrong among
// what was published since somebody asked last.

import { expect } from 'chai'
import fc from 'fast-check'
import { ArgumentError } from '../../src/frames/index.js'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import {
  BackpressureError,
  CallTimeoutError,
  ChannelClosedError,
  NackedError,
  PublishesFailedError,
  ReturnedError,
  UnconfirmedError,
} from '../../src/protocol/errors.js'
import type { Method } from '../../src/protocol/method-types.js'
import { type PairOptions, ProtocolPair } from '../support/peer/protocol-pair.js'
import { runs } from '../support/runs.js'

const ABORTED = new Error('aborted')

function opened(options: PairOptions & { maxUnconfirmed?: number } = {}) {
  const { maxUnconfirmed = 1000, ...rest } = options
  const pair = ProtocolPair.opened({ heartbeat: 0, ...rest })
  return { pair, channel: pair.openChannel({ confirm: true, maxUnconfirmed }) }
}

function wait(pair: ProtocolPair, channel: ChannelProtocol): object {
  const token = {}
  pair.run(() => channel.awaitConfirms(token, pair.now))
  return token
}

function settle(pair: ProtocolPair, deliveryTag: number, accepted = true, multiple = false): void {
  const args = { deliveryTag, multiple }
  if (accepted) pair.send(1, { name: 'basic.ack', args })
  else pair.send(1, { name: 'basic.nack', args: { ...args, requeue: false } })
}

/** How a wait has ended, in words. */
function fateOf(pair: ProtocolPair, token: object): string {
  const event = pair.settlementOf(token)
  if (event === undefined) return 'waits'
  return event.type === 'failed' ? event.error.name : event.type
}

/** The error of a wait that was told of failures. */
function failureOf(pair: ProtocolPair, token: object): PublishesFailedError {
  const error = pair.errorOf(token)
  expect(error).to.be.instanceOf(PublishesFailedError)
  return error as PublishesFailedError
}

describe('ChannelPublisher, a wait for confirms', () => {
  it('is answered when all that was published before is confirmed, and not for what comes later', () => {
    const { pair, channel } = opened()
    for (let count = 0; count < 3; count++) pair.publish(channel)
    const token = wait(pair, channel)
    pair.publish(channel)
    settle(pair, 3)
    settle(pair, 1)
    expect(fateOf(pair, token)).to.equal('waits')
    settle(pair, 2)
    expect(pair.settlementOf(token)).to.deep.equal({ type: 'replied', token, reply: undefined })
    expect(channel.unconfirmed).to.equal(1)
  })

  it('is told after the confirms that it waited for', () => {
    const { pair, channel } = opened()
    pair.publish(channel)
    wait(pair, channel)
    settle(pair, 1)
    expect(pair.events.map(({ type }) => type)).to.deep.equal(['confirmed', 'replied'])
  })

  it('is answered at once when nothing is outstanding, or nothing was published ever', () => {
    const { pair, channel } = opened()
    expect(fateOf(pair, wait(pair, channel))).to.equal('replied')
    pair.publish(channel)
    settle(pair, 1)
    expect(fateOf(pair, wait(pair, channel))).to.equal('replied')
  })

  it('waits for what waits in front of it', () => {
    const { pair, channel } = opened({ maxUnconfirmed: 1 })
    for (let count = 0; count < 3; count++) pair.publish(channel)
    const token = wait(pair, channel)
    settle(pair, 1)
    settle(pair, 2)
    expect(fateOf(pair, token)).to.equal('waits')
    settle(pair, 3)
    expect(fateOf(pair, token)).to.equal('replied')
  })

  it('waits behind calls, as what was published behind them does', () => {
    const { pair, channel } = opened()
    for (const queue of ['a', 'b'])
      pair.call(channel, { name: 'queue.purge', args: { queue, noWait: false } })
    pair.publish(channel)
    const token = wait(pair, channel)
    expect(fateOf(pair, token)).to.equal('waits')
    pair.send(1, { name: 'queue.purge-ok', args: { messageCount: 0 } })
    settle(pair, 1)
    expect(fateOf(pair, token)).to.equal('replied')
  })

  it('has no deadline of its own while the broker blocks: each publish has one', () => {
    const { pair, channel } = opened()
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    pair.publish(channel)
    const token = wait(pair, channel)
    pair.advance(29_999)
    expect(fateOf(pair, token)).to.equal('waits')
    pair.advance(1)
    expect(failureOf(pair, token).cause).to.include({ outcome: 'not-sent' })
  })

  it('may be asked for in the state that confirm.select was sent and is not answered', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.call(channel, { name: 'confirm.select', args: { noWait: false } })
    pair.publish(channel)
    const token = wait(pair, channel)
    pair.send(1, { name: 'confirm.select-ok', args: {} })
    settle(pair, 1)
    expect(fateOf(pair, token)).to.equal('replied')
  })

  it('is refused on a channel that confirms nothing, or is not open', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    expect(() => channel.awaitConfirms({}, pair.now)).to.throw(ArgumentError, /confirm mode/)
    pair.run(() => channel.close(pair.now))
    expect(() => channel.awaitConfirms({}, pair.now)).to.throw(ChannelClosedError)
    expect(pair.events).to.deep.equal([])
  })

  it('is answered before the channel closes that was asked to close behind it', () => {
    const { pair, channel } = opened()
    pair.publish(channel)
    const token = wait(pair, channel)
    pair.run(() => channel.close(pair.now))
    settle(pair, 1)
    expect(fateOf(pair, token)).to.equal('replied')
    expect(pair.methods.at(-1)).to.equal('channel.close')
  })
})

describe('ChannelPublisher, a wait for publishes that fail', () => {
  it('fails with what went wrong, once all are settled', () => {
    const { pair, channel } = opened()
    const publishes = [pair.publish(channel), pair.publish(channel), pair.publish(channel)]
    const token = wait(pair, channel)
    settle(pair, 2, false)
    settle(pair, 1)
    expect(fateOf(pair, token)).to.equal('waits')
    settle(pair, 3, false)
    const error = failureOf(pair, token)
    expect(error).to.include({ failed: 2, code: 'AMQP_PUBLISHES_FAILED', connectionName: 'pair' })
    expect(error.cause).to.be.instanceOf(NackedError)
    expect(error.cause).to.equal(pair.errorOf(publishes[1]))
    expect(error.message).to.equal(
      "not all publishes were confirmed: publish to exchange '' with routing key 'q' was refused by the broker (basic.nack) and 1 more",
    )
  })

  const failures: readonly (readonly [
    what: string,
    fail: (pair: ProtocolPair, channel: ChannelProtocol, token: object | undefined) => void,
    errorClass: new (...parameters: never[]) => Error,
  ])[] = [
    ['is refused', pair => settle(pair, 1, false), NackedError],
    [
      'is returned',
      pair => {
        const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'q' }
        pair.sendContent(1, { name: 'basic.return', args }, Buffer.from('body'))
        settle(pair, 1)
      },
      ReturnedError,
    ],
    ['is overdue', pair => pair.advance(30_000), UnconfirmedError],
    ['is withdrawn', (pair, channel, token) => pair.withdraw(channel, ABORTED, token), UnconfirmedError],
  ]
  for (const [what, fail, errorClass] of failures) {
    it(`fails when a publish ${what}`, () => {
      const { pair, channel } = opened()
      const publish = pair.publish(channel, { mandatory: true })
      const token = wait(pair, channel)
      expect(fateOf(pair, token)).to.equal('waits')
      fail(pair, channel, publish)
      const error = failureOf(pair, token)
      expect(error.failed).to.equal(1)
      expect(error.cause).to.be.instanceOf(errorClass).and.equal(pair.errorOf(publish))
    })
  }

  it('fails for what failed before anybody asked', () => {
    const { pair, channel } = opened()
    pair.publish(channel)
    settle(pair, 1, false)
    expect(failureOf(pair, wait(pair, channel)).failed).to.equal(1)
    expect(fateOf(pair, wait(pair, channel)), 'told once').to.equal('replied')
  })

  it('fails for what could not be sent in time, or was taken back, before it has its turn', () => {
    const { pair, channel } = opened()
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    const [late, withdrawn] = [pair.publish(channel), pair.publish(channel)]
    const token = wait(pair, channel)
    pair.withdraw(channel, ABORTED, withdrawn)
    expect(fateOf(pair, token)).to.equal('waits')
    pair.advance(30_000)
    expect(failureOf(pair, token).failed).to.equal(2)
    expect(pair.errorOf(late)).to.include({ outcome: 'not-sent' })
  })

  it('fails for what was refused where it was issued: too much was waiting, or it cannot be encoded', () => {
    const { pair, channel } = opened({ limits: { maxBuffered: 1000 } })
    const publishing = {
      exchange: '',
      routingKey: 'q',
      mandatory: false,
      properties: {},
      body: Buffer.alloc(2000),
    }
    expect(() => channel.publish(publishing, {}, pair.now)).to.throw(BackpressureError)
    expect(() =>
      channel.publish({ ...publishing, routingKey: 'k'.repeat(256), body: Buffer.alloc(0) }, {}, pair.now),
    ).to.throw(ArgumentError)
    const error = failureOf(pair, wait(pair, channel))
    expect(error.failed).to.equal(2)
    expect(error.cause).to.be.instanceOf(BackpressureError)
  })

  it('says nothing of what was refused, or failed, on a plain channel before confirm.select', () => {
    const pair = ProtocolPair.opened({ limits: { maxBuffered: 1000 } })
    const channel = pair.openChannel()
    const publishing = {
      exchange: '',
      routingKey: 'q',
      mandatory: false,
      properties: {},
      body: Buffer.alloc(2000),
    }
    expect(() => channel.publish(publishing, undefined, pair.now)).to.throw(BackpressureError)
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    const plain = {}
    channel.publish({ ...publishing, body: Buffer.alloc(1) }, plain, pair.now)
    pair.withdraw(channel, ABORTED, plain)
    pair.send(0, { name: 'connection.unblocked', args: {} })
    pair.call(channel, { name: 'confirm.select', args: { noWait: false } })
    pair.send(1, { name: 'confirm.select-ok', args: {} })
    expect(fateOf(pair, wait(pair, channel))).to.equal('replied')
  })

  it('fails in time when what is in front of it has no time of its own: a plain publish that the broker blocks', () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const channel = pair.openChannel()
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    pair.publish(channel)
    pair.call(channel, { name: 'confirm.select', args: { noWait: false } })
    const token = wait(pair, channel)
    pair.advance(30_000)
    expect(pair.errorOf(token)).to.be.instanceOf(CallTimeoutError)
    expect(pair.errorOf(token)?.message).to.match(
      /^waitForConfirms: .* the broker blocks the connection: low on memory$/,
    )
  })

  it('waits on while publishes in front of it may still be confirmed', () => {
    const { pair, channel } = opened()
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    const publishing = {
      exchange: '',
      routingKey: 'q',
      mandatory: false,
      properties: {},
      body: Buffer.from('x'),
    }
    pair.run(() => channel.publish(publishing, {}, pair.now, 100_000))
    const token = wait(pair, channel)
    pair.advance(90_000)
    expect(pair.settlementOf(token)).to.equal(undefined)
    pair.advance(10_000)
    expect(fateOf(pair, token)).to.equal('PublishesFailedError')
  })

  it('fails when the channel ends, with the reason', () => {
    const { pair, channel } = opened()
    pair.publish(channel)
    const sent = wait(pair, channel)
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    pair.publish(channel)
    const queued = wait(pair, channel)
    const args = { replyCode: 404, replyText: 'NOT_FOUND', classId: 60, methodId: 40 }
    pair.send(1, { name: 'channel.close', args })
    for (const token of [sent, queued]) {
      expect(pair.errorOf(token)).to.be.instanceOf(ChannelClosedError).and.include({ replyCode: 404 })
    }
    expect(pair.events.at(-1)?.type).to.equal('channelClosed')
  })

  it('can be withdrawn, in its place or before it, and the next one hears what it would have', () => {
    const { pair, channel } = opened()
    pair.publish(channel)
    const sent = wait(pair, channel)
    pair.send(0, { name: 'connection.blocked', args: { reason: 'low on memory' } })
    pair.publish(channel)
    const queued = wait(pair, channel)
    settle(pair, 1, false)
    expect(fateOf(pair, sent)).to.equal('PublishesFailedError')
    const again = wait(pair, channel)
    pair.withdraw(channel, ABORTED, queued, again)
    expect([queued, again].map(token => pair.errorOf(token))).to.deep.equal([ABORTED, ABORTED])
    pair.send(0, { name: 'connection.unblocked', args: {} })
    settle(pair, 2, false)
    expect(failureOf(pair, wait(pair, channel)).failed).to.equal(1)
  })

  it('hears what the one before it would have heard that was withdrawn in its place', () => {
    const { pair, channel } = opened()
    for (let count = 0; count < 2; count++) pair.publish(channel)
    const withdrawn = wait(pair, channel)
    settle(pair, 1, false)
    pair.publish(channel)
    const next = wait(pair, channel)
    pair.withdraw(channel, ABORTED, withdrawn)
    settle(pair, 3, true, true)
    expect(pair.errorOf(withdrawn)).to.equal(ABORTED)
    expect(failureOf(pair, next).failed).to.equal(1)
  })

  it('hears of what was published between another one and itself, though that failed first', () => {
    const { pair, channel } = opened()
    pair.publish(channel)
    const first = wait(pair, channel)
    pair.publish(channel)
    const second = wait(pair, channel)
    settle(pair, 2, false)
    settle(pair, 1)
    expect([fateOf(pair, first), fateOf(pair, second)]).to.deep.equal(['replied', 'PublishesFailedError'])
  })

  it('hears of what was published since the one before it, whatever is confirmed, refused, blocked and withdrawn when', () => {
    type Step =
      | { readonly kind: 'publish' | 'wait' | 'block' | 'unblock' }
      | { readonly kind: 'withdraw'; readonly which: number }
      | {
          readonly kind: 'settle'
          readonly pick: number
          readonly accepted: boolean
          readonly multiple: boolean
        }
    const step: fc.Arbitrary<Step> = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ kind: 'publish' as const }) },
      { weight: 2, arbitrary: fc.constant({ kind: 'wait' as const }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('block' as const, 'unblock' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), which: fc.nat() }) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('settle' as const),
          pick: fc.nat(),
          accepted: fc.boolean(),
          multiple: fc.boolean(),
        }),
      },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50, size: 'max' }), steps => {
        const { pair, channel } = opened()
        /** Of each publish, whether it was confirmed. */
        const verdicts: (boolean | undefined)[] = []
        /** Each wait, the first publish that it is for, and how many there were before it. */
        let waits: { readonly token: object; from: number; readonly to: number }[] = []
        let from = 0
        for (const next of steps) {
          const published = pair.methods.filter(name => name === 'basic.publish').length
          if (next.kind === 'wait') {
            waits.push({ token: wait(pair, channel), from, to: verdicts.length })
            from = verdicts.length
          } else if (next.kind === 'block' || next.kind === 'unblock') {
            const blocked: Method = { name: 'connection.blocked', args: { reason: 'low on memory' } }
            pair.send(0, next.kind === 'block' ? blocked : { name: 'connection.unblocked', args: {} })
          } else if ('which' in next) {
            const waiting = waits.filter(({ token }) => pair.settlementOf(token) === undefined)
            const withdrawn = waiting[next.which % (waiting.length || 1)]
            if (withdrawn === undefined) continue
            pair.withdraw(channel, ABORTED, withdrawn.token)
            expect(pair.errorOf(withdrawn.token)).to.equal(ABORTED)
            // Whoever asks next hears what it would have heard.
            const heir = waits[waits.indexOf(withdrawn) + 1]
            if (heir === undefined) from = withdrawn.from
            else heir.from = withdrawn.from
            waits = waits.filter(one => one !== withdrawn)
          } else if (!('pick' in next)) {
            pair.publish(channel)
            verdicts.push(undefined)
          } else if (published > 0) {
            const last = next.pick % published
            for (let index = next.multiple ? 0 : last; index <= last; index++)
              verdicts[index] ??= next.accepted
            settle(pair, last + 1, next.accepted, next.multiple)
          }
          for (const { token, from: first, to } of waits) {
            const isOver = verdicts.slice(0, to).every(verdict => verdict !== undefined)
            const isGood = verdicts.slice(first, to).every(verdict => verdict === true)
            const expected = isGood ? 'replied' : 'PublishesFailedError'
            expect(fateOf(pair, token), `${first} to ${to}`).to.equal(isOver ? expected : 'waits')
          }
        }
      }),
      runs(200),
    )
  })
})
