import { expect } from 'chai'
import type { Delivery } from '../../src/index.js'
import { hex, toHex } from '../support/hex.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import { BODY, DELIVER, EMPTY_HEADER, HEADER, HEARTBEAT, QOS_OK } from './octets.js'
import { type RowNumber, row, type Sessions } from './rows.js'

/** All fourteen, each as short as it can be and tell itself from the others; user-id is guest. */
const ALL_PROPERTIES = hex`02000100000043003c00000000000000000000fffc02637402636500000000020503636964027274
  053630303030036d6964000000006553f1000274790567756573740361707002636cce`

async function consuming(sessions: Sessions) {
  const session = await sessions.open()
  const channel = await session.openChannel()
  const { consumer, deliveries } = await session.consume(channel)
  return { session, channel, consumer, deliveries }
}

function expectDelivery(delivery: Delivery | undefined, body: string): void {
  expect(delivery).to.include({
    consumerTag: 't',
    deliveryTag: 1,
    redelivered: false,
    exchange: '',
    routingKey: 'd1',
  })
  expect(delivery?.body.toString()).to.equal(body)
}

describe('on the wire, contents', () => {
  row(
    15,
    'at a frame-max of 4096 nine thousand octets go in frames of 4088, 4088 and 824',
    async sessions => {
      const session = await sessions.open({ tune: hex`0100000000000c000a001e07ff000010000000ce` })
      const channel = await session.openChannel()
      const body = Buffer.from(Array.from({ length: 9_000 }, (_, index) => index % 251))
      await channel.publish('', 'q', body)
      await session.settle()
      const bodies = hex`
      03 0001 00000ff8 ${body.subarray(0, 4088)} ce
      03 0001 00000ff8 ${body.subarray(4088, 8176)} ce
      03 0001 00000338 ${body.subarray(8176)} ce`
      expect(session.heard()).to.equal(
        // Persistent, as every publish that does not say otherwise.
        toHex(hex`010001 0000000a 003c0028 0000 00 0171 00 ce
        020001 0000000f 003c0000 0000000000002328 1000 02 ce ${bodies}`),
      )
    },
  )

  // Without properties, which Channel.publish never is: it says that the message is persistent.
  row(16, 'it is two frames, with mandatory as the lowest bit', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.publish(channel, { routingKey: 'q', mandatory: true, body: Buffer.alloc(0) })
    expect(toHex(Buffer.concat(pair.batches.flat()))).to.equal(
      '0100010000000a003c0028000000017101ce0200010000000e003c000000000000000000000000ce',
    )
  })

  row(17, 'it has tag, key, properties and body', async sessions => {
    const { session, deliveries } = await consuming(sessions)
    await session.say(DELIVER, HEADER, BODY)
    expect(deliveries).to.have.length(1)
    expectDelivery(deliveries[0], 'abc')
    expect(deliveries[0]?.properties).to.deep.equal({ contentType: 'a/b', deliveryMode: 2 })
    expect(deliveries[0]?.ack()).to.equal(true)
    await session.settle()
    expect(session.heard()).to.equal('0100010000000d003c0050000000000000000100ce')
  })

  row(18, 'a heartbeat and a frame of another channel part nothing', async sessions => {
    const { session, deliveries } = await consuming(sessions)
    const other = await session.openChannel({}, '0002')
    let replies = 0
    const prefetched = other.prefetch(5).then(() => replies++)
    await session.settle()
    expect(session.heard()).to.equal('0100020000000b003c000a00000000000500ce')
    const between = Buffer.concat([HEARTBEAT, hex`01000200000004003c000bce`])
    await session.say(DELIVER, between, HEADER, HEARTBEAT, BODY.subarray(0, 8))
    expect(deliveries).to.deep.equal([])
    await session.say(BODY.subarray(8), HEARTBEAT)
    expect(deliveries).to.have.length(1)
    expectDelivery(deliveries[0], 'abc')
    await session.settled('prefetch() of the other channel', prefetched)
    expect(replies).to.equal(1)
  })

  row(19, 'it is there with its header', async sessions => {
    const { session, deliveries } = await consuming(sessions)
    await session.say(DELIVER)
    expect(deliveries).to.deep.equal([])
    await session.say(EMPTY_HEADER)
    expect(deliveries).to.have.length(1)
    expectDelivery(deliveries[0], '')
    expect(deliveries[0]?.properties).to.deep.equal({})
  })

  const violations: readonly (readonly [RowNumber, octets: Buffer, replyCode: number])[] = [
    [20, hex`${DELIVER} ${HEADER} 01000100000004003c000bce`, 505],
    [21, hex`${DELIVER} ${HEADER} 0300010000000461626364ce`, 501],
    [23, EMPTY_HEADER, 505],
  ]
  for (const [number, octets, replyCode] of violations) {
    row(number, `the client closes with ${replyCode}, and no message comes of it`, async sessions => {
      const { session, consumer, deliveries } = await consuming(sessions)
      await session.say(octets, BODY, QOS_OK)
      await session.expectViolation(replyCode)
      expect(await session.settled('closed', consumer.closed)).to.include({ by: 'protocol', code: replyCode })
      expect(deliveries).to.deep.equal([])
    })
  }

  row(22, 'frames of one octet, of none and of two make one message', async sessions => {
    const { session, deliveries } = await consuming(sessions)
    await session.say(DELIVER, HEADER, hex`0300010000000161ce`)
    await session.say(hex`03000100000000ce`)
    expect(deliveries).to.deep.equal([])
    await session.say(hex`030001000000026263ce`)
    expect(deliveries).to.have.length(1)
    expectDelivery(deliveries[0], 'abc')
  })

  row(24, 'they are read, and written as the same octets', async sessions => {
    const { session, deliveries } = await consuming(sessions)
    await session.say(DELIVER, ALL_PROPERTIES)
    const properties = deliveries[0]?.properties
    expect(properties).to.deep.equal({
      contentType: 'ct',
      contentEncoding: 'ce',
      headers: {},
      deliveryMode: 2,
      priority: 5,
      correlationId: 'cid',
      replyTo: 'rt',
      expiration: '60000',
      messageId: 'mid',
      timestamp: 1_700_000_000,
      type: 'ty',
      userId: 'guest',
      appId: 'app',
      clusterId: 'cl',
    })
    const publisher = await session.openChannel({}, '0002')
    await publisher.publish('', 'q', '', properties)
    await session.settle()
    const onChannel2 = hex`02 0002 ${ALL_PROPERTIES.subarray(3)}`
    expect(session.heard()).to.equal(toHex(hex`0100020000000a003c0028000000017100ce ${onChannel2}`))
  })

  // A number cannot hold it. Silence would be wrong (an acknowledgement of 2^53 settles another delivery), and tags are
  // numbers here: it is a violation, since no broker comes that far.
  row(41, 'it is refused with 502 instead of being rounded', async sessions => {
    const { session, deliveries } = await consuming(sessions)
    await session.say(hex`01000100000012003c003c0174002000000000000101000171ce`)
    await session.expectViolation(502)
    expect(deliveries).to.deep.equal([])
  })
})
