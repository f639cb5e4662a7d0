// What a bad server does, by name. Each is done at once, between what a correct one does, and some leave the server in a state that
// it never gets out of: silent, deaf, slow. Some kinds are allowed, and must do no harm at all (a storm of heartbeats,
// contents of two channels mixed); most break the protocol.

import type { MethodName } from '../../../src/protocol/methods.js'
import type { Random } from '../random.js'
import { WIRE_BODY, WIRE_HEADER, WIRE_HEARTBEAT, WIRE_METHOD, wireFrame, wireFramesIn } from '../wire.js'
import {
  aChannel,
  aConfirm,
  aDelivery,
  aFrame,
  anOpenChannel,
  content,
  contentHeader,
  halfOf,
  longstr,
  methodFrame,
  NOTHING,
  nestedTable,
  repeat,
} from './bad-frames.js'
import { corruptFrame } from './corrupt-frame.js'
import type { ModelServer } from './model-server.js'
import { CLIENT_METHODS, REPLIES, randomLonglong, randomMethod, SERVER_METHODS } from './random-method.js'
import type { State } from './states.js'

type Mischief = (server: ModelServer, random: Random) => void

const MIB = 1024 * 1024
/** What else may listen on a port: HTTP, AMQP of other versions, TLS, SSH. */
const GREETINGS: readonly string[] = [
  'HTTP/1.1 400 Bad Request\r\n\r\n',
  'AMQP\0\0\x09\x01',
  'AMQP\x03\x01\0\0',
  '\x15\x03\x01\0\x02\x02\x46',
  'SSH-2.0-x\r\n',
]

export const MISCHIEFS: Readonly<Record<string, Mischief>> = {
  // octets
  'a bit flipped': corrupting('flip'),
  'an octet replaced': corrupting('replace'),
  'octets put in': corrupting('insert'),
  'octets left out': corrupting('remove'),
  'a frame cut short': corrupting('cut'),
  'a frame twice': corrupting('double'),
  'a frame on another channel': corrupting('readdress'),
  'a frame of another type': corrupting('retype'),
  'a frame of another size': corrupting('resize'),
  'another frame-end': corrupting('unend'),
  'frames out of order': (server, random) => {
    const first = aFrame(server, random)
    server.sendOctets(Buffer.concat([aFrame(server, random), first]))
  },
  'octets of chance': (server, random) => server.sendOctets(random.octets(random.between(1, 300))),
  'a foreign greeting': (server, random) => server.sendOctets(Buffer.from(random.pick(GREETINGS), 'latin1')),

  // methods
  'a method of a client': (server, random) =>
    server.sendOctets(
      methodFrame(server, aChannel(server, random), randomMethod(random, random.pick(CLIENT_METHODS))),
    ),
  'a method that there is not': (server, random) => {
    const ids = Buffer.alloc(4)
    ids.writeUInt16BE(random.pick([0, 10, 20, 60, 70, 80, 120, 65_535]), 0)
    ids.writeUInt16BE(random.pick([0, 1, 12, 99, 65_535]), 2)
    server.sendOctets(
      wireFrame(WIRE_METHOD, aChannel(server, random), Buffer.concat([ids, random.octets(random.below(20))])),
    )
  },
  'a method for another state': (server, random) =>
    server.sendOctets(
      methodFrame(server, aChannel(server, random), randomMethod(random, random.pick(SERVER_METHODS))),
    ),
  'a method with arguments of chance': (server, random) => {
    const name = random.pick(SERVER_METHODS)
    const frame = methodFrame(server, aChannel(server, random), randomMethod(random, name))
    const payload = Buffer.concat([frame.subarray(7, 11), random.octets(random.below(60))])
    server.sendOctets(wireFrame(WIRE_METHOD, frame.readUInt16BE(1), payload))
  },
  'a reply that nobody asked for': (server, random) =>
    server.sendOctets(
      methodFrame(server, aChannel(server, random), randomMethod(random, random.pick(REPLIES))),
    ),
  'another reply': (server, random) => {
    server.forgetDebt()
    server.sendOctets(
      methodFrame(server, anOpenChannel(server, random), randomMethod(random, random.pick(REPLIES))),
    )
  },
  'a reply twice': (server, random) => {
    server.pay(1, undefined)
    const again = aFrame(server, random)
    server.sendOctets(Buffer.concat([again, again]))
  },
  'no reply': server => void server.forgetDebt(),
  'a method of the connection on a channel': (server, random) =>
    server.sendOctets(
      methodFrame(server, anOpenChannel(server, random), randomMethod(random, random.pick(CONNECTION))),
    ),
  'a method of a channel on channel 0': (server, random) =>
    server.sendOctets(methodFrame(server, 0, randomMethod(random, random.pick(REPLIES)))),

  // the handshake, in whatever state
  'a strange start': (server, random) => {
    server.forgetDebt()
    const version = random.pick([
      [0, 9],
      [0, 9],
      [1, 0],
      [8, 0],
      [255, 10],
    ])
    const properties = random.chance(0.5) ? nestedTable(random.pick([2, 20, 64, 65, 200])) : Buffer.alloc(4)
    const mechanisms = longstr(random.pick(['', 'PLAIN', 'EXTERNAL', 'plain', 'X'.repeat(2_000)]))
    const payload = [Buffer.from([0, 10, 0, 10, ...version]), properties, mechanisms, longstr('')]
    server.sendOctets(wireFrame(WIRE_METHOD, 0, Buffer.concat(payload)))
  },
  'a strange tune': (server, random) => {
    server.forgetDebt()
    const args = {
      channelMax: random.pick([0, 1, 65_535]),
      frameMax: random.pick([0, 1, 4_095, 4_096, 8_192, 2 ** 32 - 1]),
      heartbeat: random.pick([0, 1, 65_535]),
    }
    server.sendOctets(methodFrame(server, 0, { name: 'connection.tune', args }))
  },
  'secure again and again': (server, random) => {
    const challenge = { name: 'connection.secure', args: { challenge: random.octets(10) } } as const
    server.sendOctets(repeat(methodFrame(server, 0, challenge), 20))
  },
  'open-ok before its time, or again': server =>
    server.sendOctets(methodFrame(server, 0, { name: 'connection.open-ok', args: {} })),

  // confirms
  'a confirm of no publish': (server, random) =>
    server.sendOctets(aConfirm(server, random, randomLonglong(random))),
  'a confirm of everything': (server, random) => {
    const args = { deliveryTag: 0, multiple: true }
    server.sendOctets(methodFrame(server, anOpenChannel(server, random), { name: 'basic.ack', args }))
  },
  'confirms again and again': (server, random) => {
    for (let times = 0; times < 20; times++) server.sendOctets(aConfirm(server, random, random.below(6)))
  },

  // deliveries
  'a delivery to nobody': (server, random) => server.sendOctets(aDelivery(server, random, 'nobody', 10_000)),
  'a delivery with a tag that was there': (server, random) =>
    server.sendOctets(aDelivery(server, random, undefined, random.below(3))),
  'a delivery with a strange tag': (server, random) =>
    server.sendOctets(aDelivery(server, random, undefined, randomLonglong(random))),
  'a get-ok with a strange tag': (server, random) => {
    server.forgetDebt()
    const deliveryTag = randomLonglong(random) as number
    const args = {
      deliveryTag,
      redelivered: true,
      exchange: '',
      routingKey: 'q-1',
      messageCount: 2 ** 32 - 1,
    }
    const method = { name: 'basic.get-ok', args } as const
    server.sendOctets(server.codec.content(anOpenChannel(server, random), method, random.octets(10)))
  },
  'a return of nothing': (server, random) => {
    const method = randomMethod(random, 'basic.return')
    server.sendOctets(
      server.codec.content(anOpenChannel(server, random), method, random.octets(random.below(20))),
    )
  },
  'a cancel of nobody': (server, random) => {
    const args = { consumerTag: 'nobody', noWait: random.chance(0.5) }
    server.sendOctets(methodFrame(server, anOpenChannel(server, random), { name: 'basic.cancel', args }))
  },
  'a cancel of every consumer, twice': server => {
    for (const { number, consumers } of server.channels.values()) {
      for (const consumerTag of consumers.keys()) {
        const args = { consumerTag, noWait: false }
        server.sendOctets(repeat(methodFrame(server, number, { name: 'basic.cancel', args }), 2))
      }
    }
  },

  // contents
  'a method inside a content': (server, random) => {
    const [method = NOTHING, header = NOTHING] = wireFramesIn(aDelivery(server, random))
    server.sendOctets(Buffer.concat(random.chance(0.5) ? [method, method] : [method, header, method]))
  },
  'a header without a method': (server, random) =>
    server.sendOctets(wireFrame(WIRE_HEADER, aChannel(server, random), contentHeader(random.below(10)))),
  'a body without a header': (server, random) =>
    server.sendOctets(wireFrame(WIRE_BODY, aChannel(server, random), random.octets(random.below(10)))),
  'a header twice': (server, random) => content(server, random, contentHeader(5), contentHeader(5)),
  'a body that is too long': (server, random) =>
    content(server, random, contentHeader(5), undefined, random.octets(random.between(6, 3_000))),
  'a body that never ends': (server, random) =>
    content(server, random, contentHeader(500), undefined, random.octets(10)),
  'a huge size claim': (server, random) => {
    // What is below the limit of a message is not refused; it must not be believed either.
    const beyond = random.pick([2n ** 31n, 2n ** 40n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])
    const size = random.chance(0.5) ? 100_000_000 : beyond
    content(server, random, contentHeader(size), undefined, random.octets(1_000))
  },
  'a body above the limit': (server, random) => {
    const body = random.octets(1_500)
    content(server, random, contentHeader(body.length), undefined, body)
  },
  'a strange content header': (server, random) => {
    const payload = contentHeader(5)
    payload.writeUInt16BE(random.pick([0, 10, 60, 65_535]), 0)
    payload.writeUInt16BE(random.pick([0, 1]), 2)
    payload.writeUInt16BE(random.pick([0, 1, 0x8000, 0xffff, 0xfffe]), 12)
    content(
      server,
      random,
      Buffer.concat([payload, random.octets(random.below(80))]),
      undefined,
      random.octets(5),
    )
  },
  'body frames of nothing': (server, random) => {
    const empty = wireFrame(WIRE_BODY, anOpenChannel(server, random), NOTHING)
    content(server, random, contentHeader(3))
    server.sendOctets(repeat(empty, random.between(1, 500)))
  },
  'contents of two channels mixed': (server, random) => {
    const one = wireFramesIn(aDelivery(server, random))
    const other = wireFramesIn(aDelivery(server, random))
    const isOne = one[0]?.readUInt16BE(1) === other[0]?.readUInt16BE(1)
    const mixed = isOne ? [...one, ...other] : one.flatMap((frame, index) => [frame, other[index] ?? NOTHING])
    server.sendOctets(Buffer.concat(mixed))
  },

  // frames and storms
  'a frame above the limit': (server, random) => {
    const frame = wireFrame(random.pick([1, 2, 3]), aChannel(server, random), random.octets(20))
    frame.writeUInt32BE(random.pick([131_073, MIB, 2 ** 31, 2 ** 32 - 1]), 3)
    server.sendOctets(frame)
  },
  'a heartbeat on a channel': (server, random) =>
    server.sendOctets(wireFrame(WIRE_HEARTBEAT, random.between(1, 65_535), NOTHING)),
  'a heartbeat with a payload': (server, random) =>
    server.sendOctets(wireFrame(WIRE_HEARTBEAT, 0, random.octets(random.between(1, 10)))),
  'a storm of heartbeats': server => server.sendOctets(repeat(server.codec.heartbeat(), 1_000)),
  'a storm of flow': (server, random) => {
    const channelNumber = anOpenChannel(server, random)
    for (let times = random.between(2, 60); times > 0; times--) {
      const args = { active: times % 2 === 1 }
      server.sendOctets(methodFrame(server, channelNumber, { name: 'channel.flow', args }))
    }
  },
  'a storm of flow, and no reading': (server, random) => {
    server.stopReading()
    const args = { active: true }
    const flow = methodFrame(server, anOpenChannel(server, random), { name: 'channel.flow', args })
    for (let times = 0; times < 10; times++) server.sendOctets(repeat(flow, 3_000))
  },
  'a storm of blocked': (server, random) => {
    for (let times = random.between(2, 60); times > 0; times--) server.setBlocked(times % 2 === 0)
  },
  'flow stopped for ever': (server, random) => {
    const args = { active: false }
    server.sendOctets(methodFrame(server, anOpenChannel(server, random), { name: 'channel.flow', args }))
  },
  'blocked for ever': server =>
    server.sendOctets(methodFrame(server, 0, { name: 'connection.blocked', args: { reason: '' } })),

  // closes
  'a close of a channel': (server, random) => {
    const channelNumber = anOpenChannel(server, random)
    const channel = server.channels.get(channelNumber)
    // Half of these know themselves what they have done, and send nothing more on the channel.
    if (channel !== undefined) channel.closing = random.chance(0.5)
    server.sendOctets(methodFrame(server, channelNumber, randomMethod(random, 'channel.close')))
  },
  'a close of every channel': (server, random) => {
    for (const channel of server.channels.values()) {
      channel.closing = true
      server.sendOctets(methodFrame(server, channel.number, randomMethod(random, 'channel.close')))
    }
  },
  'a close-ok of a channel, unasked': (server, random) =>
    server.sendOctets(
      methodFrame(server, anOpenChannel(server, random), { name: 'channel.close-ok', args: {} }),
    ),
  'a close of the connection': (server, random) =>
    server.sendOctets(methodFrame(server, 0, randomMethod(random, 'connection.close'))),
  'a close of the connection, and more behind it': (server, random) => {
    server.sendOctets(methodFrame(server, 0, randomMethod(random, 'connection.close')))
    server.sendOctets(Buffer.concat([aDelivery(server, random), random.octets(20)]))
  },
  'a close-ok of the connection, unasked': server =>
    server.sendOctets(methodFrame(server, 0, { name: 'connection.close-ok', args: {} })),

  // ends
  silence: server => {
    server.mute = true
  },
  'half a frame, then silence': (server, random) => {
    server.sendOctets(halfOf(aFrame(server, random), random))
    server.mute = true
  },
  'octets one by one': server => {
    server.slow = true
  },
  'no reading': server => server.stopReading(),
  'the end of the stream': server => server.end(),
  'half a frame, then the end': (server, random) => {
    server.sendOctets(halfOf(aFrame(server, random), random))
    server.end()
  },
  'a reset': server => server.reset(),
}

const CONTENTS = [
  'a delivery to nobody',
  'a delivery with a tag that was there',
  'a delivery with a strange tag',
  'a get-ok with a strange tag',
  'a cancel of every consumer, twice',
  'a method inside a content',
  'a header twice',
  'a body that is too long',
  'a body that never ends',
  'a huge size claim',
  'a body above the limit',
  'a strange content header',
  'body frames of nothing',
  'contents of two channels mixed',
]
const CONFIRMS = ['a confirm of no publish', 'a confirm of everything', 'confirms again and again']
/** What has its full effect in that state only. */
const FITTING: Readonly<Partial<Record<State, readonly string[]>>> = {
  consumers: CONTENTS,
  content: CONTENTS,
  get: CONTENTS,
  publishes: CONFIRMS,
}

/** One of them: each in its turn of the seeds, or one that fits the state, or any. */
export function pickMischief(random: Random, state: State, seed: number): string {
  const all = Object.keys(MISCHIEFS)
  const how = random.weighted({ turn: 2, fitting: 1, any: 1 })
  if (how === 'turn') return all[seed % all.length] as string
  return random.pick((how === 'fitting' ? FITTING[state] : undefined) ?? all)
}

const CONNECTION = SERVER_METHODS.filter(name => name.startsWith('connection.')) as MethodName[]

function corrupting(how: Parameters<typeof corruptFrame>[2]): Mischief {
  return (server, random) => server.sendOctets(corruptFrame(random, aFrame(server, random), how))
}
