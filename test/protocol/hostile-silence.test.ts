// A broker that answers everything but one thing, and an application that does not stop asking: what is kept for the one must
// not grow with the others. A stuck quorum queue is such a broker: one publish is never confirmed, and millions after it are.

import { expect } from 'chai'
import { BackpressureError } from '../../src/protocol/errors.js'
import type { ProtocolEvent } from '../../src/protocol/events.js'
import { PublisherConfirms } from '../../src/protocol/publisher-confirms.js'
import { grows } from '../support/invariants/index.js'
import { expectLinear } from '../support/linear.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

const FOREVER = 2 ** 31 - 1

function errorOf(event: ProtocolEvent | undefined): Error | undefined {
  return event?.type === 'failed' ? event.error : undefined
}

describe('a broker that never answers one publish', () => {
  it('costs nothing for those that it confirms after it, once nobody waits for the one', async () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const stuck = pair.publish(channel)
    pair.advance(30_000)
    expect(pair.errorOf(stuck)).to.include({ outcome: 'unknown' })
    let tag = 1
    const publishAndConfirm = (): void => {
      for (let count = 0; count < 200; count++) {
        const confirmed = pair.publish(channel)
        pair.send(1, { name: 'basic.ack', args: { deliveryTag: ++tag, multiple: false } })
        if (count === 0) expect(pair.settlementOf(confirmed)?.type).to.equal('confirmed')
        pair.forget()
      }
    }
    // A place in an array would be eight octets for each.
    await grows(publishAndConfirm, { times: 100, maxOctets: 80_000 })
    expect(channel.state).to.equal('open')
  })

  it('may still answer it, and until then it takes a place in the window', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true, maxUnconfirmed: 2 })
    const [stuck] = [pair.publish(channel), pair.publish(channel)]
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 2, multiple: false } })
    pair.advance(30_000)
    pair.forget()
    const [third, fourth] = [pair.publish(channel), pair.publish(channel)]
    expect(pair.methods, 'with one place left').to.deep.equal(['basic.publish'])
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    expect(pair.methods, 'with the late answer').to.deep.equal(['basic.publish', 'basic.publish'])
    expect(pair.settlementOf(stuck), 'what was given up').to.equal(undefined)
    pair.send(1, { name: 'basic.ack', args: { deliveryTag: 4, multiple: true } })
    for (const token of [third, fourth]) expect(pair.settlementOf(token)?.type).to.equal('confirmed')
  })

  it('settles in time that grows with the publishes, though many before them are stuck', () => {
    expectLinear('confirms behind stuck ones', 4_000, count => () => {
      const confirms = new PublisherConfirms()
      const add = (deadline: number): void => {
        const publish = { token: {}, exchange: '', routingKey: '', position: 0, timeoutMs: 0 }
        confirms.add({ ...publish, deadline, abandoned: false })
      }
      for (let stuck = 0; stuck < count; stuck++) add(1)
      confirms.expire(2)
      for (let sent = 0; sent < count; sent++) {
        add(FOREVER)
        confirms.settle(confirms.nextTag - 1, false)
        if (confirms.nextDeadline !== Number.POSITIVE_INFINITY) throw new Error('it was confirmed')
      }
    })
  })
})

describe('an application that asks and asks', () => {
  it('may give up waiting for confirms ten thousand times while one publish is under way', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const publish = pair.publish(channel)
    for (let count = 0; count < 20_000; count++) {
      const token = {}
      channel.awaitConfirms(token, pair.now)
      pair.withdraw(channel, new Error('enough'), token)
      pair.forget()
    }
    const last = {}
    pair.run(() => channel.awaitConfirms(last, pair.now))
    pair.send(1, { name: 'basic.nack', args: { deliveryTag: 1, multiple: false, requeue: false } })
    expect(pair.protocol.state).to.equal('open')
    expect(errorOf(pair.settlementOf(publish))).to.include({ code: 'AMQP_NACKED' })
    expect(errorOf(pair.settlementOf(last)), 'who asks for all').to.include({ code: 'AMQP_PUBLISHES_FAILED' })
  })

  it('may give the server new secrets until maxBuffered octets of them wait, and again when they have left', () => {
    const pair = ProtocolPair.opened({ limits: { maxBuffered: 100_000 } })
    const request = (): void => pair.protocol.updateSecret(Buffer.from('x'), '', {}, pair.now, 1_000)
    const fill = (): number => {
      for (let accepted = 0; ; accepted++) {
        try {
          request()
        } catch (error) {
          expect(error).to.be.instanceOf(BackpressureError).and.to.include({ outcome: 'not-sent' })
          return accepted
        }
      }
    }
    const most = fill()
    expect(most).to.be.within(100, 200)
    pair.send(0, { name: 'connection.update-secret-ok', args: {} })
    expect(fill(), 'when one of them has left').to.equal(1)
    pair.advance(1_000)
    expect(pair.eventsOf('failed'), 'when none is answered').to.have.length(most)
    expect(fill(), 'when all have been given up').to.equal(most - 1)
    expect(pair.protocol.state).to.equal('open')
  })

  it('ends in time that grows with the secrets that wait', () => {
    expectLinear('secrets that wait for the end', 10_000, count => () => {
      const pair = ProtocolPair.opened()
      for (let given = 0; given < count; given++)
        pair.protocol.updateSecret(Buffer.from('x'), '', {}, 0, 1_000)
      pair.cut()
      expect(pair.eventsOf('failed')).to.have.length(count)
    })
  })
})
