// The states in which a state machine is met by octets that nobody planned, and how it gets there: with what it has asked, and
// what the peer has said so far. What the peer says is encoded once.

import type { ChannelProtocol } from '../../../src/protocol/channel-protocol.js'
import type { CallName, Method, MethodOf } from '../../../src/protocol/method-types.js'
import { PeerCodec } from '../../support/peer/peer-codec.js'
import type { Machine } from './machine.js'

const PEER = new PeerCodec()
const method = (channelNumber: number, name: Method['name'], args: object): Buffer =>
  PEER.method(channelNumber, { name, args } as Method)

const START = method(0, 'connection.start', {
  versionMajor: 0,
  versionMinor: 9,
  serverProperties: { product: 'peer', capabilities: { 'basic.nack': true } },
  mechanisms: Buffer.from('PLAIN'),
  locales: Buffer.from('en_US'),
})
const TUNE = method(0, 'connection.tune', { channelMax: 8, frameMax: 8192, heartbeat: 10 })
const OPEN_OK = method(0, 'connection.open-ok', {})
const HANDSHAKE = Buffer.concat([START, TUNE, OPEN_OK])
const BLOCKED = method(0, 'connection.blocked', { reason: 'low on memory' })
const VIOLATION = Buffer.of(4, 0, 0, 0)
const CHANNELS = [1, 2, 3]
const CHANNELS_OPEN = Buffer.concat(CHANNELS.map(number => method(number, 'channel.open-ok', {})))
const CONSUMING = Buffer.concat(['a', 'b'].map(consumerTag => method(1, 'basic.consume-ok', { consumerTag })))
const CONFIRMING = method(2, 'confirm.select-ok', {})
const TRANSACTING = method(3, 'tx.select-ok', {})
const DELIVERIES = Buffer.concat(
  [1, 2, 3].map(deliveryTag => {
    const args = {
      consumerTag: deliveryTag === 2 ? 'b' : 'a',
      deliveryTag,
      redelivered: false,
      exchange: '',
      routingKey: 'q',
    }
    return PEER.content(1, { name: 'basic.deliver', args }, Buffer.from('body'), { messageId: 'm' })
  }),
)
/** So many answers to it are more than may wait. */
const FLOOD = Buffer.concat(new Array(1200).fill(method(1, 'channel.flow', { active: true })))

function open(machine: Machine): void {
  machine.settle()
  machine.receive(HANDSHAKE)
}

function call<M extends CallName>(
  machine: Machine,
  channel: ChannelProtocol,
  name: M,
  args: MethodOf<M>['args'],
): void {
  machine.command(name, token => channel.call({ name, args } as MethodOf<CallName>, token, machine.now))
}

/** Channels 1 (plain), 2 (with confirms) and 3 (with transactions) are open and idle. */
function openChannels(
  machine: Machine,
): [plain: ChannelProtocol, confirming: ChannelProtocol, tx: ChannelProtocol] {
  open(machine)
  for (const number of CHANNELS) {
    machine.command(`channel.open ${number}`, token => {
      machine.channels.push(machine.protocol.openChannel({}, 5, token, machine.now))
    })
  }
  machine.receive(CHANNELS_OPEN)
  return machine.channels as [ChannelProtocol, ChannelProtocol, ChannelProtocol]
}

/** Consumers with deliveries, calls, publishes and a transaction, all of them waiting for something. */
function work(machine: Machine): void {
  const [plain, confirming, tx] = openChannels(machine)
  const flags = { exclusive: false, noWait: false, arguments: {}, queue: 'q', prefetch: undefined }
  for (const [consumerTag, noAck] of [
    ['a', false],
    ['b', true],
  ] as const) {
    machine.command('basic.consume', token => {
      plain.consume({ ...flags, consumerTag, noAck, consumer: { consumerTag } }, token, machine.now)
    })
  }
  call(machine, confirming, 'confirm.select', { noWait: false })
  call(machine, tx, 'tx.select', {})
  machine.receive(CONSUMING)
  machine.receive(CONFIRMING)
  machine.receive(TRANSACTING)
  machine.receive(DELIVERIES)
  call(machine, plain, 'queue.purge', { queue: 'q', noWait: false })
  call(machine, plain, 'basic.get', { queue: 'q', noAck: false })
  call(machine, tx, 'tx.commit', {})
  for (let count = 0; count < 7; count++) publish(machine, confirming, `${count}`, count % 2 === 0)
  publish(machine, plain, 'p', true)
  machine.command('waitForConfirms', token => confirming.awaitConfirms(token, machine.now))
}

export function publish(
  machine: Machine,
  channel: ChannelProtocol,
  routingKey: string,
  mandatory: boolean,
): void {
  const message = {
    exchange: '',
    routingKey,
    mandatory,
    properties: { messageId: routingKey },
    body: Buffer.from('body'),
  }
  machine.command(`publish ${routingKey}`, token => {
    // On a plain channel nothing more comes of one that was sent at once.
    return channel.publish(message, token, machine.now) === 'queued' || channel.confirming
  })
}

function atWork(more: (machine: Machine) => void): (machine: Machine) => void {
  return machine => {
    work(machine)
    more(machine)
  }
}

/** By name, in about the order of a life. */
export const STAGES: Readonly<Record<string, (machine: Machine) => void>> = {
  awaitingStart: machine => machine.settle(),
  awaitingTune: machine => machine.receive(START),
  awaitingOpenOk: machine => machine.receive(Buffer.concat([START, TUNE])),
  open,
  'open, with idle channels': openChannels,
  'at work': work,
  'at work, without a socket that takes': machine => {
    openChannels(machine)
    machine.reads = false
  },
  'flooded with answers': atWork(machine => {
    machine.reads = false
    machine.receive(FLOOD)
  }),
  blocked: atWork(machine => machine.receive(BLOCKED)),
  'in the middle of a content': atWork(machine => machine.receive(DELIVERIES.subarray(0, 60))),
  'recovering deliveries': machine => {
    const [plain, confirming] = openChannels(machine)
    for (const channel of [plain, confirming]) call(machine, channel, 'basic.recover', { requeue: true })
    call(machine, plain, 'basic.cancel', { consumerTag: 'a', noWait: false })
  },
  'with a new secret': machine => {
    open(machine)
    machine.command('update-secret', token =>
      machine.protocol.updateSecret(Buffer.of(1), '', token, machine.now),
    )
    machine.command('update-secret', token =>
      machine.protocol.updateSecret(Buffer.of(2), '', token, machine.now),
    )
  },
  'closing channels': atWork(machine => {
    for (const channel of machine.channels) machine.tell('channel.close', () => channel.close(machine.now))
  }),
  'with given up channels': atWork(machine => machine.advance(1_200)),
  draining: atWork(machine => machine.tell('close', () => machine.protocol.close(machine.now))),
  closing: machine => {
    openChannels(machine)
    machine.tell('close', () => machine.protocol.close(machine.now))
  },
  'closing late': atWork(machine => {
    machine.tell('close', () => machine.protocol.close(machine.now))
    machine.advance(450)
  }),
  ending: atWork(machine => {
    machine.reads = false
    machine.receive(VIOLATION)
  }),
  closed: atWork(machine => machine.cut()),
}
