import { expect } from 'chai'
import fc from 'fast-check'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import type { IncomingDelivery } from '../../src/protocol/events.js'
import type { Method } from '../../src/protocol/method-types.js'
import { hex } from '../support/hex.js'
import { grows } from '../support/invariants/index.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

const ACK = { kind: 'ack', multiple: false } as const
const ACK_MULTIPLE = { kind: 'ack', multiple: true } as const

/** A consumer that the peer has started; returns its token. */
function consume(pair: ProtocolPair, channel: ChannelProtocol, consumerTag: string, noAck = false): object {
  const consumer = {}
  const command = {
    queue: 'q',
    consumerTag,
    prefetch: undefined,
    noAck,
    exclusive: false,
    noWait: false,
    arguments: {},
    consumer,
  }
  const tag = pair.run(() => channel.consume(command, {}, pair.now))
  pair.send(channel.number, { name: 'basic.consume-ok', args: { consumerTag: tag } })
  pair.forget()
  return consumer
}

function sendGetOk(pair: ProtocolPair, deliveryTag: number, messageCount = 0): void {
  const args = { deliveryTag, redelivered: false, exchange: '', routingKey: 'q', messageCount }
  pair.sendContent(1, { name: 'basic.get-ok', args }, Buffer.from('body'))
}

function settlementsOf(pair: ProtocolPair): Method[] {
  pair.settle()
  return pair.received.flatMap(received => (received.type === 'method' ? [received.method] : []))
}

function delivered(pair: ProtocolPair): IncomingDelivery[] {
  return pair.eventsOf('delivered').map(({ delivery }) => delivery)
}

describe('ChannelDeliveries, deliveries', () => {
  it('carry the consumer, the life and the message', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const consumer = consume(pair, channel, 't')
    pair.sendOctets(hex`01000100000013003c003c017400000000000000010000026431ce
      02000100000013003c00000000000000000003900003612f6202ce 03000100000003616263ce`)
    const [event] = pair.eventsOf('delivered')
    expect(event?.consumer).to.equal(consumer)
    const delivery = event?.delivery as IncomingDelivery
    expect(delivery).to.include({
      life: channel,
      consumerTag: 't',
      deliveryTag: 1,
      redelivered: false,
      exchange: '',
      routingKey: 'd1',
      noAck: false,
    })
    expect(delivery.content.body.toString()).to.equal('abc')
    expect(delivery.content.properties).to.deep.equal({ contentType: 'a/b', deliveryMode: 2 })
  })

  it('go to their consumer also when they come with consume-ok in the same octets', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const consumer = {}
    const command = {
      queue: 'q',
      consumerTag: 't',
      prefetch: undefined,
      noAck: false,
      exclusive: false,
      noWait: false,
      arguments: {},
    }
    pair.run(() => channel.consume({ ...command, consumer }, {}, 0))
    const args = { consumerTag: 't', deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' }
    pair.sendOctets(
      Buffer.concat([
        pair.peer.method(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } }),
        pair.peer.content(1, { name: 'basic.deliver', args }, Buffer.from('x')),
      ]),
    )
    expect(pair.events.map(({ type }) => type)).to.deep.equal(['replied', 'delivered'])
  })

  it('to a consumer that does not exist are a violation (503)', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.deliver(channel, 't', 1)
    expect(pair.eventsOf('closed')[0]?.reason).to.include({
      by: 'protocol',
      code: 503,
      text: 'delivery to a consumer that does not exist',
      method: 'basic.deliver',
    })
  })

  for (const [first, second] of [
    [2, 2],
    [2, 1],
  ] as const) {
    it(`whose tag ${second} comes after ${first} are a violation (502)`, () => {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel()
      consume(pair, channel, 't')
      pair.deliver(channel, 't', first)
      pair.deliver(channel, 't', second)
      expect(pair.eventsOf('closed')[0]?.reason).to.include({ by: 'protocol', code: 502 })
    })
  }

  it('that are direct replies may have the tag of the next delivery, as RabbitMQ gives it to them', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel, 't')
    consume(pair, channel, 'replies', true)
    pair.deliver(channel, 't', 1)
    for (const tag of ['replies', 'replies', 't']) pair.deliver(channel, tag, 2)
    expect(pair.eventsOf('delivered')).to.have.lengthOf(4)
    pair.deliver(channel, 'replies', 2)
    expect(pair.eventsOf('closed')[0]?.reason).to.include({ by: 'protocol', code: 502 })
  })

  it('have tags that are made where none is given, each once', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    for (let count = 0; count < 3; count++) {
      const command = {
        queue: 'q',
        consumerTag: '',
        prefetch: undefined,
        noAck: true,
        exclusive: false,
        noWait: false,
        arguments: {},
      }
      const tag = pair.run(() => channel.consume({ ...command, consumer: {} }, {}, 0))
      expect(channel.hasConsumer(tag)).to.equal(true)
      pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: tag } })
    }
    const tags = settlementsOf(pair).flatMap(method =>
      method.name === 'basic.consume' ? [method.args.consumerTag] : [],
    )
    expect(new Set(tags).size).to.equal(3)
  })
})

describe('ChannelDeliveries, get', () => {
  it('gives the message, or nothing', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const get = { name: 'basic.get', args: { queue: 'q', noAck: false } } as const
    const [full, empty] = [pair.call(channel, get), pair.call(channel, get)]
    sendGetOk(pair, 1, 7)
    pair.sendOctets(hex`01000100000005003c004800ce`)
    const event = pair.settlementOf(full)
    const delivery = event?.type === 'got' ? event.delivery : undefined
    expect(delivery).to.include({ deliveryTag: 1, messageCount: 7, consumerTag: '', noAck: false })
    expect(pair.settlementOf(empty)).to.deep.include({ type: 'got', delivery: undefined })
    expect(channel.settle(1, ACK)).to.equal(true)
  })

  it('counts in the tags of the channel, and is not to be settled without acknowledgement', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel, 't')
    pair.call(channel, { name: 'basic.get', args: { queue: 'q', noAck: true } })
    sendGetOk(pair, 1)
    pair.deliver(channel, 't', 2)
    pair.forget()
    expect(channel.settle(1, ACK)).to.equal(false)
    expect(channel.settle(2, ACK)).to.equal(true)
    expect(settlementsOf(pair)).to.deep.equal([
      { name: 'basic.ack', args: { deliveryTag: 2, multiple: false } },
    ])
  })

  it('is told that it failed when its message breaks the protocol', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel, 't')
    pair.deliver(channel, 't', 5)
    const token = pair.call(channel, { name: 'basic.get', args: { queue: 'q', noAck: true } })
    sendGetOk(pair, 5)
    expect(pair.eventsOf('closed')[0]?.reason).to.include({ by: 'protocol', code: 502 })
    expect(pair.settlementOf(token)?.type).to.equal('failed')
  })

  it('that nobody asked for is a violation (504)', () => {
    const pair = ProtocolPair.opened()
    pair.openChannel()
    sendGetOk(pair, 1)
    expect(pair.eventsOf('closed')[0]?.reason).to.include({
      by: 'protocol',
      code: 504,
      method: 'basic.get-ok',
    })
  })
})

describe('ChannelDeliveries, settling', () => {
  const kinds = [
    [ACK, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } }],
    [ACK_MULTIPLE, { name: 'basic.ack', args: { deliveryTag: 1, multiple: true } }],
    [
      { kind: 'nack', multiple: true, requeue: false },
      { name: 'basic.nack', args: { deliveryTag: 1, multiple: true, requeue: false } },
    ],
    [
      { kind: 'nack', multiple: false, requeue: true },
      { name: 'basic.nack', args: { deliveryTag: 1, multiple: false, requeue: true } },
    ],
    [
      { kind: 'reject', requeue: true },
      { name: 'basic.reject', args: { deliveryTag: 1, requeue: true } },
    ],
  ] as const
  for (const [settlement, method] of kinds) {
    it(`sends ${method.name} ${JSON.stringify(method.args)}, once`, () => {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel()
      consume(pair, channel, 't')
      pair.deliver(channel, 't', 1)
      expect(channel.stateOf(1)).to.equal('unsettled')
      expect(channel.settle(1, settlement)).to.equal(true)
      expect(channel.stateOf(1)).to.equal('settled')
      expect(channel.settle(1, settlement)).to.equal(false)
      expect(settlementsOf(pair)).to.deep.equal([method])
    })
  }

  it('sends nothing that the broker would close the channel for, whatever the application settles', () => {
    type Step =
      | { readonly kind: 'deliver'; readonly noAck: boolean }
      | { readonly kind: 'settle'; readonly pick: number; readonly multiple: boolean }
    const step: fc.Arbitrary<Step> = fc.oneof(
      fc.record({ kind: fc.constant('deliver' as const), noAck: fc.boolean() }),
      fc.record({ kind: fc.constant('settle' as const), pick: fc.nat(), multiple: fc.boolean() }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const pair = ProtocolPair.opened()
        const channel = pair.openChannel()
        consume(pair, channel, 'acked')
        consume(pair, channel, 'noAck', true)
        let lastTag = 0
        // What RabbitMQ knows: the tags that it waits for.
        let unacked: number[] = []
        for (const next of steps) {
          if (next.kind === 'deliver') {
            pair.deliver(channel, next.noAck ? 'noAck' : 'acked', ++lastTag)
            if (!next.noAck) unacked.push(lastTag)
            continue
          }
          const deliveryTag = next.pick % (lastTag + 3)
          const accepted = channel.settle(deliveryTag, { kind: 'ack', multiple: next.multiple })
          expect(settlementsOf(pair).length).to.equal(accepted ? 1 : 0)
          if (accepted) expect(unacked).to.include(deliveryTag)
          unacked = unacked.filter(
            tag => !accepted || (next.multiple ? tag > deliveryTag : tag !== deliveryTag),
          )
          pair.forget()
        }
        for (const tag of unacked) expect(channel.settle(tag, ACK), `${tag}`).to.equal(true)
      }),
    )
  })

  it('goes at once, past calls and publishes that wait', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel, 't')
    pair.deliver(channel, 't', 1)
    for (const queue of ['a', 'b'])
      pair.call(channel, { name: 'queue.purge', args: { queue, noWait: false } })
    pair.publish(channel)
    channel.settle(1, ACK)
    expect(settlementsOf(pair).map(({ name }) => name)).to.deep.equal(['queue.purge', 'basic.ack'])
  })

  for (const [what, end] of [
    ['its connection is lost', (pair: ProtocolPair) => pair.cut()],
    [
      'the server has closed it',
      (pair: ProtocolPair) =>
        pair.send(1, {
          name: 'channel.close',
          args: { replyCode: 404, replyText: '', classId: 0, methodId: 0 },
        }),
    ],
    [
      'its close is sent',
      (pair: ProtocolPair, channel: ChannelProtocol) => pair.run(() => channel.close(pair.now)),
    ],
    ["its connection's close is sent", (pair: ProtocolPair) => pair.run(() => pair.protocol.close(pair.now))],
  ] as const) {
    it(`sends nothing once ${what}: the broker has the message back`, () => {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel()
      consume(pair, channel, 't')
      for (const tag of [1, 2]) pair.deliver(channel, 't', tag)
      channel.settle(1, ACK)
      end(pair, channel)
      pair.settle()
      pair.forget()
      expect(channel.settle(2, ACK)).to.equal(false)
      expect(channel.settle(1, ACK)).to.equal(false)
      expect([channel.stateOf(1), channel.stateOf(2)]).to.deep.equal(['settled', 'stale'])
      expect(settlementsOf(pair)).to.deep.equal([])
    })
  }

  it('works while a close waits for confirms', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel({ confirm: true })
    consume(pair, channel, 't')
    pair.deliver(channel, 't', 1)
    pair.publish(channel)
    pair.run(() => channel.close(pair.now))
    expect(channel.settle(1, ACK)).to.equal(true)
    expect(settlementsOf(pair).map(({ name }) => name)).to.deep.equal(['basic.publish', 'basic.ack'])
  })

  it('keeps nothing of what was settled', async () => {
    const pair = ProtocolPair.opened({ heartbeat: 0 })
    const channel = pair.openChannel()
    consume(pair, channel, 't')
    let tag = 0
    const deliverAndSettle = () => {
      for (let count = 0; count < 20; count++) pair.deliver(channel, 't', ++tag)
      channel.settle(tag, ACK_MULTIPLE)
      pair.settle()
      pair.forget()
    }
    await grows(deliverAndSettle, { times: 500, maxOctets: 300_000 })
  })
})

describe('ChannelDeliveries, recover', () => {
  it('settles all that was delivered: the broker sends it again under new tags', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel, 't')
    for (const tag of [1, 2]) pair.deliver(channel, 't', tag)
    pair.call(channel, { name: 'basic.recover', args: { requeue: true } })
    expect([1, 2].map(tag => channel.settle(tag, ACK))).to.deep.equal([false, false])
    expect(channel.stateOf(1)).to.equal('settled')
    pair.send(1, { name: 'basic.recover-ok', args: {} })
    pair.deliver(channel, 't', 3)
    expect(channel.settle(3, ACK)).to.equal(true)
  })

  it('covers what the broker had sent before it saw the recover', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel, 't')
    pair.call(channel, { name: 'basic.recover', args: { requeue: true } })
    pair.deliver(channel, 't', 1)
    expect(delivered(pair)).to.have.length(1)
    expect(channel.settle(1, ACK), 'before recover-ok').to.equal(false)
    pair.send(1, { name: 'basic.recover-ok', args: {} })
    expect(channel.settle(1, ACK), 'after recover-ok').to.equal(false)
    expect(settlementsOf(pair).map(({ name }) => name)).to.deep.equal(['basic.recover'])
  })

  it('that waits for its turn settles nothing yet', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel, 't')
    pair.deliver(channel, 't', 1)
    pair.call(channel, { name: 'queue.purge', args: { queue: 'q', noWait: false } })
    pair.call(channel, { name: 'basic.recover', args: { requeue: true } })
    expect(channel.settle(1, ACK)).to.equal(true)
  })
})

describe('ChannelDeliveries, a settlement inside another command', () => {
  for (const mandatory of [false, true]) {
    it(`that cannot be sent is not taken for settled (mandatory: ${mandatory})`, () => {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel({ confirm: true })
      consume(pair, channel, 't')
      pair.deliver(channel, 't', 1)
      let inside: boolean | undefined
      const headers = {
        get settles(): string {
          try {
            inside ??= channel.settle(1, ACK)
          } catch {
            inside = false
          }
          return 'value'
        },
      }
      pair.publish(channel, { mandatory, properties: { headers } })
      if (inside === false) {
        expect(channel.stateOf(1)).to.equal('unsettled')
        expect(channel.settle(1, ACK)).to.equal(true)
      }
      expect(channel.stateOf(1)).to.equal('settled')
      const methods = settlementsOf(pair).map(({ name }) => name)
      expect(methods).to.have.members(['basic.ack', 'basic.publish'])
      expect(channel.settle(1, ACK)).to.equal(false)
    })
  }
})

describe('ChannelDeliveries, the end of a consumer', () => {
  it('is told when its cancel is answered, and deliveries up to then go to it', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const consumer = consume(pair, channel, 't')
    pair.call(channel, { name: 'basic.cancel', args: { consumerTag: 't', noWait: false } })
    pair.deliver(channel, 't', 1)
    expect(pair.eventsOf('consumerEnded')).to.deep.equal([])
    pair.send(1, { name: 'basic.cancel-ok', args: { consumerTag: 't' } })
    expect(pair.events.map(({ type }) => type)).to.deep.equal(['delivered', 'consumerEnded', 'replied'])
    expect(pair.eventsOf('consumerEnded')).to.deep.equal([
      { type: 'consumerEnded', consumer, reason: { by: 'client' } },
    ])
    expect(channel.hasConsumer('t')).to.equal(false)
    expect(channel.settle(1, ACK), 'what it has is still to be settled').to.equal(true)
  })

  it('by the server is told as such, and not answered', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const consumer = consume(pair, channel, 'ct')
    pair.sendOctets(hex`01000100000008003c001e02637401ce`)
    const [ended] = pair.eventsOf('consumerEnded')
    expect(ended?.consumer).to.equal(consumer)
    expect(ended?.reason).to.include({ by: 'server', method: 'basic.cancel' })
    expect(pair.received).to.deep.equal([])
    expect(channel.state).to.equal('open')
  })

  it('by a server that wants an answer is answered', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel, 't')
    pair.send(1, { name: 'basic.cancel', args: { consumerTag: 't', noWait: false } })
    expect(pair.methods).to.deep.equal(['basic.cancel-ok'])
  })

  it('does not answer a cancel of a consumer that it never had, whose tag may be none that can be written', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    // 207 octets, which as text with U+FFFD in the place of what is no UTF-8 would be 621.
    const payload = Buffer.concat([hex`003c001e cf`, Buffer.alloc(207, 0x80), hex`00`])
    const size = Buffer.alloc(4)
    size.writeUInt32BE(payload.length)
    pair.sendOctets(Buffer.concat([hex`01 0001`, size, payload, hex`ce`]))
    expect(pair.methods).to.deep.equal([])
    expect(channel.state).to.equal('open')
    expect(pair.protocol.state).to.equal('open')
  })

  it('is told once when both sides cancel', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel, 't')
    pair.call(channel, { name: 'basic.cancel', args: { consumerTag: 't', noWait: false } })
    pair.send(1, { name: 'basic.cancel', args: { consumerTag: 't', noWait: true } })
    pair.send(1, { name: 'basic.cancel-ok', args: { consumerTag: 't' } })
    expect(pair.eventsOf('consumerEnded').map(({ reason }) => reason.by)).to.deep.equal(['server'])
    expect(pair.eventsOf('replied')).to.have.length(1)
  })

  it("comes with its channel's, for the same reason, and before it is told", () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const consumers = ['a', 'b'].map(tag => consume(pair, channel, tag))
    pair.cut(new Error('read ECONNRESET'))
    const ended = pair.eventsOf('consumerEnded')
    expect(ended.map(({ consumer }) => consumer)).to.deep.equal(consumers)
    const [closed] = pair.eventsOf('channelClosed')
    for (const { reason } of ended) expect(reason).to.equal(closed?.reason)
    expect(pair.events.map(({ type }) => type)).to.deep.equal([
      'consumerEnded',
      'consumerEnded',
      'channelClosed',
      'closed',
    ])
  })

  it('is not told of one that could not be started', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const command = {
      queue: 'q'.repeat(256),
      consumerTag: 't',
      prefetch: 1,
      noAck: false,
      exclusive: false,
      noWait: false,
    }
    expect(() => channel.consume({ ...command, arguments: {}, consumer: {} }, {}, 0)).to.throw(/queue/)
    expect(channel.hasConsumer('t')).to.equal(false)
    pair.cut()
    expect(pair.eventsOf('consumerEnded')).to.deep.equal([])
  })

  it('is told why when the server cancels it', () => {
    const pair = ProtocolPair.opened()
    const consumer = consume(pair, pair.openChannel(), 't')
    pair.send(1, { name: 'basic.cancel', args: { consumerTag: 't', noWait: true } })
    const reason = { by: 'server', text: 'the server cancelled the consumer', method: 'basic.cancel' }
    expect(pair.eventsOf('consumerEnded')).to.deep.equal([{ type: 'consumerEnded', consumer, reason }])
  })
})

describe('ChannelDeliveries, given back', () => {
  it('go back by nack, to nobody in particular, and not those of a stream, where a nack would move on', () => {
    for (const [headers, methods] of [
      [{}, ['basic.nack']],
      [{ 'x-stream-offset': 7n }, []],
    ] as const) {
      const pair = ProtocolPair.opened()
      const channel = pair.openChannel()
      consume(pair, channel, 't')
      const args = { consumerTag: 't', deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' }
      pair.sendContent(1, { name: 'basic.deliver', args }, Buffer.from('body'), { headers })
      const [delivery] = delivered(pair)
      pair.run(() => channel.giveBack(delivery as IncomingDelivery))
      expect(pair.methods, JSON.stringify(Object.keys(headers))).to.deep.equal(methods)
    }
  })

  it('with a tag that does not count up are a violation (502)', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    consume(pair, channel, 't')
    pair.deliver(channel, 't', 2)
    pair.deliver(channel, 't', 2)
    expect(pair.eventsOf('closed')[0]?.reason).to.include({ code: 502, text: 'delivery tag 2 out of order' })
  })

  it('by basic.recover are told of when the broker has them', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    const token = pair.call(channel, { name: 'basic.recover', args: { requeue: true } })
    const reply = { name: 'basic.recover-ok', args: {} } as const
    pair.send(1, reply)
    expect(pair.events).to.deep.equal([
      { type: 'takenBack', channel: channel.owner },
      { type: 'replied', token, reply },
    ])
  })
})
