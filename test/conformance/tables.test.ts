import { expect } from 'chai'
import { ArgumentError, type FieldValue, field } from '../../src/index.js'
import { hex, toHex } from '../support/hex.js'
import { rejectionOf } from '../support/rejection.js'
import { DELIVER, frame } from './octets.js'
import { row, type Sessions } from './rows.js'

/** 156 octets, twenty entries, named after their tags. */
const EVERY_FIELD = hex`0000009c
  017474010274327402016262ff014242ff017373fffe017575fffe014949ffffffff016969ffffffff
  016c6cffffffffffffffff014c4cffffffffffffffff0166663fc000000164643ff8000000000000
  014444020000013a02446e4402ffffffff0153530000000268690178780000000
  2ff00015454000000006553f1000146460000000401
  7a7400014141000000086201530000000171015656`

/** A header frame without a body, with this table for headers. */
function headerWith(table: Buffer): Buffer {
  return frame('02', '0001', hex`003c0000 0000000000000000 2000 ${table}`)
}

async function consuming(sessions: Sessions) {
  const session = await sessions.open()
  const channel = await session.openChannel()
  return { session, channel, ...(await session.consume(channel)) }
}

describe('on the wire, tables', () => {
  row(25, 'each is read as RabbitMQ means it', async sessions => {
    const { session, deliveries } = await consuming(sessions)
    await session.say(DELIVER, headerWith(EVERY_FIELD))
    const headers: Record<string, FieldValue> = {
      t: true,
      // Any octet but zero is true.
      t2: true,
      b: -1,
      B: 255,
      // The grammar of 0-9-1 has a short string here.
      s: -2,
      u: 65_534,
      I: -1,
      i: 4_294_967_295,
      // The grammar has unsigned 64 bits for `l`.
      l: -1,
      L: -1,
      f: 1.5,
      d: 1.5,
      D: field.decimal(2, 314),
      // Unsigned, as RabbitMQ reads it; signed in the grammar.
      Dn: field.decimal(2, 4_294_967_295),
      S: 'hi',
      x: hex`ff00`,
      T: new Date(1_700_000_000_000),
      F: { z: false },
      A: [1, 'q'],
      V: null,
    }
    expect(deliveries[0]?.properties.headers).to.deep.equal(headers)
    expect(Object.keys(deliveries[0]?.properties.headers ?? {})).to.deep.equal(Object.keys(headers))
  })

  row(26, 'whole numbers go as I, beyond 32 bits as l, others as d', async sessions => {
    const session = await sessions.open()
    const channel = await session.openChannel()
    await channel.publish('', 'q', '', { headers: { n: 60_000, big: 2 ** 40, f: 1.5 } })
    await session.settle()
    const table = hex`016e 49 0000ea60  03626967 6c 0000010000000000  0166 64 3ff8000000000000`
    const header = frame('02', '0001', hex`003c0000 0000000000000000 3000 0000001f ${table} 02`)
    expect(session.heard()).to.equal(toHex(hex`0100010000000a003c0028000000017100ce ${header}`))
  })

  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    // RabbitMQ cannot read it either: in a message it answers 541, in an argument it drops the connection.
    row(26, `${bad} is refused by its path, and nothing is written`, async sessions => {
      const session = await sessions.open()
      const channel = await session.openChannel({ confirm: true })
      const headers = { n: 60_000, deep: [{ bad }] }
      const error = await rejectionOf(channel.publish('', 'q', 'x', { headers }), ArgumentError)
      expect(error.message).to.include('headers.deep[0].bad')
      const declared = channel.queueDeclare('q', { arguments: { bad } })
      expect((await rejectionOf(declared, ArgumentError)).message).to.include('arguments.bad')
      await session.settle()
      expect(session.heard()).to.equal('')
      // The next publish is the first that the broker sees.
      const next = channel.publish('', 'q', '')
      await session.settle()
      expect(session.heard()).to.not.equal('')
      await session.say(hex`0100010000000d003c0050000000000000000100ce`)
      await session.settled('the publish', next)
    })
  }

  const broken: readonly (readonly [what: string, table: Buffer, replyCode: number])[] = [
    ['an unknown tag', hex`00000003 016b 5a`, 502],
    ['an unknown tag inside an array', hex`0000000a 0161 41 00000003 7401 5a`, 502],
    ['a table longer than its frame', hex`0000000f`, 501],
    ['a table of almost 4 GiB', hex`ffffffff`, 501],
    ['an array longer than its table', hex`00000008 0161 41 00000005 5600`, 501],
    ['a nested table longer than its table', hex`00000007 0161 46 00000001`, 501],
    ['a name longer than its table', hex`00000003 ff 6b 56`, 501],
    ['a string longer than its table', hex`00000008 016b 53 00000002 61`, 501],
    ['a number longer than its table', hex`00000005 016b 49 0000`, 501],
    ['a name without a value', hex`00000002 016b`, 501],
  ]
  for (const [what, table, replyCode] of broken) {
    row(27, `${what} ends the connection with ${replyCode}, and no message comes of it`, async sessions => {
      const { session, consumer, deliveries } = await consuming(sessions)
      await session.say(DELIVER, headerWith(table), DELIVER, headerWith(hex`00000000`))
      await session.expectViolation(replyCode)
      expect(await session.settled('closed', consumer.closed)).to.include({ by: 'protocol' })
      expect(deliveries).to.deep.equal([])
    })
  }
})
