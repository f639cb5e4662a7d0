import { expect } from 'chai'
import { hex } from '../support/hex.js'
import { CHANNEL_CLOSE_OK, DELIVER, EMPTY_HEADER, HEARTBEAT, QOS_OK } from './octets.js'
import { type RowNumber, row } from './rows.js'

describe('on the wire, frames', () => {
  const violations: readonly (readonly [RowNumber, octets: Buffer, replyCode: number])[] = [
    [12, hex`04000000000000ce`, 501],
    [13, hex`01000100000004003c000bcd`, 501],
    [44, hex`0100030000000400280015ce`, 504],
    [45, hex`0100010000000400630001ce`, 540],
    [52, hex`010000000000040033000ace`, 540],
  ]
  for (const [number, octets, replyCode] of violations) {
    row(number, `the client closes with ${replyCode} and reads nothing that follows`, async sessions => {
      const session = await sessions.open()
      const channel = await session.openChannel()
      const prefetched = channel.prefetch(1)
      await session.settle()
      session.heard()
      // What would be an answer, a heartbeat, and a second violation.
      await session.say(octets, QOS_OK, HEARTBEAT, CHANNEL_CLOSE_OK)
      await session.expectViolation(replyCode)
      await prefetched.then(
        () => expect.fail('the answer behind the violation was read'),
        error => expect(error.reason).to.include({ by: 'protocol', code: replyCode }),
      )
    })
  }

  row(13, 'it is judged when the whole payload is there, and not before', async sessions => {
    const session = await sessions.open()
    await session.openChannel()
    await session.say(hex`01000100000004003c000b`)
    expect(session.connection.state).to.equal('open')
    await session.say(hex`cd`)
    await session.expectViolation(501)
  })

  row(
    14,
    'it is refused with 501 at the last octet of its size, before any of its payload',
    async sessions => {
      const session = await sessions.open()
      const channel = await session.openChannel()
      await session.consume(channel)
      await session.say(DELIVER, hex`02000100000013003c0000 0000000000020000 9000 03612f6202ce`)
      await session.say(hex`0300010001ff`)
      expect(session.heard()).to.equal('')
      expect(session.connection.state).to.equal('open')
      await session.say(hex`f9`)
      await session.expectViolation(501)
    },
  )

  row(14, 'one of just that size is taken', async sessions => {
    const session = await sessions.open()
    const channel = await session.openChannel()
    const { deliveries } = await session.consume(channel)
    // A body of 131064 octets, in one frame of 131072.
    await session.say(DELIVER, hex`0200010000000e003c0000 000000000001fff8 0000ce`)
    await session.say(hex`0300010001fff8`)
    expect(session.connection.state).to.equal('open')
    const body = Buffer.alloc(131_064, 'x')
    await session.say(body, hex`ce`)
    expect(deliveries.map(each => each.body.equals(body))).to.deep.equal([true])
  })

  row(14, 'a delivery has no octets of one that was refused', async sessions => {
    const session = await sessions.open()
    const channel = await session.openChannel()
    const { deliveries } = await session.consume(channel)
    await session.say(DELIVER, EMPTY_HEADER, hex`0300010001fff9 616263`)
    await session.expectViolation(501)
    expect(deliveries.map(each => each.body.length)).to.deep.equal([0])
  })
})
