import { expect } from 'chai'
import { ArgumentError, type Channel } from '../../src/index.js'
import { encodeAhead, encodeMethodFrame } from '../../src/protocol/frame-writers.js'
import type { Method } from '../../src/protocol/method-types.js'
import { hex, toHex } from '../support/hex.js'
import { rejectionOf } from '../support/rejection.js'
import { row, type Sessions } from './rows.js'

const DECLARE_Q = '010001000000210032000a000001710c000000140e782d6d61782d7072696f72697479490000000ace'
const DECLARE_X = '010001000000140028000a00000178066469726563741f00000000ce'

/** What a call writes, in hexadecimal digits. It is not answered. */
async function written(sessions: Sessions, call: (channel: Channel) => Promise<unknown>): Promise<string> {
  const session = await sessions.open()
  const channel = await session.openChannel()
  call(channel).catch(() => {})
  await session.settle()
  return session.heard()
}

function encoded(method: Method): string {
  return toHex(encodeAhead(encodeMethodFrame, 1, 131_072, method))
}

describe('on the wire, arguments', () => {
  row(42, 'queue.declare, exclusive and auto-delete with a priority', async sessions => {
    const options = { durable: false, exclusive: true, autoDelete: true, arguments: { 'x-max-priority': 10 } }
    expect(await written(sessions, channel => channel.queueDeclare('q', options))).to.equal(DECLARE_Q)
  })

  row(42, 'queue.declare with all five is 1f', async sessions => {
    const options = { passive: true, durable: true, exclusive: true, autoDelete: true, noWait: true } as const
    const octets = await written(sessions, channel => channel.queueDeclare('q', options))
    expect(octets).to.equal('0100010000000d0032000a000001711f00000000ce')
  })

  row(42, 'queue.delete with all three is 07', async sessions => {
    const options = { ifUnused: true, ifEmpty: true, noWait: true } as const
    const octets = await written(sessions, channel => channel.queueDelete('q', options))
    expect(octets).to.equal('01000100000009003200280000017107ce')
  })

  // No option stands for no-local: RabbitMQ ignores it.
  row(42, 'basic.consume with all four is 0f', () => {
    const flags = { noLocal: true, noAck: true, exclusive: true, noWait: true }
    const args = { queue: 'q', consumerTag: 't', ...flags, arguments: {} }
    expect(encoded({ name: 'basic.consume', args })).to.equal(
      '0100010000000f003c00140000017101740f00000000ce',
    )
  })

  row(42, 'basic.consume as the options go: no-ack is 02, exclusive 04, no-wait 08', async sessions => {
    const options = { consumerTag: 't', noAck: true, exclusive: true, noWait: true }
    const octets = await written(sessions, channel => channel.consume('q', options))
    expect(octets).to.equal('0100010000000f003c00140000017101740e00000000ce')
  })

  row(42, 'exchange.declare with all five is 1f', async sessions => {
    const options = { passive: true, durable: true, autoDelete: true, internal: true, noWait: true }
    expect(await written(sessions, channel => channel.exchangeDeclare('x', 'direct', options))).to.equal(
      DECLARE_X,
    )
  })

  const tooLong: readonly (readonly [what: string, text: string])[] = [
    ['256 octets', 'x'.repeat(256)],
    ['128 characters of two octets', 'é'.repeat(128)],
  ]
  for (const [what, text] of tooLong) {
    row(43, `${what} are refused by the argument's name, and nothing is written`, async sessions => {
      const session = await sessions.open()
      const channel = await session.openChannel({ confirm: true })
      const calls: readonly (readonly [argument: string, call: Promise<unknown>])[] = [
        ['queue', channel.queueDeclare(text)],
        ['routingKey', channel.publish('', text, 'x')],
        ['exchange', channel.publish(text, '', 'x')],
        ['messageId', channel.publish('', 'q', 'x', { messageId: text })],
        ['consumerTag', channel.consume('q', { consumerTag: text })],
        ['headers', channel.publish('', 'q', 'x', { headers: { [text]: 1 } })],
      ]
      for (const [argument, call] of calls) {
        expect((await rejectionOf(call, ArgumentError)).message).to.include(argument)
      }
      await session.settle()
      expect(session.heard()).to.equal('')
    })
  }

  row(43, '255 octets are sent', async sessions => {
    for (const text of ['x'.repeat(255), `${'é'.repeat(127)}x`]) {
      const octets = await written(sessions, channel => channel.publish('', text, 'x'))
      const key = hex`ff ${Buffer.from(text)}`
      expect(octets).to.include(toHex(hex`01000100000108003c0028000000 ${key} 00 ce`))
    }
  })
})
