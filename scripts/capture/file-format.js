// @ts-check
//
// The files in test/captures, as test/support/captures.ts reads them: octets in hexadecimal digits, line by line, each
// line with its direction, and comments for people.

import { HEARTBEAT, PROTOCOL_HEADER } from './octets.js'

const OCTETS_PER_LINE = 48

/** The command that writes all of them anew. */
export const COMMAND = 'npm run build:test && node scripts/capture.js'

/** The period of a large body's octets, which is written once: a prime, so that no frame ends where a period does. */
export const BODY_PERIOD = 251

/** AMQP 0-9-1 section 4.2.3: type, channel and size come before the payload, frame-end after it. */
const FRAME_HEADER = 7
const FRAME_OVERHEAD = 8

const METHOD_NAMES = new Map([
  ['000a000a', 'connection.start'],
  ['000a000b', 'connection.start-ok'],
  ['000a001e', 'connection.tune'],
  ['000a001f', 'connection.tune-ok'],
  ['000a0028', 'connection.open'],
  ['000a0029', 'connection.open-ok'],
  ['000a0032', 'connection.close'],
  ['000a0033', 'connection.close-ok'],
  ['000a003c', 'connection.blocked'],
  ['000a003d', 'connection.unblocked'],
  ['0014000a', 'channel.open'],
  ['0014000b', 'channel.open-ok'],
  ['00140028', 'channel.close'],
  ['00140029', 'channel.close-ok'],
  ['0032000a', 'queue.declare'],
  ['0032000b', 'queue.declare-ok'],
  ['00320028', 'queue.delete'],
  ['00320029', 'queue.delete-ok'],
  ['003c000a', 'basic.qos'],
  ['003c000b', 'basic.qos-ok'],
  ['003c0014', 'basic.consume'],
  ['003c0015', 'basic.consume-ok'],
  ['003c001e', 'basic.cancel'],
  ['003c0028', 'basic.publish'],
  ['003c0032', 'basic.return'],
  ['003c003c', 'basic.deliver'],
  ['003c0046', 'basic.get'],
  ['003c0047', 'basic.get-ok'],
  ['003c0048', 'basic.get-empty'],
  ['003c0050', 'basic.ack'],
  ['003c0078', 'basic.nack'],
  ['0055000a', 'confirm.select'],
  ['0055000b', 'confirm.select-ok'],
])

/**
 * @param {readonly import('./raw-client.js').Entry[]} transcript
 * @param {string} what
 * @param {string} version
 */
export function formatCapture(transcript, what, version) {
  const lines = [
    `# ${what}`,
    `# RabbitMQ ${version}. Written by: ${COMMAND}`,
    '# Lines with > are octets that the client sent, lines with < octets that RabbitMQ sent, in the order in which',
    '# the client saw them; (OCTETS)*N stands for the same octets N times.',
  ]
  for (const { direction, octets } of transcript) {
    lines.push('', `# ${describe(octets)}`, ...formatOctets(octets).map(digits => `${direction} ${digits}`))
  }
  return `${lines.join('\n')}\n`
}

/** @param {Buffer} octets a frame, or the protocol header */
function describe(octets) {
  const digits = octets.toString('hex')
  if (digits === PROTOCOL_HEADER) return 'protocol header'
  if (digits === HEARTBEAT) return 'heartbeat'
  if (octets[0] === 2) return 'content header'
  if (octets[0] === 3) return 'content body'
  const ids = octets.toString('hex', FRAME_HEADER, FRAME_HEADER + 4)
  return METHOD_NAMES.get(ids) ?? `method ${ids}`
}

/**
 * In lines; a body's period that repeats itself is written once.
 *
 * @param {Buffer} octets
 */
function formatOctets(octets) {
  const start = FRAME_HEADER
  const unit = octets.subarray(start, start + BODY_PERIOD)
  let times = 1
  while (unit.equals(octets.subarray(start + times * BODY_PERIOD, start + (times + 1) * BODY_PERIOD))) times++
  if (octets.length < FRAME_OVERHEAD + 2 * BODY_PERIOD || times === 1) return cut(octets)
  const rest = octets.subarray(start + times * BODY_PERIOD)
  return [octets.toString('hex', 0, start), `(${unit.toString('hex')})*${times}`, ...cut(rest)]
}

/** @param {Buffer} octets */
function cut(octets) {
  const lines = []
  for (let start = 0; start < octets.length; start += OCTETS_PER_LINE) {
    lines.push(octets.toString('hex', start, start + OCTETS_PER_LINE))
  }
  return lines
}
