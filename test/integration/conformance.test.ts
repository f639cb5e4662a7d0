// The octets of test/conformance, said to a broker: that they mean there what the tests of the client take them to mean.
// The login is guest, the virtual host /, the limits are the broker's defaults: it must be our own.

import { expect } from 'chai'
import { hex, toHex } from '../support/hex.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { within } from '../support/rabbitmq/deadline.js'
import { needsControl, sharedBroker, sharedVersion } from '../support/rabbitmq/index.js'
import { RawClient } from '../support/raw-client.js'

const HEADER = hex`414d515000000901`
/** PLAIN, guest/guest, with the capability basic.nack. */
const START_OK = hex`01000000000043000a000b0000001f0c6361706162696c6974696573460000000d0a62617369632e6e61636b7401
  05504c41494e0000000c00677565737400677565737405656e5f5553ce`
/** The same with consumer_cancel_notify. */
const START_OK_CANCEL = hex`010000 0000004f 000a000b 0000002b 0c ${Buffer.from('capabilities')} 46 00000019
  16 ${Buffer.from('consumer_cancel_notify')} 7401
  05504c41494e 0000000c 006775657374006775657374 05656e5f5553 ce`
/** What brokers offer, without heartbeats. */
const TUNE_OK = tuneOk('07ff', '00020000', '0000')
const OPEN = hex`01000000000008000a0028012f0000ce`
const OPEN_OK = '01000000000005000a002900ce'
const CLOSE = hex`0100000000000b000a003200c80000000000ce`
const CLOSE_OK = '01000000000004000a0033ce'
const CHANNEL_OPEN = hex`010001000000050014000a00ce`
const CHANNEL_OPEN_OK = '010001000000080014000b00000000ce'
const CONFIRM_SELECT = hex`010001000000050055000a00ce`
const CONFIRM_SELECT_OK = '010001000000040055000bce'
/** The queue "q", exclusive and auto-delete, with x-max-priority 10. */
const DECLARE_Q = hex`010001000000210032000a000001710c000000140e782d6d61782d7072696f72697479490000000ace`
const DECLARED_Q = '0100010000000e0032000b01710000000000000000ce'
/** Of "q" without acknowledgements. */
const GET_Q = hex`01000100000009003c00460000017101ce`
/** To the queue "q", neither mandatory nor immediate. */
const PUBLISH_Q = hex`0100010000000a003c0028000000017100ce`
const EMPTY_HEADER = hex`0200010000000e003c000000000000000000000000ce`
const HEARTBEAT = hex`08000000000000ce`
/** A content header with all fourteen. */
const ALL_PROPERTIES = hex`02000100000043003c00000000000000000000fffc02637402636500000000020503636964027274
  053630303030036d6964000000006553f1000274790567756573740361707002636cce`

const CONNECTION_CLOSE = (replyCode: number): RegExp =>
  new RegExp(`^010000[0-9a-f]{8}000a0032${replyCode.toString(16).padStart(4, '0')}[0-9a-f]+ce$`)
const CHANNEL_CLOSE = (replyCode: number, ids: string): RegExp =>
  new RegExp(`^010001[0-9a-f]{8}00140028${replyCode.toString(16).padStart(4, '0')}[0-9a-f]+${ids}ce$`)

function tuneOk(channelMax: string, frameMax: string, heartbeat: string): Buffer {
  return hex`0100000000000c000a001f ${channelMax} ${frameMax} ${heartbeat} ce`
}

/** A field of each type: name, tag and value. */
const FIELDS = [
  '01747401',
  '0274327402',
  '016262ff',
  '014242ff',
  '017373fffe',
  '017575fffe',
  '014949ffffffff',
  '016969ffffffff',
  '016c6cffffffffffffffff',
  '014c4cffffffffffffffff',
  '0166663fc00000',
  '0164643ff8000000000000',
  '014444020000013a',
  '02446e4402ffffffff',
  '015353000000026869',
  '01787800000002ff00',
  '015454000000006553f100',
  '01464600000004017a7400',
  '014141000000086201530000000171',
  '015656',
]

function nameOf(field: string): string {
  return field.slice(2, 2 + 2 * Number.parseInt(field.slice(0, 2), 16))
}

/** The fields as RabbitMQ 4 writes them: by their names, and of one form where there are two. */
const REWRITTEN_FIELDS = [...FIELDS]
  .sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1))
  .map(each => each.replace(/^014c4c/, '014c6c').replace(/^0274327402$/, '0274327401'))
describe('the octets of the conformance tests, with RabbitMQ', () => {
  let url: string
  const clients: RawClient[] = []
  /** Those with queues, which are gone when the broker has answered their Close, and may be there for longer otherwise. */
  const owners: RawClient[] = []

  before(async function () {
    this.timeout(BROKER_START_MS)
    needsControl(this)
    url = (await sharedBroker()).url
  })

  afterEach(async () => {
    for (const owner of owners.splice(0)) {
      owner.say(CLOSE)
      // After a test that has failed it may have lost its connection.
      const heard = (): Promise<string> => owner.hear().catch(() => CLOSE_OK)
      while ((await heard()) !== CLOSE_OK);
    }
    for (const client of clients.splice(0)) await client.close()
  })

  async function connected(): Promise<RawClient> {
    const client = await RawClient.connect(url)
    clients.push(client)
    return client
  }

  /** A client that the broker has sent Tune. */
  async function tuned(startOk = START_OK): Promise<RawClient> {
    const client = await connected()
    await client.ask(HEADER)
    await client.ask(startOk)
    return client
  }

  /** A client whose channel 1 is open. */
  async function opened(answer = TUNE_OK, startOk = START_OK): Promise<RawClient> {
    const client = await tuned(startOk)
    expect(await client.ask(answer, OPEN)).to.equal(OPEN_OK)
    expect(await client.ask(CHANNEL_OPEN)).to.equal(CHANNEL_OPEN_OK)
    return client
  }

  /** Declares a queue, and deletes it at the end of the test. */
  async function declare(client: RawClient, octets: Buffer, declared: string): Promise<void> {
    expect(await client.ask(octets)).to.equal(declared)
    owners.push(client)
  }

  /** A client with the queue "q". */
  async function withQueue(...parameters: Parameters<typeof opened>): Promise<RawClient> {
    const client = await opened(...parameters)
    await declare(client, DECLARE_Q, DECLARED_Q)
    return client
  }

  describe('while the connection opens', () => {
    it('1, 3, 4, 5: Start, Tune and Open-Ok are as expected, and the answers are taken', async () => {
      const client = await connected()
      expect(await client.ask(HEADER)).to.match(/^010000[0-9a-f]{8}000a000a0009/)
      expect(await client.ask(START_OK)).to.equal('0100000000000c000a001e07ff00020000003cce')
      client.say(hex`0100000000000c000a001f07ff00020000003cce`)
      expect(await client.ask(OPEN)).to.equal('01000000000005000a002900ce')
    })

    it('2: a version that is not spoken is answered with the one that is, and the end', async () => {
      const client = await connected()
      expect(await client.ask(hex`414d515000000902`)).to.equal('414d515000000901')
      await within(5_000, 'the end', client.ended)
    })

    it('2: what is no AMQP is answered with the version of the broker, and the end', async () => {
      const client = await connected()
      const answer = await client.ask(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
      const isFour = Number.parseInt(await sharedVersion(), 10) >= 4
      expect(answer).to.equal(isFour ? '414d515003010000' : '414d515000000901')
      await within(5_000, 'the end', client.ended)
    })

    it('7: Tune-Ok beyond what was offered is answered with silence and the end', async function () {
      // All at once: the silence takes three seconds.
      this.timeout(10_000)
      const [major = 0, minor = 0] = (await sharedVersion()).split('.').map(Number)
      const refused = [
        tuneOk('07ff', '00000000', '003c'),
        tuneOk('07ff', '00000fff', '003c'),
        tuneOk('07ff', '00020001', '003c'),
        tuneOk('0000', '00020000', '003c'),
        tuneOk('0800', '00020000', '003c'),
        tuneOk('ffff', '00020000', '003c'),
        // Since 4.1.0 a frame has 8192 octets at least.
        ...(major > 4 || (major === 4 && minor >= 1) ? [tuneOk('07ff', '00001000', '003c')] : []),
      ]
      const ends = refused.map(async answer => {
        const client = await tuned()
        client.say(answer, OPEN)
        const begin = performance.now()
        await within(8_000, `the end after ${toHex(answer)}`, client.ended)
        expect(performance.now() - begin, 'milliseconds of silence').to.be.within(2_500, 6_000)
        expect(client.unheard).to.equal(0)
      })
      // A peer that falls silent after Tune-Ok with heartbeats of 1 s: between two and three of them, and no Close.
      const silent = opened(tuneOk('07ff', '00020000', '0001')).then(async client => {
        const begin = performance.now()
        await within(8_000, 'the end of a silent client', client.ended)
        expect(performance.now() - begin, 'milliseconds of silence').to.be.within(1_900, 4_500)
        for (const frame of await client.hearAll(client.unheard)) expect(frame).to.equal(toHex(HEARTBEAT))
      })
      await Promise.all([...ends, silent])
    })

    it('9: heartbeats before Tune-Ok are ignored', async () => {
      const client = await tuned()
      expect(await client.ask(HEARTBEAT, HEARTBEAT, HEARTBEAT, TUNE_OK, OPEN)).to.equal(OPEN_OK)
    })

    it('53: the response of AMQPLAIN without the length of a table is taken', async () => {
      const client = await connected()
      await client.ask(HEADER)
      const response = hex`054c4f47494e530000000567756573740850415353574f524453000000056775657374`
      const startOk = hex`010000 0000003e 000a000b 00000000 08414d51504c41494e 00000023 ${response} 05656e5f5553 ce`
      expect(await client.ask(startOk)).to.equal('0100000000000c000a001e07ff00020000003cce')
    })
  })

  describe('frames that are wrong', () => {
    for (const [number, what, octets, replyCode] of [
      // Where the client says 501: the specification wants that for any invalid heartbeat.
      [10, 'a heartbeat on a channel', hex`08000100000000ce`, 505],
      [11, 'a heartbeat with a payload', hex`0800000000000101ce`, 501],
      [12, 'an unknown type', hex`04000000000000ce`, 501],
      [13, 'a wrong frame-end', hex`01000100000004003c000bcd`, 501],
      // The broker allows for eight octets more than it should.
      [14, 'a frame that is too large', hex`0300010002000100 00000000000000000000000000000000`, 501],
      [20, 'a method inside a content', hex`${PUBLISH_Q} 01000100000004003c000bce`, 505],
      [23, 'a header without a method', EMPTY_HEADER, 505],
      [44, 'a method on a channel that is not open', hex`01000300000005003c006e01ce`, 504],
    ] as const) {
      it(`${number}: ${what} is answered with ${replyCode}`, async () => {
        const client = await opened()
        expect(await client.ask(octets)).to.match(CONNECTION_CLOSE(replyCode))
      })
    }

    for (const [number, octets] of [
      [45, hex`0100010000000400630001ce`],
      [52, hex`010000000000040033000ace`],
    ] as const) {
      // The client closes with 540 instead.
      it(`${number}: a class that does not exist ends the connection without a word`, async () => {
        const client = await opened()
        client.say(octets)
        await within(5_000, 'the end', client.ended)
        expect(client.unheard).to.equal(0)
      })
    }
  })

  describe('contents', () => {
    it('15: a body is cut at frame-max, less the eight octets of a frame', async () => {
      const [major = 0, minor = 0] = (await sharedVersion()).split('.').map(Number)
      const frameMax = major > 4 || (major === 4 && minor >= 1) ? 8192 : 4096
      const client = await withQueue(tuneOk('07ff', frameMax.toString(16).padStart(8, '0'), '0000'))
      const piece = frameMax - 8
      const body = Buffer.alloc(2 * piece + 824, 'x')
      const sizeOf = (octets: number): string => octets.toString(16).padStart(8, '0')
      const bodies = [
        hex`03 0001 ${sizeOf(piece)} ${body.subarray(0, piece)} ce`,
        hex`03 0001 ${sizeOf(piece)} ${body.subarray(0, piece)} ce`,
        hex`03 0001 00000338 ${body.subarray(2 * piece)} ce`,
      ]
      client.say(PUBLISH_Q, hex`020001 0000000e 003c0000 00000000 ${sizeOf(body.length)} 0000 ce`, ...bodies)
      expect(await client.ask(GET_Q)).to.match(/^010001[0-9a-f]{8}003c0047/)
      expect(await client.hear()).to.match(/^020001/)
      expect(await client.hearAll(3)).to.deep.equal(bodies.map(toHex))
    })

    it('16: a mandatory publish that finds no queue is two frames, and comes back as two', async () => {
      const client = await opened()
      client.say(hex`0100010000000a003c0028000000017101ce0200010000000e003c000000000000000000000000ce`)
      expect(await client.hearAll(2)).to.deep.equal([
        '01000100000012003c00320138084e4f5f524f555445000171ce',
        '0200010000000e003c000000000000000000000000ce',
      ])
    })

    /** The queue "d1" with the consumer "t", which wants no acknowledgements. */
    async function consuming(client: RawClient): Promise<void> {
      const declared = '0100010000000f0032000b0264310000000000000000ce'
      await declare(client, hex`0100010000000e0032000a00000264310400000000ce`, declared)
      const consumed = '01000100000006003c00150174ce'
      expect(await client.ask(hex`01000100000010003c0014000002643101740200000000ce`)).to.equal(consumed)
    }

    /** To the queue "d1". */
    const PUBLISH_D1 = hex`0100010000000b003c0028000000026431 00ce`
    const CONTENT_HEADER = hex`02000100000013003c00000000000000000003900003612f6202ce`
    const BODY = hex`03000100000003616263ce`
    const DELIVERED = '01000100000013003c003c017400000000000000010000026431ce'

    it('17, 18, 22: a delivery is the same, whatever pieces the publish came in', async () => {
      const client = await opened()
      await consuming(client)
      const other = hex`010002000000050014000a00ce`
      client.say(PUBLISH_D1, HEARTBEAT, other, CONTENT_HEADER, HEARTBEAT)
      expect(await client.hear(), 'channel 2').to.equal('010002000000080014000b00000000ce')
      client.say(hex`0300010000000161ce 03000100000000ce`, HEARTBEAT, hex`030001000000026263ce`)
      expect(await client.hearAll(3)).to.deep.equal([DELIVERED, toHex(CONTENT_HEADER), toHex(BODY)])
    })

    it('19: a delivery without a body ends with its header', async () => {
      const client = await opened()
      await consuming(client)
      client.say(PUBLISH_D1, EMPTY_HEADER)
      expect(await client.hearAll(2)).to.deep.equal([DELIVERED, toHex(EMPTY_HEADER)])
      // Nothing of the first one is left over.
      client.say(PUBLISH_D1, EMPTY_HEADER)
      const second = hex`01000100000013003c003c017400000000000000020000026431ce`
      expect(await client.hearAll(2)).to.deep.equal([toHex(second), toHex(EMPTY_HEADER)])
    })

    async function passedOn(header: Buffer): Promise<string | undefined> {
      const client = await opened()
      await consuming(client)
      client.say(PUBLISH_D1, header)
      const [delivered, contentHeader] = await client.hearAll(2)
      expect(delivered).to.equal(DELIVERED)
      return contentHeader
    }

    it('24: all fourteen properties come back in the same octets', async () => {
      expect(await passedOn(ALL_PROPERTIES)).to.equal(toHex(ALL_PROPERTIES))
    })

    it('25: every type of field comes back, from RabbitMQ 4 by their names', async () => {
      const headerWith = (fields: readonly string[]): Buffer =>
        hex`020001 000000ae 003c0000 0000000000000000 2000 0000009c ${fields.join('')} ce`
      const isFour = Number.parseInt(await sharedVersion(), 10) >= 4
      const expected = headerWith(isFour ? REWRITTEN_FIELDS : FIELDS)
      expect(await passedOn(headerWith(FIELDS))).to.equal(toHex(expected))
    })

    it('26: NaN costs a publisher its connection', async () => {
      const client = await opened()
      const header = hex`020001 0000001d 003c0000 0000000000000000 2000 0000000b 016e 64 7ff8000000000000 ce`
      const answer = client.ask(PUBLISH_Q, header, GET_Q)
      expect(await answer).to.match(CONNECTION_CLOSE(541))
    })
  })

  describe('channels', () => {
    it('28: a consumer whose queue is deleted is cancelled, with no-wait set', async () => {
      const client = await withQueue(TUNE_OK, START_OK_CANCEL)
      expect(await client.ask(hex`01000100000010003c0014000001710263740000000000ce`)).to.equal(
        '01000100000007003c0015026374ce',
      )
      client.say(hex`01000100000009003200280000017100ce`)
      expect((await client.hearAll(2)).sort()).to.deep.equal([
        '010001000000080032002900000000ce',
        '01000100000008003c001e02637401ce',
      ])
    })

    it('32, 50: an acknowledgement of what was not delivered closes the channel with 406', async () => {
      const client = await opened()
      expect(await client.ask(hex`0100010000000d003c0050000000000000000900ce`)).to.equal(
        toHex(hex`010001000000370014002801962c505245434f4e444954494f4e5f4641494c4544
          202d20756e6b6e6f776e2064656c6976657279207461672039003c0050ce`),
      )
      // Its number is free with our Close-Ok, which is not answered itself.
      expect(await client.ask(hex`0100010000000400140029ce`, CHANNEL_OPEN)).to.equal(CHANNEL_OPEN_OK)
    })

    it('33: two closes that cross are answered both', async () => {
      const client = await opened()
      client.say(hex`0100010000000d003c0050000000000000000900ce`, hex`0100010000000b0014002800c80000000000ce`)
      const [close, closeOk] = await client.hearAll(2)
      expect(close).to.match(CHANNEL_CLOSE(406, '003c0050'))
      expect(closeOk).to.equal('0100010000000400140029ce')
      expect(await client.ask(hex`0100010000000400140029ce`, CHANNEL_OPEN)).to.equal(CHANNEL_OPEN_OK)
    })

    it('36, 37: after our Close nothing is answered but Close-Ok', async () => {
      const client = await opened()
      client.say(CLOSE, HEARTBEAT, GET_Q, hex`04000000000000ce`)
      expect(await client.hear()).to.equal('01000000000004000a0033ce')
      expect(client.unheard).to.equal(0)
    })

    it('39: exchange.unbind is answered by its method 51', async () => {
      const client = await opened()
      // amq.direct from amq.fanout, which is not bound: that is no error.
      const names = hex`0a616d712e6469726563740a616d712e66616e6f7574`
      expect(await client.ask(hex`010001 00000023 00280028 0000 ${names} 016b 00 00000000 ce`)).to.equal(
        '0100010000000400280033ce',
      )
    })

    it('40: a queue that is empty is told by get-empty', async () => {
      const client = await withQueue()
      expect(await client.ask(GET_Q)).to.equal('01000100000005003c004800ce')
    })

    it('49: a channel more than was agreed on ends the connection with 530', async () => {
      const client = await opened(tuneOk('0002', '00020000', '0000'))
      expect(await client.ask(hex`010002000000050014000a00ce`)).to.equal('010002000000080014000b00000000ce')
      expect(await client.ask(hex`010003000000050014000a00ce`)).to.match(CONNECTION_CLOSE(530))
    })

    it('51: consume and qos in one write are both answered, in whatever order', async () => {
      const client = await withQueue()
      client.say(hex`0100010000000f003c00140000017101740200000000ce 0100010000000b003c000a00000000000500ce`)
      expect((await client.hearAll(2)).sort()).to.deep.equal([
        '01000100000004003c000bce',
        '01000100000006003c00150174ce',
      ])
    })
  })

  describe('confirms', () => {
    async function confirming(): Promise<RawClient> {
      const client = await withQueue()
      expect(await client.ask(CONFIRM_SELECT)).to.equal(CONFIRM_SELECT_OK)
      return client
    }

    it('29: what comes back comes before its confirm', async () => {
      const client = await confirming()
      client.say(hex`0100010000000b003c00280000 00 026e6f 01 ce`, EMPTY_HEADER)
      expect(await client.hearAll(3)).to.deep.equal([
        '01000100000013003c00320138084e4f5f524f55544500026e6fce',
        toHex(EMPTY_HEADER),
        '0100010000000d003c0050000000000000000100ce',
      ])
    })

    it('30: publishes are confirmed by their numbers, which count from one', async () => {
      const client = await confirming()
      client.say(...Array.from({ length: 7 }, () => hex`${PUBLISH_Q} ${EMPTY_HEADER}`))
      const confirmed = new Set<number>()
      while (confirmed.size < 7) {
        const [, tag = '', multiple] =
          /^0100010000000d003c0050(.{16})0([01])ce$/.exec(await client.hear()) ?? []
        const last = Number.parseInt(tag, 16)
        for (let number = multiple === '1' ? 1 : last; number <= last; number++) confirmed.add(number)
      }
      expect([...confirmed].sort()).to.deep.equal([1, 2, 3, 4, 5, 6, 7])
    })

    it('31: what a full queue does not take is answered by nack, with the octet 02', async () => {
      const client = await opened()
      await client.ask(CONFIRM_SELECT)
      // x-max-length 0 I, x-overflow "reject-publish".
      const table = hex`0c ${Buffer.from('x-max-length')} 49 00000000
        0a ${Buffer.from('x-overflow')} 53 0000000e ${Buffer.from('reject-publish')}`
      const declaration = hex`010001 0000003d 0032000a 0000 0171 04 00000030 ${table} ce`
      await declare(client, declaration, DECLARED_Q)
      client.say(PUBLISH_Q, EMPTY_HEADER)
      // The lowest bit is multiple: nothing before it is outstanding, so it may be set or not.
      expect(await client.hear()).to.match(/^0100010000000d003c007800000000000000010[23]ce$/)
    })

    it('54: publishes to an exchange that does not exist are answered by nothing but channel.close', async () => {
      const client = await confirming()
      const publish = hex`0100010000000a003c0028 0000 0178 00 00 ce ${EMPTY_HEADER}`
      client.say(publish, publish, publish)
      const text = Buffer.from("NOT_FOUND - no exchange 'x' in vhost '/'")
      expect(await client.hear()).to.equal(toHex(hex`01 0001 00000033 00140028 0194 28 ${text} 003c 0028 ce`))
      expect(await client.ask(hex`0100010000000400140029ce`, CHANNEL_OPEN)).to.equal(CHANNEL_OPEN_OK)
    })
  })

  describe('bits and short strings', () => {
    it('42: queue.declare with all five asks for what is there, and hears nothing', async () => {
      const client = await withQueue()
      client.say(hex`0100010000000d0032000a000001711f00000000ce`)
      // What is not there is refused all the same.
      expect(await client.ask(hex`0100010000000d0032000a0000017a1f00000000ce`)).to.match(
        CHANNEL_CLOSE(404, '0032000a'),
      )
    })

    it('42: exchange.declare with all five asks for one that is not there', async () => {
      const client = await opened()
      expect(await client.ask(hex`010001000000140028000a00000178066469726563741f00000000ce`)).to.match(
        CHANNEL_CLOSE(404, '0028000a'),
      )
    })

    it('42: basic.consume with all four wants no answer, and no acknowledgements', async () => {
      const client = await withQueue()
      client.say(hex`0100010000000f003c00140000017101740f00000000ce`, PUBLISH_Q, EMPTY_HEADER)
      expect(await client.hearAll(2)).to.deep.equal([
        '01000100000012003c003c0174000000000000000100000171ce',
        toHex(EMPTY_HEADER),
      ])
      // Nobody else may consume: exclusive.
      expect(await client.ask(hex`0100010000000f003c00140000017101750000000000ce`)).to.match(
        CHANNEL_CLOSE(403, '003c0014'),
      )
    })

    it('42: queue.delete with all three deletes no queue that is in use', async () => {
      const client = await withQueue()
      await client.ask(hex`0100010000000f003c00140000017101740200000000ce`)
      expect(await client.ask(hex`01000100000009003200280000017107ce`)).to.match(
        CHANNEL_CLOSE(406, '00320028'),
      )
    })

    it('43: short strings of 255 octets are taken', async () => {
      const client = await opened()
      const name = Buffer.alloc(255, 'q')
      expect(await client.ask(hex`010001 0000010b 0032000a 0000 ff ${name} 04 00000000 ce`)).to.equal(
        toHex(hex`010001 0000010c 0032000b ff ${name} 00000000 00000000 ce`),
      )
    })
  })
})
