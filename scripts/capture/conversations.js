// @ts-check
//
// What scripts/capture.js captures: the conversations, one for each file.

import { BODY_PERIOD } from './file-format.js'
import {
  ALL_PROPERTIES,
  ascii,
  CHANNEL_CLOSE,
  CHANNEL_CLOSE_OK,
  CHANNEL_OPEN,
  CONFIRM_SELECT,
  CONNECTION_CLOSE,
  CONNECTION_CLOSE_OK,
  get,
  HEARTBEAT,
  long,
  method,
  NO_PROPERTIES,
  number,
  publish,
  QOS_100,
  START_OK,
  START_OK_BLOCKED,
  START_OK_CANCEL,
  short,
  TUNE_OK,
  TUNE_OK_HEARTBEAT_1,
} from './octets.js'
import { consume, declare, openConnection } from './raw-client.js'

/** Where a method's arguments begin in its frame: after type, channel, size and the method's two ids. */
const ARGUMENTS_OFFSET = 11

/**
 * What to capture: the name of the file, what it shows, how far the connection is opened before the recording begins
 * ('nothing', 'connection', 'channel'), and the conversation.
 *
 * @type {readonly {
 *   name: string, what: string, after?: 'nothing' | 'connection' | 'channel', startOk?: string, tuneOk?: string,
 *   talk: (client: import('./raw-client.js').RawClient, node: any) => Promise<void>
 * }[]}
 */
export const CAPTURES = [
  {
    name: 'connection-open',
    what: 'Opening a connection: Start, Tune (2047, 131072, 60), Open-Ok.',
    after: 'nothing',
    talk: client => openConnection(client, START_OK, TUNE_OK),
  },
  {
    name: 'channel-open',
    what: 'Opening channel 1: Channel.Open-Ok with its reserved long string.',
    after: 'connection',
    talk: async client => {
      client.say(CHANNEL_OPEN)
      await client.hear()
    },
  },
  {
    name: 'queue-declare',
    what: 'Declaring an empty queue: Declare-Ok with its name and two counts.',
    talk: client => declare(client, 'declared'),
  },
  {
    name: 'basic-qos',
    what: 'A prefetch count of 100: Qos-Ok.',
    talk: async client => {
      client.say(QOS_100)
      await client.hear()
    },
  },
  {
    name: 'basic-consume',
    what: 'A consumer with the tag "t": Consume-Ok.',
    talk: async client => {
      await declare(client, 'consumed')
      await consume(client, 'consumed')
    },
  },
  {
    name: 'basic-deliver',
    what: 'A delivery with all 14 properties, and a header table with every field type, in the order it was sent.',
    talk: async client => {
      await declare(client, 'delivered')
      await consume(client, 'delivered')
      client.say(...publish('delivered', Buffer.from('abc'), ALL_PROPERTIES))
      await client.hear(3)
    },
  },
  {
    name: 'basic-deliver-empty',
    what: 'A delivery of a message without properties and without a body: no body frame follows its header.',
    talk: async client => {
      await declare(client, 'delivered-empty')
      await consume(client, 'delivered-empty')
      client.say(...publish('delivered-empty', Buffer.alloc(0)))
      await client.hear(2)
    },
  },
  {
    name: 'basic-deliver-large',
    what: 'A delivery of 140 000 octets, each its offset modulo 251, in two body frames (131 064 and 8 936).',
    talk: async client => {
      await declare(client, 'delivered-large')
      await consume(client, 'delivered-large')
      client.say(
        ...publish(
          'delivered-large',
          Buffer.from(Array.from({ length: 140_000 }, (_, i) => i % BODY_PERIOD)),
        ),
      )
      await client.hear(4)
    },
  },
  {
    name: 'basic-get',
    what: 'Getting a message, then getting from the empty queue: Get-Ok with its content, Get-Empty.',
    talk: async client => {
      await declare(client, 'got')
      client.say(...publish('got', Buffer.from('abc')), get('got'))
      await client.hear(3)
      client.say(get('got'))
      await client.hear()
    },
  },
  {
    name: 'basic-return',
    what: 'A mandatory message that no queue takes, on a confirm channel: Return 312 with its content, then Ack.',
    talk: async client => {
      client.say(CONFIRM_SELECT)
      await client.hear()
      client.say(...publish('no such queue', Buffer.from('abc'), NO_PROPERTIES, true))
      await client.hear(4)
    },
  },
  {
    name: 'basic-ack',
    what: 'Twenty messages on a confirm channel, published in one write: Acks, single and multiple as it happens.',
    talk: async client => {
      await declare(client, 'confirmed')
      client.say(CONFIRM_SELECT)
      await client.hear()
      client.say(...Array.from({ length: 20 }, () => publish('confirmed', Buffer.from('abc'))).flat())
      for (let confirmed = 0; confirmed < 20; ) {
        const [ack] = await client.hear()
        if (ack === undefined) throw new Error('no frame')
        const tag = Number(ack.readBigUInt64BE(ARGUMENTS_OFFSET))
        confirmed = ack.readUInt8(ARGUMENTS_OFFSET + 8) === 1 ? tag : confirmed + 1
      }
    },
  },
  {
    name: 'basic-nack',
    what: 'Three messages to a queue that holds one and rejects the rest, on a confirm channel: Ack and Nacks.',
    talk: async client => {
      const limit = `${short('x-max-length')}49${number(1, 4)}`
      const overflow = `${short('x-overflow')}53${long(ascii('reject-publish'))}`
      await declare(client, 'limited', long(limit + overflow))
      client.say(CONFIRM_SELECT)
      await client.hear()
      for (let published = 0; published < 3; published++) {
        client.say(...publish('limited', Buffer.from('abc')))
        await client.hear()
      }
    },
  },
  {
    name: 'basic-cancel',
    what: 'A queue with a consumer is deleted: RabbitMQ cancels the consumer.',
    startOk: START_OK_CANCEL,
    talk: async client => {
      await declare(client, 'deleted')
      await consume(client, 'deleted')
      client.say(method('00320028', '0000', short('deleted'), '00'))
      await client.hear(2)
    },
  },
  {
    name: 'channel-close',
    what: 'The client closes the channel with 200: Channel.Close-Ok.',
    talk: async client => {
      client.say(CHANNEL_CLOSE)
      await client.hear()
    },
  },
  {
    name: 'channel-close-404',
    what: 'A passive declaration of a queue that is not there: Channel.Close 404, naming queue.declare.',
    talk: async client => {
      client.say(method('0032000a', '0000', short('missing'), '01', '00000000'))
      await client.hear()
      client.say(CHANNEL_CLOSE_OK)
    },
  },
  {
    name: 'channel-close-406',
    what: 'An acknowledgement of a delivery that never was: Channel.Close 406, naming basic.ack.',
    talk: async client => {
      client.say(method('003c0050', '0000000000000001', '00'))
      await client.hear()
      client.say(CHANNEL_CLOSE_OK)
    },
  },
  {
    name: 'connection-close',
    what: 'The client closes the connection with 200: Connection.Close-Ok.',
    after: 'connection',
    talk: async client => {
      client.say(CONNECTION_CLOSE)
      await client.hear()
    },
  },
  {
    name: 'connection-close-operator',
    what: 'An operator closes the connection with the text "bye": Connection.Close 320.',
    talk: async (client, node) => {
      await node.closeConnections('bye')
      await client.hear()
      client.say(CONNECTION_CLOSE_OK)
    },
  },
  {
    name: 'connection-blocked',
    what: 'A publish while the memory alarm is in force, and the end of the alarm: Blocked, Unblocked.',
    startOk: START_OK_BLOCKED,
    talk: async (client, node) => {
      await node.block()
      client.say(...publish('no such queue', Buffer.from('abc')))
      await client.hear()
      await node.unblock()
      await client.hear()
    },
  },
  {
    name: 'heartbeat',
    what: 'Three heartbeats of an idle connection with a heartbeat interval of 1 s; the client sends its own.',
    after: 'connection',
    tuneOk: TUNE_OK_HEARTBEAT_1,
    talk: async client => {
      for (let beats = 0; beats < 3; beats++) {
        await client.hear()
        client.say(HEARTBEAT)
      }
    },
  },
]
