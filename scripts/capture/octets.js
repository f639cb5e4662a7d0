// @ts-check
//
// What the client of scripts/capture.js says, in hexadecimal digits: frames written by hand from the tables of the AMQP
// 0-9-1 specification (section 4.2: frames and field types; 4.2.6: content) and RabbitMQ's extensions of it. Thump's
// codec has no part in it: fixtures made with the codec that they test would hide its mistakes.

export const PROTOCOL_HEADER = '414d515000000901'
export const HEARTBEAT = '08000000000000ce'

/** PLAIN, guest/guest, locale en_US, and one capability each. */
export const START_OK = startOk('basic.nack')
export const START_OK_BLOCKED = startOk('connection.blocked')
export const START_OK_CANCEL = startOk('consumer_cancel_notify')

/** channel-max 2047, frame-max 131072, heartbeat as told. */
export const TUNE_OK = '0100000000000c000a001f07ff00020000003cce'
export const TUNE_OK_HEARTBEAT_1 = '0100000000000c000a001f07ff000200000001ce'
export const OPEN = '01000000000008000a0028012f0000ce'
export const CONNECTION_CLOSE = '0100000000000b000a003200c80000000000ce'
export const CONNECTION_CLOSE_OK = '01000000000004000a0033ce'

export const CHANNEL_OPEN = '010001000000050014000a00ce'
export const CHANNEL_CLOSE = '0100010000000b0014002800c80000000000ce'
export const CHANNEL_CLOSE_OK = '0100010000000400140029ce'
export const QOS_100 = method('003c000a', '00000000', '0064', '00')
export const CONFIRM_SELECT = method('0055000a', '00')

/** A message without properties. */
export const NO_PROPERTIES = '0000'

/** Every field type that RabbitMQ knows, each once and `t` twice, the second time with an octet other than 01. */
const EVERY_FIELD = [
  '0000009c',
  '017474010274327402016262ff014242ff017373fffe017575fffe014949ffffffff016969ffffffff',
  '016c6cffffffffffffffff014c4cffffffffffffffff0166663fc000000164643ff8000000000000',
  '014444020000013a02446e4402ffffffff01535300000002686901787800000002ff00',
  '015454000000006553f1000146460000000401',
  '7a7400014141000000086201530000000171015656',
].join('')

/** All fourteen, in their order; user-id has to be the user who is logged in. */
export const ALL_PROPERTIES = [
  ...['fffc', short('ct'), short('ce'), EVERY_FIELD, '02', '05', short('cid'), short('rt'), short('60000')],
  ...[short('mid'), '000000006553f100', short('ty'), short('guest'), short('ap'), short('cl')],
].join('')

/** Of the 131072 octets of a frame that Tune allows, eight are the frame's own. */
const MAX_PAYLOAD = 131_064

/** @param {string} queue */
export function get(queue) {
  return method('003c0046', '0000', short(queue), '01')
}

/**
 * To the default exchange, as method, content header and body frames.
 *
 * @param {string} routingKey
 * @param {Buffer} body
 * @param {string} [properties] flags and values
 * @param {boolean} [mandatory]
 */
export function publish(routingKey, body, properties = NO_PROPERTIES, mandatory = false) {
  const frames = [
    method('003c0028', '0000', short(''), short(routingKey), mandatory ? '01' : '00'),
    frame('02', `003c0000${number(body.length, 8)}${properties}`),
  ]
  for (let start = 0; start < body.length; start += MAX_PAYLOAD) {
    frames.push(frame('03', body.toString('hex', start, start + MAX_PAYLOAD)))
  }
  return frames
}

/** @param {string} capability */
function startOk(capability) {
  const flags = `${short(capability)}7401`
  const capabilities = `${short('capabilities')}46${long(flags)}`
  const response = `00${ascii('guest')}00${ascii('guest')}`
  return frame(
    '01',
    `000a000b${long(capabilities)}${short('PLAIN')}${long(response)}${short('en_US')}`,
    '0000',
  )
}

/**
 * A method frame on channel 1.
 *
 * @param {readonly string[]} parts class and method id, arguments
 */
export function method(...parts) {
  return frame('01', parts.join(''))
}

/**
 * @param {string} type
 * @param {string} payload
 * @param {string} [channel]
 */
function frame(type, payload, channel = '0001') {
  return `${type}${channel}${number(payload.length / 2, 4)}${payload}ce`
}

/** @param {string} text */
export function short(text) {
  return number(text.length, 1) + ascii(text)
}

/** @param {string} digits the octets of a long string or a table */
export function long(digits) {
  return number(digits.length / 2, 4) + digits
}

/** @param {string} text */
export function ascii(text) {
  return Buffer.from(text, 'ascii').toString('hex')
}

/**
 * @param {number} value
 * @param {number} octets
 */
export function number(value, octets) {
  return value.toString(16).padStart(octets * 2, '0')
}
