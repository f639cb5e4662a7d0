import { expect } from 'chai'
import { NackedError, ReturnedError, UnconfirmedError } from '../../src/index.js'
import { hex } from '../support/hex.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import { rejectionOf } from '../support/rejection.js'
import type { OctetSession } from './octet-session.js'
import { row } from './rows.js'

/** A confirm channel, its publishes, and which of them are settled, by their numbers. */
async function publishing(session: OctetSession, count: number) {
  const channel = await session.openChannel({ confirm: true })
  const confirmed: number[] = []
  const failed: [number, unknown][] = []
  const publishes = Array.from({ length: count }, (_, index) => {
    const publish = channel.publish('', 'q', `${index + 1}`)
    publish.then(
      () => confirmed.push(index + 1),
      error => failed.push([index + 1, error]),
    )
    return publish
  })
  await session.settle()
  session.heard()
  return { channel, publishes, confirmed, failed }
}

describe('on the wire, confirms', () => {
  // Whether a publish with `mandatory` went well is known when both are there: it then fails, with the message that came back.
  row(29, 'a mandatory publish that came back fails when it is confirmed, and not before', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    const token = pair.publish(channel, { routingKey: 'no', mandatory: true, body: Buffer.alloc(0) })
    const other = pair.publish(channel, { routingKey: 'q' })
    pair.sendOctets(
      hex`01000100000013003c00320138084e4f5f524f55544500026e6fce 0200010000000e003c000000000000000000000000ce`,
    )
    expect(pair.events).to.deep.equal([])
    pair.sendOctets(hex`0100010000000d003c0050000000000000000100ce`)
    const error = pair.errorOf(token)
    expect(error).to.be.instanceOf(ReturnedError)
    expect((error as ReturnedError).returned).to.include({
      replyCode: 312,
      replyText: 'NO_ROUTE',
      exchange: '',
      routingKey: 'no',
    })
    expect(pair.settlementOf(other)).to.equal(undefined)
  })

  row(
    30,
    'a tag settles itself, with multiple all before it, and what is settled is skipped',
    async sessions => {
      const session = await sessions.open()
      const { confirmed, failed } = await publishing(session, 7)
      await session.say(hex`0100010000000d003c0050000000000000000300ce`)
      expect(confirmed).to.deep.equal([3])
      await session.say(hex`0100010000000d003c0050000000000000000601ce`)
      expect(confirmed).to.deep.equal([3, 1, 2, 4, 5, 6])
      expect(failed).to.deep.equal([])
      await session.say(hex`0100010000000d003c0050000000000000000701ce`)
      expect(confirmed).to.deep.equal([3, 1, 2, 4, 5, 6, 7])
    },
  )

  // Its second bit, requeue, means nothing from a server.
  row(31, 'its octet 02 is no multiple: one publish fails', async sessions => {
    const session = await sessions.open()
    const { confirmed, failed } = await publishing(session, 3)
    await session.say(hex`0100010000000d003c0078000000000000000202ce`)
    expect(confirmed).to.deep.equal([])
    expect(failed.map(([number]) => number)).to.deep.equal([2])
    expect(failed[0]?.[1]).to.be.instanceOf(NackedError)
    await session.say(hex`0100010000000d003c0050000000000000000301ce`)
    expect(confirmed).to.deep.equal([1, 3])
  })

  row(
    54,
    'all of them fail with 404 when the channel is closed, and none is said to be confirmed',
    async sessions => {
      const session = await sessions.open()
      const { channel, publishes, confirmed } = await publishing(session, 3)
      // NOT_FOUND - no exchange 'x' in vhost '/', for basic.publish.
      const text = Buffer.from("NOT_FOUND - no exchange 'x' in vhost '/'")
      await session.say(hex`01 0001 00000033 00140028 0194 28 ${text} 003c 0028 ce`)
      for (const publish of publishes) {
        const error = await rejectionOf(publish, UnconfirmedError)
        expect(error.outcome).to.equal('unknown')
        expect(error.cause).to.include({ replyCode: 404 })
      }
      expect(confirmed).to.deep.equal([])
      expect(await session.settled('closed', channel.closed)).to.include({
        code: 404,
        method: 'basic.publish',
      })
      expect(session.heard()).to.equal('0100010000000400140029ce')
    },
  )
})
