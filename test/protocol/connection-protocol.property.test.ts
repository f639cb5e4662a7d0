import { expect } from 'chai'
import fc from 'fast-check'
import type { ProtocolEvent } from '../../src/protocol/events.js'
import type { Method } from '../../src/protocol/method-types.js'
import { chunkSizes, cut, octets } from '../support/arbitraries.js'
import { hex, toHex } from '../support/hex.js'
import { grows } from '../support/invariants/index.js'
import { PeerCodec } from '../support/peer/peer-codec.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import { runs } from '../support/runs.js'

const PEER = new PeerCodec()

const START: Method = {
  name: 'connection.start',
  args: {
    versionMajor: 0,
    versionMinor: 9,
    serverProperties: { product: 'test', capabilities: { 'basic.nack': true } },
    mechanisms: Buffer.from('PLAIN'),
    locales: Buffer.from('en_US'),
  },
}

/** What a server says until the connection is open. */
const HANDSHAKE = Buffer.concat([
  PEER.method(0, START),
  PEER.heartbeat(),
  PEER.method(0, { name: 'connection.tune', args: { channelMax: 10, frameMax: 8192, heartbeat: 60 } }),
  PEER.method(0, { name: 'connection.open-ok', args: {} }),
])

/** Something the server sends, right or wrong, to channel 1 or 2 where nothing else is said. */
type Speech = (state: { deliveryTag: number }) => Buffer

const channelNumber = fc.constantFrom(1, 2)
const multiple = fc.boolean()
const deliveryTag = fc.integer({ min: 0, max: 12 })
const message = { exchange: '', routingKey: 'q', redelivered: false }

/** The octets of one are the numbers of the characters of the other. */
const ALIKE = ['é', 'Ã©']
const CONSUMERS = ['a', 'b', ...ALIKE]

const speech: fc.Arbitrary<Speech> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(...CONSUMERS), fc.constantFrom('q', 'r', ...ALIKE), octets({ maxLength: 9000 }))
      .map(([consumerTag, routingKey, body]): Speech => {
        return state => {
          const args = { ...message, routingKey, consumerTag, deliveryTag: ++state.deliveryTag }
          const codec = new PeerCodec()
          codec.frameMax = 4096
          return codec.content(1, { name: 'basic.deliver', args }, body, {
            messageId: 'm',
            headers: { n: body.length },
          })
        }
      }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ deliveryTag, multiple }).map(
      (args): Speech =>
        () =>
          PEER.method(2, { name: 'basic.ack', args }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ deliveryTag, multiple }).map(
      (args): Speech =>
        () =>
          PEER.method(2, { name: 'basic.nack', args: { ...args, requeue: true } }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant((): Buffer => {
      const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'q' }
      return PEER.content(2, { name: 'basic.return', args }, Buffer.from('body'))
    }),
  },
  { weight: 3, arbitrary: fc.constant(() => PEER.heartbeat()) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom<Method>(
        { name: 'connection.blocked', args: { reason: 'low on memory' } },
        { name: 'connection.unblocked', args: {} },
      )
      .map(
        (method): Speech =>
          () =>
            PEER.method(0, method),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.boolean().map(
      (active): Speech =>
        () =>
          PEER.method(1, { name: 'channel.flow', args: { active } }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constant(
      (): Buffer => PEER.method(1, { name: 'queue.purge-ok', args: { messageCount: 3 } }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({
        name: fc.constant('basic.cancel' as const),
        args: fc.constant({ consumerTag: 'b', noWait: true }),
      })
      .map(
        (method): Speech =>
          () =>
            PEER.method(1, method),
      ),
  },
  {
    weight: 1,
    arbitrary: channelNumber.map(
      (number): Speech =>
        () => {
          const args = { replyCode: 406, replyText: 'PRECONDITION_FAILED', classId: 60, methodId: 80 }
          return PEER.method(number, { name: 'channel.close', args })
        },
    ),
  },
)

const session: fc.Arbitrary<Buffer> = fc.array(speech, { maxLength: 25 }).map(speeches => {
  const state = { deliveryTag: 0 }
  return Buffer.concat(speeches.map(say => say(state)))
})

/** A connection whose handshake came in such chunks, with commands given that the server may answer. */
function opened(handshake: readonly Buffer[]): ProtocolPair {
  const pair = new ProtocolPair()
  pair.settle()
  for (const chunk of handshake) lend(pair, chunk)
  const [first, second] = [pair.openChannel(), pair.openChannel({ confirm: true })]
  for (const consumerTag of CONSUMERS) {
    const command = {
      queue: 'q',
      prefetch: undefined,
      noAck: consumerTag === 'b',
      exclusive: false,
      noWait: false,
      arguments: {},
    }
    pair.run(() => first.consume({ ...command, consumerTag, consumer: { consumerTag } }, {}, 0))
    pair.send(1, { name: 'basic.consume-ok', args: { consumerTag } })
  }
  for (let count = 0; count < 3; count++) {
    pair.call(first, { name: 'queue.purge', args: { queue: `${count}`, noWait: false } })
    pair.publish(first, { routingKey: `${count}` })
  }
  for (let count = 0; count < 10; count++) pair.publish(second, { mandatory: count % 2 === 0 })
  return pair
}

/** Hands a chunk over that is destroyed afterwards, as a socket's own buffer is. */
function lend(pair: ProtocolPair, chunk: Buffer): void {
  const borrowed = Buffer.from(chunk)
  pair.sendOctets(borrowed)
  borrowed.fill(0xff)
}

/** What was told, in words; the same for the same events. */
function transcriptOf(events: readonly ProtocolEvent[]): string[] {
  const names = new Map<object, number>()
  const nameOf = (token: object): number => {
    if (!names.has(token)) names.set(token, names.size)
    return names.get(token) as number
  }
  return events.map(event => {
    switch (event.type) {
      case 'delivered': {
        const { content, deliveryTag: tag, consumerTag, exchange, routingKey, redelivered } = event.delivery
        return `${consumerTag} ${tag} ${exchange} ${routingKey} ${redelivered} ${toHex(content.body)} ${JSON.stringify(content.properties)}`
      }
      case 'returned':
        return `returned ${event.message.routingKey} ${event.message.body}`
      case 'replied':
        return `replied ${nameOf(event.token)} ${JSON.stringify(event.reply)}`
      case 'failed':
        // Whether it was sent before the end is a matter of when octets were taken.
        return `failed ${nameOf(event.token)} ${event.error.name}`
      case 'confirmed':
        return `confirmed ${event.tokens.map(nameOf)}`
      case 'channelClosed':
      case 'consumerEnded':
      case 'closed':
        return `${event.type} ${event.reason.by} ${event.reason.code} ${event.reason.text} ${event.reason.error}`
      default:
        return JSON.stringify(event)
    }
  })
}

function listen(handshake: readonly Buffer[], chunks: readonly Buffer[]) {
  const pair = opened(handshake)
  for (const chunk of chunks) lend(pair, chunk)
  const { state, counts } = pair.protocol
  const sent = toHex(Buffer.concat(pair.batches.flat()))
  const transcript = transcriptOf(pair.events)
  // A close for a violation takes the place of what was not sent before it.
  if (state === 'closed') return { state, transcript, last: pair.received.at(-1) }
  return { state, transcript, sent, counts }
}

describe('ConnectionProtocol, however octets are cut into chunks', () => {
  it('tells and sends the same, in any partition', () => {
    fc.assert(
      fc.property(session, chunkSizes, chunkSizes, (stream, sizes, handshakeSizes) => {
        const whole = listen([HANDSHAKE], [stream])
        expect(listen(cut(HANDSHAKE, handshakeSizes), cut(stream, sizes))).to.deep.equal(whole)
      }),
      runs(150),
    )
  })

  it('tells and sends the same octet by octet', () => {
    fc.assert(
      fc.property(session, stream => {
        const whole = listen([HANDSHAKE], [stream])
        expect(listen(cut(HANDSHAKE, [1]), cut(stream, [1]))).to.deep.equal(whole)
      }),
      runs(15),
    )
  })

  it('tells the same of a body that is too long and whose frame-end is wrong', () => {
    const args = { ...message, consumerTag: 'a', deliveryTag: 1 }
    const delivery = PEER.content(1, { name: 'basic.deliver', args }, Buffer.from('abc'))
    const stream = Buffer.concat([delivery.subarray(0, -11), hex`03 0001 00000005 6162636465 aa`])
    const whole = listen([HANDSHAKE], [stream])
    expect(whole.transcript.at(-1)).to.include('content body longer than the announced 3 octets')
    expect(listen([HANDSHAKE], cut(stream, [1]))).to.deep.equal(whole)
  })

  it('tells and sends the same also when octets in the middle are wrong', () => {
    const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(session, place, octets({ maxLength: 6 }), chunkSizes, (stream, at, wrong, sizes) => {
        const broken = Buffer.from(stream)
        wrong.copy(broken, Math.floor(at * broken.length))
        const whole = listen([HANDSHAKE], [broken])
        expect(listen([HANDSHAKE], cut(broken, sizes))).to.deep.equal(whole)
      }),
      runs(150),
    )
  })
})

/** One octet changed, octets missing, octets too many, or anything at all from there on. */
const damage = fc.oneof(
  fc.record({ kind: fc.constant('change' as const), octet: fc.nat(255) }),
  fc.record({ kind: fc.constant('omit' as const), count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('insert' as const), what: octets({ minLength: 1, maxLength: 20 }) }),
  fc.record({ kind: fc.constant('end' as const), what: octets({ maxLength: 200 }) }),
)

describe('ConnectionProtocol, whatever octets come', () => {
  it('throws nothing, is closed at most once, and says and does nothing after it', () => {
    const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(
        session,
        fc.array(fc.tuple(place, damage), { minLength: 1, maxLength: 4 }),
        chunkSizes,
        (stream, damages, sizes) => {
          let octetsSent = Buffer.concat([HANDSHAKE, stream])
          for (const [where, one] of damages) {
            const at = Math.floor(where * octetsSent.length)
            const [before, after] = [octetsSent.subarray(0, at), octetsSent.subarray(at)]
            if (one.kind === 'change')
              octetsSent = Buffer.concat([before, Buffer.of(one.octet), after.subarray(1)])
            else if (one.kind === 'omit') octetsSent = Buffer.concat([before, after.subarray(one.count)])
            else if (one.kind === 'insert') octetsSent = Buffer.concat([before, one.what, after])
            else octetsSent = Buffer.concat([before, one.what])
          }
          const pair = new ProtocolPair()
          pair.settle()
          // The commands are given as soon as they can be.
          let commanded = false
          for (const chunk of cut(octetsSent, sizes)) {
            lend(pair, chunk)
            if (commanded || pair.protocol.state !== 'open') continue
            commanded = true
            const channel = pair.run(() => pair.protocol.openChannel({}, 10, {}, 0))
            pair.run(() => channel.close(0))
          }
          const closed = pair.events.findIndex(({ type }) => type === 'closed')
          if (closed >= 0) expect(pair.events).to.have.length(closed + 1)
          expect(pair.protocol.buffered).to.be.below(10_000)
          const sent = pair.received.filter(
            one => one.type === 'method' && one.method.name === 'connection.close',
          )
          expect(sent.length).to.be.at.most(1)
          const isOver = pair.protocol.state === 'closed'
          expect(isOver).to.equal(closed >= 0)
          if (isOver) expect(pair.protocol.nextDeadline()).to.equal(Number.POSITIVE_INFINITY)
        },
      ),
      runs(400),
    )
  })

  it('throws nothing for octets without any sense', () => {
    fc.assert(
      fc.property(fc.array(octets({ maxLength: 100 }), { maxLength: 10 }), fc.boolean(), (chunks, isOpen) => {
        const pair = isOpen ? ProtocolPair.opened() : new ProtocolPair()
        for (const chunk of chunks) lend(pair, chunk)
        expect(pair.eventsOf('closed').length).to.be.at.most(1)
      }),
      runs(300),
    )
  })

  it('holds on to nothing of what it has been sent', async () => {
    const pair = opened([HANDSHAKE])
    const codec = new PeerCodec()
    codec.frameMax = 4096
    let tag = 0
    const deliverAndForget = () => {
      const args = { ...message, consumerTag: 'b', deliveryTag: ++tag }
      pair.sendOctets(codec.content(1, { name: 'basic.deliver', args }, Buffer.alloc(10_000)))
      pair.sendOctets(codec.heartbeat())
      pair.forget()
    }
    await grows(deliverAndForget, { times: 300, maxOctets: 600_000 })
  })
})
